"""OCEL 2.0, as a relational database (SQLite) and as JSON: events with all the objects that they are about.

The database is written as the ledger is read, and the JSON is read out of such a database: nothing is kept in memory but the
names of types. Times are UTC. What an object is from the beginning stands at 1970, as the standard has it.
"""

import json
import re
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from contextlib import aclosing, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from projections.exporting.files import Counted, new_directory, new_file, refuse_existing, writing
from projections.process_log.cases import AttributeType, Reading, fitting
from projections.process_log.entries import Entry, Kind, Thing, Value

TABLES = """
CREATE TABLE event_map_type (ocel_type TEXT NOT NULL PRIMARY KEY, ocel_type_map TEXT NOT NULL UNIQUE);
CREATE TABLE object_map_type (ocel_type TEXT NOT NULL PRIMARY KEY, ocel_type_map TEXT NOT NULL UNIQUE);
CREATE TABLE event (ocel_id TEXT NOT NULL PRIMARY KEY, ocel_type TEXT NOT NULL REFERENCES event_map_type (ocel_type));
CREATE TABLE object (ocel_id TEXT NOT NULL PRIMARY KEY, ocel_type TEXT NOT NULL REFERENCES object_map_type (ocel_type));
CREATE TABLE event_object (
    ocel_event_id TEXT NOT NULL REFERENCES event (ocel_id), ocel_object_id TEXT NOT NULL REFERENCES object (ocel_id),
    ocel_qualifier TEXT NOT NULL, PRIMARY KEY (ocel_event_id, ocel_object_id, ocel_qualifier));
CREATE TABLE object_object (
    ocel_source_id TEXT NOT NULL REFERENCES object (ocel_id), ocel_target_id TEXT NOT NULL REFERENCES object (ocel_id),
    ocel_qualifier TEXT NOT NULL, PRIMARY KEY (ocel_source_id, ocel_target_id, ocel_qualifier));
"""
FIRST = "1970-01-01 00:00:00.000000+00:00"
SQL_TYPES = {str: "TEXT", int: "INTEGER", float: "REAL", bool: "BOOLEAN", datetime: "TIMESTAMP"}
JSON_TYPES = {"TEXT": "string", "INTEGER": "integer", "REAL": "float", "BOOLEAN": "boolean", "TIMESTAMP": "time"}
RESERVED = frozenset({"object", "map_type"})
"""What follows `event_` or `object_` in the names of other tables."""
LONGEST = 60
AT_A_TIME = 2_000
"""Events of a transaction."""


class Written(NamedTuple):
    events: int
    objects: int


async def write(reading: Reading, to: Path, kinds: Collection[Kind] | None = None) -> Written:
    """`to`: a new file, by whose name it is a database (.sqlite) or JSON (.json, .json.gz)."""
    refuse_existing(to)
    with writing(to), new_directory(to.with_name(f"{to.name}.making"), kept=False) as aside:
        database = aside / "log.sqlite"
        written = await write_sqlite(reading, database, kinds)
        if to.suffix == ".sqlite":
            refuse_existing(to)
            database.rename(to)
        else:
            with new_file(to) as file:
                write_json(database, file)
    return written


async def write_sqlite(reading: Reading, path: Path, kinds: Collection[Kind] | None = None) -> Written:
    """Into a file that is not there."""
    with closing(Database(path)) as database:
        database.types_of_attributes = await reading.attribute_types()
        async with aclosing(reading.told()) as told:
            async for _, entry in told:
                if entry is not None:
                    database.add(entry, shown=kinds is None or entry.kind in kinds)
        return database.finish()


