"""Asks for deliveries: looks through the ledgers of tenants that have somebody to notify, each from where it was looked last.

The id of a delivery follows from the event and from where it goes. So each is asked for once, whoever dies in between, and though
two workers be at it. The cursor moves on when all of a page are asked for.
"""

import asyncio
import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from math import inf
from time import monotonic
from typing import TypeVar
from uuid import UUID, uuid5

from domain.envelope import Envelope, RecordedEvent, Unread
from domain.facts import Decided, Refusal, View
from domain.notices import TYPES
from domain.notification_delivery import DeliveryRequested, request
from domain.notification_endpoint import NOTIFICATION_ENDPOINT
from engine.mail_recipients import concerned, request_mail
from engine.notices import deliveries_of, endpoints_after, mail_endpoints
from projections.audit_logs import event_id
from runtime.failpoints import failpoint
from store import notification_cursors as cursors
from store.errors import StoreError
from store.notification_cursors import Cursor
from store.notifications.channels import EVENTS, FOLLOWED
from store.notifications.listening import Notifications
from store.notifications.waking import SWEEP_SECONDS
from store.reading import head, read_ledger
from store.topics import topics_of
from worker.context import OUT_OF_REACH, WorkerContext

log = logging.getLogger(__name__)
T = TypeVar("T")

TENANTS, PAGE = 16, 200
"""Ledgers at a time, and events of each."""
TOGETHER = 20
"""Commands of a ledger at a time."""
PEOPLE = 5
"""To whom one command sends mail. Where none of them wants any, it is decided twice all the same: the second time on what is
committed. And one for a thousand would read the streams of a thousand people, and hold up the others."""
REST_SECONDS = 0.02
"""After a turn: what comes meanwhile is looked through together."""
PAUSE = timedelta(seconds=2)
"""After something failed."""


class Follower:
    """One for a worker. It looks at ledgers that it was told have grown, and from time to time at all that are followed."""

    def __init__(self) -> None:
        self._followed: set[UUID] = set()
        self._grown: set[UUID] = set()
        self._everywhere = True
        self._next_sweep = -inf

    @contextmanager
    def listening(self, notifications: Notifications) -> Iterator[asyncio.Event]:
        """An event that is set when there may be something to ask for."""
        woken = asyncio.Event()

        def hear(tenant_id: UUID) -> None:
            if tenant_id in self._followed:
                self._grown.add(tenant_id)
                woken.set()

        def follow(tenant_id: UUID) -> None:
            self._followed.add(tenant_id)
            hear(tenant_id)

        def look_everywhere() -> None:
            self._everywhere = True
            woken.set()

        with (
            notifications.subscribed(EVENTS, hear, look_everywhere),
            notifications.subscribed(FOLLOWED, follow, look_everywhere),
        ):
            yield woken

    async def ask_for_deliveries(self, context: WorkerContext) -> float | None:
        """A page of each ledger that has grown. Returns in how many seconds to look again; None: when one grows."""
        sweep = self._everywhere or asyncio.get_running_loop().time() >= self._next_sweep
        grown, self._grown, self._everywhere = self._grown, set(), False
        try:
            claimed = await self._claimed(context, None if sweep else grown)
            reached = await asyncio.gather(*(_look_through(context, each) for each in claimed), return_exceptions=True)
        except BaseException:
            self._everywhere = True  # what was told is not told again
            raise
        failed = next((each for each in reached if isinstance(each, BaseException)), None)
        if failed is not None:
            self._everywhere = True
            raise failed
        self._grown |= {cursor.tenant_id for cursor, is_at_end in zip(claimed, reached, strict=True) if not is_at_end}
        if len(claimed) == TENANTS:  # there may be others that were not reached
            self._grown |= grown - {cursor.tenant_id for cursor in claimed}
            self._everywhere = self._everywhere or sweep
        return REST_SECONDS if claimed else None

    async def _claimed(self, context: WorkerContext, grown: Collection[UUID] | None) -> list[Cursor]:
        """Of those that have grown; None: of all."""
        if grown is not None and not grown:
            return []
        async with context.pool.connection() as connection:
            if grown is None:
                self._followed |= await cursors.followed(connection)
                self._next_sweep = asyncio.get_running_loop().time() + SWEEP_SECONDS
                if not self._followed:
                    return []
            return await cursors.claim(connection, len(TYPES), TENANTS, grown)


async def _look_through(context: WorkerContext, cursor: Cursor) -> bool:
    """Whether it was looked through to its end. One that fails is its own concern: it is looked at again after a pause."""
    details = {"action": "notify", "tenant_id": str(cursor.tenant_id)}
    try:
        return await _page(context, cursor)
    except OUT_OF_REACH:
        raise
    except Exception as error:
        known = isinstance(error, StoreError | Refusal)
        log.error("Notifications of a tenant wait: %s", error, exc_info=None if known else error, extra=details)
        async with context.pool.connection() as connection:
            await cursors.let_go(connection, cursor, PAUSE)
        return True


