"""The columns of the tables as fields of answers: type, nullability, choices and words as the database has them.

`columns.jsonl` is the database's catalog, a column a line, so that the document needs no database. A test compares them; after
a migration, and read in the diff::

    GESTA_WRITE_EXPECTED=1 python -m pytest tests/api/test_columns.py
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from api.shapes.json_columns import JSON_COLUMNS
from api.shapes.shape import ANYTHING, BIG, BOOLEAN, INTEGER, TEXT, TEXTS, TIME, UUID, Schema, or_null, said

CATALOG = Path(__file__).with_name("columns.jsonl")

OF_TYPE: Mapping[str, Schema] = {
    "uuid": UUID,
    "text": TEXT,
    "text[]": TEXTS,
    "inet": TEXT,
    "timestamptz": TIME,
    "boolean": BOOLEAN,
    "integer": INTEGER,
    "bigint": BIG,
    "numeric(20,10)": {"type": "string", "format": "decimal"},
    "numeric": {"type": "string", "format": "decimal"},
    "double precision": {"type": "number"},
    "jsonb": ANYTHING,
    "bytea": ANYTHING,  # of jobs: JSON, too
}


def fields(table: str, *names: str) -> dict[str, Schema]:
    """These columns of a table."""
    known = _catalog()[table]
    return {name: known[name] for name in names}


def row(table: str, *, without: tuple[str, ...] = ("tenant_id",)) -> dict[str, Schema]:
    """All columns of a table but some."""
    known = _catalog()[table]
    assert known.keys() >= set(without), f"{table} has not all of {without}"
    return {name: schema for name, schema in known.items() if name not in without}


@cache
def _catalog() -> dict[str, dict[str, Schema]]:
    tables: dict[str, dict[str, Schema]] = {}
    for line in CATALOG.read_text("utf-8").splitlines():
        column = json.loads(line)
        table, name = column["table"], column["column"]
        schema = JSON_COLUMNS.get((table, name), OF_TYPE[column["type"]])
        if "one_of" in column:
            schema = {**schema, "enum": column["one_of"]}
        if column["null"]:
            schema = or_null(schema)
        tables.setdefault(table, {})[name] = said(schema, column["words"])
    return tables
