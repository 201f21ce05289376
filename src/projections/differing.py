"""What changed in the tables between two positions of a ledger, row by row: one fold, which remembers how each row was that is
touched in between. Memory is bounded as in a replay: what is remembered lies in the fold's file.
"""

import pickle
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import asynccontextmanager
from typing import Any, Literal, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection

from projections.audit_logs import TABLE as AUDIT_LOGS
from projections.registry import TABLES, concerned
from projections.replay import batches, fold_one
from projections.rows import Rows
from projections.skipped_events import read_skipped_events
from projections.spilling import Spill, SpillingRows, spilling
from projections.table import STAMP, Key, Row, Table
from runtime.errors import OperatorError

COMPARED = tuple(table for table in TABLES if table is not AUDIT_LOGS)
"""The audit log is not: it has a row for every event, and none ever changes."""
CREATE = "CREATE TABLE befores (in_table TEXT, key TEXT, found BLOB NOT NULL, row BLOB, PRIMARY KEY (in_table, key))"
REMEMBER = "INSERT OR IGNORE INTO befores VALUES (?, ?, ?, ?)"
REMEMBERED = "SELECT 1 FROM befores WHERE in_table = ? AND key = ?"
TOUCHED = "SELECT found, row FROM befores WHERE in_table = ? ORDER BY key"

What = Literal["came", "went", "changed"]
Tell = Callable[[int], None]


class RowDifference(NamedTuple):
    """A row that is not as it was. None: it was not there, or is not any more."""

    table: str
    key: dict[str, Any]
    before: Row | None
    after: Row | None

    @property
    def what(self) -> What:
        return "came" if self.before is None else "went" if self.after is None else "changed"

    @property
    def changes(self) -> dict[str, tuple[Any, Any]]:
        """By column, before and after, without what stamps each row."""
        before, after = self.before or {}, self.after or {}
        names = [name for name in (after or before) if name not in STAMP]
        return {name: (before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)}


class RememberingRows(SpillingRows):
    """Rows that, from a moment on, are remembered as they were before they are touched first."""

    def __init__(self, table: Table, spill: Spill) -> None:
        super().__init__(table, spill)
        self.remembers = False

    def touch(self, key: Key) -> Row:
        self._remember(key)
        return super().touch(key)

    def delete(self, key: Key) -> None:
        self._remember(key)
        super().delete(key)

    def _put(self, key: Key, row: Row) -> None:
        self._remember(key)
        super()._put(key, row)

    def _remember(self, key: Key) -> None:
        if not self.remembers or self._file.execute(REMEMBERED, (self.table.name, repr(key))).fetchone() is not None:
            return
        row = self.current.get(key)
        self._file.execute(REMEMBER, (self.table.name, repr(key), pickle.dumps(key), None if row is None else pickle.dumps(row)))

    def touched(self) -> Iterator[tuple[Key, Row | None]]:
        for key, row in self._file.execute(TOUCHED, (self.table.name,)):
            yield pickle.loads(key), None if row is None else pickle.loads(row)


@asynccontextmanager
async def folded_between(
    conn: AsyncConnection[Any], tenant_id: UUID, start: int, end: int, tables: Collection[str], tell: Tell
) -> AsyncIterator[Iterator[RowDifference]]:
    """The rows of these tables that are otherwise at `end` than they were at `start`. Raises OperatorError: the ledger cannot be
    folded. `conn` is in a snapshot; `tell` is told how many events have been folded."""
    passed_over = {skip.position for skip in await read_skipped_events(conn, tenant_id)}
    known = concerned(COMPARED)
    with spilling(COMPARED, rows_of=RememberingRows) as (rows, spill):
        spill.file.execute(CREATE)
        remembers = False
        async for records in batches(conn, tenant_id, end):
            for record in records:
                if record.position > start and not remembers:
                    remembers = True
                    for table in tables:
                        _of(rows, table).remembers = True
                wrong = None if record.position in passed_over else fold_one(rows, spill, record, known)
                if wrong is not None:
                    raise OperatorError(f"{wrong[0].upper()}{wrong[1:]}.")
            tell(len(records))
        yield _differences(rows, tables)


def _differences(rows: Rows, tables: Collection[str]) -> Iterator[RowDifference]:
    for table in COMPARED:
        if table.name not in tables:
            continue
        folded = _of(rows, table.name)
        for key, before in folded.touched():
            named = {name: value for name, value in zip(table.key, key, strict=True) if name != "tenant_id"}
            found = RowDifference(table.name, named, before, folded.current.get(key))
            if found.changes:
                yield found


def _of(rows: Rows, table: str) -> RememberingRows:
    found = rows.of(table)
    assert isinstance(found, RememberingRows)
    return found
