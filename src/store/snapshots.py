"""Snapshots: the states of long streams, stored, so that a process that has lost a state reads it and what came after.

    runtime.snapshots (tenant_id, stream_id, state_version, version, command_id, state, taken_at,
                       PRIMARY KEY (tenant_id, stream_id, state_version))

They only spare work. What is missing, of another state version, damaged, or of a history that a restore took back is left alone,
and the stream folded from its beginning. The process that folded a stream takes them, of what is committed, in the background.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

from domain.aggregates import AGGREGATES
from domain.facts import Aggregate
from runtime import counters, query_plans
from runtime.supervision import stop, supervise
from store.arrays import Bigints, Blobs, Texts, Times, Uuids
from store.cache import StreamEntry, StreamState
from store.codec import JSON, Codec, Undecodable
from store.loader import StoredState
from store.reconnecting import ReconnectingConnection
from store.sizes import STATE_BYTES, decoded_size
from store.state_codec import StateCodec, Unreadable, Unstorable, codecs_of, sealed, unsealed

FIRST_AT = 64
"""Events of a stream before its first snapshot: fewer are folded in the time that it takes to ask for them."""
EVERY = 48
"""Events from one to the next, where a process had to read so many: the next one that reads is spared them."""
AT_HAND = 480
"""Events from one to the next, where the state is at hand and nobody has to read them: the most that a process reads of a stream
that another one had for itself."""
BYTES_OF_AN_EVENT = 1 << 14
"""Of a state that is large, the next snapshot is put off by an event for so many bytes."""
LARGEST = 4 << 20
"""Bytes. What is larger is folded from its events."""
ASIDE_FROM = 1 << 16
"""Bytes that a state takes from which on it is encoded in a thread."""
MOST_DUE = 10_000
BATCH = 100
REST = 0.05
"""Seconds at least from one batch to the next."""
SHARE = 10
"""And as many times as long as the batch took: a tenth of a connection's time is the most that goes to it."""

TAKEN = "gesta_snapshots_taken_total"
UNREADABLE = "gesta_snapshots_unreadable_total"

# The event is looked up: only after what the ledger holds is a snapshot worth anything. Those of releases that are gone go, too.
# Nobody waits for the disk: what is lost is taken again.
TAKE = """
WITH unhurried AS MATERIALIZED (
       SELECT set_config('synchronous_commit', 'off', true)
), taken AS (
       INSERT INTO runtime.snapshots AS s (tenant_id, stream_id, state_version, version, command_id, state, taken_at)
       SELECT x.tenant_id, x.stream_id, x.state_version, x.version, e.command_id, x.state, clock_timestamp()
         FROM unnest(%b::uuid[], %b::uuid[], %b::text[], %b::bigint[], %b::timestamptz[], %b::bytea[])
              AS x (tenant_id, stream_id, state_version, version, occurred_at, state)
        CROSS JOIN unhurried
         JOIN ledger.events e ON e.tenant_id = x.tenant_id AND e.stream_id = x.stream_id AND e.version = x.version
                             AND e.occurred_at = x.occurred_at
        ORDER BY x.tenant_id, x.stream_id
           ON CONFLICT (tenant_id, stream_id, state_version) DO UPDATE
          SET version = excluded.version, command_id = excluded.command_id, state = excluded.state, taken_at = excluded.taken_at
        WHERE s.version <= excluded.version
       RETURNING s.tenant_id, s.stream_id, s.state_version)
DELETE FROM runtime.snapshots s USING taken
 WHERE s.tenant_id = taken.tenant_id AND s.stream_id = taken.stream_id AND s.state_version <> taken.state_version
   AND s.taken_at < clock_timestamp() - interval '1 hour'
"""
FORGET = """
DELETE FROM runtime.snapshots s USING unnest(%s::uuid[], %s::uuid[]) AS gone (tenant_id, stream_id)
 WHERE s.tenant_id = gone.tenant_id AND s.stream_id = gone.stream_id
"""

log = logging.getLogger(__name__)


async def forget(conn: psycopg.AsyncConnection[Any], streams: Sequence[tuple[UUID, UUID]]) -> None:
    """Streams, by tenant and id, to which nothing happens any more. Nothing depends on their snapshots."""
    tenants, ids = zip(*streams, strict=True)
    await conn.execute(FORGET, (list(tenants), list(ids)))


class Taken(NamedTuple):
    """A snapshot, encoded."""

    tenant_id: UUID
    stream_id: UUID
    state_version: str
    tip: StreamState
    state: bytes


