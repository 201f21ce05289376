"""Replay: fold a ledger afresh and compare every column of every table with the rows that are there.

Shares the functions that apply events with the projector, and nothing of how it loads and writes rows. Memory is bounded by
bytes: events are read in batches, folded rows beyond some megabytes lie in a temporary file, live rows are looked at one by one.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from psycopg import AsyncConnection, sql
from psycopg.rows import dict_row
from psycopg.types.json import set_json_loads

from domain.envelope import PLATFORM, RecordedEvent, Unread
from projections import freshness
from projections.audit_logs import TABLE as AUDIT_LOGS
from projections.batching import Span, measure
from projections.canonical import canonical, exact_json, surely_same
from projections.generation import SERVING, Generation
from projections.registry import TABLES, Concerned, apply
from projections.rows import Rows, TableRows
from projections.skipped_events import SkippedEvent, read_skipped_events
from projections.spilling import Spill, spilling
from projections.table import Key, Row, Table
from runtime import limits
from runtime.errors import OperatorError
from store.reading import read_ledger

SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
HOLD = sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(
    sql.SQL(", ").join(sql.Identifier(SERVING.schema, table.name) for table in SERVING.tables)
)
BATCH = 1000
PORTION_BYTES = 1 << 20
"""Events that are in memory at a time, and their size as they are stored."""
MOST_DIFFERENCES = 1000
LONGEST_VALUE = 1000
"""Characters of a value that are kept of a difference."""

ALL_OF_TENANT = sql.SQL("SELECT {columns} FROM {table} WHERE tenant_id = %(tenant)s")
ALL = sql.SQL("SELECT {columns} FROM {table}")
AUDITED = sql.SQL("SELECT {columns} FROM {table} WHERE tenant_id = %(tenant)s AND position > %(after)s AND position <= %(up_to)s")
LAST = 2**63 - 1


@dataclass(frozen=True)
class Difference:
    """Where the tables and the ledger disagree. A missing row is in the ledger alone, an extra row in the table alone."""

    table: str
    kind: Literal["missing", "extra", "differs"]
    key: tuple[str, ...]
    column: str | None = None
    live: str | None = None
    replayed: str | None = None

    def __str__(self) -> str:
        where = f"{self.table} ({', '.join(self.key)})"
        if self.kind != "differs":
            return f"{where}: {self.kind} row"
        return f"{where}: {self.column} is {_short(self.live)}, replayed {_short(self.replayed)}"


@dataclass
class Comparison:
    """What a replay of a tenant's ledger up to a position found. `differences` holds the first thousand of `count`."""

    tenant_id: UUID
    position: int
    rows: dict[str, int] = field(default_factory=dict)
    """Live rows by table."""
    differences: list[Difference] = field(default_factory=list)
    count: int = 0
    skipped: list[SkippedEvent] = field(default_factory=list)
    """Events that were left out of the tables, and of this fold, on purpose."""
    unfoldable: str | None = None
    """Why the ledger cannot be folded up to the position; nothing after that was compared."""

    @property
    def equal(self) -> bool:
        return self.count == 0 and self.unfoldable is None

    def add(self, difference: Difference) -> None:
        self.count += 1
        if len(self.differences) < MOST_DIFFERENCES:
            self.differences.append(difference)


Seen = Callable[[RecordedEvent], None]


def ignore(_record: RecordedEvent) -> None:
    """For those who need not see the events."""


@asynccontextmanager
async def snapshot(conn: AsyncConnection[Any]) -> AsyncIterator[AsyncConnection[Any]]:
    """A transaction that sees one moment and writes nothing. `conn` is in autocommit, as gesta_system."""
    set_json_loads(exact_json, conn)
    async with conn.transaction():
        await conn.execute(SNAPSHOT)
        await conn.execute(limits.NONE)
        # before the snapshot is taken: until it ends nobody exchanges the tables for others, whose rows it would not see
        await conn.execute(HOLD)
        yield conn


async def replay(conn: AsyncConnection[Any], tenant_id: UUID, up_to: int | None = None) -> Comparison:
    """Compare a tenant's tables with a fold of its ledger up to their own position, in one snapshot.

    With `up_to`, the fold ends there instead: the tables equal it only if they stand at that position.
    """
    async with snapshot(conn):
        position = await freshness.position(conn, tenant_id) if up_to is None else up_to
        return await compare(conn, tenant_id, position)


async def compare(
    conn: AsyncConnection[Any],
    tenant_id: UUID,
    position: int,
    *,
    last: int = 0,
    see: Seen = ignore,
    generation: Generation = SERVING,
    unskipped: Collection[int] = (),
) -> Comparison:
    """As `replay`, within the caller's snapshot. `see` is shown every event up to `last` or `position`, whatever it is.

    `unskipped`: skipped so far, and folded all the same.
    """
    known = await read_skipped_events(conn, tenant_id)
    left_out = [skip for skip in known if skip.position <= position and skip.position not in unskipped]
    passed_over = {skip.position for skip in left_out}
    found = Comparison(tenant_id, position, skipped=left_out)
    audited = 0
    with spilling(generation.tables) as (rows, spill):
        async for records in batches(conn, tenant_id, max(position, last)):
            for record in records:
                see(record)
                if record.position <= position and record.position not in passed_over and found.unfoldable is None:
                    found.unfoldable = fold_one(rows, spill, record, generation.known)
            if found.unfoldable is None and audited < position:
                # the audit log, which only grows, is compared as it goes: nobody needs it all in memory
                up_to = min(records[-1].position, position)
                await _compare_audit(conn, rows, found, (audited, up_to), generation)
                audited = up_to
        if found.unfoldable is None:
            await _compare_audit(conn, rows, found, (audited, LAST), generation)
            await _compare_tables(conn, rows, found, generation)
    return found


