"""Where workers wait for jobs: woken by hints and by the next due moment, not by looking again and again.

Whoever waits holds no connection. A hint wakes one of those whom it concerns; one who leaves while there may be more wakes the
next. So a burst of jobs is taken by as many look-ups as it needs, and a single job does not wake a hundred workers. Who asks
a moment after a look that took all there was need not look again before there is a hint.

A worker that reports may be given its next jobs with the answer. It has its place before the report is recorded, so that what the
report makes ready goes to it, and nobody else is woken for that.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from math import inf
from typing import TypeAlias
from uuid import UUID

from runtime.pools import Connection, Pool
from store import failures, jobs
from store.jobs import Lease, LeasedJob
from store.notifications.channels import JobsReady
from store.notifications.sending import LeaseNotices

MOST_REMEMBERED = 10_000
LEAST_PAUSE = 0.001
"""Seconds, so that a job whose moment is now is not looked for twice in it."""
EMPTY_SECONDS, TAKEN_SECONDS = 1.0, 0.05
"""How long it holds, without a hint, that there is nothing: after a look that found nothing, when it is also known what is due
next, and after one that took all there was. A hint that was lost costs no more than this."""


@dataclass(frozen=True)
class LeaseRequest:
    """What a worker asks for. `seconds` of a lease; `key_id`: the API key that asks, and to which reports are bound."""

    tenant_id: UUID
    types: tuple[str, ...]
    most: int
    seconds: float
    worker_id: str
    key_id: UUID | None = None


@dataclass(eq=False)
class _Waiter:
    """One who waits. `woken`: there may be something. `due`: it was told of a moment that others do not know of.

    `room`: how many hints are for it before the next ones are for others. `waits`: it has looked, and found nothing.
    """

    request: LeaseRequest
    room: int = 1
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    hints: int = 0
    due: bool = False
    waits: bool = False

    def wake(self, _why: object = None) -> None:
        self.hints += 1
        self.woken.set()

    def look(self) -> None:
        """What it was woken for is looked for now; what wakes it from here on is something else."""
        self.hints = 0
        self.woken.clear()

    def takes(self, type: str) -> bool:
        """Whether it is to be woken for this type, and not awake already."""
        return type in self.request.types and self.hints < self.room


@dataclass(eq=False)
class _Nothing:
    """What is known of a tenant's jobs of some types: there are none until a moment of the loop's clock, unless a hint comes."""

    until: float = -inf


Next: TypeAlias = Callable[[Callable[[], Awaitable[None]]], Awaitable[list[LeasedJob]]]
"""The next jobs of a worker. Given what is asked before a look, and raises what speaks against it."""


class JobDispatcher:
    """One for a process. `pool`: as gesta_system, in autocommit."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._waiters: dict[UUID, list[_Waiter]] = {}
        self._nothing: dict[UUID, dict[tuple[str, ...], _Nothing]] = {}
        self._handed_out: dict[Lease, LeasedJob] = {}
        self._lease_notices = LeaseNotices()
        self._closing = False

    def handed_out(self, lease: Lease) -> LeasedJob | None:
        """A job that this process leased by this token, as it was then, but for its input, which was handed out with it.

        The ledger knows whether the lease still holds.
        """
        return self._handed_out.get(lease)

    def forget(self, lease: Lease) -> None:
        """It is over."""
        self._handed_out.pop(lease, None)

    async def lease(
        self, request: LeaseRequest, wait_seconds: float, gone: asyncio.Future[None], check: Callable[[], Awaitable[None]]
    ) -> list[LeasedJob]:
        """Jobs, as soon as there are any; none when the time is over or the process stops.

        `gone`: done when whoever asks does not listen any more. Nothing is leased then, or it is given back.
        `check`: asked before every look; raises what speaks against it by now.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + wait_seconds
        with self._waiting(_Waiter(request)) as waiter:
            gone.add_done_callback(waiter.wake)
            while not gone.done():
                await check()
                waiter.look()
                found: list[LeasedJob] = []
                due = self._quiet(request) if loop.time() < until else None
                if due is None:
                    found, due = await self._look_for(waiter, gone, look_ahead=loop.time() < until)
                if gone.done():
                    break
                if found or not await self._wait(waiter, until - loop.time(), due):
                    return found
        return []

    @contextmanager
    def next_jobs(self, request: LeaseRequest, gone: asyncio.Future[None]) -> Iterator[Next]:
        """For a worker that does something which may make jobs ready, and takes its next jobs when that is done."""
        with self._waiting(_Waiter(request, room=request.most), first=True) as waiter:
            yield lambda check: self._next(waiter, gone, check)

    async def _next(self, waiter: _Waiter, gone: asyncio.Future[None], check: Callable[[], Awaitable[None]]) -> list[LeasedJob]:
        """What there is now. Where nothing is known to be there, nothing is looked for."""
        if gone.done() or (not waiter.woken.is_set() and self._nothing_for(waiter)):
            return []
        await check()
        waiter.look()
        found, _ = await self._look_for(waiter, gone, look_ahead=False)
        return found

    def _nothing_for(self, waiter: _Waiter) -> bool:
        """It is known from a look a moment ago, or from those who wait: they have looked, and are told of what comes."""
        if self._quiet(waiter.request) is not None:
            return True
        others = [other for other in self._waiters[waiter.request.tenant_id] if other.waits]
        return all(any(other.takes(type) for other in others) for type in waiter.request.types)

    async def _look_for(
        self, waiter: _Waiter, gone: asyncio.Future[None], *, look_ahead: bool
    ) -> tuple[list[LeasedJob], float | None]:
        """As `_take`, for somebody who may have gone meanwhile."""
        found, due = await self._take(waiter.request, look_ahead=look_ahead)
        if gone.done():
            await self._give_back(found)
            return [], None
        if len(found) == waiter.request.most:
            waiter.wake()  # for the next one: there may be more
        self._remember(found)
        return found, due

    def _remember(self, found: Sequence[LeasedJob]) -> None:
        self._handed_out.update((job.lease, replace(job, input=None)) for job in found)
        while len(self._handed_out) > MOST_REMEMBERED:
            del self._handed_out[next(iter(self._handed_out))]  # the oldest: its report will have it read

    async def _wait(self, waiter: _Waiter, seconds: float, due: float | None) -> bool:
        """Until there may be something: True. False when the time is over, or the process stops."""
        waiter.due = due is not None
        is_soon = due is not None and due < seconds
        waiter.waits = True
        try:
            await asyncio.wait_for(waiter.woken.wait(), max(due or 0.0, LEAST_PAUSE) if is_soon else max(seconds, 0.0))
        except TimeoutError:
            return is_soon
        finally:
            waiter.waits = False
        return not self._closing

    def hear(self, ready: JobsReady) -> None:
        """There may be jobs of a tenant."""
        self._expect(ready.tenant_id, ready.type)
        waiters = self._waiters.get(ready.tenant_id, [])
        _wake_one(waiters, ready.type) if ready.type else _wake_each_type(waiters)

    def look_everywhere(self) -> None:
        """There may be jobs of any."""
        self._nothing.clear()
        for waiters in self._waiters.values():
            _wake_each_type(waiters)

    def release(self) -> None:
        """Let everybody go, now and from now on: the process is about to stop."""
        self._closing = True
        for waiters in self._waiters.values():
            for waiter in waiters:
                waiter.wake()

    async def _take(self, request: LeaseRequest, *, look_ahead: bool) -> tuple[list[LeasedJob], float | None]:
        """What there is; where there is nothing, the seconds until there will be."""
        now = asyncio.get_running_loop().time
        nothing = self._looking(request)

        async def ask(connection: Connection) -> tuple[list[LeasedJob], float | None]:
            found = await jobs.lease(
                connection,
                request.types,
                request.most,
                request.seconds,
                request.worker_id,
                tenant_id=request.tenant_id,
                for_key=request.key_id,
                unreadable=failures.hand_back,
            )
            if found:
                await self._lease_notices.leased(connection, request.seconds)
            if len(found) < request.most:
                nothing.until = now() + TAKEN_SECONDS
            if found or not look_ahead:
                return found, None
            due = await jobs.seconds_to_job(connection, request.types, request.tenant_id)
            nothing.until = now() + (EMPTY_SECONDS if due is None else min(due, EMPTY_SECONDS))
            return found, due

        return await self._pool.read(ask)  # leases whose answer was lost run out by themselves

    def _looking(self, request: LeaseRequest) -> _Nothing:
        """To be told what the look finds; a hint that comes meanwhile takes it out of sight."""
        nothing = _Nothing()
        if len(self._nothing) > MOST_REMEMBERED:
            self._nothing.clear()
        of_tenant = self._nothing.setdefault(request.tenant_id, {})
        if len(of_tenant) > MOST_REMEMBERED:
            of_tenant.clear()
        of_tenant[request.types] = nothing
        return nothing

    def _quiet(self, request: LeaseRequest) -> float | None:
        """For how many seconds there is nothing to be found, as far as is known."""
        nothing = self._nothing.get(request.tenant_id, {}).get(request.types)
        seconds = -inf if nothing is None else nothing.until - asyncio.get_running_loop().time()
        return seconds if seconds > 0 else None

    def _expect(self, tenant_id: UUID, type: str) -> None:
        """There may be something now: of a type, or (empty) of any."""
        of_tenant = self._nothing.get(tenant_id, {})
        for types in [types for types in of_tenant if not type or type in types]:
            del of_tenant[types]

    async def _give_back(self, found: Sequence[LeasedJob]) -> None:
        if found:
            await self._pool.read(lambda connection: jobs.give_back(connection, [job.lease for job in found]))

    @contextmanager
    def _waiting(self, waiter: _Waiter, *, first: bool = False) -> Iterator[_Waiter]:
        """`first`: before those who wait."""
        request = waiter.request
        waiters = self._waiters.setdefault(request.tenant_id, [])
        waiters.insert(0 if first else len(waiters), waiter)
        try:
            yield waiter
        finally:
            waiters = self._waiters[request.tenant_id]
            waiters.remove(waiter)
            if not waiters:
                del self._waiters[request.tenant_id]
            elif waiter.woken.is_set() or waiter.due:
                for type in request.types:
                    _wake_one(waiters, type)


def _wake_one(waiters: Sequence[_Waiter], type: str) -> None:
    """The one who has waited longest for this type, of those who are not awake already."""
    for waiter in waiters:
        if waiter.takes(type):
            waiter.wake()
            return


def _wake_each_type(waiters: Sequence[_Waiter]) -> None:
    """As few as are needed so that each type is looked for."""
    looked_for: set[str] = set()
    for waiter in waiters:
        if not looked_for.issuperset(waiter.request.types):
            looked_for.update(waiter.request.types)
            waiter.wake()
