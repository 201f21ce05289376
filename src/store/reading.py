"""Reading the ledger: in its order, by stream, and how far it reaches. One round trip each.

    ledger.events (tenant_id, position, stream_id, version, topic, occurred_at, recorded_at, command_id, meta, data,
                   PRIMARY KEY (tenant_id, position), UNIQUE (tenant_id, stream_id, version))
    ledger.heads  (tenant_id PRIMARY KEY, epoch, created_at)

Read as `gesta_system`, which sees every ledger: each question names the one that it is about.
"""

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import tuple_row
from pydantic_core import from_json, to_json

from domain.envelope import Envelope, RecordedEvent, Unread
from store.codec import JSON, Codec, decode_envelope

LAST = 2**63 - 1
"""No position is above this one."""

SELECT_LEDGER = """
SELECT position, stream_id, version, topic, occurred_at, recorded_at, command_id, meta, data
  FROM ledger.events
 WHERE tenant_id = %(tenant)s AND position > %(after)s AND position <= %(up_to)s
 ORDER BY position
 LIMIT %(limit)s
"""

SELECT_LEDGER_BY_TOPICS = """
SELECT position, stream_id, version, topic, occurred_at, recorded_at, command_id, meta, data
  FROM ledger.events
 WHERE tenant_id = %(tenant)s AND position > %(after)s AND position <= %(up_to)s AND topic = ANY(%(topics)s)
 ORDER BY position
 LIMIT %(limit)s
"""

SELECT_STREAM_OF_LEDGER = """
SELECT position, stream_id, version, topic, occurred_at, recorded_at, command_id, meta, data
  FROM ledger.events
 WHERE tenant_id = %(tenant)s AND stream_id = %(stream)s AND position > %(after)s AND position <= %(up_to)s
   AND (%(topics)s::text[] IS NULL OR topic = ANY(%(topics)s::text[]))
 ORDER BY version
 LIMIT %(limit)s
"""

SELECT_STREAM = """
SELECT position, stream_id, version, topic, occurred_at, recorded_at, command_id, meta, data
  FROM ledger.events
 WHERE tenant_id = %(tenant)s AND stream_id = %(stream)s AND version > %(after)s
 ORDER BY version
 LIMIT %(limit)s
"""

SELECT_TAILS = """
SELECT e.position, e.stream_id, e.version, e.topic, e.occurred_at, e.recorded_at, e.command_id, e.meta, e.data
  FROM unnest(%(streams)s::uuid[], %(after)s::bigint[]) AS wanted (stream_id, after)
  JOIN ledger.events e ON e.tenant_id = %(tenant)s AND e.stream_id = wanted.stream_id AND e.version > wanted.after
 ORDER BY e.position
"""

SELECT_AT = """
SELECT position, stream_id, version, topic, occurred_at, recorded_at, command_id, meta, data
  FROM ledger.events
 WHERE tenant_id = %(tenant)s AND position = ANY (%(positions)s::bigint[])
 ORDER BY position
"""

# Of each stream its first events, up to a position; one more than may be read says that there are more.
SELECT_STREAMS = """
SELECT e.position, e.stream_id, e.version, e.topic, e.occurred_at, e.recorded_at, e.command_id, e.meta, e.data
  FROM unnest(%(streams)s::uuid[]) AS wanted (stream_id)
 CROSS JOIN LATERAL (
       SELECT * FROM ledger.events s
        WHERE s.tenant_id = %(tenant)s AND s.stream_id = wanted.stream_id AND s.position <= %(up_to)s
          AND (%(topics)s::text[] IS NULL OR s.topic = ANY (%(topics)s::text[]))
        ORDER BY s.version
        LIMIT %(most)s) e
 ORDER BY e.stream_id, e.version
"""

SELECT_HEADS = """
SELECT h.tenant_id, h.epoch, coalesce(last.position, 0)
  FROM ledger.heads h
  LEFT JOIN LATERAL (
       SELECT position FROM ledger.events e WHERE e.tenant_id = h.tenant_id ORDER BY position DESC LIMIT 1) last ON true
"""

