"""A table as CSV or JSON Lines, by the database's own COPY.

Values are exact, as text: times in RFC 3339 with microseconds, in UTC; numerics with all their digits (in JSON as strings,
because a reader's numbers may be floats); JSON as JSON; lists as JSON, in CSV too. In CSV nothing stands for NULL, and "" for
the empty text.
"""

from typing import Literal

from psycopg import sql

from projections.exporting.files import Counted
from projections.exporting.snapshot import Column, Relation, Snapshot

TextFormat = Literal["csv", "jsonl"]

TIME = sql.SQL("""to_char({}, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')""")
AS_JSON = sql.SQL("to_json({})")
AS_TEXT = sql.SQL("{}::text")
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
    value: sql.Composable = name
    if column.type.startswith("timestamp"):
        value = TIME.format(name)
    elif column.type.endswith("[]"):
        value = AS_JSON.format(name)
    elif column.type.startswith("numeric") and format == "jsonl":
        value = AS_TEXT.format(name)
    return sql.SQL("{} AS {}").format(value, name)
