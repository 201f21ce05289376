"""The projector: brings every tenant's tables to the end of its ledger, and keeps them there.

Idle, it waits for hints and looks by itself every ten seconds. The platform's ledger goes first: users and permissions must
stand before a tenant's rows refer to them. What runs in parallel, by mistake or for safety, is fenced by the checkpoints;
leases (`projections.leases`) only keep two projectors from doing the same work twice.
"""

import asyncio
import logging
from collections.abc import Collection, Iterable, Sequence
from contextlib import ExitStack
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import InterfaceError, OperationalError
from psycopg.errors import DeadlockDetected, ProgramLimitExceeded

from domain.envelope import PLATFORM, RecordedEvent
from domain.member import MemberAdded
from projections import freshness, poison_events
from projections.backlog import Backlog, look
from projections.batching import BYTES, SMALL, Size, Span, loads, measure, read
from projections.flush import EventBatch, flush
from projections.freshness import Lag, LostRace
from projections.leases import PartitionLeases, PartitionLost
from projections.poison_events import Missing, PoisonEvent
from projections.wanted import TenantsToProject
from runtime import query_plans
from runtime.clock import Clock, SystemClock
from runtime.connecting import is_gone
from runtime.errors import OperatorError
from runtime.failpoints import failpoint
from runtime.pools import Connection, connect
from runtime.supervision import stop as end
from runtime.supervision import supervise
from store.codec import JSON, Codec
from store.notifications.channels import EVENTS, PROJECTED
from store.notifications.listening import Notifications
from store.notifications.sending import notify
from store.reading import decode_rows

logger = logging.getLogger(__name__)

ROUND_SECONDS = 0.02
"""How long a round takes at least, where it had something to do: what comes meanwhile is written together, at a fraction of the
cost. A short one rests as long as it worked, a long one does not, for enough has come; the first event after a quiet time waits
for nothing."""
OUT_OF_REACH = (OperationalError, InterfaceError, OperatorError, ConnectionError)
"""What the database's absence looks like. It is waited out."""


class Progress(NamedTuple):
    """What a round did: the tenants whose tables moved, those that have more to do at once, and what cannot be applied."""

    moved: set[UUID]
    unfinished: set[UUID]
    known: dict[UUID, PoisonEvent]


