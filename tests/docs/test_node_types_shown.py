"""The node types that the how-to shows are those files and nothing else: here they are made, published, run and killed."""

import asyncio
import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from domain.execution import ActivationStarted, ActivationWaiting, Wait
from domain.facts import Decided, Due, Fact, Json, timer_id
from domain.retry import Failure
from domain.workflow import WorkflowDrafted, WorkflowPublished
from engine.engine import Engine, pause, resume, start
from engine.jobs import JobRef
from engine.nodes import BY_NAME
from engine.nodes.kind import NodeType
from engine.validate import validate
from projections.verify import verify
from store.command import Command
from store.jobs import LeasedJob
from tests.conftest import Database
from tests.engine.drawing import EVALUATOR, EXECUTION_ID, drawing
from tests.engine.working import Workplace, check_work
from tests.worker.house import WHO, ScriptedProvider, at_work, house
from worker.maintenance import fire_timers
from worker.worker import open_worker

PAGE = Path(__file__).parents[2] / "docs/how-to/add-a-node-type.md"
HOUR = timedelta(hours=1)
FAILURE = Failure("broken", "It broke.")
HEDGED = {"job_type": "fast", "second": "slow", "after": "PT1H", "input": "=input"}


def shown(number: int, name: str) -> NodeType:
    source = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)[number]
    namespace: dict[str, Any] = {}
    exec("\n".join(line.removeprefix("    ") if number == 0 else line for line in source.splitlines()), namespace)
    made: NodeType = namespace[name]
    return made


TYPES = {**BY_NAME, "count": shown(0, "COUNT"), "hedge": shown(1, "HEDGE")}
ENGINE = Engine(EVALUATOR, node_types=TYPES)


def hedge(**fields: Json) -> Json:
    end = ("end", {"output": "=nodes.h.output"})
    late = ("end", {"output": "=nodes.h.error.type"})
    nodes = {"start": "start", "h": ("hedge", HEDGED, fields), "end": end, "late": late}
    return drawing(nodes, "start > h", "h > end", "h.error > late", "h.timeout > late")


def played(definition: Json, input: Json = None) -> Workplace:
    assert [each for each in validate(definition, EVALUATOR, TYPES) if each.severity == "error"] == []
    place = Workplace(definition)
    place.engine = Engine(EVALUATOR, node_types=TYPES)  # a cache of plans of its own
    place.start(input)
    return place


def jobs(place: Workplace) -> dict[str, JobRef]:
    return {job.type: JobRef(job.id, 1, job.execution_id, job.activation_id) for job in place.story.jobs.values()}


def test_a_node_that_is_done_at_once() -> None:
    counting = ("count", {"items": "=input.items"})
    definition = drawing({"start": "start", "c": counting, "end": ("end", {"output": "=nodes.c.output"})}, "start > c", "c > end")
    played(definition, {"items": [1, 2, 3]}).completed(3)


def test_a_node_that_waits_for_a_job_and_a_timer_says_so_in_its_events() -> None:
    place = played(hedge(timeout="P1D"), 7)
    visit, job = place.visit("h"), jobs(place)["fast"]
    begun = [event for event in place.view.events(EXECUTION_ID) if isinstance(event, ActivationStarted)][-1]
    second, timeout = timer_id(visit.id, "second"), timer_id(visit.id, "timeout")
    assert begun.waits == (
        Wait("job", job.id, "fast"),
        Wait("timer", second, "second", Due(HOUR)),
        Wait("timer", timeout, "timeout", Due(24 * HOUR)),
    )
    assert [item["kind"] for item in place.open] == ["task"]
    check_work(place)
    place.fire("h", "second")
    other = jobs(place)["slow"]
    assert place.story.decided.facts[0].event == ActivationWaiting(visit.id, "h", (Wait("job", other.id, "slow"),), (second,))
    assert place.story.decided.dropped_timers == (second,)
    assert {item["id"] for item in place.open} == {str(job.id), str(other.id)}
    check_work(place)
    place.complete_held(other, "by the other").completed("by the other")
    check_work(place)


def test_what_fails_alone_does_not_end_it() -> None:
    place = played(hedge())
    place.fail_held(jobs(place)["fast"], FAILURE)
    check_work(place)
    assert place.open == []
    place.fire("h", "second")
    place.fail_held(jobs(place)["slow"], FAILURE).completed("broken")
    check_work(place)


def test_its_timeout_takes_everything_back() -> None:
    place = played(hedge(timeout="P1D"))
    place.fire("h", "second").expire("h").completed("timeout")
    check_work(place)


def test_a_pause_moves_each_of_its_timers_and_those_set_after_it_are_as_new() -> None:
    place = played(hedge(timeout="P1D"))
    place.step(lambda view: pause(view, place.engine, EXECUTION_ID)).step(lambda view: resume(view, place.engine, EXECUTION_ID))
    visit = place.visit("h")
    assert [visit.moved[id] for id in visit.waits_for("timer")] == [1, 1]
    place.fire("h", "second")
    assert place.visit("h").turns == 1
    check_work(place)


@pytest.mark.parametrize("racing", [False, True])
async def test_it_runs_on_a_database_and_what_it_leaves_is_verified(database: Database, racing: bool) -> None:
    """Two workers; racing: its timer is due as its job is done."""
    entered, go = asyncio.Event(), asyncio.Event()

    async def fast(_job: LeasedJob) -> Json:
        entered.set()
        await go.wait()
        return "fast"

    async def slow(_job: LeasedJob) -> Json:
        return "slow"

    tasks, providers = {"fast": fast, "slow": slow}, ScriptedProvider()
    workflow, execution = uuid4(), uuid4()
    definition = {**hedge(timeout="P1D"), "key": "hedged"}
    published = (
        Fact(workflow, WorkflowDrafted("hedged", "Hedged", definition)),
        Fact(workflow, WorkflowPublished(1, definition)),
    )
    async with (
        house(database) as home,
        open_worker(database.system_url, ENGINE, providers, listen_url=database.listen_url, tasks=tasks) as one,
        open_worker(database.system_url, ENGINE, providers, listen_url=database.listen_url, tasks=tasks) as other,
    ):
        await home.handler.handle(Command(home.tenant_id, "publish", WHO), lambda _: Decided(published))
        await home.handler.handle(
            Command(home.tenant_id, "start", WHO),
            lambda view: start(view, ENGINE, workflow_id=workflow, execution_id=execution, input=None),
        )
        async with await psycopg.AsyncConnection.connect(database.system_url, autocommit=True) as conn:
            broken = (await verify(conn, home.tenant_id)).broken
            assert (broken["jobs"], broken["timers"]) == ([], [])
        async with at_work(one), at_work(other):
            await entered.wait()
            home.sql("UPDATE runtime.timers SET due_at = clock_timestamp() WHERE kind = 'second'")
            if racing:
                go.set()
            await asyncio.gather(fire_timers(one.context), fire_timers(other.context))
            ended = await home.ended(execution)
            go.set()
        assert ended.status == "completed"
        assert (await home.topics("execution.completed")) == ["execution.completed.v1"]
        assert home.sql("SELECT count(*) FROM runtime.timers") == [(0,)]
