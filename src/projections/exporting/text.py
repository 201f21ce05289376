"""A table as CSV (values.py) or JSON Lines, by the database's own COPY.

In JSON Lines times are texts as in CSV, numerics too, because a reader's numbers may be floats; the rest is JSON's own.
"""

from typing import Literal

from psycopg import sql

from projections.exporting.files import Counted
from projections.exporting.snapshot import Column, Relation, Snapshot
from projections.exporting.values import written

TextFormat = Literal["csv", "jsonl"]

ROWS = sql.SQL("SELECT {columns} FROM {relation}{where}{order}")
CSV = sql.SQL("COPY ({rows}) TO STDOUT (FORMAT csv, HEADER true, ENCODING 'UTF8')")
JSONL = sql.SQL("COPY (SELECT row_to_json(r) FROM ({rows}) r) TO STDOUT (FORMAT text, ENCODING 'UTF8')")


async def copy(snapshot: Snapshot, relation: Relation, format: TextFormat, file: Counted) -> int:
    """How many rows there were."""
    columns = sql.SQL(", ").join(_column(column, format) for column in relation.columns)
    statement = (CSV if format == "csv" else JSONL).format(rows=rows_of(snapshot, relation, columns))
    async with snapshot.connection.cursor() as cursor:
        async with cursor.copy(statement) as copying:
            async for data in copying:
                snapshot.keep_to_time()
                # COPY doubles backslashes, and escapes what no JSON has unescaped.
                file.write(data if format == "csv" else bytes(data).replace(b"\\\\", b"\\"))
        return cursor.rowcount


def rows_of(snapshot: Snapshot, relation: Relation, columns: sql.Composable) -> sql.Composed:
    """The tenant's, by their key."""
    named = {column.name for column in relation.columns}
    key = [sql.Identifier(column.name) for column in relation.columns if column.in_key]
    where = sql.SQL(" WHERE tenant_id = {}").format(sql.Literal(snapshot.tenant_id)) if "tenant_id" in named else sql.SQL("")
    order = sql.SQL(" ORDER BY {}").format(sql.SQL(", ").join(key)) if key else sql.SQL("")
    return ROWS.format(columns=columns, relation=relation.qualified, where=where, order=order)


def _column(column: Column, format: TextFormat) -> sql.Composed:
    name = sql.Identifier(column.name)
    is_list = column.type.endswith("[]")
    as_text = format == "csv" or (not is_list and column.type.startswith(("timestamp", "numeric")))
    return sql.SQL("{} AS {}").format(written(name, column.type, structured=is_list) if as_text else name, name)
