"""How much of a ledger fits into memory at a time: so many events, and no more than so many bytes of them.

A single event is always a portion, however large it is.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import tuple_row

BYTES = 8 << 20
"""Of events as they are stored, in one portion. Decoded, folded and written as rows they take some ten times as much."""

SMALL = 8
"""So few events are not worth a question about their size."""

# the sizes are in the rows' headers: nothing is decompressed or fetched from beside the table
MEASURE = """
SELECT wanted.tenant_id, portion.events, portion.bytes
  FROM unnest(%(tenants)s::uuid[], %(after)s::bigint[], %(up_to)s::bigint[]) AS wanted (tenant_id, after, up_to)
 CROSS JOIN LATERAL (
       SELECT count(*) AS events, max(bytes) AS bytes
         FROM (SELECT row_number() OVER place AS number, sum(octet_length(e.meta) + octet_length(e.data)) OVER place AS bytes
                 FROM ledger.events e
                WHERE e.tenant_id = wanted.tenant_id AND e.position > wanted.after AND e.position <= wanted.up_to
               WINDOW place AS (ORDER BY e.position ROWS UNBOUNDED PRECEDING)
                LIMIT %(events)s) counted
        WHERE number = 1 OR bytes <= %(bytes)s) portion
 WHERE portion.events > 0
"""

# as store.reading selects a single ledger's
READ = """
SELECT wanted.tenant_id, e.position, e.stream_id, e.version, e.topic, e.occurred_at, e.recorded_at, e.command_id, e.meta, e.data
  FROM unnest(%(tenants)s::uuid[], %(after)s::bigint[], %(up_to)s::bigint[], %(events)s::bigint[])
       AS wanted (tenant_id, after, up_to, events)
 CROSS JOIN LATERAL (
       SELECT *
         FROM ledger.events e
        WHERE e.tenant_id = wanted.tenant_id AND e.position > wanted.after AND e.position <= wanted.up_to
        ORDER BY e.position
        LIMIT wanted.events) e
"""


class Span(NamedTuple):
    """A ledger's events with positions in (after, up_to]."""

    tenant_id: UUID
    after: int
    up_to: int


class Size(NamedTuple):
    """The first so many events of a span, and what they weigh."""

    events: int
    bytes: int


async def measure(conn: AsyncConnection[Any], spans: Iterable[Span], events: int, most: int = BYTES) -> dict[UUID, Size]:
    """How much of each span fits into a portion of at most so many events and bytes. Spans without events are left out."""
    wanted = list(spans)
    if not wanted:
        return {}
    named = {
        "tenants": [span.tenant_id for span in wanted],
        "after": [span.after for span in wanted],
        "up_to": [span.up_to for span in wanted],
        "events": events,
        "bytes": most,
    }
    cursor = await conn.execute(MEASURE, named)
    return {tenant: Size(int(count), int(size)) for tenant, count, size in await cursor.fetchall()}


Load = list[tuple[Span, Size]]
"""What is read, folded and written together."""


def loads(spans: Iterable[Span], sizes: Mapping[UUID, Size], events: int, most: int = BYTES) -> Iterator[Load]:
    """Share spans out into loads of some `events` (the last span of a load may go beyond) and at most so many bytes."""
    load: Load = []
    count = weight = 0
    for span in spans:
        size = sizes.get(span.tenant_id)
        if size is None:
            continue
        if load and (count >= events or weight + size.bytes > most):
            yield load
            load, count, weight = [], 0, 0
        load.append((span, size))
        count += size.events
        weight += size.bytes
    if load:
        yield load


async def read(conn: AsyncConnection[Any], load: Sequence[tuple[Span, Size]]) -> dict[UUID, list[tuple[Any, ...]]]:
    """The stored events of a load by tenant, in their order, as `store.reading.decode_rows` takes them."""
    named = {
        "tenants": [span.tenant_id for span, _ in load],
        "after": [span.after for span, _ in load],
        "up_to": [span.up_to for span, _ in load],
        "events": [size.events for _, size in load],
    }
    found: dict[UUID, list[tuple[Any, ...]]] = {span.tenant_id: [] for span, _ in load}
    async with conn.cursor(binary=True, row_factory=tuple_row) as cursor:
        await cursor.execute(READ, named)
        for row in await cursor.fetchall():
            found[row[0]].append(row[1:])
    for rows in found.values():
        rows.sort(key=itemgetter(0))
    return found