async def _page(context: WorkerContext, cursor: Cursor) -> bool:
    lease = _Lease(context, cursor)
    tenant_id, topics = cursor.tenant_id, topics_of(*TYPES, *NOTIFICATION_ENDPOINT.events)
    async with context.pool.connection() as connection:
        end = await head(connection, tenant_id)
        assert end is not None, "there is no cursor without a ledger"
        records = await read_ledger(connection, tenant_id, cursor.position, PAGE, topics, end.position, also_unread=True)
        begun = await cursors.beginnings_of(connection, tenant_id, records)
    endpoints, wanted = cursor.endpoints, list[tuple[RecordedEvent, Sequence[tuple[UUID, DeliveryRequested]]]]()
    mailed = list[tuple[RecordedEvent, Sequence[UUID]]]()
    for record in records:
        if isinstance(record.event, Unread):
            told = {"action": "notify", "tenant_id": str(tenant_id)}
            log.error("Nobody is notified of event %d: %s", record.position, record.event.why, extra=told)
            continue
        endpoints = endpoints_after(endpoints, record)
        happened = event_id(tenant_id, record.position)
        beginning = begun.get(record.stream_id)
        deliveries = () if beginning is None else tuple(deliveries_of(record, happened, endpoints, beginning))
        if deliveries:
            wanted.append((record, deliveries))
        by_mail = () if beginning is None else mail_endpoints(record.event, endpoints, beginning)
        if by_mail:
            mailed.append((record, by_mail))
    for some in _parts(wanted, TOGETHER):
        await asyncio.gather(*(_ask(context, record, deliveries) for record, deliveries in some))
        await lease.keep()
        failpoint("worker.deliveries_asked_for")
    for record, mail_by in mailed:
        await _ask_for_mail(context, record, mail_by, lease)
    async with context.pool.connection() as connection:
        reached = records[-1].position if len(records) == PAGE else end.position
        await cursors.advance(connection, cursor, reached, endpoints)
    return reached == end.position


async def _ask(context: WorkerContext, record: RecordedEvent, deliveries: Sequence[tuple[UUID, DeliveryRequested]]) -> None:
    def decide(view: View) -> Decided:
        asked = [request(view, id, requested) for id, requested in deliveries]
        return Decided(
            tuple(fact for each in asked for fact in each.facts),
            jobs=tuple(job for each in asked for job in each.jobs),
        )

    happened = event_id(record.tenant_id, record.position)
    who = _who(context, record, happened)
    await context.do(record.tenant_id, "notification.request", decide, command_id=uuid5(happened, "notifications"), who=who)


async def _ask_for_mail(context: WorkerContext, record: RecordedEvent, endpoints: Sequence[UUID], lease: "_Lease") -> None:
    tenant_id, happened = record.tenant_id, event_id(record.tenant_id, record.position)
    who = _who(context, record, happened)
    found = await context.do(
        tenant_id, "notification.request", lambda view: Decided(result=[str(one) for one in concerned(view, record)]), who=who
    )
    people = [*map(UUID, found.result)]
    asking = [(endpoint_id, some) for endpoint_id in endpoints for some in _parts(people, PEOPLE)]

    async def ask(endpoint_id: UUID, some: Sequence[UUID]) -> None:
        def decide(view: View) -> Decided:
            return request_mail(view, context.engine, record, happened, endpoint_id, some)

        command_id = uuid5(happened, f"mail {endpoint_id} {' '.join(map(str, some))}")
        await context.do(tenant_id, "notification.request", decide, command_id=command_id, who=who)

    for together in _parts(asking, TOGETHER):
        await asyncio.gather(*(ask(*each) for each in together))
        await lease.keep()
        failpoint("worker.mail_asked_for")


def _parts(of: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (of[start : start + size] for start in range(0, len(of), size))


@dataclass
class _Lease:
    """What keeps others from looking through the same ledger meanwhile. Where it is lost they do, and ask for the same."""

    context: WorkerContext
    cursor: Cursor
    kept: float = field(default_factory=monotonic)

    async def keep(self) -> None:
        """Prolonged where half of it may be over."""
        if monotonic() - self.kept >= cursors.LEASE.total_seconds() / 2:
            async with self.context.pool.connection() as connection:
                await cursors.prolong(connection, self.cursor)
            self.kept = monotonic()


def _who(context: WorkerContext, record: RecordedEvent, happened: UUID) -> Envelope:
    return Envelope("worker", context.worker_id, correlation_id=record.envelope.correlation_id, causation_id=happened)
