"""Sends the ledger to endpoints of the format `events`: in its order, some events a request, signed as Standard Webhooks has it.

One request of a feed is under way at a time, by whoever holds its lease. What was accepted moves its position on; a worker that
dies in between leaves a lease that runs out, and the same events are sent again: at least once, in order. A receiver knows by
`position` what it has seen. One that accepts nothing is tried again after pauses that grow to five minutes, and is disabled after
five days.
"""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any
from uuid import UUID, uuid5

from pydantic_core import to_json

from domain.envelope import PLATFORM, RecordedEvent
from domain.facts import Decided, Refusal, View
from domain.hosts import hosts_of
from domain.notices import ALL
from domain.notification_endpoint import NOTIFICATION_ENDPOINT, NotificationEndpoint, Why, given_up
from domain.tenant import TENANT
from projections.events_told import event_item
from runtime.failpoints import failpoint
from store import event_feeds as feeds
from store.errors import StoreError
from store.event_feeds import Feed
from store.notifications.channels import EVENTS, FOLLOWED
from store.notifications.listening import Notifications
from store.notifications.waking import SWEEP_SECONDS
from store.reading import head, read_ledger
from store.topics import topics_known
from store.vault import NotSetUp, SecretError
from worker.context import OUT_OF_REACH, WorkerContext
from worker.http_exchange import retry_after
from worker.notifying.runner import GIVEN_UP_AFTER, request_of, signatures
from worker.outbound.client import OutboundError

log = logging.getLogger(__name__)

AT_A_TIME, OF_A_TENANT = 32, 8
"""Requests of a worker. A tenant that has so many under way begins no more, so that slow receivers of one hold up no other."""
QUICK_SECONDS = 0.25
"""A receiver that takes longer is no longer waited for before others have their turn."""
MOST_EVENTS, MOST_BYTES = 100, 256 << 10
"""Of one request: as many events as come to this, and one at least."""
MOST_DATA = 64 << 10
"""Larger data of an event are told by reference."""
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=1), timedelta(minutes=5)
LOOKED_AFTER = timedelta(seconds=60)
"""A feed whose endpoint is disabled. Who enables it says so."""
TYPE = "events"


class Sender:
    """One for a worker. It looks at feeds whose ledgers it was told have grown, and from time to time at all."""

    def __init__(self) -> None:
        self._followed: set[UUID] = set()
        self._grown: set[UUID] = set()
        self._everywhere = True
        self._next_sweep = -inf
        self._due = inf
        self._running: dict[asyncio.Task[bool], Feed] = {}
        self._woken = asyncio.Event()

    @contextmanager
    def listening(self, notifications: Notifications) -> Iterator[asyncio.Event]:
        woken = self._woken

        def hear(tenant_id: UUID) -> None:
            if tenant_id in self._followed:
                self._grown.add(tenant_id)
                woken.set()

        with (
            notifications.subscribed(EVENTS, hear, self.look_everywhere),
            notifications.subscribed(FOLLOWED, lambda _: self.look_everywhere(), self.look_everywhere),
        ):
            yield woken

    def look_everywhere(self) -> None:
        """At the next turn, which is now."""
        self._everywhere = True
        self._woken.set()

    async def send_events(self, context: WorkerContext) -> float | None:
        """A request of each feed that has something. Returns in how many seconds to look again; None: when a ledger grows, or a
        request that takes longer is over."""
        now = asyncio.get_running_loop().time()
        sweep = self._everywhere or now >= min(self._next_sweep, self._due)
        grown, self._grown, self._everywhere = self._grown, set(), False
        room, busy = AT_A_TIME - len(self._running), self._busy()
        try:
            async with context.pool.connection() as connection:
                if sweep:
                    self._followed = await feeds.followed(connection)
                    self._next_sweep = now + SWEEP_SECONDS
                looked = None if sweep else grown
                look = self._followed and (sweep or grown) and room > 0
                claimed = await feeds.claim(connection, room, OF_A_TENANT, busy, looked) if look else []
            if claimed:
                await asyncio.wait([self._begin(context, feed) for feed in claimed], timeout=QUICK_SECONDS)
            self._settle()
            if claimed or sweep:
                async with context.pool.connection() as connection:
                    seconds = await feeds.seconds_to_next(connection) if self._followed else None
                    self._due = inf if seconds is None else now + seconds
        except BaseException:
            self._everywhere = True  # what was told is not told again
            raise
        self._grown |= busy | _having(claimed, OF_A_TENANT)  # they may have more than they were let begin
        if len(claimed) == room:
            self._grown |= grown
            self._everywhere = self._everywhere or sweep
        if len(self._running) < AT_A_TIME and (self._everywhere or self._grown - self._busy()):
            return 0.0
        soonest = QUICK_SECONDS if self._running else 0.0  # what is due may be theirs who begin no more
        return None if self._due == inf else max(self._due - asyncio.get_running_loop().time(), soonest)

    async def finish(self) -> bool:
        """Those under way come to their end. Whether there were any."""
        return bool(await asyncio.gather(*self._running, return_exceptions=True))

    def _begin(self, context: WorkerContext, feed: Feed) -> asyncio.Task[bool]:
        task = asyncio.create_task(_turn(context, feed), name=f"feed {feed.endpoint_id}")
        self._running[task] = feed
        task.add_done_callback(lambda _: self._woken.set())
        return task

    def _settle(self) -> None:
        """Who has more is looked at again. Raises what a request that is over ran into."""
        for task in [task for task in self._running if task.done()]:
            feed = self._running.pop(task)
            if task.result():
                self._grown.add(feed.tenant_id)

    def _busy(self) -> set[UUID]:
        """Tenants that begin no more."""
        return _having(self._running.values(), OF_A_TENANT)


