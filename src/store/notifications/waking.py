"""Events that are set when there may be work. Clear one before looking."""

import asyncio
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from uuid import UUID

from store.notifications.channels import EVENTS, FOLLOWED, JOBS, LEASES, TIMERS, Channel, JobsReady
from store.notifications.listening import Notifications

CHANNELS = (JOBS, TIMERS, LEASES, EVENTS, FOLLOWED)
SWEEP_SECONDS = 10.0
"""How long to wait at most before looking without a notification."""


def _nobody(_tenant_id: UUID) -> bool:
    return False


@contextmanager
def jobs_ready(
    notifications: Notifications, types: Collection[str], passes_over: Callable[[UUID], bool] = _nobody
) -> Iterator[asyncio.Event]:
    """There may be jobs of these types. `passes_over`: whose are not wanted now."""
    event, types = asyncio.Event(), frozenset(types)

    def hear(ready: JobsReady) -> None:
        if not event.is_set() and (not ready.type or ready.type in types) and not passes_over(ready.tenant_id):
            event.set()

    with notifications.subscribed(JOBS, hear, event.set):
        yield event


EARLY_SECONDS = 0.1
"""So long before a timer that was told of is due it is looked: then its moment is known by the database's clock."""


@contextmanager
def timers_set(notifications: Notifications) -> Iterator[asyncio.Event]:
    """A timer may be due soon that was not there at the last look."""
    with _soonest(notifications, TIMERS, EARLY_SECONDS) as event:
        yield event


@contextmanager
def leases_ending(notifications: Notifications) -> Iterator[asyncio.Event]:
    """A lease may have run out that was not there at the last look."""
    with _soonest(notifications, LEASES) as event:
        yield event


@contextmanager
def _soonest(notifications: Notifications, channel: Channel[float], early: float = 0.0) -> Iterator[asyncio.Event]:
    """Before the moments that are told there is nothing to be found, so of those that were said the soonest counts: whoever looks
    then finds out about the others."""
    event, loop = asyncio.Event(), asyncio.get_running_loop()
    soonest: tuple[float, asyncio.Handle] | None = None  # kept with its moment: uvloop's handle of what is due at once has none

    def ended() -> None:
        nonlocal soonest
        soonest = None
        event.set()

    def hear(seconds: float) -> None:
        nonlocal soonest
        seconds = max(seconds - early, 0.0)
        moment = loop.time() + seconds
        if soonest is None or moment < soonest[0]:
            if soonest is not None:
                soonest[1].cancel()
            soonest = moment, loop.call_later(seconds, ended)

    with notifications.subscribed(channel, hear, event.set):
        try:
            yield event
        finally:
            if soonest is not None:
                soonest[1].cancel()


@contextmanager
def setting_at(moment: asyncio.Event, event: asyncio.Event) -> Iterator[None]:
    """One event is set once the other is."""

    async def setting() -> None:
        await moment.wait()
        event.set()

    task = asyncio.create_task(setting())
    try:
        yield
    finally:
        task.cancel()


async def wait(event: asyncio.Event, seconds: float | None) -> None:
    """Until the event is set or something is due in so many seconds (None: nothing is), and not longer than a sweep."""
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), SWEEP_SECONDS if seconds is None else min(max(seconds, 0), SWEEP_SECONDS))