SELECT_HEAD = """
SELECT h.epoch, coalesce(
       (SELECT position FROM ledger.events e WHERE e.tenant_id = h.tenant_id ORDER BY position DESC LIMIT 1), 0)
  FROM ledger.heads h
 WHERE h.tenant_id = %(tenant)s
"""

SELECT_POSITION_AT = """
SELECT position
  FROM ledger.events
 WHERE tenant_id = %(tenant)s AND recorded_at <= %(moment)s
 ORDER BY position DESC
 LIMIT 1
"""


# The size of a payload is known without reading it.
WITHIN = """
SELECT position, stream_id, version, topic, occurred_at, recorded_at, command_id, meta, data
  FROM (SELECT found.*, sum(octet_length(found.data)) OVER (ORDER BY found.position) - octet_length(found.data) AS before
          FROM ({}) found) counted
 WHERE before < %(most_bytes)s
 ORDER BY position
"""


class Head(NamedTuple):
    """How far a ledger reaches: its epoch (raised by a restore or failover) and its last event's position (0: none yet)."""

    epoch: int
    position: int


async def read_ledger(
    conn: AsyncConnection[Any],
    tenant_id: UUID,
    after: int,
    limit: int,
    topics: Sequence[str] | None = None,
    up_to: int | None = None,
    codec: Codec = JSON,
    most_bytes: int | None = None,
    *,
    stream_id: UUID | None = None,
    also_unread: bool = False,
) -> list[RecordedEvent]:
    """Events with positions in (after, up_to], in order, at most `limit`. Raises UnknownTopic and Undecodable.

    `most_bytes`: where their payloads come to that, the next one is not read.
    `topics` are stored topics, old ones as well: see `store.topics.topics_of`. `stream_id`: only the events of this one.
    `also_unread`: as `decode_all`.
    """
    decode = decode_all if also_unread else decode_rows
    wanted: dict[str, Any] = {"tenant": tenant_id, "after": after, "up_to": LAST if up_to is None else up_to, "limit": limit}
    if stream_id is not None:
        wanted |= {"stream": stream_id, "topics": None if topics is None else list(topics)}
        return decode(tenant_id, await _rows(conn, *_within(SELECT_STREAM_OF_LEDGER, wanted, most_bytes)), codec)
    if topics is None:
        return decode(tenant_id, await _rows(conn, *_within(SELECT_LEDGER, wanted, most_bytes)), codec)
    rows = await _rows(conn, *_within(SELECT_LEDGER_BY_TOPICS, {**wanted, "topics": list(topics)}, most_bytes))
    return decode(tenant_id, rows, codec)


async def read_stream(
    conn: AsyncConnection[Any],
    tenant_id: UUID,
    stream_id: UUID,
    after_version: int = 0,
    limit: int | None = None,
    codec: Codec = JSON,
    most_bytes: int | None = None,
    *,
    also_unread: bool = False,
) -> list[RecordedEvent]:
    """A stream's events above a version, in order; `most_bytes` and `also_unread` as for `read_ledger`."""
    decode = decode_all if also_unread else decode_rows
    wanted = {"tenant": tenant_id, "stream": stream_id, "after": after_version, "limit": limit}
    return decode(tenant_id, await _rows(conn, *_within(SELECT_STREAM, wanted, most_bytes)), codec)


async def read_at(
    conn: AsyncConnection[Any], tenant_id: UUID, positions: Sequence[int], codec: Codec = JSON
) -> list[RecordedEvent]:
    """The events at these positions, in order, those that cannot be read as `Unread`."""
    return decode_all(tenant_id, await _rows(conn, SELECT_AT, {"tenant": tenant_id, "positions": list(positions)}), codec)


async def read_tails(
    conn: AsyncConnection[Any], tenant_id: UUID, after: Mapping[UUID, int], codec: Codec = JSON
) -> list[RecordedEvent]:
    """The events of several streams, each above the version given for it, in the ledger's order."""
    wanted = {"tenant": tenant_id, "streams": list(after), "after": list(after.values())}
    return decode_rows(tenant_id, await _rows(conn, SELECT_TAILS, wanted), codec)


