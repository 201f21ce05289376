"""Rows as Parquet, by pyarrow (the extra `arrow`). Columns keep their comments and PostgreSQL's types as metadata.

Times are microseconds in UTC; a numeric with a precision is a decimal; uuid, jsonb and numerics without a precision are strings,
which every reader understands and which are exact; lists are lists.
"""

import re
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any

from psycopg import sql

from projections.exporting.files import Counted
from projections.exporting.snapshot import Column, Relation, Snapshot
from projections.exporting.text import rows_of
from runtime.errors import OperatorError

ROWS_AT_A_TIME = 200
"""One may be megabytes."""
MOST_ROWS, MOST_BYTES = 50_000, 32 << 20
"""Of a row group, about."""
NUMERIC = re.compile(r"numeric\((\d+),(\d+)\)")
AS_TEXT = ("uuid", "jsonb", "json", "inet", "interval", "numeric", "name", "text", "character varying")


def arrow() -> tuple[Any, Any]:
    """pyarrow, and its module for Parquet. Raises OperatorError where it is not installed."""
    try:
        import pyarrow  # type: ignore[import-untyped]  # it has none
        import pyarrow.parquet  # type: ignore[import-untyped]  # it has none
    except ImportError as error:
        raise OperatorError("Parquet needs pyarrow, which is not installed: pip install 'gesta[arrow]'.") from error
    return pyarrow, pyarrow.parquet


def exported(type: str) -> str:
    """A column as it is selected."""
    base = type.removesuffix("[]")
    if base.startswith("numeric("):
        return "{}"
    return ("{}::text[]" if type.endswith("[]") else "{}::text") if base.startswith(AS_TEXT) else "{}"


def _arrow_type(pa: Any, type: str) -> Any:
    if type.endswith("[]"):
        return pa.list_(_arrow_type(pa, type.removesuffix("[]")))
    if found := NUMERIC.fullmatch(type):
        precision, scale = int(found[1]), int(found[2])
        return pa.decimal128(precision, scale) if precision <= 38 else pa.decimal256(precision, scale)
    plain = {
        "timestamp with time zone": pa.timestamp("us", tz="UTC"),
        "boolean": pa.bool_(),
        "smallint": pa.int16(),
        "integer": pa.int32(),
        "bigint": pa.int64(),
        "double precision": pa.float64(),
        "real": pa.float32(),
        "date": pa.date32(),
        "bytea": pa.binary(),
    }
    return plain.get(type, pa.string())


class ParquetFile:
    """A file that is written row group by row group, none of which is large."""

    def __init__(self, file: Counted, columns: Sequence[Column], metadata: dict[str, str]) -> None:
        self._pa, pq = arrow()
        fields = [
            self._pa.field(
                column.name,
                _arrow_type(self._pa, column.type),
                not column.required,
                {"gesta.type": column.type, **({"comment": column.comment} if column.comment else {})},
            )
            for column in columns
        ]
        self._schema = self._pa.schema(fields, metadata)
        self._writer = pq.ParquetWriter(file, self._schema, compression="zstd")
        self._batches: list[Any] = []
        self._rows = self._bytes = 0

    def __enter__(self) -> "ParquetFile":
        return self

    def __exit__(self, type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if type is None:
            self._flush()
        self._writer.close()

    def write(self, rows: Iterable[Sequence[Any]]) -> None:
        columns = list(zip(*rows, strict=True))
        if not columns:
            return
        arrays = [self._pa.array(values, field.type) for values, field in zip(columns, self._schema, strict=True)]
        batch = self._pa.RecordBatch.from_arrays(arrays, schema=self._schema)
        self._batches.append(batch)
        self._rows += batch.num_rows
        self._bytes += batch.nbytes
        if self._rows >= MOST_ROWS or self._bytes >= MOST_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._batches:
            self._writer.write_table(self._pa.Table.from_batches(self._batches, self._schema))
        self._batches, self._rows, self._bytes = [], 0, 0


async def copy(snapshot: Snapshot, relation: Relation, file: Counted, metadata: dict[str, str]) -> int:
    """How many rows there were."""
    columns = sql.SQL(", ").join(
        sql.SQL(exported(column.type) + " AS {}").format(*[sql.Identifier(column.name)] * 2) for column in relation.columns
    )
    count = 0
    with ParquetFile(file, relation.columns, {**metadata, **({"comment": relation.comment} if relation.comment else {})}) as made:
        async with snapshot.connection.cursor("gesta_export", binary=True) as cursor:
            cursor.itersize = ROWS_AT_A_TIME
            await cursor.execute(rows_of(snapshot, relation, columns))
            while rows := await cursor.fetchmany(ROWS_AT_A_TIME):
                snapshot.keep_to_time()
                made.write(rows)
                count += len(rows)
    return count
