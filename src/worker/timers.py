"""Firing timers: many at a time, and looked for again while those before are still under way.

So neither a tenant's backlog nor what takes long holds up another's timer: no tenant has more than its part under way. Each
process claims what it fires, and no more than it has room for, so that several fire disjoint parts of what is due.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from uuid import UUID

from engine.timers import OWNERS
from store import due as work
from store.due import DueTimer
from worker.context import OUT_OF_REACH, WorkerContext

AT_A_TIME, OF_A_TENANT = 200, 32
LOOK_SECONDS = 0.02
"""How long those under way are waited for before it is looked again."""
PAUSE_SECONDS = 1.0

Fire = Callable[[WorkerContext, DueTimer], Awaitable[bool]]
"""Whether something came of it, by this process or another; if not, it is tried again after a pause."""


class Firing:
    """One for a worker. It must be told to `finish`."""

    def __init__(self, fire: Fire) -> None:
        self._fire = fire
        self._running: dict[UUID, tuple[UUID, asyncio.Task[bool]]] = {}
        """By timer: its tenant and what fires it."""

    async def fire_timers(self, context: WorkerContext) -> float | None:
        """Begin with what is due, as far as there is room. Returns in how many seconds to look again; None: nothing is due."""
        under_way = [tenant_id for tenant_id, _ in self._running.values()]
        room = AT_A_TIME - len(under_way)
        if room > 0:
            async with context.pool.connection() as connection:
                due = await work.claim_timers(connection, tuple(OWNERS), room, part=OF_A_TENANT, under_way=under_way)
                if not due and not under_way:
                    return await work.seconds_to_timer(connection, tuple(OWNERS))
            for timer in due:
                self._begin(context, timer)
        if self._running:  # they may have ended while it was looked
            await asyncio.wait([task for _, task in self._running.values()], timeout=LOOK_SECONDS)
        return 0

    async def finish(self) -> None:
        """Those under way come to their end."""
        await asyncio.gather(*[task for _, task in self._running.values()], return_exceptions=True)

    def _begin(self, context: WorkerContext, timer: DueTimer) -> None:
        if timer.id in self._running:
            return  # it took longer than the claim lasts, and goes on
        task = asyncio.create_task(self._one(context, timer), name=f"timer {timer.id}")
        self._running[timer.id] = timer.tenant_id, task
        task.add_done_callback(partial(self._ended, timer.id))

    async def _one(self, context: WorkerContext, timer: DueTimer) -> bool:
        came_of_it = await self._fire(context, timer)
        if not came_of_it:
            with suppress(*OUT_OF_REACH):  # then the claim runs out
                async with context.pool.connection() as connection:
                    await work.give_back(connection, timer, PAUSE_SECONDS)
        return came_of_it

    def _ended(self, timer_id: UUID, task: asyncio.Task[bool]) -> None:
        del self._running[timer_id]
        if not task.cancelled():
            task.exception()  # it is found again
