"""Triggers on a database: each time, and each event, starts one execution, whoever dies in between."""

import asyncio
import random
import signal
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from domain import workflow
from domain.execution import ExecutionStarted
from domain.facts import Json
from domain.trigger import TRIGGER, Trigger, TriggerFired, id_of
from domain.workflow import Checked
from engine.triggers import commands, publishing
from projections.verify import verify
from store.command import Command
from tests.conftest import Database
from tests.engine.drawing import drawing
from tests.engine.triggering import HOURLY, WAITS
from tests.worker.house import PATIENCE, WHO, House, at_work, house, worker_of
from tests.worker.test_events import come
from tests.worker.test_killed import started, stopped

INSTANT: dict[str, Any] = {"s": "start", "e": ("end", {"output": "=input"})}
NOW = "UPDATE runtime.timers SET due_at = clock_timestamp() WHERE owner_kind = 'trigger' AND kind = 'clock'"


def faultless(_definition: Json) -> Checked:
    return Checked()


async def publish(home: House, *triggers: Json, nodes: dict[str, Any] = INSTANT) -> UUID:
    """The workflow's id."""
    workflow_id = uuid4()
    edges = ("s > w", "w > e") if nodes is WAITS else ("s > e",)
    definition = {**drawing(nodes, *edges, triggers=list(triggers)), "key": f"w-{workflow_id.hex}"}
    await home.handler.handle(
        Command(home.tenant_id, "workflow.draft", WHO), lambda view: workflow.draft(view, workflow_id, definition)
    )
    await home.handler.handle(
        Command(home.tenant_id, "workflow.publish", WHO), lambda view: publishing.publish(view, workflow_id, faultless)
    )
    return workflow_id


async def trigger(home: House, trigger_id: UUID) -> Trigger:
    return (await home.handler.read(home.tenant_id, TRIGGER, trigger_id))[0]


async def runs(home: House) -> list[ExecutionStarted]:
    return [record.event for record in await home.events() if isinstance(record.event, ExecutionStarted)]


async def sound(home: House) -> None:
    async with await psycopg.AsyncConnection.connect(home.database.system_url, autocommit=True) as conn:
        broken = (await verify(conn, home.tenant_id)).broken
    assert (broken["ledger"], broken["claims"], broken["timers"], broken["jobs"]) == ([], [], [], [])


async def test_each_time_of_a_schedule_starts_one_execution_by_two_workers(database: Database) -> None:
    async with house(database) as home, worker_of(database) as one, worker_of(database) as other:
        workflow_id = await publish(home, HOURLY)
        trigger_id = id_of(workflow_id, "schedule")
        async with at_work(one), at_work(other):
            for _ in range(8):
                before = (await trigger(home, trigger_id)).turn

                async def moved(before: int = before) -> bool:
                    home.sql(NOW)
                    home.sql("SELECT pg_notify('gesta_timers', '')")
                    return (await trigger(home, trigger_id)).turn > before

                await home.until(moved)
        times = [event.scheduled_at for event in await runs(home)]
        assert len(times) >= 7
        assert len(set(times)) == len(times)
        assert times == sorted(times, key=str)
        actors = {
            (record.envelope.actor_type, record.envelope.actor_id)
            for record in await home.events()
            if isinstance(record.event, ExecutionStarted)
        }
        assert actors == {("schedule", str(trigger_id))}
        assert await home.topics("command.refused") == []


@pytest.mark.parametrize(
    "failpoint",
    [
        "worker.timer_found:2",
        "worker.timer_fired:1",
        pytest.param("worker.timer_fired:2", marks=pytest.mark.nightly),
        pytest.param("at random", marks=pytest.mark.nightly),
    ],
)
async def test_a_worker_killed_around_a_firing_leaves_one_execution_for_each_time(
    database: Database, tmp_path: Path, failpoint: str
) -> None:
    randomly = random.Random(7)
    async with house(database) as home:
        workflow_id = await publish(home, {**HOURLY, "overlap": "buffer_all"})
        trigger_id = id_of(workflow_id, "schedule")

        async def fired() -> bool:
            home.sql(NOW)
            home.sql("SELECT pg_notify('gesta_timers', '')")
            return len(await runs(home)) >= 3

        if failpoint == "at random":
            for _ in range(4):
                victim = await started(database, tmp_path / "calls")
                home.sql(NOW)
                home.sql("SELECT pg_notify('gesta_timers', '')")
                await asyncio.sleep(randomly.uniform(0.0, 0.15))  # anywhere between finding the timer and resting again
                victim.kill()
                await asyncio.wait_for(victim.communicate(), PATIENCE)
        else:
            victim = await started(database, tmp_path / "calls", failpoint)
            async with asyncio.timeout(PATIENCE):
                while victim.returncode is None:
                    home.sql(NOW)
                    home.sql("SELECT pg_notify('gesta_timers', '')")
                    await asyncio.wait([asyncio.ensure_future(victim.wait())], timeout=0.05)
            assert victim.returncode == -signal.SIGKILL
        survivor = await started(database, tmp_path / "calls")
        await home.until(fired)
        assert await stopped(survivor) == 0
        times = [event.scheduled_at for event in await runs(home)]
        assert len(set(times)) == len(times)
        hours = sorted(at for at in times if at is not None)
        assert {later - earlier for earlier, later in pairwise(hours)} == {hours[1] - hours[0]}
        assert (await trigger(home, trigger_id)).waiting == ()
        assert home.sql("SELECT count(*) FROM runtime.timers WHERE owner_kind = 'trigger'") == [(1,)]


