"""Entries of the audit log on their way to PostgreSQL, without becoming rows.

There is one for each event, of more columns than anything else has, and nobody reads them while folding. So they are collected
apart, and inserted as one array for each column: PostgreSQL reads those at a fraction of what JSON takes it.
"""

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

from psycopg import AsyncConnection, sql

from projections.audit_logs import TABLE, Entry, as_address, event_id, payload_bytes
from projections.rows import Entry as AnyEntry
from projections.rows import Rows, TrackedRows
from projections.table import Table
from projections.writing import BATCH, Write, json_bytes
from store.arrays import ArrayColumn, Bigints, JsonBytes, Texts, Times, Uuids

INSERT = sql.SQL("INSERT INTO {table} ({columns}) SELECT {values} FROM unnest({arrays}) AS new ({names})")
SENT_AS: dict[str, tuple[type[ArrayColumn], str]] = {
    "uuid": (Uuids, "uuid"),
    "bigint": (Bigints, "int8"),
    "text": (Texts, "text"),
    "timestamptz": (Times, "timestamptz"),
    "jsonb": (JsonBytes, "jsonb"),
    "inet": (Texts, "text"),
    "text[]": (Texts, "text"),  # an array of arrays would be flattened
}
SAME = {"created_at": "recorded_at", "updated_at": "recorded_at"}
"""What is sent once."""
SENT = {name: SENT_AS[column.type] for name, column in TABLE.columns.items() if name not in SAME}


class AuditEntries(TrackedRows):
    """Takes entries instead of keeping rows."""

    def __init__(self, table: Table) -> None:
        super().__init__(table)
        self._entries: list[Entry] = []

    def add(self, entry: AnyEntry) -> None:
        assert isinstance(entry, Entry)
        self._entries.append(entry)

    def taken(self) -> list[Entry]:
        """What came since the last time."""
        entries, self._entries = self._entries, []
        return entries


def taken(rows: Rows, tables: Sequence[Table]) -> list[Entry]:
    """Of rows that may be without the audit log."""
    audited = rows.of(TABLE.name) if TABLE in tables else None
    return audited.taken() if isinstance(audited, AuditEntries) else []


async def insert(conn: AsyncConnection[Any], schema: str, entries: Sequence[Entry]) -> list[Write]:
    """Add the entries, in a pipeline. The connection knows how to send columns (`store.arrays`)."""
    writes = []
    statement = insert_statement(schema)
    for start in range(0, len(entries), BATCH):
        some = entries[start : start + BATCH]
        values = dict(zip(TABLE.columns, zip(*map(_values, some), strict=True), strict=True))
        columns = [kind(values[name]) for name, (kind, _) in SENT.items()]
        writes.append(Write(statement, len(some), await conn.execute(statement, columns)))
    return writes


def _values(entry: Entry) -> tuple[Any, ...]:
    record, metadata = entry.record, entry.about()
    return entry.values(
        event_id(record.tenant_id, record.position),
        as_address(record.envelope.ip),
        json_bytes(metadata) if metadata else b"{}",
        payload_bytes(record),
        _literal(entry.tags),
    )


@lru_cache(maxsize=4096)
def _literal(texts: tuple[str, ...]) -> str:
    """As text[] is written."""
    return "{" + ",".join('"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' for text in texts) + "}"


@cache
def insert_statement(schema: str) -> bytes:
    return INSERT.format(
        table=sql.Identifier(schema, TABLE.name),
        columns=sql.SQL(", ").join(map(sql.Identifier, TABLE.columns)),
        values=sql.SQL(", ").join(_selected(name, column.type) for name, column in TABLE.columns.items()),
        arrays=sql.SQL(", ").join(sql.SQL("%s::{}[]").format(sql.Identifier(kind)) for _, kind in SENT.values()),
        names=sql.SQL(", ").join(map(sql.Identifier, SENT)),
    ).as_bytes()


def _selected(name: str, type: str) -> sql.Composed:
    value = sql.Identifier("new", SAME.get(name, name))
    return sql.SQL("{}::text[]" if type == "text[]" else "{}::inet" if type == "inet" else "{}").format(value)
