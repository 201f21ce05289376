"""Loading one ledger into tables that are being built: folded once, in memory, and copied portion by portion.

While one portion is folded, the next is read and the one before is written, over two connections. A portion's rows, and the
checkpoint behind them, come in one transaction: a kill loses no more than what was under way. As long as all of a ledger's
rows are in memory, none is asked for; once they are too many they are let go, and what a portion needs is read again.
"""

import asyncio
import gc
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, NamedTuple

from psycopg import AsyncConnection

from domain.envelope import RecordedEvent
from projections import audit_entries, freshness, writing
from projections.audit_entries import AuditEntries
from projections.audit_logs import TABLE as AUDIT_LOGS
from projections.audit_logs import Entry
from projections.batching import BYTES, Span, measure, read
from projections.copying import copy
from projections.flush import SETTINGS, EventBatch
from projections.generation import Generation
from projections.rebuilding.audit_values import copy_entries
from projections.rebuilding.filling import NONE, Tell, Unskipped, batch_of, skipped, tell_nobody, unappliable
from projections.registry import apply
from projections.rows import ChangedRows, Changes, Rows
from projections.table import Table
from runtime.errors import OperatorError
from runtime.failpoints import failpoint
from store.arrays import teach_columns
from store.codec import JSON, Codec

PORTION_EVENTS = 5000
"""Of one portion, more or less."""
SLICE = 200
"""Events that are folded before the connections have a turn."""
KEPT_BYTES = 32 << 20
"""Of events whose rows are kept in memory. Their rows take some ten times as much."""
STILL_BUILDING = "SELECT state = 'building' FROM runtime.projection_generations WHERE number = %s"


class Superseded(OperatorError):
    """Another rebuild has begun anew."""


class Portion(NamedTuple):
    """What a portion of events came to."""

    batch: EventBatch
    changes: list[tuple[Table, Changes]]
    entries: list[Entry]
    """Of the audit log."""


class BulkLoad:
    """Of one ledger. `reads`, `writes`: two connections in autocommit, as gesta_system. `number`: of the generation."""

    def __init__(
        self,
        reads: AsyncConnection[Any],
        writes: AsyncConnection[Any],
        generation: Generation,
        number: int,
        *,
        tell: Tell = tell_nobody,
        codec: Codec = JSON,
        events: int = PORTION_EVENTS,
        kept_bytes: int = KEPT_BYTES,
        unskipped: Unskipped = NONE,
    ) -> None:
        self._reads = reads
        self._writes = writes
        teach_columns(writes)
        self._generation = generation
        self._number = number
        self._tell = tell
        self._codec = codec
        self._events = events
        self._kept_bytes = kept_bytes
        self._unskipped = unskipped

    async def load(self, span: Span) -> None:
        """All of it. Raises OperatorError where an event cannot be applied: all before it is in the tables."""
        rows, kept = self._rows(), 0
        complete = span.after == 0
        writing_one: asyncio.Task[None] | None = None
        with _without_collecting():
            async with _ahead(self._portions(span)) as portions:
                async for batch in portions:
                    if not complete:
                        await _ended(writing_one)
                        rows, writing_one = await self._rows_for(batch.records), None
                    try:
                        await self._fold(rows, batch.records)
                    finally:
                        await _ended(writing_one)
                    found = self._portion(batch, rows)
                    writing_one = asyncio.create_task(self._write(found))
                    kept += sum(len(record.payload) for record in batch.records)
                    complete = complete and kept <= self._kept_bytes
            await _ended(writing_one)

    async def _portions(self, span: Span) -> AsyncGenerator[EventBatch, None]:
        left_out = (await skipped(self._reads, self._unskipped)).get(span.tenant_id, set())
        while span.after < span.up_to:
            size = (await measure(self._reads, [span], self._events, BYTES)).get(span.tenant_id)
            if size is None:
                return
            stored = (await read(self._reads, [(span, size)]))[span.tenant_id]
            batch = batch_of(span, stored, left_out, self._codec)
            span = Span(span.tenant_id, batch.end.position, span.up_to)
            yield batch

    async def _rows_for(self, records: Sequence[RecordedEvent]) -> ChangedRows:
        """What is there of what these events need."""
        rows = self._rows()
        async with self._writes.transaction():
            await self._writes.execute(SETTINGS)
            async with self._writes.pipeline():
                queries = await writing.load(self._writes, records, self._generation)
            await writing.collect(rows, queries)
        return rows

    async def _fold(self, rows: Rows, records: Sequence[RecordedEvent]) -> None:
        known = self._generation.known
        for start in range(0, len(records), SLICE):
            for record in records[start : start + SLICE]:
                try:
                    apply(rows, record, known)
                except Exception as error:
                    raise unappliable(record, error) from error
            await asyncio.sleep(0)

    def _rows(self) -> ChangedRows:
        return ChangedRows(self._generation.tables, {AUDIT_LOGS.name: AuditEntries})

    def _portion(self, batch: EventBatch, rows: ChangedRows) -> Portion:
        return Portion(batch, rows.changes(), audit_entries.taken(rows, self._generation.tables))

    async def _write(self, portion: Portion) -> None:
        conn, schema, batch = self._writes, self._generation.schema, portion.batch
        after = {batch.tenant_id: batch.after}
        async with conn.transaction():
            async with conn.pipeline():
                await conn.execute(SETTINGS)
                locked = await freshness.send_lock(conn, after, schema)
                building = await conn.execute(STILL_BUILDING, [self._number])
            await freshness.check_lock(locked, after)
            if await building.fetchone() != (True,):
                raise Superseded("Another rebuild has begun anew: this one ends.")
            async with conn.pipeline():
                writes = await writing.write_changes(conn, portion.changes, schema, inserting=False)
            writing.verify(writes)
            for table, changed in portion.changes:
                if changed.inserted:
                    await copy(conn, schema, table, changed.inserted)
            if portion.entries:
                await copy_entries(conn, schema, portion.entries)
            moved = await freshness.send_advance(conn, after, {batch.tenant_id: batch.end}, schema)
            freshness.check_advance(moved, after)
        self._tell(batch.end.position - batch.after)
        failpoint("rebuild.loaded")


async def _ended(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        await task


@asynccontextmanager
async def _ahead(portions: AsyncGenerator[EventBatch, None]) -> AsyncIterator[AsyncIterator[EventBatch]]:
    """The portions, the next of which is being read while one is at work."""
    reading = asyncio.ensure_future(anext(portions, None))

    async def each() -> AsyncIterator[EventBatch]:
        nonlocal reading
        while (batch := await reading) is not None:
            reading = asyncio.ensure_future(anext(portions, None))
            yield batch

    try:
        yield each()
    finally:
        reading.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await reading
        await portions.aclose()


@contextmanager
def _without_collecting() -> Iterator[None]:
    """Folding makes many objects and no cycles: to look through them for some took a third of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
