"""One tenant's long jobs leave room for another's: the last of a worker's slots are for tenants that hold none."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID

import pytest
from psycopg import AsyncConnection

from domain.facts import Json
from store import jobs
from store.jobs import LeasedJob
from store.notifications import waking
from tests.conftest import Database
from tests.store.test_jobs import BACKLOG
from tests.worker.house import PATIENCE, House, at_work, house, steps, worker_of
from worker.leases import Leasing
from worker.tasks import Task, TaskFailed

EIGHT = Leasing(concurrency=8, drain=0.0)
"""Seven for a tenant alone."""
SIXTEEN = Leasing(concurrency=16, drain=0.0)
"""Fourteen for a tenant alone."""


@pytest.fixture(autouse=True)
def no_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waking, "SWEEP_SECONDS", 3600.0)


class LongJobs:
    """A handler whose jobs last until their tenant's are let go. Counts, by tenant, how many run, ran at most, and were begun."""

    def __init__(self) -> None:
        self.running = Counter[UUID]()
        self.most = Counter[UUID]()
        self.begun = Counter[UUID]()
        self._let_go: defaultdict[UUID, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(0))
        self._changed = asyncio.Condition()

    async def __call__(self, job: LeasedJob) -> Json:
        tenant_id = job.tenant_id
        self.begun[tenant_id] += 1
        self.most[tenant_id] = max(self.most[tenant_id], await self._add(tenant_id, 1))
        try:
            await self._let_go[tenant_id].acquire()
        finally:
            await self._add(tenant_id, -1)
        return None

    async def _add(self, tenant_id: UUID, count: int) -> int:
        self.running[tenant_id] += count
        async with self._changed:
            self._changed.notify_all()
        return self.running[tenant_id]

    def let_go(self, home: House, count: int) -> None:
        for _ in range(count):
            self._let_go[home.tenant_id].release()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE), self._changed:
            await self._changed.wait_for(condition)

    async def until_running(self, home: House, count: int) -> None:
        await self.until(lambda: self.running[home.tenant_id] == count)

    async def until_begun(self, home: House, count: int) -> None:
        await self.until(lambda: self.begun[home.tenant_id] == count)


@pytest.fixture
def long() -> LongJobs:
    return LongJobs()


@pytest.fixture
async def busy(database: Database) -> AsyncIterator[House]:
    """The tenant that has always more to do."""
    async with house(database) as home:
        yield home


@pytest.fixture
async def newcomer(database: Database) -> AsyncIterator[House]:
    async with house(database) as home:
        yield home