async def _compare_tables(conn: AsyncConnection[Any], rows: Rows, found: Comparison, generation: Generation) -> None:
    for table in generation.tables:
        if table is not AUDIT_LOGS and ("tenant_id" in table.columns or found.tenant_id == PLATFORM):
            statement = (ALL_OF_TENANT if "tenant_id" in table.columns else ALL).format(**_identifiers(generation, table))
            live = stream_rows(conn, statement, {"tenant": found.tenant_id})
            found.rows[table.name] = await compare_rows(table, live, rows.of(table.name), found)


def fold_one(rows: Rows, spill: Spill, record: RecordedEvent, known: Concerned = SERVING.known) -> str | None:
    """Fold an event. What is wrong with it where it does not fit the earlier ones, or None."""
    try:
        apply(rows, record, known)
    except Exception as error:  # whatever a broken ledger leads to is the finding
        verb = "be read" if isinstance(record.event, Unread) else "be applied"
        return f"event {record.position} ({record.topic}) cannot {verb}: {type(error).__name__}: {error}"
    spill.weigh(len(record.payload))
    spill.relieve()
    return None


@asynccontextmanager
async def rebuilt(
    conn: AsyncConnection[Any], tenant_id: UUID, up_to: int, tell: Callable[[int], None] = lambda _events: None
) -> AsyncIterator[Rows]:
    """All rows of a tenant as they were at a position, without the events that are skipped by now. Raises OperatorError.

    `tell` is told how many more events have been folded.
    """
    passed_over = {skip.position for skip in await read_skipped_events(conn, tenant_id)}
    with spilling(TABLES) as (rows, spill):
        async for records in batches(conn, tenant_id, up_to):
            for record in records:
                wrong = None if record.position in passed_over else fold_one(rows, spill, record)
                if wrong is not None:
                    raise OperatorError(f"{wrong[0].upper()}{wrong[1:]}.")
            tell(len(records))
        yield rows


async def batches(
    conn: AsyncConnection[Any], tenant_id: UUID, up_to: int, most: int = PORTION_BYTES
) -> AsyncIterator[list[RecordedEvent]]:
    """A ledger's events in order, in batches of limited size. What cannot be read is there as `Unread`."""
    after = 0
    while after < up_to:
        within = (await measure(conn, [Span(tenant_id, after, up_to)], BATCH, most)).get(tenant_id)
        if within is None:
            return
        records = await read_ledger(conn, tenant_id, after, within.events, up_to=up_to, also_unread=True)
        after = records[-1].position
        yield records


async def _compare_audit(
    conn: AsyncConnection[Any], rows: Rows, found: Comparison, between: tuple[int, int], generation: Generation
) -> None:
    if AUDIT_LOGS not in generation.tables:
        return
    statement = AUDITED.format(**_identifiers(generation, AUDIT_LOGS))
    live = stream_rows(conn, statement, {"tenant": found.tenant_id, "after": between[0], "up_to": between[1]})
    there = await compare_rows(AUDIT_LOGS, live, rows.of(AUDIT_LOGS.name), found)
    found.rows[AUDIT_LOGS.name] = found.rows.get(AUDIT_LOGS.name, 0) + there


async def compare_rows(table: Table, live: AsyncGenerator[Row, None], folded: TableRows, found: Comparison) -> int:
    """Compare, use up the folded rows, and count the live ones."""
    count = 0
    async with aclosing(live):
        async for row in live:
            count += 1
            key = folded.key_of(row)
            expected = folded.current.pop(key, None)
            if expected is None:
                found.add(Difference(table.name, "extra", _key_text(key)))
                continue
            for name, column in table.columns.items():
                if surely_same(row[name], expected[name]):
                    continue
                there, here = canonical(column.type, row[name]), canonical(column.type, expected[name])
                if there != here:
                    found.add(Difference(table.name, "differs", _key_text(key), name, *_kept(there, here)))
    for key in folded.current:
        found.add(Difference(table.name, "missing", _key_text(key)))
    folded.current.clear()
    return count


async def stream_rows(conn: AsyncConnection[Any], statement: sql.Composed, params: dict[str, Any]) -> AsyncGenerator[Row, None]:
    """Rows one at a time as they arrive, so that never more than the next is in memory."""
    async with conn.cursor(row_factory=dict_row) as cursor:
        async for row in cursor.stream(statement, params):
            yield row


def _identifiers(generation: Generation, table: Table) -> dict[str, sql.Composable]:
    columns = sql.SQL(", ").join(sql.Identifier(column) for column in table.columns)
    return {"columns": columns, "table": sql.Identifier(generation.schema, table.name)}


def _key_text(key: Key) -> tuple[str, ...]:
    return tuple(str(part) for part in key)


def _kept(live: str | None, replayed: str | None) -> tuple[str | None, str | None]:
    """What is kept of two values that differ: all of short ones; of long ones, from a little before where they differ."""
    if max(len(live or ""), len(replayed or "")) <= LONGEST_VALUE:
        return live, replayed
    pairs = enumerate(zip(live or "", replayed or "", strict=False))
    start = max(next((index for index, (one, other) in pairs if one != other), 0) - 20, 0)
    return _excerpt(live, start), _excerpt(replayed, start)


def _excerpt(text: str | None, start: int) -> str | None:
    return None if text is None else ("…" if start else "") + text[start : start + LONGEST_VALUE]


def _short(text: str | None, longest: int = 120) -> str:
    if text is None:
        return "null"
    return text if len(text) <= longest else text[: longest - 1] + "…"


def sizes(rows: Rows) -> dict[str, int]:
    """How many rows each table has."""
    return {each.table.name: len(each.current) for each in rows}