class Snapshots:
    """Made and used in one event loop. `url`: of a login as gesta_system."""

    def __init__(
        self,
        url: str,
        codec: Codec = JSON,
        aggregates: tuple[Aggregate[Any], ...] = AGGREGATES,
        *,
        first_at: int = FIRST_AT,
        every: int = EVERY,
        at_hand: int = AT_HAND,
        rest: float = REST,
    ) -> None:
        self._codec = codec
        self._of = codecs_of(aggregates)
        self._by_tag = {each.tag: each for each in self._of.values()}
        self._connection = ReconnectingConnection(url, "gesta snapshots")
        self._first_at, self._every, self._at_hand, self._rest = first_at, every, at_hand, rest
        self._due: dict[tuple[UUID, UUID], StreamEntry] = {}
        self._something, self._idle = asyncio.Event(), asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None

    @property
    def state_versions(self) -> Sequence[str]:
        """What of the states that are stored this release can go on from."""
        return tuple(self._by_tag)

    def opened(self, stream_id: UUID, stored: StoredState) -> StreamState | None:
        """The state, or None where it cannot be read."""
        codec = self._by_tag.get(stored.state_version)
        try:
            if codec is None:
                raise Unreadable(f"{stored.state_version} is no state version of this release")
            closed = unsealed(codec.tag, stream_id, stored.version, stored.state)
            data = self._codec.opened(stored.state_version, closed)
            state = codec.from_bytes(data)
        except (Unreadable, Undecodable) as error:
            counters.count(UNREADABLE)
            log.warning("The snapshot of stream %s is left alone: %s", stream_id, error, extra={"action": "snapshot"})
            return None
        size = STATE_BYTES + decoded_size(data)
        return StreamState(stored.version, state, stored.occurred_at, codec.aggregate, size, snapshot=stored.version)

    def note(self, tenant_id: UUID, stream_id: UUID, entry: StreamEntry, read: int = 0) -> None:
        """What is known to be committed of a stream may have moved on. `read`: how many of its events were just read."""
        base = entry.base
        if base is None or base.version < self._first_at:
            return
        if base.version - entry.snapshot < (self._every if read >= self._every else self._at_hand):
            return
        if len(self._due) >= MOST_DUE or base.aggregate is None or base.aggregate.name not in self._of:
            return
        self._due[tenant_id, stream_id] = entry
        self._idle.clear()
        self._something.set()
        if self._task is None:
            self._task = supervise("snapshots", self._serve, expected=(psycopg.Error,))

    async def taken(self) -> None:
        """Until nothing is due."""
        await self._idle.wait()

    async def aclose(self) -> None:
        await stop(self._task)
        await self._connection.close()

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._something.wait()
            began = loop.time()
            batch = [(key, self._due.pop(key)) for key in list(self._due)[:BATCH]]
            if not self._due:
                self._something.clear()
            try:
                await self._take([taken for key, entry in batch if (taken := await self._encoded(*key, entry)) is not None])
            finally:
                if not self._due:
                    self._idle.set()
            await asyncio.sleep(max(self._rest, SHARE * (loop.time() - began)) if self._rest else 0)

    async def _encoded(self, tenant_id: UUID, stream_id: UUID, entry: StreamEntry) -> Taken | None:
        """An entry whose state cannot be stored is asked again when it has moved on."""
        base = entry.base
        if base is None or base.aggregate is None:
            return None
        codec = self._of[base.aggregate.name]
        entry.snapshot = base.version
        try:
            data = await (asyncio.to_thread(codec.to_bytes, base.state) if base.size > ASIDE_FROM else _here(codec, base.state))
        except Unstorable as error:
            log.warning("No snapshot is taken of stream %s: %s", stream_id, error, extra={"action": "snapshot"})
            return None
        entry.snapshot += len(data) // BYTES_OF_AN_EVENT
        if len(data) > LARGEST:
            return None
        stored = sealed(codec.tag, stream_id, base.version, self._codec.closed(data))
        return Taken(tenant_id, stream_id, codec.tag, base, stored)

    async def _take(self, batch: Sequence[Taken]) -> None:
        if not batch:
            return
        connection = await self._connection.open()
        try:
            await query_plans.renew(connection)
            await connection.execute(TAKE, _columns(batch), prepare=True, binary=True)
        except psycopg.Error as error:
            await self._connection.lost(error)
            raise
        for _ in batch:
            counters.count(TAKEN)


async def _here(codec: StateCodec, state: Any) -> bytes:
    return codec.to_bytes(state)


def _columns(batch: Sequence[Taken]) -> list[Any]:
    return [
        Uuids([each.tenant_id for each in batch]),
        Uuids([each.stream_id for each in batch]),
        Texts([each.state_version for each in batch]),
        Bigints([each.tip.version for each in batch]),
        Times([each.tip.occurred_at for each in batch]),
        Blobs([each.state for each in batch]),
    ]
