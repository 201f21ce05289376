"""Rows between memory and the database: one statement for each table and each kind of change, whatever the number of rows.
What does not depend on each other's answers goes in one trip.

Rows travel as one JSON array, which PostgreSQL makes rows of the table from: every column by its own type, and faster than
as many parameters.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Any, NamedTuple

import orjson
from psycopg import AsyncConnection, AsyncCursor, sql
from psycopg.rows import dict_row
from pydantic_core import to_json

from domain.envelope import RecordedEvent
from projections.generation import SERVING, Generation
from projections.rows import ChangedRows, Changes, Rows
from projections.table import Key, Row, Table
from store.arrays import ArrayColumn, Bigints, Ints, Texts, Uuids

SELECT = sql.SQL("SELECT {columns} FROM unnest({arrays}) AS wanted ({key}) JOIN {table} USING ({key})")
SELECT_THROUGH = sql.SQL(
    "SELECT {columns} FROM unnest({arrays}) AS wanted (tenant_id, execution_id)"
    " JOIN {above} AS above USING (tenant_id, execution_id)"
    " JOIN {table} AS old ON old.tenant_id = above.tenant_id AND old.{column} = above.id"
)
INSERT = sql.SQL("INSERT INTO {table} ({columns}) SELECT {columns} FROM json_populate_recordset(NULL::{table}, %s::json)")
UPDATE = sql.SQL(
    "UPDATE {table} AS old SET ({columns}) = ROW({new}) FROM json_populate_recordset(NULL::{table}, %s::json) AS new WHERE {same}"
)
DELETE = sql.SQL("DELETE FROM {table} AS old USING unnest({arrays}) AS gone ({key}) WHERE {same}")

SENT_AS: Mapping[str, type[ArrayColumn]] = {"uuid": Uuids, "text": Texts, "integer": Ints, "bigint": Bigints}

BATCH = 200
"""Rows in one statement."""


class Vanished(Exception):
    """Rows that were read a moment ago, under the tenant's lock, were not there to be changed: somebody else writes here."""


class Query(NamedTuple):
    """A query that was sent in a pipeline; its rows come when the pipeline ends."""

    table: str
    cursor: AsyncCursor[Row]


class Write(NamedTuple):
    """A statement that was sent in a pipeline, and how many rows it is to change."""

    statement: bytes
    expected: int
    cursor: AsyncCursor[Any]


async def load(conn: AsyncConnection[Any], records: Iterable[RecordedEvent], generation: Generation = SERVING) -> list[Query]:
    """Ask for the rows that these events need: one query for each table and lookup."""
    wanted: defaultdict[str, defaultdict[tuple[tuple[str, ...], str | None], list[Key]]]
    wanted = defaultdict(partial(defaultdict, list))
    for record in records:
        for table in generation.known.get(type(record.event), ()):
            for columns, values, other, through in table.rows_needed(record):
                wanted[other or table.name][columns, through].append(values)
    queries = []
    for table in generation.tables:
        for (columns, through), keys in wanted.get(table.name, {}).items():
            if columns == table.key or columns in table.lookups:
                arrays = _columns(table, columns, dict.fromkeys(keys))
                statement = select_statement(generation.schema, table.name, columns, through)
                cursor = conn.cursor(binary=True, row_factory=dict_row)
                queries.append(Query(table.name, await cursor.execute(statement, arrays)))
    return queries


async def collect(rows: Rows, queries: Iterable[Query]) -> None:
    """Take the rows that `load` asked for, once the pipeline has ended."""
    for table, cursor in queries:
        found = rows.of(table)
        for row in await cursor.fetchall():
            found.load(row)


async def write(conn: AsyncConnection[Any], rows: ChangedRows, generation: Generation = SERVING) -> list[Write]:
    """Write what changed: deletions first, children before parents; then updates and insertions, parents before children.

    Updates come before insertions, so that a unique value can be given up and taken again in one batch.
    """
    return await write_changes(conn, rows.changes(), generation.schema)


async def write_changes(
    conn: AsyncConnection[Any], changes: Sequence[tuple[Table, Changes]], schema: str, *, inserting: bool = True
) -> list[Write]:
    """As `write`. `inserting`: whether the new rows too, or only what became of others."""
    writes: list[Write] = []

    async def execute(statement: bytes, params: list[Any], expected: int) -> None:
        writes.append(Write(statement, expected, await conn.execute(statement, params)))

    for table, changed in reversed(changes):
        if changed.deleted:
            arrays = _columns(table, table.key, changed.deleted)
            await execute(delete_statement(schema, table.name), arrays, len(changed.deleted))
    for table, changed in changes:
        for columns, updated in by_columns(table, changed.updated).items():
            for some in batches(updated):
                await execute(update_statement(schema, table.name, columns), [as_json(some)], len(some))
        for some in batches(changed.inserted if inserting else []):
            await execute(insert_statement(schema, table.name), [as_json(some)], len(some))
    return writes


