"""Folding the ledger into the tables of a generation that is being built, up to where those that serve stand.

Never further: so the two can be compared, and exchanged, at one position. Every flush moves a checkpoint with its rows; what is
begun again goes on from there. An event that cannot be applied ends the building; what people decided to skip is left out.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection, OperationalError

from domain.envelope import PLATFORM, RecordedEvent
from projections.batching import BYTES, Span, loads, measure, read
from projections.flush import EventBatch, flush
from projections.freshness import LostRace, of_schema
from projections.generation import Generation
from projections.skipped_events import SkippedPlace
from runtime.connecting import is_gone
from runtime.errors import OperatorError
from runtime.failpoints import failpoint
from store.codec import JSON, Codec
from store.reading import decode_all

EVENTS = 1000
"""Of one flush, more or less."""

GAPS = """
SELECT s.tenant_id, coalesce(n.position, 0), s.position
  FROM projections.freshness s
  LEFT JOIN {schema}.freshness n ON n.tenant_id = s.tenant_id
 WHERE s.position > coalesce(n.position, 0)
   AND (%(tenants)s::uuid[] IS NULL OR s.tenant_id = ANY(%(tenants)s::uuid[]))
 ORDER BY s.tenant_id
"""
SKIPPED = "SELECT tenant_id, position FROM runtime.projection_skips"

Unskipped = Mapping[UUID, Collection[int]]
"""Positions that were skipped, and are folded all the same, by ledger."""
NONE: Unskipped = MappingProxyType({})

Tell = Callable[[int], None]
"""Told of every flush how many events it was."""


def tell_nobody(_events: int) -> None:
    """For those who need not know."""


class Filler:
    """Fills the tables of one generation. `conn`: in autocommit, as gesta_system."""

    def __init__(
        self,
        conn: AsyncConnection[Any],
        generation: Generation,
        *,
        tell: Tell = tell_nobody,
        codec: Codec = JSON,
        batch: int = EVENTS,
        unskipped: Unskipped = NONE,
    ) -> None:
        self._conn = conn
        self._generation = generation
        self.tell = tell
        self._codec = codec
        self._batch = batch
        self._unskipped = unskipped

    async def gaps(self, tenant_ids: Collection[UUID] | None = None) -> list[Span]:
        """What is still to be folded of these ledgers, or of all; the platform's among them in any case. Seen at one moment."""
        wanted = None if tenant_ids is None else [*tenant_ids, PLATFORM]
        cursor = await self._conn.execute(of_schema(GAPS, self._generation.schema), {"tenants": wanted})
        return [Span(*row) for row in await cursor.fetchall()]

    async def fill(self, tenant_ids: Collection[UUID] | None = None) -> None:
        """Until there is no gap. Raises OperatorError where an event cannot be applied.

        The platform first, as far as it reached when the others stood where they stood: what they refer to is there.
        """
        while gaps := await self.gaps(tenant_ids):
            with suppress(LostRace):  # another process of this rebuild was faster: it is looked at again
                await self._fill([gap for gap in gaps if gap.tenant_id == PLATFORM])
                await self._fill([gap for gap in gaps if gap.tenant_id != PLATFORM])

    async def _fill(self, gaps: Sequence[Span]) -> None:
        """All of these gaps and no more, whatever comes meanwhile."""
        while gaps:
            left_out = await skipped(self._conn, self._unskipped)
            sizes = await measure(self._conn, gaps, self._batch, BYTES)
            reached: dict[UUID, int] = {}
            for load in loads(gaps, sizes, self._batch, BYTES):
                stored = await read(self._conn, load)
                batches = [
                    batch_of(span, stored[span.tenant_id], left_out.get(span.tenant_id, set()), self._codec) for span, _ in load
                ]
                await self._flush(batches)
                reached |= {batch.tenant_id: batch.end.position for batch in batches}
                self.tell(sum(batch.end.position - batch.after for batch in batches))
                failpoint("rebuild.flushed")
            gaps = [
                Span(gap.tenant_id, reached[gap.tenant_id], gap.up_to)
                for gap in gaps
                if reached.get(gap.tenant_id, gap.up_to) < gap.up_to
            ]

    async def _flush(self, batches: Sequence[EventBatch]) -> None:
        try:
            await flush(self._conn, batches, generation=self._generation)
        except (OperationalError, LostRace):
            raise
        except Exception as error:
            if is_gone(error):
                raise
            raise await self._narrowed_down(batches, error) from error

    async def _narrowed_down(self, batches: Iterable[EventBatch], error: Exception) -> OperatorError:
        """Flush event by event what could not be flushed together, up to the one that cannot be applied: all before it stays."""
        for batch in batches:
            after = batch.after
            for record in batch.records:
                try:
                    await flush(self._conn, [EventBatch(batch.tenant_id, after, [record])], generation=self._generation)
                except (OperationalError, LostRace):
                    raise
                except Exception as cause:
                    return unappliable(record, cause)
                after = record.position
        return OperatorError(f"The tables cannot be built: {type(error).__name__}: {error}")


async def skipped(conn: AsyncConnection[Any], unskipped: Unskipped = NONE) -> dict[UUID, set[int]]:
    """The positions that are skipped, by ledger."""
    found: dict[UUID, set[int]] = {}
    for tenant_id, position in await (await conn.execute(SKIPPED)).fetchall():
        if position not in unskipped.get(tenant_id, ()):
            found.setdefault(tenant_id, set()).add(position)
    return found


def batch_of(span: Span, stored: list[tuple[Any, ...]], passed: set[int], codec: Codec) -> EventBatch:
    """A tenant's next events, without those that are skipped, be they there or not."""
    known = {row[0] for row in stored} | passed
    last, recorded_at = stored[-1][0], stored[-1][5]
    missing = next((position for position in range(span.after + 1, last) if position not in known), None)
    if missing is not None:
        raise OperatorError(f"There is no event {missing} in the ledger {span.tenant_id}, and there are later ones.")
    records = decode_all(span.tenant_id, [row for row in stored if row[0] not in passed], codec)
    return EventBatch(span.tenant_id, span.after, records, SkippedPlace(last, recorded_at))


def unappliable(record: RecordedEvent, cause: Exception) -> OperatorError:
    return OperatorError(
        f"The tables cannot be built: event {record.position} ({record.topic}) of the ledger {record.tenant_id} cannot be "
        f"applied: {type(cause).__name__}: {cause}"
    )
