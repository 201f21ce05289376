"""New rows by COPY, in PostgreSQL's binary format: for tables without row-level security, with which PostgreSQL does not copy.

The values are those that `projections.writing` sends as JSON; a test holds the two to the same.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from ipaddress import ip_interface
from operator import itemgetter
from typing import Any

from psycopg import AsyncConnection, sql
from psycopg.types.json import Jsonb
from pydantic_core import to_json

from projections.table import Row, Table

COPY = sql.SQL("COPY {table} ({columns}) FROM STDIN (FORMAT BINARY)")
TYPES = {"integer": "int4", "bigint": "int8", "boolean": "bool", "double precision": "float8"}
"""As psycopg names them."""


def _jsonb(value: Any) -> Jsonb:
    return Jsonb(value, to_json)


def _numeric(value: Any) -> Decimal | int:
    return value if isinstance(value, Decimal | int) else Decimal(str(value))


CONVERTED: dict[str, Callable[[Any], Any]] = {
    "jsonb": _jsonb,
    "inet": ip_interface,
    "numeric": _numeric,
    "float8": float,
    "text[]": list,
    "uuid[]": list,
}
"""What psycopg needs to be told of a value, by its type."""


async def copy(conn: AsyncConnection[Any], schema: str, table: Table, rows: Iterable[Row]) -> None:
    """Add rows to a table. Not within a pipeline."""
    types = [_type(column.type) for column in table.columns.values()]
    converted = [(number, CONVERTED[kind]) for number, kind in enumerate(types) if kind in CONVERTED]
    values_of = itemgetter(*table.columns)
    columns = sql.SQL(", ").join(map(sql.Identifier, table.columns))
    statement = COPY.format(table=sql.Identifier(schema, table.name), columns=columns)
    async with conn.cursor() as cursor, cursor.copy(statement) as out:
        out.set_types(types)
        for row in rows:
            values = list(values_of(row))
            for number, convert in converted:
                if values[number] is not None:
                    values[number] = convert(values[number])
            await out.write_row(values)


def _type(name: str) -> str:
    plain = name.partition("(")[0]
    return TYPES.get(plain, plain)