async def test_what_waits_is_started_when_the_one_before_it_is_over(database: Database) -> None:
    async with house(database) as home, worker_of(database) as one, worker_of(database) as other:
        workflow_id = await publish(home, {**HOURLY, "overlap": "buffer_all"}, nodes=WAITS)
        trigger_id = id_of(workflow_id, "schedule")
        now = home.sql("SELECT clock_timestamp() - interval '1 second'")[0][0]
        start = home.sql("SELECT clock_timestamp() - interval '5 hours'")[0][0]
        await home.handler.handle(
            Command(home.tenant_id, "trigger.backfill", WHO), lambda view: commands.backfill(view, trigger_id, start, now)
        )
        async with at_work(one), at_work(other):
            for number in range(1, 6):

                async def begun(number: int = number) -> bool:
                    return len(await runs(home)) == number

                await home.until(begun)
                home.sql("UPDATE runtime.timers SET due_at = clock_timestamp() WHERE owner_kind = 'execution'")
                home.sql("SELECT pg_notify('gesta_timers', '')")

            async def over() -> bool:
                return len(await home.topics("execution.completed")) == 5

            await home.until(over)
        times = [event.scheduled_at for event in await runs(home)]
        assert len(times) == 5
        assert times == sorted(times, key=str)
        assert (await trigger(home, trigger_id)).waiting == ()
        await sound(home)


async def test_an_event_wakes_those_who_wait_and_starts_executions_once(database: Database) -> None:
    async with house(database) as home, worker_of(database) as one, worker_of(database) as other:
        await come(home, "before", "0")
        for number in range(12):
            await publish(home, {"type": "event", "event_type": "paid", "input": {"order": "=event.data.order", "n": number}})
        await publish(home, {"type": "event", "event_type": "paid", "when": "event.data.order == 'B'"})
        await asyncio.gather(come(home, "A", "1"), come(home, "A", "1"), come(home, "A", "2"))
        async with at_work(one), at_work(other):

            async def told() -> bool:
                return len(await home.topics("event.delivered")) == 3

            await home.until(told)
        inputs = sorted((event.input["n"], event.trigger_data["id"]) for event in await runs(home))
        assert inputs == sorted((number, id) for number in range(12) for id in ("1", "2"))
        delivered = [record for record in await home.events() if record.topic == "event.delivered.v1"]
        assert sorted(record.event.started for record in delivered) == [0, 12, 12]  # type: ignore[attr-defined]
        assert await home.topics("command.refused") == []
        await sound(home)


async def test_who_dies_while_starting_is_followed_by_another(database: Database, tmp_path: Path) -> None:
    async with house(database) as home:
        for _ in range(12):
            await publish(home, {"type": "event", "event_type": "paid"})
        await come(home, "A", "1")
        victim = await started(database, tmp_path / "calls", "worker.event_started")
        assert await asyncio.wait_for(victim.wait(), PATIENCE) == -signal.SIGKILL
        assert len(await runs(home)) == 10
        home.lapse_all()
        survivor = await started(database, tmp_path / "calls")

        async def told() -> bool:
            return len(await home.topics("event.delivered")) == 1

        await home.until(told)
        assert await stopped(survivor) == 0
        assert len(await runs(home)) == 12
        await sound(home)


async def test_workflows_that_start_each_other_by_events_come_to_an_end(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One emits in a child, the other in an item of a list: both go by the event that started them."""
    monkeypatch.setattr("engine.triggers.arriving.MOST_DEPTH", 5)
    emits = {"id": "m", "type": "emit", "config": {"event_type": "ping"}}
    by_child = ("workflow", {"workflow_key": "child"})
    by_item = ("foreach", {"items": "=[1]", "body": {"nodes": [emits], "edges": []}})
    async with house(database) as home, worker_of(database) as worker:
        await drawn(home, "child", ("emit", {"event_type": "pong"}))
        pinged = await drawn(home, "pinged", by_child, {"type": "event", "event_type": "ping"})
        ponged = await drawn(home, "ponged", by_item, {"type": "event", "event_type": "pong"})
        async with at_work(worker):
            await come(home, "A", type="ping")

            async def over() -> bool:
                return "trigger.fired.v1" in await home.topics("trigger")

            await home.until(over)
        started = [event for event in await runs(home) if event.trigger_type == "event"]
        assert [(event.workflow_id, event.event_depth) for event in started] == [
            (pinged, None),
            (ponged, 1),
            (pinged, 2),
            (ponged, 3),
            (pinged, 4),
            (ponged, 5),
        ]
        (fired,) = [record.event for record in await home.events() if isinstance(record.event, TriggerFired)]
        assert (fired.outcome, fired.code) == ("failed", "too_deep")


async def drawn(home: House, key: str, node: tuple[str, Json], *triggers: Json) -> UUID:
    """A workflow of one node between start and end."""
    workflow_id = uuid4()
    definition = {**drawing({"s": "start", "n": node, "e": "end"}, "s > n", "n > e", triggers=list(triggers)), "key": key}
    await home.handler.handle(
        Command(home.tenant_id, "workflow.draft", WHO), lambda view: workflow.draft(view, workflow_id, definition)
    )
    await home.handler.handle(
        Command(home.tenant_id, "workflow.publish", WHO), lambda view: publishing.publish(view, workflow_id, faultless)
    )
    return workflow_id
