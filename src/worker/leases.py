"""Leasing jobs and running them: so many at a time, each under a lease that is kept alive while it runs.

No connection is held while a job runs. What a runner does to the world's record it does by commands that show the fence of
the lease; so a job that goes on after its lease is lost changes nothing.

One tenant's long jobs do not take all the room: the last of it is given to tenants that hold none (`Leasing`).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import UUID

from pydantic_core import PydanticSerializationError

from domain.facts import Decided, Fence, NotForThisRelease, Refusal
from engine.executions import ExecutionIsPaused
from runtime.failpoints import failpoint
from runtime.supervision import stop as end
from runtime.supervision import supervise
from store import failures, jobs
from store.errors import Contended, LeaseLost, StoreError
from store.jobs import Lease, LeasedJob
from store.notifications.sending import LeaseNotices
from store.notifications.waking import jobs_ready, setting_at, wait
from worker.context import OUT_OF_REACH, WorkerContext

log = logging.getLogger(__name__)

FAULTS = 5
"""How often a job whose runner breaks is tried before it is given up and kept to be looked at."""
PAUSE_SECONDS = 1.0
"""After the database was out of reach."""
SOON_SECONDS = 0.05
"""After jobs were found: where there is work, more of it comes before it is worth asking when the next job is due."""


class LeftToLease(Exception):
    """What was begun for a job cannot be ended by this process: its lease is to expire, so that this is on record."""


@dataclass(frozen=True)
class Runner:
    """What does jobs of one type. It ends each by a command with its fence.

    `abandons`: it is stopped when its lease is lost; otherwise it goes on, because what it finds out is worth recording.
    """

    run: Callable[[LeasedJob], Awaitable[None]]
    abandons: bool = True


@dataclass(frozen=True)
class Leasing:
    """Times in seconds. A job without a heartbeat for `lease` is given to others; `drain`: how long jobs may go on at
    the end before their leases are given up.

    `concurrency`: jobs at a time, of all tenants together. Once no more than the `reserve` of them is free, only tenants that
    hold none here are given jobs, one of each type. So a tenant alone has `concurrency - reserve` at a time, and with as many
    as it likes behind them, another's first job still finds room at once: so many others' as the reserve is large.
    """

    concurrency: int = 100
    lease: float = 30.0
    drain: float = 15.0

    @property
    def reserve(self) -> int:
        """An eighth, and at least one where there is more than one."""
        return max(self.concurrency // 8, 1) if self.concurrency > 1 else 0


class JobExecutor:
    """The jobs of one process."""

    def __init__(self, context: WorkerContext, runners: Mapping[str, Runner], leasing: Leasing) -> None:
        self._context = context
        self._runners = runners
        self._leasing = leasing
        self._running: dict[Lease, tuple[LeasedJob, asyncio.Task[None]]] = {}
        self._some_running = asyncio.Event()
        self._full = False
        """Whether at the last look there was no more room for tenants that hold jobs here: they may have more to lease."""
        self._ended_so_far = 0
        self._after_tenant = jobs.NOBODY
        self._lease_notices = LeaseNotices()

    @property
    def running(self) -> int:
        """Jobs under way."""
        return len(self._running)

    async def run(self, stop: asyncio.Event) -> None:
        """Lease and run until told to stop; then let what runs come to its end."""
        heartbeats = supervise("heartbeats", self._keep_alive)
        try:
            with jobs_ready(self._context.notifications, self._runners, self._has_its_part) as woken, setting_at(stop, woken):
                self._woken = woken
                leasing = supervise("leasing", partial(self._fill_on, stop), until=stop)
                try:
                    await leasing
                finally:
                    await end(leasing)
            await self._drain()
        finally:
            await end(heartbeats)

    async def _fill_on(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self._woken.clear()
            failpoint("worker.leases")
            await self._fill(stop)

    async def _fill(self, stop: asyncio.Event) -> None:
        """Lease as much as there is room for, and wait until it is worth looking again."""
        free = self._leasing.concurrency - len(self._running)
        self._full, due = not free, None
        if free:
            try:
                due = await self._lease(free, stop)
            except OUT_OF_REACH as error:
                log.warning("No jobs for now: %s", error, extra={"action": "lease"})
                due = PAUSE_SECONDS
        await wait(self._woken, due)

    async def _lease(self, free: int, stop: asyncio.Event) -> float | None:
        """In how many seconds it is worth looking again, if nothing happens before. None: not before something does."""
        types, leasing, reserved = list(self._runners), self._leasing, min(self._leasing.reserve, free)
        holders, ended_before = {lease.tenant_id for lease in self._running}, self._ended_so_far
        async with self._context.pool.connection() as connection:
            leased = await jobs.lease(
                connection,
                types,
                free,
                leasing.lease,
                self._context.worker_id,
                after_tenant=self._after_tenant,
                reserved=reserved,
                held_by=holders,
                unreadable=failures.hand_back,
            )
            if stop.is_set():
                await jobs.give_back(connection, [job.lease for job in leased])
                return 0
            if leased:
                await self._lease_notices.leased(connection, leasing.lease)
            self._begin(leased)
            self._full = len(leased) >= free - reserved
            if self._full and self._ended_so_far > ended_before:
                self._woken.set()  # what ended meanwhile could not know that it was waited for
            if len(leased) == free or self._woken.is_set():
                return None  # there is no room, or it is looked again before anything else
            return SOON_SECONDS if leased else await jobs.seconds_to_job(connection, types)

    def _has_its_part(self, tenant_id: UUID) -> bool:
        """Whether it is given no more before a job ends."""
        return self._full and any(lease.tenant_id == tenant_id for lease in self._running)

    def _begin(self, leased: list[LeasedJob]) -> None:
        if leased:
            failpoint("worker.job_leased")
        for job in leased:
            task = asyncio.create_task(self._run(job), name=f"{job.type} {job.id}")
            self._running[job.lease] = job, task
            task.add_done_callback(partial(self._ended, job))
            self._after_tenant = job.tenant_id
            self._some_running.set()

    def _ended(self, job: LeasedJob, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("A job is left to its lease", exc_info=error, extra={"action": "job", "job_id": str(job.id)})
        del self._running[job.lease]
        self._ended_so_far += 1
        if not self._running:
            self._some_running.clear()
        if self._full:
            self._woken.set()

    # One job

    async def _run(self, job: LeasedJob) -> None:
        details = {"action": "job", "tenant_id": str(job.tenant_id), "job_id": str(job.id), "type": job.type}
        try:
            await self._runners[job.type].run(job)
        except LeaseLost:
            log.info("A job was lost: its lease expired, or its execution ended", extra=details)
        except (Contended, StoreError, *OUT_OF_REACH) as error:
            log.warning("A job is left to its lease: %s", error, extra=details)
        except NotForThisRelease as error:
            await self._hand_back(job, error)
        except LeftToLease as error:
            log.error("A job's lease is ended early", exc_info=error, extra=details)
            async with self._context.pool.connection() as connection:
                await jobs.expire_now(connection, [job.lease])
        except ExecutionIsPaused:
            await self._give_back(job)
        except Refusal as refusal:
            log.warning("A job's result was refused: %s", refusal, extra=details)
            await self._give_up(job, refusal.code, refusal.message, None)
        except Exception as error:
            log.exception("A job failed unexpectedly", extra=details)
            pause = timedelta(seconds=2**job.attempt)
            await self._give_up(job, type(error).__name__, str(error), pause if job.attempt < FAULTS else None)

    async def _give_back(self, job: LeasedJob) -> None:
        """Its execution was paused before anything was begun: the job is held, and no attempt is used up."""
        async with self._context.pool.connection() as connection:
            await jobs.give_back(connection, [job.lease])

    async def _hand_back(self, job: LeasedJob, error: NotForThisRelease) -> None:
        """A process of a newer release may take it; it uses up no attempt."""
        async with self._context.pool.connection() as connection:
            count = await failures.hand_back(connection, job.lease, error)
        if count is not None:
            details = {"action": "job", "tenant_id": str(job.tenant_id), "job_id": str(job.id), "type": job.type}
            log.warning("A job needs a newer release and is handed back: %s", error, extra=details)

    async def _give_up(self, job: LeasedJob, kind: str, message: str, pause: timedelta | None) -> None:
        """No command of its own ended the job: another try after a pause, or dead (None)."""
        error = {"type": kind, "message": message.encode(errors="replace").decode()}
        then = Fence(job.id, job.fence, "dead" if pause is None else "retry", pause or timedelta(0), error)
        try:
            await self._context.do(job.tenant_id, "job.give_up", lambda _: Decided(fences=(then,)))
        except LeaseLost:
            log.info("The job is over already", extra={"action": "job", "job_id": str(job.id)})
        except (Refusal, StoreError, PydanticSerializationError) as error:
            log.warning("The job is left to its lease: %s", error, extra={"action": "job", "job_id": str(job.id)})

    # While they run, and at the end

    async def _keep_alive(self) -> None:
        """Prolong all leases, three times in the length of one."""
        while True:
            await self._some_running.wait()
            await asyncio.sleep(self._leasing.lease / 3)
            failpoint("worker.heartbeats")
            await self.beat()

    async def beat(self) -> None:
        """One heartbeat for every job that runs. Where a lease is lost, the job is stopped."""
        before = list(self._running)
        if not before:
            return
        try:
            kept = await self._context.pool.read(lambda connection: jobs.heartbeats(connection, before))
        except OUT_OF_REACH as error:
            log.warning("No heartbeat: %s", error, extra={"action": "heartbeat"})
            return
        for lease in set(before) - kept.keys():
            job, task = self._running.get(lease, (None, None))
            if job is not None and task is not None and self._runners[job.type].abandons:
                task.cancel()

    async def _drain(self) -> None:
        tasks = {task for _, task in self._running.values()}
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=self._leasing.drain)
        if not late:
            return
        leases = list(self._running)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        log.warning("%d jobs did not end in time; other workers may take them", len(late), extra={"action": "drain"})
        try:
            await self._context.pool.read(lambda connection: jobs.expire_now(connection, leases))
        except OUT_OF_REACH as error:
            log.warning("Their leases will expire by themselves: %s", error, extra={"action": "drain"})
