"""A fold as tables of its own: the same columns, keys and comments as the live ones, in another schema, for the owner alone."""

from psycopg import AsyncConnection, sql
from psycopg.errors import DuplicateSchema, InvalidSchemaName, ReservedName

from projections.registry import TABLES
from projections.rows import Rows
from projections.table import Table
from projections.writing import as_json, portions
from runtime.errors import OperatorError

CREATE_SCHEMA = sql.SQL("CREATE SCHEMA {schema}")
CREATE_TABLE = sql.SQL("CREATE TABLE {schema}.{table} (LIKE projections.{table} INCLUDING ALL)")
FILL = sql.SQL(
    "INSERT INTO {schema}.{table} ({columns}) SELECT {columns} FROM json_populate_recordset(NULL::{schema}.{table}, %s::json)"
)


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
            folded = list(rows.of(table.name).current.values())
            for some in portions(folded):
                await conn.execute(FILL.format(**names), [as_json(some)])


def _names(schema: str, table: Table) -> dict[str, sql.Composable]:
    columns = sql.SQL(", ").join(sql.Identifier(column) for column in table.columns)
    return {"schema": sql.Identifier(schema), "table": sql.Identifier(table.name), "columns": columns}