def by_columns(table: Table, updated: list[tuple[Row, Row]]) -> dict[tuple[str, ...], list[Row]]:
    """Rows by the columns that are written: what may be large (`Column.listed`) only where it has changed.

    PostgreSQL stores what lies beside a row anew whenever its column is set, be it to the same value.
    """
    if not updated:
        return {}
    small = tuple(name for name, column in table.columns.items() if name not in table.key and column.listed)
    large = tuple(name for name, column in table.columns.items() if name not in table.key and not column.listed)
    found: dict[tuple[str, ...], list[Row]] = {}
    for before, row in updated:
        columns = (*small, *(name for name in large if row[name] is not before[name]))
        found.setdefault(columns, []).append({name: row[name] for name in (*table.key, *columns)} if large else row)
    return found


def verify(writes: Iterable[Write]) -> None:
    """Once the pipeline has ended: each changed as many rows as it was to. Raises Vanished."""
    for statement, expected, cursor in writes:
        if cursor.rowcount != expected:
            raise Vanished(f"{cursor.rowcount} of {expected} rows: {statement[:120].decode()}")


def batches(rows: list[Row]) -> Iterator[list[Row]]:
    """Few enough rows for one parameter: it ends at 1 GiB, and a row may hold some megabytes of JSON."""
    return (rows[start : start + BATCH] for start in range(0, len(rows), BATCH))


def as_json(rows: Row | list[Row]) -> str:
    return json_bytes(rows).decode()


def json_bytes(value: Any) -> bytes:
    """By what is three times as fast, where it can: not for amounts, spans, and whole numbers beyond 64 bits."""
    try:
        return orjson.dumps(value, option=orjson.OPT_UTC_Z)
    except TypeError:
        return to_json(value)


# The statements are made once, as bytes: psycopg would compose them each time that they are sent.


@cache
def _of(name: str) -> Table:
    return next(table for table in SERVING.tables if table.name == name)


@cache
def select_statement(schema: str, name: str, columns: tuple[str, ...], through: str | None = None) -> bytes:
    table = _of(name)
    if through is not None:
        return SELECT_THROUGH.format(
            columns=sql.SQL(", ").join(sql.Identifier("old", column) for column in table.columns),
            arrays=_arrays(table, columns),
            above=sql.Identifier(schema, through),
            table=sql.Identifier(schema, name),
            column=sql.Identifier(columns[-1]),
        ).as_bytes()
    return SELECT.format(
        columns=_names(table.columns), arrays=_arrays(table, columns), key=_names(columns), table=sql.Identifier(schema, name)
    ).as_bytes()


@cache
def insert_statement(schema: str, name: str) -> bytes:
    return INSERT.format(table=sql.Identifier(schema, name), columns=_names(_of(name).columns)).as_bytes()


@cache
def update_statement(schema: str, name: str, columns: tuple[str, ...]) -> bytes:
    """Of these columns."""
    key = _of(name).key
    new = sql.SQL(", ").join(sql.Identifier("new", column) for column in columns)
    return UPDATE.format(table=sql.Identifier(schema, name), columns=_names(columns), new=new, same=_same(key, "new")).as_bytes()


@cache
def delete_statement(schema: str, name: str) -> bytes:
    table = _of(name)
    return DELETE.format(
        table=sql.Identifier(schema, name), arrays=_arrays(table, table.key), key=_names(table.key), same=_same(table.key, "gone")
    ).as_bytes()


def _names(columns: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(column) for column in columns)


def _arrays(table: Table, columns: Iterable[str]) -> sql.Composed:
    """One array parameter for each column, of its type: %s::uuid[], %s::text[] …"""
    return sql.SQL(", ").join(sql.SQL("%s::{}[]").format(sql.Identifier(_type(table, column))) for column in columns)


def _columns(table: Table, columns: Iterable[str], keys: Iterable[Key]) -> list[Any]:
    """What `_arrays` has parameters for."""
    arrays = zip(columns, zip(*keys, strict=True), strict=True)
    return [SENT_AS.get(table.columns[column].type, list)(values) for column, values in arrays]


def _type(table: Table, column: str) -> str:
    """As pg_catalog names it: an identifier, not a phrase."""
    kind = table.columns[column].type
    return {"integer": "int4", "bigint": "int8"}.get(kind, kind)


def _same(key: Iterable[str], other: str) -> sql.Composed:
    return sql.SQL(" AND ").join(
        sql.SQL("{} = {}").format(sql.Identifier("old", column), sql.Identifier(other, column)) for column in key
    )