class Database:
    """A log in the making."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute("PRAGMA cache_size = -16000")
        self._db.executescript(TABLES)
        self._db.execute("BEGIN")
        self._tables: dict[tuple[str, str], str] = {}
        self._columns: dict[str, dict[str, type[Any]]] = {}
        self._events = 0
        self.types_of_attributes: Mapping[str, AttributeType] = {}

    def close(self) -> None:
        self._db.close()

    def finish(self) -> Written:
        for (_, type), table in [each for each in self._tables.items() if each[0][0] == "object"]:
            described = f"SELECT 1 FROM {_quoted(table)} t WHERE t.ocel_id = o.ocel_id AND t.ocel_changed_field IS NULL"  # noqa: S608  quoted
            self._db.execute(
                f"INSERT INTO {_quoted(table)} (ocel_id, ocel_time) SELECT ocel_id, ? FROM object o"  # noqa: S608  our own names
                f" WHERE ocel_type = ? AND NOT EXISTS ({described})",
                (FIRST, type),
            )
        self._db.execute("COMMIT")
        broken = self._db.execute("PRAGMA foreign_key_check").fetchall()
        assert not broken, f"what the log names is not in it: {broken[:3]}"
        (objects,) = self._db.execute("SELECT count(*) FROM object").fetchone()
        return Written(self._events, objects)

    def add(self, entry: Entry, *, shown: bool) -> None:
        """Of one that is not shown, what it says of objects."""
        for thing in entry.things:
            self._object(thing)
        for link in entry.links:
            self._object(Thing(link.type, link.id))
        for change in entry.changes:
            self._object(Thing(change.type, change.id))
            self._row(
                "object", change.type, _id(change.type, change.id), {change.name: change.value}, _moment(entry.at), change.name
            )
        if not shown:
            return
        id = str(entry.id)
        about: dict[str, Value] = {"lifecycle": entry.transition, "resource": entry.resource, "kind": entry.kind}
        about |= {} if entry.role is None else {"role": entry.role}
        self._table("event", entry.activity)
        self._db.execute("INSERT INTO event VALUES (?, ?)", (id, entry.activity))
        self._row("event", entry.activity, id, {**about, "instance": entry.instance, **entry.attributes}, _moment(entry.at))
        for link in entry.links:
            self._db.execute("INSERT OR IGNORE INTO event_object VALUES (?, ?, ?)", (id, _id(link.type, link.id), link.qualifier))
        self._events += 1
        if self._events % AT_A_TIME == 0:
            self._db.execute("COMMIT")
            self._db.execute("BEGIN")

    def _object(self, thing: Thing) -> None:
        """It is described once, by whoever knows what it is."""
        id = _id(thing.type, thing.id)
        table = self._table("object", thing.type)
        self._db.execute("INSERT OR IGNORE INTO object VALUES (?, ?)", (id, thing.type))
        if (
            thing.attributes
            and not self._db.execute(
                f"SELECT 1 FROM {_quoted(table)} WHERE ocel_id = ? AND ocel_changed_field IS NULL",  # noqa: S608  our own name
                (id,),
            ).fetchone()
        ):
            self._row("object", thing.type, id, thing.attributes, FIRST)
        for link in thing.links:
            self._object(Thing(link.type, link.id))
            self._db.execute(
                "INSERT OR IGNORE INTO object_object VALUES (?, ?, ?)", (id, _id(link.type, link.id), link.qualifier)
            )

    def _row(self, of: str, type: str, id: str, values: Mapping[str, Value], at: str, changed: str | None = None) -> None:
        table = self._table(of, type)
        known = self._columns[table]
        shown = {name: self._fitting(name, value) for name, value in values.items()}
        for name, value in shown.items():
            if name not in known:
                known[name] = value.__class__
                kind = SQL_TYPES[value.__class__]
                self._db.execute(f"ALTER TABLE {_quoted(table)} ADD COLUMN {_quoted(name)} {kind}")
        fixed = {"ocel_id": id, "ocel_time": at, **({"ocel_changed_field": changed} if of == "object" else {})}
        row = {**fixed, **{name: _stored(value, known[name]) for name, value in shown.items()}}
        columns, marks = ", ".join(map(_quoted, row)), ", ".join("?" * len(row))
        self._db.execute(f"INSERT INTO {_quoted(table)} ({columns}) VALUES ({marks})", tuple(row.values()))  # noqa: S608  quoted

    def _fitting(self, name: str, value: Value) -> Value:
        return fitting(self.types_of_attributes, name.removeprefix("attr_"), value) if name.startswith("attr_") else value

    def _table(self, of: str, type: str) -> str:
        found = self._tables.get((of, type))
        if found is not None:
            return found
        mapped = self._mapped(of, type)
        table = f"{of}_{mapped}"
        own = ", ocel_changed_field TEXT" if of == "object" else ""
        key = "" if of == "object" else " PRIMARY KEY"
        self._db.execute(f"INSERT INTO {of}_map_type VALUES (?, ?)", (type, mapped))  # noqa: S608  one of two
        columns = f"ocel_id TEXT NOT NULL{key} REFERENCES {of} (ocel_id), ocel_time TIMESTAMP NOT NULL{own}"
        self._db.execute(f"CREATE TABLE {_quoted(table)} ({columns})")
        if of == "object":
            self._db.execute(f"CREATE INDEX {_quoted('index_of_' + table)} ON {_quoted(table)} (ocel_id)")
        self._tables[of, type] = table
        self._columns[table] = {}
        return table

    def _mapped(self, of: str, type: str) -> str:
        """A name for its table that no other has, whatever the case."""
        plain = re.sub(r"[^A-Za-z0-9]+", "_", type).strip("_")[:LONGEST] or "type"
        taken = {table.lower() for (kind, _), table in self._tables.items() if kind == of}
        number, name = 1, plain
        while name.lower() in RESERVED or f"{of}_{name}".lower() in taken:
            number += 1
            name = f"{plain}_{number}"
        return name


def write_json(path: Path, file: Counted) -> None:
    """A log that was written into a database, as JSON."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        event_types, object_types = dict(_types(db, "event")), dict(_types(db, "object"))
        file.write(b'{"eventTypes": %s,\n"objectTypes": %s,\n"events": [' % (_declared(event_types), _declared(object_types)))
        _items(file, (_event(db, row) for row in _rows(db, "event", event_types)))
        file.write(b'],\n"objects": [')
        _items(file, _objects(db, object_types))
        file.write(b"]}\n")


