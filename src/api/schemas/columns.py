"""The columns of the tables as fields of answers: type, nullability, choices and meaning as the tables' modules have them."""

from collections.abc import Iterable, Mapping
from functools import cache

from api.schemas.job_columns import JOB_COLUMNS
from api.schemas.json_columns import JSON_COLUMNS
from api.schemas.schema import ANYTHING, BIG, BOOLEAN, INTEGER, TEXT, TEXTS, TIME, UUID, UUIDS, Schema, or_null, said
from projections.registry import TABLES
from projections.table import Column

OF_TYPE: Mapping[str, Schema] = {
    "uuid": UUID,
    "text": TEXT,
    "text[]": TEXTS,
    "uuid[]": UUIDS,
    "inet": TEXT,
    "timestamptz": TIME,
    "boolean": BOOLEAN,
    "integer": INTEGER,
    "bigint": BIG,
    "double precision": {"type": "number"},
    "numeric(20,10)": {"type": "string", "format": "decimal"},
    "numeric": {"type": "string", "format": "decimal"},
    "jsonb": ANYTHING,
    "bytea": ANYTHING,  # of jobs: JSON, too
}


def fields(table: str, *names: str) -> dict[str, Schema]:
    """These columns of a table."""
    known = _fields()[table]
    return {name: known[name] for name in names}


def row(table: str, *, without: Iterable[str] = ("tenant_id",)) -> dict[str, Schema]:
    """All columns of a table but some."""
    return fields(table, *(name for name in _columns()[table] if name not in without))


def summary(table: str, *, without: Iterable[str] = ("tenant_id",)) -> dict[str, Schema]:
    """The columns that lists show, but some."""
    return fields(table, *(name for name, column in _columns()[table].items() if column.listed and name not in without))


@cache
def _columns() -> dict[str, Mapping[str, Column]]:
    return {**{table.name: table.columns for table in TABLES}, "queue": JOB_COLUMNS}


@cache
def _fields() -> dict[str, dict[str, Schema]]:
    return {
        table: {name: _field(column, JSON_COLUMNS.get((table, name))) for name, column in columns.items()}
        for table, columns in _columns().items()
    }


def _field(column: Column, json: Schema | None) -> Schema:
    schema = OF_TYPE[column.type] if json is None else json
    if column.choices:
        schema = {**schema, "enum": list(column.choices)}
    return said(or_null(schema) if column.null else schema, column.meaning)
