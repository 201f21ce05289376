"""What the API's document knows of the tables is what the database says of them.

After a migration, and read in the diff::

    GESTA_WRITE_EXPECTED=1 python -m pytest tests/api/test_columns.py
"""

import json
import os
import re
from typing import Any

import psycopg

from api.shapes.columns import CATALOG
from api.shapes.json_columns import JSON_COLUMNS
from tests.conftest import Database

COLUMNS = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull, col_description(c.oid, a.attnum),
       (SELECT string_agg(pg_get_constraintdef(k.oid), ' ') FROM pg_constraint k
         WHERE k.conrelid = c.oid AND k.contype = 'c' AND k.conkey = ARRAY[a.attnum])
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relkind = 'r' AND (c.relnamespace = 'projections'::regnamespace OR c.oid = 'runtime.jobs'::regclass)
 ORDER BY c.relname, a.attnum
"""
CHOICES = re.compile(r"= ANY \(\(?ARRAY\[(.*?)\]")


def described(table: str, column: str, kind: str, null: bool, words: str, check: str | None) -> dict[str, Any]:
    found = CHOICES.search(check or "")
    choices = {"one_of": re.findall(r"'([^']*)'::text", found[1])} if found else {}
    kind = kind.replace("timestamp with time zone", "timestamptz")
    return {"table": table, "column": column, "type": kind, "null": null, **choices, "words": words}


async def test_the_columns_are_those_of_the_database(database: Database) -> None:
    async with await psycopg.AsyncConnection.connect(database.system_url) as connection:
        rows = await (await connection.execute(COLUMNS)).fetchall()
    told = [described(*row) for row in rows]
    if "GESTA_WRITE_EXPECTED" in os.environ:
        CATALOG.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in told), "utf-8")
    assert [json.loads(line) for line in CATALOG.read_text("utf-8").splitlines()] == told


def test_what_is_said_of_json_is_said_of_columns_that_hold_it() -> None:
    columns = [json.loads(line) for line in CATALOG.read_text("utf-8").splitlines()]
    assert set(JSON_COLUMNS) <= {(one["table"], one["column"]) for one in columns if one["type"] == "jsonb"}
