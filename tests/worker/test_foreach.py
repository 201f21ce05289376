"""Foreaches whose workers are killed at each boundary: each item ends once, and nothing is left over."""

import asyncio
import signal
from pathlib import Path
from uuid import UUID

import pytest

from domain.execution import EXECUTION, ItemCompleted, ItemStarted
from domain.foreach import FOREACH
from engine.engine import cancel, pause, resume
from store.command import Command
from tests.conftest import Database
from tests.engine.items import body, each, one_foreach
from tests.worker.house import ENGINE, PATIENCE, RETRY, WHO, House, at_work, house, step, worker_of
from tests.worker.test_children import assert_in_step
from tests.worker.test_killed import started, stopped

DEFINITION = one_foreach(each(body({"work": step(retry=RETRY)}), max_concurrency=4))
COUNT = 130
"""More than a chunk has."""


async def items(home: House) -> tuple[list[int], list[UUID]]:
    """The items that began, in that order, and the streams of those that completed."""
    events = await home.events()
    begun = [record.event.index for record in events if isinstance(record.event, ItemStarted)]
    return begun, [record.stream_id for record in events if isinstance(record.event, ItemCompleted)]


@pytest.mark.parametrize(
    "failpoint",
    [
        "worker.items_moved",
        "worker.task_reported",
        pytest.param("worker.job_leased", marks=pytest.mark.nightly),
        pytest.param("worker.task_done", marks=pytest.mark.nightly),
    ],
)
async def test_a_foreach_survives_its_worker(database: Database, tmp_path: Path, failpoint: str) -> None:
    async with house(database) as home:
        execution = await home.start(DEFINITION, {"items": list(range(COUNT))})
        await assert_in_step(home)
        first = await started(database, tmp_path / "calls", failpoint)
        assert await asyncio.wait_for(first.wait(), PATIENCE) == -signal.SIGKILL
        await assert_in_step(home)
        home.lapse_all()
        second, third = await started(database, tmp_path / "calls"), await started(database, tmp_path / "calls")
        assert (await home.ended(execution)).status == "completed"
        assert [await stopped(second), await stopped(third)] == [0, 0]
        begun, completed = await items(home)
        assert begun == list(range(COUNT))
        assert len(completed) == len(set(completed)) == COUNT
        assert home.jobs() == []
        await assert_in_step(home)


async def test_items_that_are_given_up_are_ended_although_a_worker_dies(database: Database, tmp_path: Path) -> None:
    async with house(database) as home:
        execution = await home.start(DEFINITION, {"items": list(range(COUNT))})
        async with worker_of(database) as worker, at_work(worker):
            await home.until(lambda: _has_items(home))
        home.sql("UPDATE runtime.jobs SET state = 'waiting', run_at = 'infinity'")  # nobody does the items' own work
        command = Command(home.tenant_id, "execution.cancel", WHO)
        await home.handler.handle(command, lambda view: cancel(view, ENGINE, execution, "enough"))
        await assert_in_step(home)
        first = await started(database, tmp_path / "calls", "worker.items_moved")
        assert await asyncio.wait_for(first.wait(), PATIENCE) == -signal.SIGKILL
        assert home.jobs() == []
        await assert_in_step(home)
        [foreach] = [record.stream_id for record in await home.events() if record.topic == "foreach.started.v1"]
        assert (await home.handler.read(home.tenant_id, FOREACH, foreach))[0].closed


async def _has_items(home: House) -> bool:
    return len((await items(home))[0]) == 4


async def test_a_pause_holds_the_items_and_their_timers(database: Database, tmp_path: Path) -> None:
    within = body({"work": step(), "wait": ("wait", {"duration": "PT0.05S"})}, "work > wait")
    async with house(database) as home:
        execution = await home.start(one_foreach(each(within, max_concurrency=3)), {"items": list(range(9))})
        async with worker_of(database) as worker, at_work(worker):
            await home.until(lambda: _are_begun(home, 3))
        await home.handler.handle(Command(home.tenant_id, "execution.pause", WHO), lambda view: pause(view, ENGINE, execution))
        assert {state for _, state, _ in home.jobs()} == {"held"}
        process = await started(database, tmp_path / "calls")
        await home.handler.handle(Command(home.tenant_id, "execution.resume", WHO), lambda view: resume(view, ENGINE, execution))
        await home.until(lambda: _has_timers(home))
        await home.handler.handle(Command(home.tenant_id, "execution.pause", WHO), lambda view: pause(view, ENGINE, execution))
        assert (await home.state(execution)).status == "paused"
        await home.handler.handle(Command(home.tenant_id, "execution.resume", WHO), lambda view: resume(view, ENGINE, execution))
        assert (await home.ended(execution)).status == "completed"
        assert await stopped(process) == 0
        assert (await items(home))[0] == list(range(9))
        assert home.jobs() == home.sql("SELECT id FROM runtime.timers") == []
        await assert_in_step(home)


async def _are_begun(home: House, count: int) -> bool:
    return len((await items(home))[0]) == count


async def _has_timers(home: House) -> bool:
    return bool(home.sql("SELECT id FROM runtime.timers")) or (await home.topics("execution.completed")) != []


async def test_its_own_streams_are_small(database: Database, tmp_path: Path) -> None:
    async with house(database) as home:
        execution = await home.start(DEFINITION, {"items": list(range(COUNT))})
        process = await started(database, tmp_path / "calls")
        await home.ended(execution)
        assert await stopped(process) == 0
        _, version = await home.handler.read(home.tenant_id, EXECUTION, execution)
        assert version == 8
