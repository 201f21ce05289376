"""How values are written into CSV, by whoever writes it: an export of tables, or an answer to a query.

true and false; times in RFC 3339 with microseconds, with Z where they have a zone; dates as 2026-03-02, spans as PT5M; numbers
with all their digits; JSON, arrays and rows as JSON; bytes as \\x00ff. Nothing is NULL, and "" the empty text. A line ends with a
line feed. Times that RFC 3339 does not have (infinite, before the year 1 or after 9999) are as PostgreSQL writes them.
"""

import re
from collections.abc import Sequence

from psycopg import sql

SETTINGS = """
SELECT set_config('TimeZone', 'UTC', true), set_config('DateStyle', 'ISO', true), set_config('IntervalStyle', 'iso_8601', true),
       set_config('bytea_output', 'hex', true), set_config('extra_float_digits', '1', true)
"""
"""Of a transaction in which values are written."""

TEXT = sql.SQL("{}::text")
AS_JSON = sql.SQL("to_jsonb({})::text")
TIME = """CASE WHEN {value} >= '0001-01-01' AND {value} < '10000-01-01'
            THEN to_char({value}, 'YYYY-MM-DD"T"HH24:MI:SS.US{zone}') ELSE {value}::text END"""
ZONED, UNZONED = sql.SQL(TIME.replace("{zone}", '"Z"')), sql.SQL(TIME.replace("{zone}", ""))
QUOTED = re.compile(r'[",\r\n]')


def written(value: sql.Composable, type: str, *, structured: bool) -> sql.Composable:
    """An expression of type text. `type`: as PostgreSQL calls it; `structured`: an array or a composite."""
    if structured:
        return AS_JSON.format(value)
    if type.startswith("timestamp"):
        return (UNZONED if "without" in type else ZONED).format(value=value)
    return TEXT.format(value)


def csv_line(values: Sequence[str | None]) -> bytes:
    """As the database's COPY writes it."""
    return (",".join(map(_csv_cell, values)) + "\n").encode()


def _csv_cell(value: str | None) -> str:
    if value is None:
        return ""
    return f'"{value.replace(chr(34), chr(34) * 2)}"' if not value or QUOTED.search(value) else value