def _having(some: Iterable[Feed], many: int) -> set[UUID]:
    """The tenants that have so many of these feeds."""
    return {tenant_id for tenant_id, count in Counter(feed.tenant_id for feed in some).items() if count >= many}


async def _turn(context: WorkerContext, feed: Feed) -> bool:
    """Whether there may be more to send at once. One that fails is its own concern."""
    try:
        return await _send(context, feed)
    except OUT_OF_REACH:
        raise
    except Exception as error:
        known = isinstance(error, StoreError | Refusal)
        details = {"action": "send_events", "tenant_id": str(feed.tenant_id), "endpoint_id": str(feed.endpoint_id)}
        log.error("A feed of events waits: %s", error, exc_info=None if known else error, extra=details)
        async with context.pool.connection() as connection:
            await feeds.put_off(connection, feed, LOOKED_AFTER)
        return False


async def _send(context: WorkerContext, feed: Feed) -> bool:
    endpoint, _ = await context.handler.read(feed.tenant_id, NOTIFICATION_ENDPOINT, feed.endpoint_id)
    if not endpoint.exists or not endpoint.enabled:
        async with context.pool.connection() as connection:
            if endpoint.exists:
                await feeds.put_off(connection, feed, LOOKED_AFTER)
            elif feed.is_old:
                await feeds.end(connection, feed)
            else:
                await feeds.put_off(connection, feed, FIRST_PAUSE)
        return False
    batch = await _batch(context, feed, endpoint)
    if not batch.records:
        async with context.pool.connection() as connection:
            return not await feeds.advance(connection, feed, batch.reached, delivered=False) or not batch.is_all
    outcome = await _attempt(context, feed, endpoint, batch)
    failpoint("worker.events_sent")
    async with context.pool.connection() as connection:
        if outcome.error is None:
            return not await feeds.advance(connection, feed, batch.reached, delivered=True) or not batch.is_all
        failing_for = await feeds.fail(connection, feed, _pause(feed, outcome), outcome.error)
    if failing_for is None:
        return True
    why: Why | None = outcome.disable or ("failing" if failing_for >= GIVEN_UP_AFTER else None)
    if why is not None:
        given: Why = why

        def decide(view: View) -> Decided:
            return Decided(given_up(view, feed.endpoint_id, given))

        await context.do(feed.tenant_id, "notification.report", decide)
    return False


@dataclass(frozen=True)
class _Batch:
    """Events that are wished for; beside them there are none up to where it has `reached`. `is_all`: the ledger's end."""

    records: Sequence[RecordedEvent]
    epoch: int
    reached: int
    is_all: bool


async def _batch(context: WorkerContext, feed: Feed, endpoint: NotificationEndpoint) -> _Batch:
    topics = None if ALL in endpoint.events else topics_known(endpoint.events)
    async with context.pool.connection() as connection:
        end = await head(connection, feed.tenant_id)
        assert end is not None, "there is no feed without a ledger"
        records = await read_ledger(
            connection, feed.tenant_id, feed.position, MOST_EVENTS, topics, end.position, most_bytes=MOST_BYTES, also_unread=True
        )
    is_cut = len(records) == MOST_EVENTS or sum(len(record.payload) for record in records) >= MOST_BYTES
    return _Batch(records, end.epoch, records[-1].position if is_cut else end.position, not is_cut)


@dataclass(frozen=True)
class _Outcome:
    error: str | None = None
    retry_after: timedelta = timedelta(0)
    disable: Why | None = None


async def _attempt(context: WorkerContext, feed: Feed, endpoint: NotificationEndpoint, batch: _Batch) -> _Outcome:
    try:
        keys = [(await context.vault.open(feed.tenant_id, name)).text for name in endpoint.secrets(datetime.now(UTC))]
        tenant, _ = await context.handler.read(PLATFORM, TENANT, feed.tenant_id)
        last = batch.records[-1].position
        id = uuid5(feed.endpoint_id, f"events {batch.epoch} {feed.position} {last}")
        body = to_json(message(feed, batch))
        request = request_of(endpoint.url, signatures(id, keys, body), body)
        response = await context.outbound.send(request, hosts=hosts_of(tenant.settings))
    except (SecretError, NotSetUp) as error:
        return _Outcome(str(error))
    except OutboundError as error:
        return _Outcome(f"{error.type}: it could not be reached")  # its words may hold the address
    if 200 <= response.status < 300:
        return _Outcome()
    asked = retry_after(response, datetime.now(UTC)) if response.status in (429, 503) else None
    said = f"The receiver answered {response.status}."
    return _Outcome(said, timedelta(seconds=min(asked or 0.0, 1e6)), "gone" if response.status == 410 else None)


def message(feed: Feed, batch: _Batch) -> dict[str, Any]:
    """{type, timestamp, data: {epoch, after, position, events}}. With `position` one asks for what comes next elsewhere."""
    return {
        "type": TYPE,
        "timestamp": batch.records[-1].recorded_at,
        "data": {
            "epoch": batch.epoch,
            "after": feed.position,
            "position": batch.records[-1].position,
            "events": [event_item(record, MOST_DATA) for record in batch.records],
        },
    }


def _pause(feed: Feed, outcome: _Outcome) -> timedelta:
    grown: timedelta = min(FIRST_PAUSE * (1 << min(feed.failures, 12)), LONGEST_PAUSE)
    return max(grown * (0.8 + 0.4 * random.random()), min(outcome.retry_after, timedelta(days=1)))
