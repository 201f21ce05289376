"""New rows by COPY, in PostgreSQL's binary format: for tables without row-level security, with which PostgreSQL does not copy.

The values are those that `projections.writing` sends as JSON; a test holds the two to the same. Of some types psycopg makes the
bytes in Python: those are made here, and sent as what needs no making.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from ipaddress import ip_interface
from operator import itemgetter
from struct import Struct
from typing import Any

from psycopg import AsyncConnection, sql
from psycopg.types.string import BytesBinaryDumper

from projections.table import Row, Table
from projections.writing import json_bytes

COPY = sql.SQL("COPY {table} ({columns}) FROM STDIN (FORMAT BINARY)")
TYPES = {"integer": "int4", "bigint": "int8", "boolean": "bool", "double precision": "float8"}
"""As psycopg names them."""
SENT_AS_BYTES = "bytea"
JSONB = b"\x01"
"""The version of the format, which comes before the text."""
TEXT_OID = 25
NUMBER = Struct("!i").pack
ARRAY = Struct("!iii").pack
"""How many dimensions, whether there are nulls, the type; then of each dimension its length and where it begins."""
IPV4, IPV6 = 2, 3


def jsonb_bytes(value: Any) -> bytes:
    return JSONB + json_bytes(value)


def texts_bytes(texts: Iterable[str]) -> bytes:
    """As text[]."""
    return _texts_bytes(tuple(texts))


@lru_cache(maxsize=4096)
def _texts_bytes(texts: tuple[str, ...]) -> bytes:
    found = [text.encode() for text in texts]
    dimensions = (len(found), 1) if found else ()
    return (
        ARRAY(len(dimensions) // 2, 0, TEXT_OID)
        + b"".join(map(NUMBER, dimensions))
        + b"".join(NUMBER(len(text)) + text for text in found)
    )


@lru_cache(maxsize=4096)
def address_bytes(text: str | None) -> bytes | None:
    """As inet."""
    if text is None:
        return None
    address = ip_interface(text)
    packed = address.packed
    return bytes((IPV4 if address.version == 4 else IPV6, address.network.prefixlen, 0, len(packed))) + packed


def _numeric(value: Any) -> Decimal | int:
    return value if isinstance(value, Decimal | int) else Decimal(str(value))


MADE: Mapping[str, Callable[[Any], Any]] = {"jsonb": jsonb_bytes, "text[]": texts_bytes, "inet": address_bytes}
"""What is sent as bytes, by its type."""
CONVERTED: Mapping[str, Callable[[Any], Any]] = {**MADE, "numeric": _numeric, "float8": float, "uuid[]": list}
"""What is otherwise in a row."""


def types_of(table: Table) -> dict[str, str]:
    """What the columns are sent as."""
    return {name: SENT_AS_BYTES if column.type in MADE else _type(column.type) for name, column in table.columns.items()}


async def copy(conn: AsyncConnection[Any], schema: str, table: Table, rows: Iterable[Row]) -> None:
    """Add rows to a table. Not within a pipeline."""
    await copy_values(conn, schema, table, list(types_of(table).values()), _values(table, rows))


async def copy_values(
    conn: AsyncConnection[Any], schema: str, table: Table, types: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """The same, of rows that are values in the order of the columns, and to be sent as these types."""
    columns = sql.SQL(", ").join(map(sql.Identifier, table.columns))
    statement = COPY.format(table=sql.Identifier(schema, table.name), columns=columns)
    async with conn.cursor() as cursor:
        cursor.adapters.register_dumper(bytes, BytesBinaryDumper)  # in C, unlike the one for what may be text
        async with cursor.copy(statement) as out:
            out.set_types(types)
            for row in rows:
                await out.write_row(row)


def _values(table: Table, rows: Iterable[Row]) -> Iterator[Sequence[Any]]:
    kinds = [_type(column.type) for column in table.columns.values()]
    converted = [(number, CONVERTED[kind]) for number, kind in enumerate(kinds) if kind in CONVERTED]
    values_of = itemgetter(*table.columns)
    for row in rows:
        values = list(values_of(row))
        for number, convert in converted:
            if values[number] is not None:
                values[number] = convert(values[number])
        yield values


def _type(name: str) -> str:
    plain = name.partition("(")[0]
    return TYPES.get(plain, plain)
