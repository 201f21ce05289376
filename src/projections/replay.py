"""Replay: fold a ledger afresh, in memory, and compare every column of every table with the rows that are there.

Shares the functions that apply events with the projector, and nothing of how it loads and writes rows.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from psycopg import AsyncConnection, sql
from psycopg.rows import dict_row
from psycopg.types.json import set_json_loads

from domain.envelope import PLATFORM, RecordedEvent
from projections import freshness
from projections.audit_logs import TABLE as AUDIT_LOGS
from projections.normal import exact_json, normal, surely_same
from projections.portions import Span, measure
from projections.registry import TABLES, apply, fold, new_rows
from projections.rows import Rows, TableRows
from projections.skips import Skip, skips
from projections.table import Key, Row, Table
from runtime import limits
from store.reading import read_ledger

SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
PORTION = 1000
MOST_DIFFERENCES = 1000

ALL_OF_TENANT = sql.SQL("SELECT {columns} FROM projections.{table} WHERE tenant_id = %(tenant)s")
ALL = sql.SQL("SELECT {columns} FROM projections.{table}")
AUDITED = sql.SQL(
    "SELECT {columns} FROM projections.{table} WHERE tenant_id = %(tenant)s AND position > %(after)s AND position <= %(up_to)s"
)
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
    skipped: list[Skip] = field(default_factory=list)
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


@asynccontextmanager
async def snapshot(conn: AsyncConnection[Any]) -> AsyncIterator[AsyncConnection[Any]]:
    """A transaction that sees one moment and writes nothing. `conn` is in autocommit, as gesta_system."""
    set_json_loads(exact_json, conn)
    async with conn.transaction():
        await conn.execute(SNAPSHOT)
        await conn.execute(limits.NONE)
        yield conn


async def replay(conn: AsyncConnection[Any], tenant_id: UUID, up_to: int | None = None) -> Comparison:
    """Compare a tenant's tables with a fold of its ledger up to their own position, in one snapshot.

    With `up_to`, the fold ends there instead: the tables equal it only if they stand at that position.
    """
    async with snapshot(conn):
        position = await freshness.position(conn, tenant_id) if up_to is None else up_to
        return await compare(conn, tenant_id, position)


async def compare(conn: AsyncConnection[Any], tenant_id: UUID, position: int) -> Comparison:
    """As `replay`, within the caller's snapshot. Raises UnknownTopic and Undecodable."""
    left_out = [skip for skip in await skips(conn, tenant_id) if skip.position <= position]
    found = Comparison(tenant_id, position, skipped=left_out)
    rows = new_rows()
    audited = 0
    found.rows[AUDIT_LOGS.name] = 0
    async for records in portions(conn, tenant_id, position, [skip.position for skip in left_out]):
        found.unfoldable = fold_all(rows, records)
        if found.unfoldable is not None:
            return found
        # the audit log, which only grows, is compared as it goes: nobody needs it all in memory
        await _compare_audit(conn, rows, found, audited, records[-1].position)
        audited = records[-1].position
    await _compare_audit(conn, rows, found, audited, LAST)
    for table in TABLES:
        if table is not AUDIT_LOGS and ("tenant_id" in table.own or tenant_id == PLATFORM):
            statement = (ALL_OF_TENANT if "tenant_id" in table.own else ALL).format(**_identifiers(table))
            live = _stream(conn, table, statement, {"tenant": tenant_id})
            found.rows[table.name] = await _compare_rows(table, live, rows.of(table.name), found)
    return found


def fold_all(rows: Rows, records: Iterable[RecordedEvent]) -> str | None:
    """Fold until an event does not fit the earlier ones; what is wrong with that one, or None."""
    for record in records:
        try:
            apply(rows, record)
        except Exception as error:  # whatever a broken ledger leads to is the finding
            return f"event {record.position} ({record.topic}) cannot be applied: {type(error).__name__}: {error}"
    return None


async def rebuild(conn: AsyncConnection[Any], tenant_id: UUID, up_to: int) -> Rows:
    """All rows of a tenant as they were at a position, without the events that are skipped by now."""
    rows = new_rows()
    async for records in portions(conn, tenant_id, up_to, [skip.position for skip in await skips(conn, tenant_id)]):
        fold(rows, records)
    return rows


async def portions(
    conn: AsyncConnection[Any], tenant_id: UUID, up_to: int, without: Iterable[int] = ()
) -> AsyncIterator[list[RecordedEvent]]:
    """A ledger's events in order, in portions of limited size; those at the positions of `without` are not even read."""
    after = 0
    for end in (*(position - 1 for position in sorted(without) if position <= up_to), up_to):
        while after < end:
            within = (await measure(conn, [Span(tenant_id, after, end)], PORTION)).get(tenant_id)
            if within is None:
                break
            records = await read_ledger(conn, tenant_id, after, within.events, up_to=end)
            yield records
            after = records[-1].position
        after = end + 1


async def _compare_audit(conn: AsyncConnection[Any], rows: Rows, found: Comparison, after: int, up_to: int) -> None:
    statement = AUDITED.format(**_identifiers(AUDIT_LOGS))
    live = _stream(conn, AUDIT_LOGS, statement, {"tenant": found.tenant_id, "after": after, "up_to": up_to})
    found.rows[AUDIT_LOGS.name] += await _compare_rows(AUDIT_LOGS, live, rows.of(AUDIT_LOGS.name), found)


async def _compare_rows(table: Table, live: AsyncIterator[Row], folded: TableRows, found: Comparison) -> int:
    """Compare, use up the folded rows, and count the live ones."""
    count = 0
    async for row in live:
        count += 1
        key = folded.key_of(row)
        expected = folded.current.pop(key, None)
        if expected is None:
            found.add(Difference(table.name, "extra", _key_text(key)))
            continue
        for column, kind in table.columns.items():
            if surely_same(row[column], expected[column]):
                continue
            there, here = normal(kind, row[column]), normal(kind, expected[column])
            if there != here:
                found.add(Difference(table.name, "differs", _key_text(key), column, there, here))
    for key in folded.current:
        found.add(Difference(table.name, "missing", _key_text(key)))
    folded.current.clear()
    return count


async def _stream(
    conn: AsyncConnection[Any], table: Table, statement: sql.Composed, params: dict[str, Any]
) -> AsyncIterator[Row]:
    """Rows through a cursor of the server, so that a large table is never in memory as a whole."""
    async with conn.cursor(f"replay_{table.name}", row_factory=dict_row) as cursor:
        cursor.itersize = PORTION
        await cursor.execute(statement, params)
        async for row in cursor:
            yield row


def _identifiers(table: Table) -> dict[str, sql.Composable]:
    columns = sql.SQL(", ").join(sql.Identifier(column) for column in table.columns)
    return {"columns": columns, "table": sql.Identifier(table.name)}


def _key_text(key: Key) -> tuple[str, ...]:
    return tuple(str(part) for part in key)


def _short(text: str | None, longest: int = 120) -> str:
    if text is None:
        return "null"
    return text if len(text) <= longest else text[: longest - 1] + "…"


def sizes(rows: Rows) -> dict[str, int]:
    """How many rows each table has."""
    return {each.table.name: len(each.current) for each in rows}
