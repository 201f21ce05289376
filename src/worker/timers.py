"""Firing timers: many at a time, and looked for again while those before are still under way.

So neither a tenant's backlog nor what takes long holds up another's timer: no tenant has more than its part under way. Several
processes pick at random from what is due, since what two of them fire at once counts once, but is done twice.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from uuid import UUID

from engine.timers import OWNERS
from store import due as work
from store.due import DueTimer
from worker.context import WorkerContext

AT_A_TIME, OF_A_TENANT = 200, 32
LOOKED_AT = 200
"""How many of those that are due are picked from."""
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
        self._not_before: dict[UUID, float] = {}

    async def fire_timers(self, context: WorkerContext) -> float | None:
        """Begin with what is due, as far as there is room. Returns in how many seconds to look again; None: nothing is due."""
        async with context.pool.connection() as connection:
            due = await work.due_timers(connection, tuple(OWNERS), LOOKED_AT)
            if not due and not self._running:
                self._not_before.clear()
                return await work.seconds_to_timer(connection, tuple(OWNERS))
        now = asyncio.get_running_loop().time()
        picked = self._picked(due, now)
        for timer in picked:
            task = asyncio.create_task(self._one(context, timer), name=f"timer {timer.id}")
            self._running[timer.id] = timer.tenant_id, task
            task.add_done_callback(partial(self._ended, timer.id))
        if not self._running:  # all that is due was tried in vain a moment ago
            return PAUSE_SECONDS / 4
        await asyncio.wait([task for _, task in self._running.values()], timeout=LOOK_SECONDS)
        return 0

    async def finish(self) -> None:
        """Those under way come to their end."""
        await asyncio.gather(*[task for _, task in self._running.values()], return_exceptions=True)

    def _picked(self, due: list[DueTimer], now: float) -> list[DueTimer]:
        busy = Counter(tenant_id for tenant_id, _ in self._running.values())
        room = AT_A_TIME - len(self._running)
        picked: list[DueTimer] = []
        for timer in random.sample(due, len(due)):
            if timer.id in self._running or self._not_before.get(timer.id, now) > now or busy[timer.tenant_id] >= OF_A_TENANT:
                continue
            if len(picked) < room:
                busy[timer.tenant_id] += 1
                picked.append(timer)
        return picked

    async def _one(self, context: WorkerContext, timer: DueTimer) -> bool:
        came_of_it = await self._fire(context, timer)
        if not came_of_it:
            self._not_before[timer.id] = asyncio.get_running_loop().time() + PAUSE_SECONDS
        return came_of_it

    def _ended(self, timer_id: UUID, task: asyncio.Task[bool]) -> None:
        del self._running[timer_id]
        if not task.cancelled():
            task.exception()  # it is found again
