"""Rows in memory: what a fold reads and changes.

Remembers what the rows that were touched were before, so that the changes can be told: rows to insert, to update and to delete,
by table.
"""

from collections.abc import Callable, Iterable, Iterator, MutableMapping
from typing import Any, NamedTuple

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


class TableRows:
    """The rows of one table, by key and by the other lookups."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.current: MutableMapping[Key, Row] = {}
        self.before: dict[Key, Row | None] = {}
        """What was touched: as it stands in the database, None where it does not."""
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
        self.before.setdefault(key, None)
        self._put(key, row)

    def replace(self, key: Key, row: Row) -> None:
        self.before.setdefault(key, self.current[key])
        self.current[key] = row

    def delete(self, key: Key) -> None:
        row = self.current.pop(key)
        self.before.setdefault(key, row)
        for columns, found in self._index.items():
            del found[tuple([row[name] for name in columns])][key]

    def keys_where(self, columns: tuple[str, ...], values: Key) -> tuple[Key, ...]:
        return tuple(self._index[columns].get(values, ()))

    def each(self) -> Iterator[Row]:
        return iter(self.current.values())

    def changes(self) -> Changes:
        """Since the last time, or the beginning."""
        found = Changes([], [], [])
        for key, before in self.before.items():
            row = self.current.get(key)
            if row is None:
                if before is not None:
                    found.deleted.append(key)
            elif before is None:
                found.inserted.append(row)
            elif before is not row:
                found.updated.append((before, row))
        self.before.clear()
        return found

    def _put(self, key: Key, row: Row) -> None:
        self.current[key] = row
        for columns, found in self._index.items():
            found.setdefault(tuple([row[name] for name in columns]), {})[key] = None


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
        """Add a row; `tenant_id` and the stamp are added to it where the table has them."""
        rows = self._tables[table]
        stamp = {"version": record.version, "created_at": record.recorded_at, "updated_at": record.recorded_at}
        owner = {"tenant_id": record.tenant_id} if "tenant_id" in rows.table.columns else {}
        rows.insert({**owner, **row, **stamp})

    def update(self, table: str, record: RecordedEvent, key: Key, changes: Row) -> None:
        """Change some columns of an existing row, and its stamp."""
        row = self.get(table, *key)
        stamp = {"version": record.version, "updated_at": record.recorded_at}
        self._tables[table].replace(key, {**row, **changes, **stamp})

    def count(self, table: str, key: Key, column: str) -> None:
        """Add one to a number that another stream's event counts: the stamp stays, for it is not that row's own event."""
        row = self.get(table, *key)
        self._tables[table].replace(key, {**row, column: row[column] + 1})

    def note(self, table: str, key: Key, changes: Row) -> None:
        """Change what another stream's event says of a row: as with `count`, the stamp stays."""
        self._tables[table].replace(key, {**self.get(table, *key), **changes})

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


def _named(table: Table, key: Key) -> str:
    return "(" + ", ".join(f"{name} {value}" for name, value in zip(table.key, key, strict=True)) + ")"
