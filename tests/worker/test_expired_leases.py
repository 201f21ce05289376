"""A lease that somebody else took is taken from him when it ends: nobody waits for a sweep, or looks before."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from psycopg import AsyncConnection

from api.job_dispatcher import JobDispatcher, LeaseRequest
from domain.facts import Json
from runtime.pools import open_pool
from store.jobs import LeasedJob
from store.notifications import waking
from store.notifications.channels import LEASES
from store.notifications.listening import listen
from store.notifications.waking import CHANNELS, leases_ending
from tests.conftest import Database
from tests.store.test_lease_notices import said
from tests.worker.house import LONG_RETRY, PATIENCE, House, at_work, house, steps, worker_of
from worker.context import WorkerContext
from worker.leases import Leasing
from worker.maintenance import run_periodically, take_expired_leases

SHORT = 0.3
LISTENS = f"""
SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND starts_with(query, 'LISTEN "{CHANNELS[-1].name}_')
"""  # noqa: S608  our own name
"""The last of what it says when it begins to listen."""
LATE = """
SELECT extract(epoch FROM recorded_at - %s::timestamptz)::float8 FROM ledger.events WHERE topic = 'activation.retried.v1'
"""


@pytest.fixture(autouse=True)
def no_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waking, "SWEEP_SECONDS", 3600.0)


async def leases(database: Database, tenant_id: UUID, count: int, seconds: float) -> list[LeasedJob]:
    """One after another, as an API's process takes them for workers of whom nothing is heard afterwards."""
    stays, wish = asyncio.get_running_loop().create_future(), LeaseRequest(tenant_id, ("step",), 1, seconds, "gone")
    async with open_pool(database.system_url, name="test", size=1) as pool:
        desk = JobDispatcher(pool)
        return [job for _ in range(count) for job in await desk.lease(wish, 0, stays, unasked)]


async def unasked() -> None:
    """Nothing speaks against it."""


async def retried(home: House) -> None:
    async def is_retried() -> bool:
        return await home.topics("activation.retried") != []

    await home.until(is_retried)


def late(home: House, job: LeasedJob) -> float:
    """Seconds from the lease's end to its job's next try, by the database's clock."""
    ((seconds,),) = home.sql(LATE, job.lease_until)
    return float(seconds)


@pytest.fixture
async def home(database: Database) -> AsyncIterator[House]:
    async with house(database) as home:
        yield home


async def test_a_lease_of_another_process_lapses_when_it_ends(database: Database, home: House) -> None:
    async with worker_of(database) as worker, at_work(worker):

        async def is_listening() -> bool:
            return home.sql(LISTENS) != []

        await home.until(is_listening)
        await home.start(steps(retry=LONG_RETRY))
        (job,) = await leases(database, home.tenant_id, 1, SHORT)
        await retried(home)
    assert 0 <= late(home, job) < 1


async def test_it_is_not_looked_for_before(database: Database, home: House) -> None:
    looks = asyncio.Queue[float | None]()

    async def look(context: WorkerContext) -> float | None:
        due = await take_expired_leases(context)
        looks.put_nowait(due)
        return due

    async with worker_of(database) as worker:
        context, stop = worker.context, asyncio.Event()
        with leases_ending(context.notifications) as lapsing:
            listening = asyncio.create_task(context.notifications.run())
            await asyncio.wait_for(lapsing.wait(), PATIENCE)  # it listens, and says that it is worth a look
            turning = asyncio.create_task(run_periodically(context, look, lapsing, stop))
            assert await looks.get() is None
            await home.start(steps(retry=LONG_RETRY))
            (job,) = await leases(database, home.tenant_id, 1, SHORT)
            await retried(home)
            assert await asyncio.wait_for(looks.get(), PATIENCE) == 0, "it was looked for when it had ended"
            listening.cancel()
            stop.set()
            lapsing.set()
            await asyncio.gather(listening, turning, return_exceptions=True)
    assert 0 <= late(home, job) < 1


async def test_a_process_that_leases_without_a_pause_says_it_once(database: Database, home: House) -> None:
    async def done(_job: LeasedJob) -> Json:
        return None

    async with await AsyncConnection.connect(database.system_url, autocommit=True) as listener:
        await listen(listener, [LEASES.name])
        for _ in range(5):
            await home.start(steps())
        assert len(await leases(database, home.tenant_id, 5, 60)) == 5
        assert await said(listener) == ["60.000"]
        async with worker_of(database, {"step": done}, leasing=Leasing(lease=45)) as worker, at_work(worker):
            for _ in range(3):
                assert (await home.ended(await home.start(steps(2)))).status == "completed"
        assert await said(listener) == ["45.000"]