async def read_streams(
    conn: AsyncConnection[Any],
    tenant_id: UUID,
    streams: Sequence[UUID],
    up_to: int,
    most: int,
    topics: Sequence[str] | None = None,
    codec: Codec = JSON,
) -> list[RecordedEvent]:
    """The first events of several streams up to a position, at most so many of each, stream by stream."""
    wanted = {"tenant": tenant_id, "streams": list(streams), "up_to": up_to, "most": most}
    rows = await _rows(conn, SELECT_STREAMS, {**wanted, "topics": None if topics is None else list(topics)})
    return decode_rows(tenant_id, rows, codec)


async def heads(conn: AsyncConnection[Any]) -> dict[UUID, Head]:
    """Every ledger's head by tenant: one index look-up for each ledger, whatever its length."""
    return {tenant: Head(epoch, position) for tenant, epoch, position in await _rows(conn, SELECT_HEADS, {})}


async def head(conn: AsyncConnection[Any], tenant_id: UUID) -> Head | None:
    """None where there is no such ledger."""
    rows = await _rows(conn, SELECT_HEAD, {"tenant": tenant_id})
    return Head(*rows[0]) if rows else None


async def position_at(conn: AsyncConnection[Any], tenant_id: UUID, moment: datetime) -> int:
    """The last position recorded at or before a moment (recorded times never decrease); 0 where there is none."""
    rows = await _rows(conn, SELECT_POSITION_AT, {"tenant": tenant_id, "moment": moment})
    return int(rows[0][0]) if rows else 0


def _within(statement: str, params: dict[str, Any], most_bytes: int | None) -> tuple[str, dict[str, Any]]:
    """The statement, ended where the payloads before come to so many bytes."""
    if most_bytes is None:
        return statement, params
    return WITHIN.format(statement), {**params, "most_bytes": most_bytes}


async def _rows(conn: AsyncConnection[Any], sql: str, params: dict[str, Any]) -> list[tuple[Any, ...]]:
    async with conn.cursor(binary=True, row_factory=tuple_row) as cursor:
        await cursor.execute(sql, params)
        return await cursor.fetchall()


def decode_rows(tenant_id: UUID, rows: Iterable[tuple[Any, ...]], codec: Codec = JSON) -> list[RecordedEvent]:
    """Rows as the statements above select them; times become UTC, whatever the connection's time zone."""
    read, opened = codec.read, codec.opened
    return [
        RecordedEvent(
            tenant_id,
            position,
            stream_id,
            version,
            topic,
            read(topic, json := opened(topic, data)),
            occurred_at.astimezone(UTC),
            recorded_at.astimezone(UTC),
            command_id,
            decode_envelope(meta),
            json,
        )
        for position, stream_id, version, topic, occurred_at, recorded_at, command_id, meta, data in rows
    ]


def decode_all(tenant_id: UUID, rows: Iterable[tuple[Any, ...]], codec: Codec = JSON) -> list[RecordedEvent]:
    """As `decode_rows`; an event that cannot be read is there as `Unread`: of an unknown topic, or undecodable."""
    found = list(rows)
    try:
        return decode_rows(tenant_id, found, codec)
    except (ValueError, LookupError):
        return [_decoded(tenant_id, row, codec) for row in found]


def _decoded(tenant_id: UUID, row: tuple[Any, ...], codec: Codec) -> RecordedEvent:
    try:
        return decode_rows(tenant_id, [row], codec)[0]
    except (ValueError, LookupError) as error:
        position, stream_id, version, topic, occurred_at, recorded_at, command_id, meta, data = row
        times = occurred_at.astimezone(UTC), recorded_at.astimezone(UTC)
        written = _as_written(codec, topic, data)
        return RecordedEvent(
            tenant_id, position, stream_id, version, topic, Unread(str(error)), *times, command_id, _envelope(meta), written
        )


def _envelope(meta: bytes) -> Envelope:
    try:
        return decode_envelope(meta)
    except ValueError:
        return Envelope("system")


def _as_written(codec: Codec, topic: str, data: bytes) -> bytes:
    """The JSON object that was stored; where it is none, its bytes in one."""
    try:
        opened = codec.opened(topic, data)
        if isinstance(from_json(opened), dict):
            return opened
    except ValueError:
        pass
    return to_json({"base64": b64encode(data).decode()})