def _types(db: sqlite3.Connection, of: str) -> Iterator[tuple[str, tuple[str, dict[str, str]]]]:
    """By type: its table, and the kinds of its attributes."""
    for type, mapped in db.execute(f"SELECT ocel_type, ocel_type_map FROM {of}_map_type ORDER BY 1").fetchall():  # noqa: S608  quoted
        columns = db.execute(f"PRAGMA table_info({_quoted(f'{of}_{mapped}')})").fetchall()
        yield type, (f"{of}_{mapped}", {row[1]: JSON_TYPES[row[2]] for row in columns if not row[1].startswith("ocel_")})


def _declared(types: Mapping[str, tuple[str, dict[str, str]]]) -> bytes:
    return _json(
        [
            {"name": type, "attributes": [{"name": name, "type": kind} for name, kind in attributes.items()]}
            for type, (_, attributes) in types.items()
        ]
    )


class _Row(NamedTuple):
    type: str
    kinds: dict[str, str]
    values: dict[str, Any]


def _rows(db: sqlite3.Connection, of: str, types: Mapping[str, tuple[str, dict[str, str]]]) -> Iterator[_Row]:
    for type, (table, kinds) in types.items():
        order = "ocel_time, ocel_id" if of == "event" else "ocel_id, rowid"
        cursor = db.execute(f"SELECT * FROM {_quoted(table)} ORDER BY {order}")  # noqa: S608  quoted
        names = [column[0] for column in cursor.description]
        for row in cursor:
            yield _Row(type, kinds, dict(zip(names, row, strict=True)))


def _event(db: sqlite3.Connection, row: _Row) -> dict[str, Any]:
    id = row.values["ocel_id"]
    related = db.execute("SELECT ocel_object_id, ocel_qualifier FROM event_object WHERE ocel_event_id = ? ORDER BY 1, 2", (id,))
    return {
        "id": id,
        "type": row.type,
        "time": _rfc3339(row.values["ocel_time"]),
        "attributes": [{"name": name, "value": value} for name, value in _values(row)],
        "relationships": [{"objectId": object, "qualifier": qualifier} for object, qualifier in related],
    }


def _objects(db: sqlite3.Connection, types: Mapping[str, tuple[str, dict[str, str]]]) -> Iterator[dict[str, Any]]:
    for type, (table, kinds) in types.items():
        for (id,) in db.execute("SELECT ocel_id FROM object WHERE ocel_type = ? ORDER BY 1", (type,)):
            cursor = db.execute(f"SELECT * FROM {_quoted(table)} WHERE ocel_id = ? ORDER BY rowid", (id,))  # noqa: S608  quoted
            names = [column[0] for column in cursor.description]
            rows = [_Row(type, kinds, dict(zip(names, values, strict=True))) for values in cursor]
            related = db.execute(
                "SELECT ocel_target_id, ocel_qualifier FROM object_object WHERE ocel_source_id = ? ORDER BY 1, 2", (id,)
            )
            yield {
                "id": id,
                "type": type,
                "attributes": [
                    {"name": name, "time": _rfc3339(row.values["ocel_time"]), "value": value}
                    for row in rows
                    for name, value in _values(row)
                ],
                "relationships": [{"objectId": object, "qualifier": qualifier} for object, qualifier in related],
            }


def _values(row: _Row) -> Iterator[tuple[str, Any]]:
    for name, kind in row.kinds.items():
        if (value := row.values[name]) is not None:
            yield name, bool(value) if kind == "boolean" else _rfc3339(value) if kind == "time" else value


def _items(file: Counted, items: Iterator[dict[str, Any]]) -> None:
    for number, item in enumerate(items):
        file.write((b",\n" if number else b"\n") + _json(item))


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


def _id(type: str, id: str) -> str:
    """Ids of objects are unique in a log, whatever their types: what is not an id of ours is told apart by its type."""
    return id if type in ("execution", "approval_request", "ai_task", "user") else f"{type}:{id}"


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(" ", "microseconds")


def _rfc3339(text: str) -> str:
    return text.replace(" ", "T").replace("+00:00", "Z")


def _stored(value: Value, kind: type[Any]) -> Any:
    if kind is str and not isinstance(value, str):
        return str(value)
    return _moment(value) if isinstance(value, datetime) else value


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
