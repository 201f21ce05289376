"""Rows in memory: what a fold reads and changes.

Who writes them has their changes told (`TrackedRows`): rows to insert, to update and to delete, by table.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any, NamedTuple, Protocol

from domain.envelope import RecordedEvent
from projections.table import Key, Lookup, Row, Table


class Unappliable(Exception):
    """This event does not fit the rows that the earlier ones left."""


class Changes(NamedTuple):
    """What became of one table's rows."""

    inserted: list[Row]
    updated: list[tuple[Row, Row]]
    """Each as it was, and as it is."""
    deleted: list[Key]


class Entry(Protocol):
    """What a row of a table can be made of to which rows are only added, and that nobody reads while folding."""

    def row(self) -> Row: ...


class TableRows:
    """The rows of one table, by key and by the other lookups."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.of_tenant = "tenant_id" in table.columns
        self.current: MutableMapping[Key, Row] = {}
        self._index: dict[tuple[str, ...], dict[Key, dict[Key, None]]] = {columns: {} for columns in table.lookups}

    def load(self, row: Row) -> None:
        """Take a row as it stands in the database."""
        self._put(self.key_of(row), row)

    def key_of(self, row: Row) -> Key:
        return tuple([row[name] for name in self.table.key])

    def insert(self, row: Row) -> None:
        key = self.key_of(row)
        if key in self.current:
            raise Unappliable(f"{self.table.name} has a row {_named(self.table, key)} already")
        self._put(key, row)

    def add(self, entry: Entry) -> None:
        self.insert(entry.row())

    def touch(self, key: Key) -> Row:
        """A row that is to be changed, from now on: the caller changes it. Who has found it before has it as it was.

        Raises KeyError."""
        row = self.current[key] = dict(self.current[key])
        return row

    def delete(self, key: Key) -> None:
        self._take_out(self.current.pop(key), key)

    def keys_where(self, columns: tuple[str, ...], values: Key) -> tuple[Key, ...]:
        return tuple(self._index[columns].get(values, ()))

    def each(self) -> Iterator[Row]:
        return iter(self.current.values())

    def _put(self, key: Key, row: Row) -> None:
        self.current[key] = row
        self._look_up(key, row)

    def _look_up(self, key: Key, row: Row) -> None:
        for columns, found in self._index.items():
            found.setdefault(tuple([row[name] for name in columns]), {})[key] = None

    def _take_out(self, row: Row, key: Key) -> None:
        for columns, found in self._index.items():
            del found[tuple([row[name] for name in columns])][key]


class TrackedRows(TableRows):
    """For those who write what changed. A row is copied when it is first touched, and changed as it stands until it was told of:
    a row that was found is as it was only until its event has touched it."""

    def __init__(self, table: Table) -> None:
        super().__init__(table)
        self._touched: dict[int, tuple[Row | None, Row]] = {}
        """As it stands in the database, None where it does not, and as it is: by the identity of the latter, for a key of UUIDs
        takes long to hash."""
        self._deleted: dict[Key, Row] = {}

    def insert(self, row: Row) -> None:
        key = self.key_of(row)
        if self.current.setdefault(key, row) is not row:
            raise Unappliable(f"{self.table.name} has a row {_named(self.table, key)} already")
        self._look_up(key, row)
        self._touched[id(row)] = (self._deleted.pop(key, None) if self._deleted else None, row)

    def touch(self, key: Key) -> Row:
        row = self.current[key]
        if id(row) in self._touched:
            return row
        before, row = row, dict(row)
        self.current[key] = row
        self._touched[id(row)] = (before, row)
        return row

    def delete(self, key: Key) -> None:
        row = self.current.pop(key)
        self._take_out(row, key)
        before, _ = self._touched.pop(id(row), (row, row))
        if before is not None:
            self._deleted[key] = before

    def changes(self) -> Changes:
        """Since the last time, or the beginning."""
        inserted = [row for before, row in self._touched.values() if before is None]
        updated = [(before, row) for before, row in self._touched.values() if before is not None]
        found = Changes(inserted, updated, list(self._deleted))
        self._touched.clear()
        self._deleted.clear()
        return found


class Rows:
    """The rows of all tables. Everything that changes one says which event did it, and stamps the row with it."""

    def __init__(self, tables: Iterable[Table], rows_of: Callable[[Table], TableRows] = TableRows) -> None:
        self._tables = {table.name: rows_of(table) for table in tables}

    def of(self, table: str) -> TableRows:
        return self._tables[table]

    def __iter__(self) -> Iterator[TableRows]:
        return iter(self._tables.values())

    def find(self, table: str, *key: Any) -> Row | None:
        rows = self._tables[table].current
        return rows.get(key) if rows else None  # a key of UUIDs is not hashed for nothing

    def get(self, table: str, *key: Any) -> Row:
        """Raises Unappliable where there is no such row."""
        row = self._tables[table].current.get(key)
        if row is None:
            raise Unappliable(f"{table} has no row {_named(self._tables[table].table, key)}")
        return row

    def where(self, table: str, lookup: Lookup) -> list[Row]:
        rows = self._tables[table]
        return [rows.current[key] for key in rows.keys_where(lookup.columns, lookup.values)]

    def insert(self, table: str, record: RecordedEvent, row: Row) -> None:
        """Add a row, which is the table's from now on; `tenant_id` and the stamp are added to it where the table has them."""
        rows = self._tables[table]
        if rows.of_tenant:
            row["tenant_id"] = record.tenant_id
        row["version"], row["created_at"] = record.version, record.recorded_at
        row["updated_at"] = record.recorded_at
        rows.insert(row)

    def add(self, table: str, entry: Entry) -> None:
        """Add a row that nobody reads, with all its columns."""
        self._tables[table].add(entry)

    def update(self, table: str, record: RecordedEvent, key: Key, changes: Row) -> None:
        """Change some columns of an existing row, and its stamp."""
        row = self._touch(table, key)
        row.update(changes)
        row["version"], row["updated_at"] = record.version, record.recorded_at

    def put(self, table: str, record: RecordedEvent, row: Row) -> None:
        """Add a row, or make the one with its key what it says."""
        key = self._tables[table].key_of({"tenant_id": record.tenant_id, **row})
        if self.find(table, *key) is None:
            self.insert(table, record, row)
        else:
            self.update(table, record, key, row)

    def count(self, table: str, key: Key, column: str) -> None:
        """Add one to a number that another stream's event counts: the stamp stays, for it is not that row's own event."""
        self._touch(table, key)[column] += 1

    def note(self, table: str, key: Key, changes: Row) -> None:
        """Change what another stream's event says of a row: as with `count`, the stamp stays."""
        self._touch(table, key).update(changes)

    def _touch(self, table: str, key: Key) -> Row:
        rows = self._tables[table]
        try:
            return rows.touch(key)
        except KeyError:
            raise Unappliable(f"{table} has no row {_named(rows.table, key)}") from None

    def delete(self, table: str, key: Key) -> None:
        self.get(table, *key)
        self._tables[table].delete(key)

    def keep_only(self, table: str, record: RecordedEvent, lookup: Lookup, wanted: Iterable[Row]) -> None:
        """Make the rows of a lookup the wanted ones: delete the others, add the missing, leave those that stay as they are."""
        rows = self._tables[table]
        missing = {rows.key_of({"tenant_id": record.tenant_id, **row}): row for row in wanted}
        for key in rows.keys_where(lookup.columns, lookup.values):
            if missing.pop(key, None) is None:
                rows.delete(key)
        for row in missing.values():
            self.insert(table, record, row)


class ChangedRows(Rows):
    """Rows of which it is known what became of them."""

    def __init__(self, tables: Iterable[Table], others: Mapping[str, type[TrackedRows]] | None = None) -> None:
        """`others`: by table, where its rows are kept in another way."""
        self._tracked: list[TrackedRows] = []
        self._others = others or {}
        super().__init__(tables, self._rows_of)

    def _rows_of(self, table: Table) -> TrackedRows:
        rows = self._others.get(table.name, TrackedRows)(table)
        self._tracked.append(rows)
        return rows

    def changes(self) -> list[tuple[Table, Changes]]:
        """By table, in their order: since the last time, or the beginning."""
        return [(rows.table, rows.changes()) for rows in self._tracked]


def _named(table: Table, key: Key) -> str:
    return "(" + ", ".join(f"{name} {value}" for name, value in zip(table.key, key, strict=True)) + ")"