class Projector:
    """One process's projector. `url`: as gesta_system; `listen_url`: the same, direct, where `url` leads through a pooler.

    A flush takes some `batch` events, and `batch_bytes` of them as they are stored, or a single larger one.
    """

    def __init__(
        self,
        url: str,
        *,
        listen_url: str | None = None,
        clock: Clock | None = None,
        codec: Codec = JSON,
        batch: int = 1000,
        batch_bytes: int = BYTES,
        sweep_seconds: float = 10.0,
    ) -> None:
        self._url = url
        self._listen_url = listen_url or url
        self._clock = clock or SystemClock()
        self._codec = codec
        self._batch = batch
        self._bytes = batch_bytes
        self._sweep_seconds = sweep_seconds
        self._waiting: set[UUID] = set()
        """Tenants that wait for the platform's tables."""

    async def catch_up(self, tenant_ids: Collection[UUID] | None = None) -> None:
        """Project everything there is, or what these tenants have. Faults that are not due are left alone."""
        async with connect(self._url, name="gesta projector") as conn:
            await self._catch_up(conn, tenant_ids, None)

    async def run(self, stop: asyncio.Event) -> None:
        """Project until told to stop. What ends it unexpectedly, such as a lost connection, has it begin again."""
        wanted, leases = TenantsToProject(self._sweep_seconds), PartitionLeases()

        def moved(tenant_id: UUID) -> None:
            """Whoever waits for the platform may go on."""
            if tenant_id == PLATFORM and self._waiting:
                wanted.add()

        listening = "gesta projector (listening)"
        notifications = Notifications(self._listen_url, listening, (EVENTS, PROJECTED))
        with ExitStack() as subscribed:
            subscribed.enter_context(notifications.subscribed(EVENTS, lambda tenant_id: wanted.add([tenant_id]), wanted.add_all))
            subscribed.enter_context(notifications.subscribed(PROJECTED, moved, partial(moved, PLATFORM)))
            async with notifications.listening():
                serve = partial(self._serve, wanted, leases, stop)
                projecting = supervise("projector", serve, expected=OUT_OF_REACH, until=stop)
                try:
                    await projecting
                finally:
                    await end(projecting)

    async def _serve(self, wanted: TenantsToProject, leases: PartitionLeases, stop: asyncio.Event) -> None:
        async with connect(self._url, name="gesta projector") as conn:
            wanted.add_all()
            await self._serve_on(conn, wanted, leases, stop)
            await leases.release(conn)
            await notify(conn, EVENTS)  # whoever stands by takes over now

    async def _serve_on(self, conn: Connection, wanted: TenantsToProject, leases: PartitionLeases, stop: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        known = await poison_events.read_poison_events(conn)
        while not stop.is_set():
            if await leases.keep(conn):
                wanted.add_all()
            try:
                tenants = await wanted.wait(stop, self._seconds_to_retry(known), leases.seconds)
            except TimeoutError:
                continue  # it is only time to renew
            if stop.is_set():
                return
            if tenants is None:
                leases.look_again()
            else:
                tenants |= self._waiting
            failpoint("projector.round")
            begun = loop.time()
            known = await self._catch_up(conn, tenants, leases)
            worked = loop.time() - begun
            await asyncio.sleep(min(worked, max(ROUND_SECONDS - worked, 0.0)))

    def _seconds_to_retry(self, known: dict[UUID, PoisonEvent]) -> float | None:
        times = [fault.retry_at for fault in known.values() if fault.topic is None]
        if not times:
            return None
        soonest = min(times)
        return max((soonest - self._clock.now()).total_seconds(), 0.05)

    async def _catch_up(
        self, conn: Connection, tenant_ids: Collection[UUID] | None, leases: PartitionLeases | None
    ) -> dict[UUID, PoisonEvent]:
        """At least one round, and more until nothing is left to do. Returns what cannot be applied."""
        wanted = tenant_ids
        while True:
            progress = await self._round(conn, wanted, leases)
            if PLATFORM in progress.moved:
                progress.unfinished.update(self._waiting)
            if not progress.unfinished:
                return progress.known
            wanted = progress.unfinished

    async def _round(self, conn: Connection, tenant_ids: Collection[UUID] | None, leases: PartitionLeases | None) -> Progress:
        await query_plans.renew(conn)
        if leases is not None and await leases.keep(conn):
            tenant_ids = None
        seen = await look(conn, tenant_ids)
        known = seen.poison_events
        now = self._clock.now()
        stopped = {tenant for tenant, fault in known.items() if not fault.is_due(now)}
        mine = {
            tenant: lag for tenant, lag in seen.lags.items() if tenant not in stopped and (leases is None or tenant in leases)
        }
        flusher = Flusher(conn, known, now, leases)
        try:
            unfinished = await self._advance(conn, flusher, seen, mine, stopped)
        finally:
            if flusher.moved:
                await notify(conn, PROJECTED, *map(str, flusher.moved))
        if known or flusher.faulty:
            known = await poison_events.read_poison_events(conn)
        return Progress(flusher.moved, unfinished, known)

    async def _advance(
        self, conn: Connection, flusher: "Flusher", seen: Backlog, mine: dict[UUID, Lag], stopped: set[UUID]
    ) -> set[UUID]:
        """One portion for the platform, or, where that is done, for every other tenant. Returns who has more to do."""
        if not mine:
            return set()
        platform, reached = mine.pop(PLATFORM, None), seen.reached
        if platform is not None:
            await self._project(conn, flusher, [platform], platform_position=platform.head)
            reached = await freshness.position(conn, PLATFORM)
        elif PLATFORM in seen.lags and PLATFORM not in stopped:
            self._waiting.update(mine)  # another projector has the platform: its flush will wake us
            return set()
        if platform is not None and reached < platform.head and PLATFORM not in flusher.faulty:
            return {PLATFORM, *mine}
        waiting = await self._project(conn, flusher, mine.values(), platform_position=reached)
        self._waiting = (self._waiting - mine.keys()) | waiting
        done = {tenant for tenant, lag in mine.items() if flusher.reached.get(tenant, 0) >= lag.head}
        return mine.keys() - done - flusher.faulty - waiting

    async def _project(self, conn: Connection, flusher: "Flusher", lags: Iterable[Lag], platform_position: int) -> set[UUID]:
        """Read a portion of each tenant's events and flush many together. Returns the tenants that wait for the platform."""
        waiting: set[UUID] = set()
        spans = [Span(*lag) for lag in lags]
        for load in loads(spans, await self._sizes(conn, spans), self._batch, self._bytes):
            stored = await read(conn, load)
            batches: list[EventBatch] = []
            for span, _ in load:
                records = await self._decode(flusher, span, stored[span.tenant_id])
                ready = records if span.tenant_id == PLATFORM else before_waiting(records, platform_position)
                if len(ready) < len(records):
                    waiting.add(span.tenant_id)
                if ready:
                    batches.append(EventBatch(span.tenant_id, span.after, ready))
            if batches:
                await flusher.flush(batches)
        return waiting

    async def _sizes(self, conn: Connection, spans: Sequence[Span]) -> dict[UUID, Size]:
        """How much to read of each tenant; where there is little to read in all, it is not weighed."""
        if sum(span.up_to - span.after for span in spans) <= SMALL:
            return {span.tenant_id: Size(span.up_to - span.after, 0) for span in spans}
        return await measure(conn, spans, self._batch, self._bytes)

    async def _decode(self, flusher: "Flusher", span: Span, stored: list[tuple[Any, ...]]) -> list[RecordedEvent]:
        """The tenant's events, fewer if one of them is missing or cannot be decoded; where it is the first, that is a fault."""
        stored = before_gap(span.after, stored)
        if not stored:
            missing = span.after + 1
            await flusher.give_up(span.tenant_id, missing, Missing(f"there is no event {missing}, and there are later ones"))
            return []
        while True:
            try:
                return decode_rows(span.tenant_id, stored, self._codec)
            except (ValueError, LookupError) as error:
                if len(stored) == 1:
                    await flusher.give_up(span.tenant_id, span.after + 1, error)
                    return []
                stored = stored[: len(stored) // 2]


def before_gap(after: int, stored: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The stored events, in their order, before the first whose position does not follow."""
    for index, row in enumerate(stored):
        if row[0] != after + index + 1:
            return stored[:index]
    return stored


def before_waiting(records: Sequence[RecordedEvent], platform_position: int) -> Sequence[RecordedEvent]:
    """The events before the first that relies on more of the platform's ledger than its tables show."""
    for index, record in enumerate(records):
        if isinstance(record.event, MemberAdded) and record.event.platform_position > platform_position:
            return records[:index]
    return records


class Flusher:
    """Flushes batches; where that fails, splits them until what cannot be applied is alone: one event of one tenant."""

    def __init__(self, conn: Connection, known: dict[UUID, PoisonEvent], now: datetime, leases: PartitionLeases | None) -> None:
        self._conn = conn
        self._leases = leases
        self._known = known
        self._now = now
        self.reached: dict[UUID, int] = {}
        self.faulty: set[UUID] = set()

    @property
    def moved(self) -> set[UUID]:
        return set(self.reached)

    async def flush(self, batches: Sequence[EventBatch]) -> None:
        try:
            if self._leases is not None:
                await self._leases.keep(self._conn)
            await flush(self._conn, batches, self._leases)
        except (LostRace, PartitionLost, DeadlockDetected):
            return  # the next round reads from where the checkpoints stand then
        except OperationalError as error:
            if not isinstance(error, ProgramLimitExceeded):
                raise  # the database, not the events
            await self._split(batches, error)
        except Exception as error:
            if is_gone(error):
                raise OperationalError(str(error)) from error  # the connection, not the events
            await self._split(batches, error)
        else:
            self.reached |= {batch.tenant_id: batch.records[-1].position for batch in batches}
            recovered = [batch.tenant_id for batch in batches if batch.tenant_id in self._known]
            if recovered:
                await poison_events.clear(self._conn, recovered)

    async def _split(self, batches: Sequence[EventBatch], error: Exception) -> None:
        if len(batches) > 1:
            middle = len(batches) // 2
            await self.flush(batches[:middle])
            await self.flush(batches[middle:])
            return
        (batch,) = batches
        tenant_id, after, records = batch.tenant_id, batch.after, batch.records
        if len(records) == 1:
            await self.give_up(tenant_id, records[0].position, error)
            return
        middle = len(records) // 2
        await self.flush([EventBatch(tenant_id, after, records[:middle])])
        if self.reached.get(tenant_id) == records[middle - 1].position:
            await self.flush([EventBatch(tenant_id, records[middle - 1].position, records[middle:])])

    async def give_up(self, tenant_id: UUID, position: int, error: Exception) -> None:
        """Leave a tenant's tables before this event, and say so."""
        self.faulty.add(tenant_id)
        fault = await poison_events.record(self._conn, self._known.get(tenant_id), tenant_id, position, error, self._now)
        about = {"action": "projector.fault", "tenant_id": str(tenant_id), "position": position, "attempts": fault.attempts}
        if fault.topic is not None:
            logger.warning(
                "The tables of a tenant stand still until a newer release reads them: event %s %s",
                position,
                fault.words,
                extra=about,
            )
            return
        logger.critical(
            "The tables of a tenant stand still: event %s cannot be applied: %s",
            position,
            fault.error,
            extra={**about, "retry_at": fault.retry_at.isoformat()},
        )
