"""Ledgers of millions of events: one execution that was really played, copied with other ids and times, as a superuser."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, LiteralString
from uuid import UUID

import psycopg

from runtime.ids import new_id

PLAYED = """
SELECT position, stream_id, version, topic, occurred_at, recorded_at, command_id, meta, data
  FROM ledger.events WHERE tenant_id = %s ORDER BY position
"""
STARTED = "execution.started.v1"
# What was played has happened two months ago, and its commands are forgotten since: as an old ledger is.
AGED: tuple[LiteralString, ...] = (
    "ALTER TABLE ledger.events DISABLE TRIGGER append_only",
    "UPDATE ledger.events SET occurred_at = occurred_at - interval '60 days', recorded_at = recorded_at - interval '60 days' "
    "WHERE tenant_id = %s",
    "ALTER TABLE ledger.events ENABLE ALWAYS TRIGGER append_only",
    "DELETE FROM runtime.commands WHERE tenant_id = %s",
)
COPY = """
COPY ledger.events (tenant_id, position, stream_id, version, topic, occurred_at, recorded_at, command_id, meta, data)
FROM STDIN (FORMAT BINARY)
"""
TYPES = ("uuid", "int8", "uuid", "int8", "text", "timestamptz", "timestamptz", "uuid", "bytea", "bytea")
A_UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
APART = timedelta(seconds=1)


def fill(conn: psycopg.Connection[Any], tenant_id: UUID, events: int) -> int:
    """Repeat the tenant's last execution until its ledger has that many events, or a few more; its last position."""
    with conn.transaction():
        for statement in AGED:
            conn.execute(statement, [tenant_id] if "%s" in statement else None)
    rows = conn.execute(PLAYED, (tenant_id,)).fetchall()
    first = next(index for index, row in enumerate(rows) if row[3] == STARTED)
    before, rows = rows[:first], rows[first:]
    known = {found for row in before for found in (str(row[1]).encode(), *A_UUID.findall(row[8]))}
    own = {str(row[number]).encode() for row in rows for number in (1, 6)}
    own |= {found for row in rows for found in A_UUID.findall(row[8])} - known
    position, number = len(before) + len(rows), 0
    with conn.cursor() as cursor, cursor.copy(COPY) as out:
        out.set_types(TYPES)
        while position < events:
            number += 1
            for row in _copy(rows, own, number):
                position += 1
                out.write_row((tenant_id, position, *row))
    return position


def _copy(rows: list[Any], own: set[bytes], number: int) -> Iterator[tuple[Any, ...]]:
    ids = {old: str(new_id()).encode() for old in own}
    pattern = re.compile(b"|".join(map(re.escape, own)))
    later = APART * number
    for _, stream, version, topic, occurred, recorded, command, meta, data in rows:
        yield (
            UUID(ids[str(stream).encode()].decode()),
            version,
            topic,
            occurred + later,
            recorded + later,
            UUID(ids[str(command).encode()].decode()),
            meta,
            pattern.sub(lambda found: ids[found[0]], data),
        )
