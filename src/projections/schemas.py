"""A fold as tables of its own: the same columns, keys and comments as the live ones, in another schema, for the owner alone."""

from collections.abc import Iterator

from psycopg import AsyncConnection, sql
from psycopg.errors import DuplicateSchema, InvalidSchemaName, ReservedName

from projections.registry import TABLES
from projections.rows import Rows, TableRows
from projections.table import Table
from projections.writing import as_json
from runtime.errors import OperatorError

CREATE_SCHEMA = sql.SQL("CREATE SCHEMA {schema}")
CREATE_TABLE = sql.SQL("CREATE TABLE {schema}.{table} (LIKE projections.{table} INCLUDING ALL)")
FILL = sql.SQL(
    "INSERT INTO {schema}.{table} ({columns}) SELECT {columns} FROM json_populate_recordset(NULL::{schema}.{table}, %s::json)"
)

PORTION_LENGTH = 4 << 20


async def materialise(owner_url: str, schema: str, rows: Rows) -> None:
    """Create the schema and fill it, in one transaction. Raises OperatorError where it exists or may not be called so."""
    async with await AsyncConnection.connect(owner_url) as conn:
        try:
            await conn.execute(CREATE_SCHEMA.format(schema=sql.Identifier(schema)))
        except (DuplicateSchema, InvalidSchemaName, ReservedName) as error:
            raise OperatorError(f"No schema {schema}: {error.diag.message_primary}.") from error
        for table in TABLES:
            names = _names(schema, table)
            await conn.execute(CREATE_TABLE.format(**names))
            for some in batches(rows.of(table.name)):
                await conn.execute(FILL.format(**names), [some])


def batches(rows: TableRows) -> Iterator[str]:
    """Rows as JSON arrays of limited length; a single row may be longer."""
    texts: list[str] = []
    length = 0
    for row in rows.each():
        text = as_json(row)
        if texts and length + len(text) > PORTION_LENGTH:
            yield f"[{','.join(texts)}]"
            texts, length = [], 0
        texts.append(text)
        length += len(text)
    if texts:
        yield f"[{','.join(texts)}]"


def _names(schema: str, table: Table) -> dict[str, sql.Composable]:
    columns = sql.SQL(", ").join(sql.Identifier(column) for column in table.columns)
    return {"schema": sql.Identifier(schema), "table": sql.Identifier(table.name), "columns": columns}
