"""Events on a database: every wait that was there is told, once, whoever dies or fails in between."""

import asyncio
from typing import Any
from uuid import uuid4

import psycopg

from domain.event import EventReceived
from domain.facts import Json
from engine.events import receive
from projections.verify import verify
from store.command import Command, CommandResult
from store.topics import topic_of
from tests.conftest import Database
from tests.engine.drawing import drawing
from tests.worker.house import WHO, House, at_work, house, worker_of
from tests.worker.test_failing_work import spoil
from worker.maintenance import fire_timers


def paid(lookback: str | None = None, **fields: Json) -> Json:
    config = {"event_type": "paid", "when": "event.data.order == input.order"} | ({"lookback": lookback} if lookback else {})
    end, late = ("end", {"output": "=nodes.w.output.id"}), ("end", {"output": "=nodes.w.error.type"})
    nodes: dict[str, Any] = {"s": "start", "w": ("wait_event", config, fields), "e": end, "late": late}
    return drawing(nodes, "s > w", "w > e", "w.error > late", "w.timeout > late")


async def come(home: House, order: str, id: str | None = None, type: str = "paid") -> CommandResult:
    name = id or str(uuid4())
    return await home.handler.handle(
        Command(home.tenant_id, "event.receive", WHO),
        lambda view: receive(view, source="shop", id=name, type=type, data={"order": order}),
    )


async def test_every_wait_that_matches_is_told_once_by_two_workers(database: Database) -> None:
    async with house(database) as home, worker_of(database) as one, worker_of(database) as other:
        mine = [await home.start(paid(), {"order": "A"}) for _ in range(12)]
        others = await home.start(paid(), {"order": "B"})
        await asyncio.gather(come(home, "A", "1"), come(home, "A", "1"), come(home, "A", "2"))
        async with at_work(one), at_work(other):
            ended = [await home.ended(execution) for execution in mine]
            await home.until(lambda: told(home, 2))
        assert {state.status for state in ended} == {"completed"}
        assert (await home.state(others)).status == "running"
        assert len(await home.topics("execution.completed")) == len(mine)
        assert await home.topics("command.refused") == []
        assert home.sql("SELECT count(*) FROM runtime.claims WHERE scope = 'event.wait:paid'") == [(1,)]
        async with await psycopg.AsyncConnection.connect(database.system_url, autocommit=True) as conn:
            broken = (await verify(conn, home.tenant_id)).broken
        assert broken["jobs"] == []
        assert [each for each in broken["claims"] if "event.wait" in each] == []


async def told(home: House, count: int) -> bool:
    return len(await home.topics("event.delivered")) == count


async def test_an_event_reaches_who_began_to_wait_in_the_same_command_and_not_who_began_after_it(database: Database) -> None:
    hear, emit = ("wait_event", {"event_type": "paid"}), ("emit", {"event_type": "paid"})
    nodes: dict[str, Any] = {
        "s": "start",
        "early": hear,
        "x": emit,
        "late": hear,
        "end": ("end", {"output": "early"}),
        "no": "end",
    }
    definition = drawing(nodes, "s > early", "s > x", "x > late", "early > end", "late > no")
    async with house(database) as home, worker_of(database) as worker, at_work(worker):
        execution = await home.start(definition)
        await home.until(lambda: told(home, 1))
        state = await home.state(execution)
        assert [each.node_id for each in state.activations.values()] == ["late"]
        assert state.output == "early"


async def test_only_later_events_count_but_for_one_that_looks_back(database: Database) -> None:
    async with house(database) as home, worker_of(database) as worker:
        await come(home, "A", "before")
        later, back = await home.start(paid(), {"order": "A"}), await home.start(paid("PT1H"), {"order": "A"})
        async with at_work(worker):
            assert (await home.ended(back)).status == "completed"
            await home.until(lambda: told(home, 1))
            assert (await home.state(later)).status == "running"
            await come(home, "A", "after")
            assert (await home.ended(later)).status == "completed"


async def test_a_look_back_reaches_no_further_than_it_says_and_ends(database: Database) -> None:
    async with house(database) as home, worker_of(database) as worker:
        await come(home, "A")
        await home.until(lambda: older(home))
        execution = await home.start(paid("PT0.01S"), {"order": "A"})
        async with at_work(worker):
            await home.until(lambda: told(home, 1))
            await home.until(lambda: no_jobs(home))
        state = await home.state(execution)
        assert [wait.kind for each in state.activations.values() for wait in each.waits] == ["event"]


async def older(home: House) -> bool:
    return home.sql("SELECT max(recorded_at) < clock_timestamp() - interval '0.05 seconds' FROM ledger.events") == [(True,)]


async def no_jobs(home: House) -> bool:
    return home.jobs() == []


async def test_one_that_cannot_be_told_keeps_nobody_else_from_it(database: Database) -> None:
    async with house(database) as home, worker_of(database) as worker:
        first, broken, last = [await home.start(paid(), {"order": "A"}) for _ in range(3)]
        spoil(home, broken)
        await come(home, "A")
        async with at_work(worker):
            assert {(await home.ended(first)).status, (await home.ended(last)).status} == {"completed"}
            await home.until(lambda: failing(home))
        assert home.sql("SELECT count(*) FROM ledger.events WHERE topic = 'event.delivered.v1'") == [(0,)]


async def failing(home: House) -> bool:
    return home.sql("SELECT count(*) FROM runtime.jobs WHERE type = 'gesta.event' AND error IS NOT NULL") == [(1,)]


async def test_who_dies_between_telling_and_saying_so_is_followed_by_another(database: Database) -> None:
    async with house(database) as home, worker_of(database) as worker:
        executions = [await home.start(paid(), {"order": "A"}) for _ in range(3)]
        await come(home, "A")
        home.sql("SELECT FROM runtime.lease_jobs('{gesta.event}', 9, 60, 'gone', NULL, '00000000-0000-0000-0000-000000000000')")
        home.lapse_all()
        async with at_work(worker):
            for execution in executions:
                await home.ended(execution)
            await home.until(lambda: told(home, 1))
        assert len(await home.topics("execution.completed")) == 3


async def test_an_event_against_its_timeout_comes_to_one_end(database: Database) -> None:
    async with house(database) as home, worker_of(database) as one, worker_of(database) as other:
        executions = [await home.start(paid(timeout="PT5M"), {"order": "A"}) for _ in range(8)]
        async with at_work(one):
            home.sql("UPDATE runtime.timers SET due_at = clock_timestamp()")
            await asyncio.gather(come(home, "A"), fire_timers(other.context), fire_timers(other.context))
            outputs = [(await home.ended(execution)).status for execution in executions]
            await home.until(lambda: told(home, 1))
        assert outputs == ["completed"] * 8
        assert len(await home.topics("execution.completed")) == 8
        assert home.sql("SELECT count(*) FROM runtime.timers") == [(0,)]
        assert home.sql("SELECT count(*) FROM runtime.claims WHERE scope = 'event.wait:paid'") == [(0,)]


def test_the_index_knows_the_topic() -> None:
    """A new version of it needs a migration, and a look at `store.subscriptions`."""
    assert topic_of(EventReceived) == "event.received.v1"
