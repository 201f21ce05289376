"""Children whose worker is killed, and what a command had to leave to jobs: everybody ends once, and nothing is left over."""

import asyncio
import signal
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest

from domain.execution import EXECUTION
from domain.facts import Claim, Decided, Fact, Json
from domain.workflow import WorkflowDrafted, WorkflowPublished
from engine.engine import cancel
from engine.family import MOST_GIVEN_UP
from projections.verify import verify
from store.command import Command
from tests.conftest import Database
from tests.engine.drawing import drawing
from tests.worker.house import ENGINE, PATIENCE, RETRY, WHO, House, house, steps
from tests.worker.test_killed import started, stopped


def calling(times: int) -> Json:
    names = [f"c{number}" for number in range(times)]
    nodes = {"s": "start", **{name: ("workflow", {"workflow_key": "child"}) for name in names}, "e": "end"}
    return drawing(nodes, *(f"s > {name}" for name in names), *(f"{name} > e" for name in names))


async def child_published(home: House) -> None:
    workflow, definition = uuid4(), {**steps(retry=RETRY), "key": "child"}
    facts = (Fact(workflow, WorkflowDrafted("child", "Child", definition)), Fact(workflow, WorkflowPublished(1, definition)))
    claim = Claim("workflow.key", "child", workflow)
    await home.handler.handle(Command(home.tenant_id, "publish", WHO), lambda _: Decided(facts, (claim,)))


async def assert_in_step(home: House) -> None:
    async with await psycopg.AsyncConnection.connect(home.database.system_url, autocommit=True) as conn:
        broken = (await verify(conn, home.tenant_id)).broken
    assert (broken["jobs"], broken["timers"], broken["ledger"]) == ([], [], [])


@pytest.mark.parametrize(
    "failpoint",
    [
        "worker.task_reported",
        pytest.param("worker.job_leased", marks=pytest.mark.nightly),
        pytest.param("worker.task_done", marks=pytest.mark.nightly),
    ],
)
async def test_a_parent_survives_the_worker_of_its_child(database: Database, tmp_path: Path, failpoint: str) -> None:
    async with house(database) as home:
        await child_published(home)
        execution = await home.start(calling(3))
        await assert_in_step(home)
        first = await started(database, tmp_path / "calls", failpoint)
        assert await asyncio.wait_for(first.wait(), PATIENCE) == -signal.SIGKILL
        await assert_in_step(home)
        home.lapse_all()
        second = await started(database, tmp_path / "calls")
        assert (await home.ended(execution)).status == "completed"
        assert await stopped(second) == 0
        assert len(await home.topics("execution.completed")) == 4
        assert home.jobs() == []
        await assert_in_step(home)


@pytest.mark.parametrize("failpoint", ["worker.child_settled", pytest.param("worker.job_leased", marks=pytest.mark.nightly)])
async def test_children_that_a_command_could_not_cancel_are_cancelled_although_a_worker_dies(
    database: Database, tmp_path: Path, failpoint: str
) -> None:
    async with house(database) as home:
        await child_published(home)
        execution = await home.start(calling(MOST_GIVEN_UP + 5))
        home.sql("UPDATE runtime.jobs SET state = 'waiting', run_at = 'infinity'")  # nobody does the children's own work
        await home.handler.handle(
            Command(home.tenant_id, "execution.cancel", WHO), lambda view: cancel(view, ENGINE, execution, "enough")
        )
        assert [kind for kind, *_ in home.jobs() if kind == "gesta.child"] == ["gesta.child"] * 5
        await assert_in_step(home)
        first = await started(database, tmp_path / "calls", failpoint)
        assert await asyncio.wait_for(first.wait(), PATIENCE) == -signal.SIGKILL
        await assert_in_step(home)
        home.lapse_all()
        second = await started(database, tmp_path / "calls")

        async def nobody_left() -> bool:
            return home.jobs() == []

        await home.until(nobody_left)
        assert await stopped(second) == 0
        assert len(await home.topics("execution.cancelled")) == MOST_GIVEN_UP + 6
        await assert_in_step(home)
        states = [await home.handler.read(home.tenant_id, EXECUTION, UUID(str(id))) for id in _executions(home)]
        assert {state.status for state, _ in states} == {"cancelled"}


async def test_a_job_that_is_to_cancel_a_child_is_missed(database: Database) -> None:
    async with house(database) as home:
        await child_published(home)
        execution = await home.start(calling(MOST_GIVEN_UP + 1))
        await home.handler.handle(Command(home.tenant_id, "execution.cancel", WHO), lambda view: cancel(view, ENGINE, execution))
        await assert_in_step(home)
        home.sql("DELETE FROM runtime.jobs WHERE type = 'gesta.child'")
        async with await psycopg.AsyncConnection.connect(database.system_url, autocommit=True) as conn:
            [missed] = (await verify(conn, home.tenant_id)).broken["jobs"]
        assert missed.endswith("is gone.")


def _executions(home: House) -> list[UUID]:
    statement = "SELECT DISTINCT stream_id FROM ledger.events WHERE topic LIKE 'execution.started%%' AND tenant_id = %s"
    return [row[0] for row in home.sql(statement, home.tenant_id)]
