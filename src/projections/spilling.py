"""The rows of a fold that may be larger than memory: what was not touched lately lies in a temporary file.

A replay must give the same whatever the size of a tenant, so nothing here knows what an event touches: a row that is not at hand
is read from the file when it is asked for. The file is SQLite's, in its directory for temporary files (TMPDIR), and gone with it.
"""

import pickle
import sqlite3
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

from projections.rows import Rows, TableRows
from projections.table import Key, Row, Table

HOT_BYTES = 4 << 20
"""Of rows that are kept in memory, as they are stored. As objects they take some times as much."""

CREATE = """
CREATE TABLE rows (in_table TEXT, key TEXT, row BLOB NOT NULL, PRIMARY KEY (in_table, key));
CREATE TABLE lookups (in_table TEXT, looked TEXT, key TEXT, found BLOB NOT NULL, PRIMARY KEY (in_table, looked, key));
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -4096;
"""
READ = "SELECT row FROM rows WHERE in_table = ? AND key = ?"
EXISTS = "SELECT 1 FROM rows WHERE in_table = ? AND key = ?"
WRITE = "INSERT OR REPLACE INTO rows VALUES (?, ?, ?)"
REMOVE = "DELETE FROM rows WHERE in_table = ? AND key = ?"
ALL = "SELECT key, row FROM rows WHERE in_table = ?"
COUNT = "SELECT count(*) FROM rows WHERE in_table = ?"
LOOK_UP = "SELECT found FROM lookups WHERE in_table = ? AND looked = ?"
WRITE_LOOKUP = "INSERT OR REPLACE INTO lookups VALUES (?, ?, ?, ?)"
REMOVE_LOOKUP = "DELETE FROM lookups WHERE in_table = ? AND looked = ? AND key = ?"


class Spill:
    """The file of one fold, and how much of its rows is in memory."""

    def __init__(self, hot_bytes: int = HOT_BYTES, kind: "type[SpillingRows] | None" = None) -> None:
        self._kind = kind or SpillingRows
        self._most = hot_bytes
        self._hot = 0
        self._tables: list[SpillingRows] = []
        self.file = sqlite3.connect("", isolation_level=None)
        self.file.executescript(CREATE)

    def rows_of(self, table: Table) -> "SpillingRows":
        rows = self._kind(table, self)
        self._tables.append(rows)
        return rows

    def weigh(self, size: int) -> None:
        """So many bytes of rows have come into memory."""
        self._hot += size

    def relieve(self) -> None:
        """Between two events: put the rows into the file if they have become too many."""
        if self._hot > self._most:
            self.file.execute("BEGIN")
            for rows in self._tables:
                rows.spill()
            self.file.execute("COMMIT")
            self._hot = 0


class Spilled(MutableMapping[Key, Row]):
    """A table's rows by key, in memory or in the file."""

    def __init__(self, table: Table, spill: Spill) -> None:
        self._spill = spill
        self._hot: dict[Key, Row] = {}
        self._changed: dict[Key, None] = {}
        self._in_file = False
        self._name = table.name
        self._key_of = table.key

    def __getitem__(self, key: Key) -> Row:
        row = self._hot.get(key)
        if row is None:
            data = self._stored(key)
            if data is None:
                raise KeyError(key)
            row = self._hot[key] = pickle.loads(data)
            self._spill.weigh(len(data))
        return row

    def get(self, key: Key, default: Any = None) -> Any:
        row = self._hot.get(key)
        if row is None and self._in_file:
            try:
                return self[key]
            except KeyError:
                return default
        return default if row is None else row

    def __contains__(self, key: object) -> bool:
        if key in self._hot:
            return True
        return self._in_file and self._spill.file.execute(EXISTS, (self._name, repr(key))).fetchone() is not None

    def __setitem__(self, key: Key, row: Row) -> None:
        self._hot[key] = row
        self._changed[key] = None

    def __delitem__(self, key: Key) -> None:
        self.pop(key)

    def pop(self, key: Key, default: Any = None) -> Any:
        """The row, which is gone then; `default` where there is none. It does not come into memory for longer than that."""
        row = self._hot.pop(key, None)
        self._changed.pop(key, None)
        data = self._stored(key)
        if data is not None:
            self._spill.file.execute(REMOVE, (self._name, repr(key)))
        if row is not None:
            return row
        return default if data is None else pickle.loads(data)

    def __iter__(self) -> Iterator[Key]:
        for row in self.each():
            yield tuple([row[name] for name in self._key_of])

    def each(self) -> Iterator[Row]:
        """All rows, one at a time: those in the file do not stay in memory."""
        yield from list(self._hot.values())
        if self._in_file:
            hot = {repr(key) for key in self._hot}
            for key, data in self._spill.file.execute(ALL, (self._name,)):
                if key not in hot:
                    yield pickle.loads(data)

    def __bool__(self) -> bool:
        return bool(self._hot) or self._in_file

    def __len__(self) -> int:
        if not self._in_file:
            return len(self._hot)
        self.spill()
        (count,) = self._spill.file.execute(COUNT, (self._name,)).fetchone()
        return int(count)

    def clear(self) -> None:
        for key in list(self):
            self.pop(key)

    def spill(self) -> None:
        """All rows into the file."""
        changed = ((self._name, repr(key), pickle.dumps(self._hot[key], pickle.HIGHEST_PROTOCOL)) for key in self._changed)
        self._spill.file.executemany(WRITE, changed)
        self._in_file = self._in_file or bool(self._changed)
        self._hot.clear()
        self._changed.clear()

    def _stored(self, key: Key) -> bytes | None:
        if not self._in_file:
            return None
        found = self._spill.file.execute(READ, (self._name, repr(key))).fetchone()
        return None if found is None else bytes(found[0])


class SpillingRows(TableRows):
    """A table's rows, and what its lookups find, in memory or in the file."""

    current: Spilled

    def __init__(self, table: Table, spill: Spill) -> None:
        super().__init__(table)
        self.current = Spilled(table, spill)
        self._file = spill.file
        self._spilled = False

    def keys_where(self, columns: tuple[str, ...], values: Key) -> tuple[Key, ...]:
        found = super().keys_where(columns, values)
        if not self._spilled:
            return found
        rows = self._file.execute(LOOK_UP, (self.table.name, repr((columns, values))))
        return (*found, *(key for (data,) in rows if (key := pickle.loads(data)) not in found))

    def delete(self, key: Key) -> None:
        row = self.current.pop(key)
        for columns, found in self._index.items():
            values = tuple([row[name] for name in columns])
            found.get(values, {}).pop(key, None)
            if self._spilled:
                self._file.execute(REMOVE_LOOKUP, (self.table.name, repr((columns, values)), repr(key)))

    def each(self) -> Iterator[Row]:
        return self.current.each()

    def spill(self) -> None:
        self.current.spill()
        for columns, found in self._index.items():
            entries = (
                (self.table.name, repr((columns, values)), repr(key), pickle.dumps(key))
                for values, keys in found.items()
                for key in keys
            )
            self._file.executemany(WRITE_LOOKUP, entries)
            found.clear()
            self._spilled = True


@contextmanager
def spilling(
    tables: tuple[Table, ...], hot_bytes: int = HOT_BYTES, rows_of: type[SpillingRows] = SpillingRows
) -> Iterator[tuple[Rows, Spill]]:
    """Rows to fold into, and what bounds them."""
    spill = Spill(hot_bytes, rows_of)
    try:
        yield Rows(tables, spill.rows_of), spill
    finally:
        spill.file.close()