@pytest.fixture
async def another(database: Database) -> AsyncIterator[House]:
    async with house(database) as home:
        yield home


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many jobs each look for jobs found."""
    found: list[int] = []
    lease = jobs.lease

    async def counting(*given: Any, **named: Any) -> list[LeasedJob]:
        leased = await lease(*given, **named)
        found.append(len(leased))
        return leased

    monkeypatch.setattr(jobs, "lease", counting)
    return found


async def backlog(home: House, count: int) -> list[UUID]:
    return [await home.start(steps()) for _ in range(count)]


@pytest.mark.parametrize(("concurrency", "reserve"), [(1, 0), (2, 1), (15, 1), (16, 2), (256, 32)])
def test_an_eighth_is_kept(concurrency: int, reserve: int) -> None:
    assert Leasing(concurrency).reserve == reserve


async def test_a_newcomers_first_job_is_taken_while_anothers_long_jobs_hold_all_they_may(
    database: Database, long: LongJobs, busy: House, newcomer: House, another: House
) -> None:
    await backlog(busy, 18)
    async with worker_of(database, {"step": long}, leasing=SIXTEEN) as worker, at_work(worker):
        await long.until_running(busy, 14)
        for home in (newcomer, another):
            await backlog(home, 3)
            await long.until_running(home, 1)
        assert worker.leases.running == 16
        assert long.most == {busy.tenant_id: 14, newcomer.tenant_id: 1, another.tenant_id: 1}


async def test_a_newcomer_with_a_backlog_goes_on_and_so_does_the_other(
    database: Database, long: LongJobs, busy: House, newcomer: House
) -> None:
    await backlog(busy, 12)
    async with worker_of(database, {"step": long}, leasing=EIGHT) as worker, at_work(worker):
        await long.until_running(busy, 7)
        await backlog(newcomer, 8)
        for done in range(1, 4):  # one by one, while nothing of the other's ends
            await long.until_begun(newcomer, done)
            long.let_go(newcomer, 1)
        await long.until_begun(newcomer, 4)
        assert (long.begun[busy.tenant_id], long.most[newcomer.tenant_id]) == (7, 1)
        long.let_go(busy, 4)  # of seven slots three are its own now, and four are shared out
        await long.until(lambda: worker.leases.running >= 7 and long.running[newcomer.tenant_id] > 1)
        await long.until(lambda: long.begun[busy.tenant_id] > 7)
        long.let_go(newcomer, 8)
        long.let_go(busy, 12)
        await long.until(lambda: (long.begun[busy.tenant_id], long.begun[newcomer.tenant_id]) == (12, 8))
        assert long.most[busy.tenant_id] == 7


async def test_a_tenant_alone_has_all_but_the_reserve_and_its_hints_wake_nobody(
    database: Database, long: LongJobs, busy: House, newcomer: House, looks: list[int]
) -> None:
    await backlog(busy, 9)
    async with worker_of(database, {"step": long}, leasing=EIGHT) as worker, at_work(worker):
        await long.until_running(busy, 7)
        await backlog(busy, 30)  # each hinted at
        await backlog(newcomer, 1)  # and this one after them
        await long.until_running(newcomer, 1)
        assert (long.most[busy.tenant_id], long.begun[busy.tenant_id]) == (7, 7)
        assert sum(looks) == 8
        # At the start, when it heard of hints, soon after it found something, and when the newcomer's was hinted at.
        assert len(looks) <= 8


async def test_a_job_that_ends_makes_room_for_the_next_at_once(database: Database, long: LongJobs, busy: House) -> None:
    await backlog(busy, 12)
    async with worker_of(database, {"step": long}, leasing=EIGHT) as worker, at_work(worker):
        await long.until_running(busy, 7)
        for begun in range(8, 13):
            long.let_go(busy, 1)
            await long.until_begun(busy, begun)
        assert long.most[busy.tenant_id] == 7


async def test_a_job_that_ends_during_a_look_makes_room_as_well(
    database: Database, long: LongJobs, busy: House, newcomer: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody hints at the next one again, and the look that is under way has passed it over."""
    lease, during = jobs.lease, asyncio.Event()

    async def slow(*given: Any, **named: Any) -> list[LeasedJob]:
        leased = await lease(*given, **named)
        if during.is_set():
            during.clear()
            long.let_go(busy, 1)
            await busy.until(one_runs)
        return leased

    async def one_runs() -> bool:
        return worker.leases.running == 1

    monkeypatch.setattr(jobs, "lease", slow)
    await backlog(busy, 3)
    async with worker_of(database, {"step": long}, leasing=Leasing(concurrency=3, drain=0.0)) as worker, at_work(worker):
        await long.until_running(busy, 2)
        await backlog(newcomer, 1)
        await long.until_running(newcomer, 1)
        during.set()
        long.let_go(newcomer, 1)  # its end makes the worker look
        await long.until_begun(busy, 3)


async def test_a_newcomers_next_try_comes_in_time_although_there_is_no_room_for_others(
    database: Database, long: LongJobs, busy: House, newcomer: House
) -> None:
    """Its moment is slept until, and is nothing that a job's end or a hint brings about."""
    tries: list[int] = []

    async def flaky(job: LeasedJob) -> Json:
        tries.append(job.attempt)
        if job.attempt == 1:
            raise TaskFailed("busy", "Come back.")
        return None

    await backlog(busy, 9)
    tasks: dict[str, Task] = {"step": long, "flaky": flaky}
    async with worker_of(database, tasks, leasing=EIGHT) as worker, at_work(worker):
        await long.until_running(busy, 7)
        definition = steps(retry={"max_attempts": 2, "initial_interval": "PT0.5S"})
        (node,) = [node for node in definition["nodes"] if node["type"] == "task"]
        node["config"]["job_type"] = "flaky"
        assert (await newcomer.ended(await newcomer.start(definition))).status == "completed"
    assert tries == [1, 2]
    assert long.begun[busy.tenant_id] == 7


async def test_a_hundred_thousand_long_jobs_of_one_tenant_do_not_hold_up_anothers_first_job(
    database: Database, long: LongJobs, busy: House, newcomer: House
) -> None:
    async with await AsyncConnection.connect(database.system_url, autocommit=True) as conn:
        await conn.execute(BACKLOG, (busy.tenant_id, 100_000))
    leasing, tasks = Leasing(concurrency=200, drain=0.0), {"resize": long, "step": long}
    async with worker_of(database, tasks, leasing=leasing) as worker, at_work(worker):
        await long.until_running(busy, 175)
        await newcomer.start(steps())
        await long.until_running(newcomer, 1)  # none of the others ends before
        assert long.begun[busy.tenant_id] == 175
