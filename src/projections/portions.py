"""How much of a ledger fits into memory at a time: so many events, and no more than so many bytes of them.

A single event is always a portion, however large it is.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection

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
