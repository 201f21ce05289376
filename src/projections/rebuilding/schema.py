"""The schema in which a generation is built: made of `migrations/projections/tables.sql`, under a search path that names it."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from psycopg import AsyncConnection, sql
from psycopg.errors import DependentObjectsStillExist

from projections.generation import NEXT_SCHEMA, Generation
from projections.registry import TABLES
from runtime.errors import OperatorError
from runtime.migrations import DIRECTORY

TABLES_SQL = DIRECTORY / "projections" / "tables.sql"
CODE = Path(__file__).parents[1]

CREATE = sql.SQL("CREATE SCHEMA {schema}")
COMMENT = sql.SQL("COMMENT ON SCHEMA {schema} IS 'Tables that are being built; nobody reads them here.'")
USAGE = sql.SQL("GRANT USAGE ON SCHEMA {schema} TO gesta_system")
SEARCH_PATH = sql.SQL("SET LOCAL search_path = {schema}")
COMMENT_ON_COLUMN = sql.SQL("COMMENT ON COLUMN {column} IS {meaning}")
DROP = sql.SQL("DROP SCHEMA IF EXISTS {schema} CASCADE")
DROP_TABLES = sql.SQL("DROP TABLE {tables}")
DROP_EMPTY = sql.SQL("DROP SCHEMA {schema}")
EXISTS = "SELECT to_regnamespace(%s) IS NOT NULL"


async def create(owner: AsyncConnection[Any], generation: Generation) -> None:
    """Make the schema and its empty tables, within the caller's transaction. What does not belong to the generation is dropped
    again: no reference leads out of a group."""
    schema = sql.Identifier(generation.schema)
    for first in (CREATE, COMMENT, USAGE, SEARCH_PATH):
        await owner.execute(first.format(schema=schema))
    await owner.execute(TABLES_SQL.read_bytes())
    for statement in _comments():
        await owner.execute(statement)
    unneeded = [sql.Identifier(table.name) for table in TABLES if table not in generation.tables]
    if unneeded:
        await owner.execute(DROP_TABLES.format(tables=sql.SQL(", ").join(unneeded)))
    await owner.execute("SET LOCAL search_path = pg_catalog")


def _comments() -> Iterator[sql.Composed]:
    for table in TABLES:
        for name, column in table.columns.items():
            place = sql.Identifier(table.name, name)
            yield COMMENT_ON_COLUMN.format(column=place, meaning=sql.Literal(column.meaning))


async def exists(conn: AsyncConnection[Any], schema: str) -> bool:
    cursor = await conn.execute(EXISTS, [schema])
    return await cursor.fetchone() == (True,)


async def drop(owner: AsyncConnection[Any], schema: str = NEXT_SCHEMA) -> None:
    """Whatever is in it. Only for what never served."""
    await owner.execute(DROP.format(schema=sql.Identifier(schema)))


async def drop_unneeded(owner: AsyncConnection[Any], schema: str, tables: Sequence[str]) -> None:
    """A schema whose tables have served. Raises OperatorError, naming them, where things of others hang on them."""
    try:
        async with owner.transaction():
            await owner.execute(DROP_TABLES.format(tables=sql.SQL(", ").join(sql.Identifier(schema, table) for table in tables)))
            await owner.execute(DROP_EMPTY.format(schema=sql.Identifier(schema)))
    except DependentObjectsStillExist as error:
        needed = " ".join((error.diag.message_detail or error.diag.message_primary or "").split())
        raise OperatorError(f"The tables that served before are still needed: {needed}") from error


def digest() -> str:
    """Of all that decides what the tables hold: what was built by other code is not gone on with."""
    found = hashlib.sha256(TABLES_SQL.read_bytes())
    for path in sorted(CODE.rglob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()
