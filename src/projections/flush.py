"""One flush: the events of some tenants become rows, and their checkpoints move on, in one transaction."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection

from domain.envelope import RecordedEvent
from projections import audit_entries, freshness, writing
from projections.audit_entries import AuditEntries
from projections.audit_logs import TABLE as AUDIT_LOGS
from projections.freshness import Place
from projections.generation import SERVING, Generation
from projections.leases import PartitionLeases
from projections.registry import fold
from projections.rows import ChangedRows
from store.arrays import teach_columns

# A flush that is lost in a crash is done again: its checkpoint is lost with it. Every statement here reaches its rows by their
# keys; plans that are kept from when the tables were small, or that trust old statistics, must not scan them when they are not.
SETTINGS = """
SELECT set_config('synchronous_commit', 'off', true), set_config('enable_seqscan', 'off', true),
       set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)
"""


class EventBatch(NamedTuple):
    """Consecutive events of one tenant, at least one: those after position `after`."""

    tenant_id: UUID
    after: int
    records: Sequence[RecordedEvent]
    passed: Place | None = None
    """Where the checkpoint comes to, where that is behind the last of `records`: what is skipped lies between."""

    @property
    def end(self) -> Place:
        return self.passed or self.records[-1]


async def flush(
    conn: AsyncConnection[Any],
    batches: Sequence[EventBatch],
    leases: PartitionLeases | None = None,
    generation: Generation = SERVING,
) -> None:
    """Apply all of it or nothing. `leases`: by what right; None: nobody else projects here.

    Raises PartitionLost where another projector has a partition by now; LostRace where it was faster; Unappliable,
    or whatever else, where an event cannot be applied.
    """
    after = {batch.tenant_id: batch.after for batch in batches}
    last = {batch.tenant_id: batch.end for batch in batches}
    records = [record for batch in batches for record in batch.records]
    rows = ChangedRows(generation.tables, {AUDIT_LOGS.name: AuditEntries})
    teach_columns(conn)
    # Three trips: what is there, what is to be there, and the commit. The outer pipeline takes BEGIN and COMMIT along.
    async with conn.pipeline(), conn.transaction():
        async with conn.pipeline():
            await conn.execute(SETTINGS)
            held = None if leases is None else await leases.send_check(conn, after)
            locked = await freshness.send_lock(conn, after, generation.schema)
            queries = await writing.load(conn, records, generation)
        if leases is not None and held is not None:
            await leases.check(held, after)
        await freshness.check_lock(locked, after)
        await writing.collect(rows, queries)
        fold(rows, records, generation.known)
        async with conn.pipeline():
            writes = await audit_entries.insert(conn, generation.schema, audit_entries.taken(rows, generation.tables))
            writes += await writing.write(conn, rows, generation)
            moved = await freshness.send_advance(conn, after, last, generation.schema)
        writing.verify(writes)
        freshness.check_advance(moved, after)
