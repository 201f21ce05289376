"""The columns of a schema's tables as the database's catalog has them."""

import re
from typing import Any

from psycopg import AsyncConnection

from projections.table import Column

COLUMNS = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull, col_description(c.oid, a.attnum),
       (SELECT string_agg(pg_get_constraintdef(k.oid), ' ') FROM pg_constraint k
         WHERE k.conrelid = c.oid AND k.contype = 'c' AND k.conkey = ARRAY[a.attnum])
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relkind = %s AND c.relnamespace = %s::regnamespace
 ORDER BY c.relname, a.attnum
"""
CHOICES = re.compile(r"= ANY \(\(?ARRAY\[(.*?)\]")


async def columns_of(conn: AsyncConnection[Any], schema: str, kind: str = "r") -> dict[str, dict[str, Column]]:
    """By table and name; of views by the kind "v". Whether lists show a column is nothing that a database knows."""
    tables: dict[str, dict[str, Column]] = {}
    for table, name, type_, null, meaning, check in await (await conn.execute(COLUMNS, [kind, schema])).fetchall():
        found = CHOICES.search(check or "")
        choices = tuple(re.findall(r"'([^']*)'::text", found[1])) if found else ()
        column = Column(type_.replace("timestamp with time zone", "timestamptz"), meaning, null, choices)
        tables.setdefault(table, {})[name] = column
    return tables
