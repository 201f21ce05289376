"""Rows, all values of which are texts, as JSON and Arrow."""

import io
import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson

from api.querying.statement import QueryColumn, Row
from domain.facts import Json

CSV, ARROW, JSON = "text/csv", "application/vnd.apache.arrow.stream", "application/json"
EXACT = 1 << 53
"""Beyond it, whole numbers are texts: most readers of JSON would round them."""
MOMENT = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)(\+00)?")

BOOL, INT2, INT4, INT8, OID, FLOAT4, FLOAT8 = 16, 21, 23, 20, 26, 700, 701
DATE, TIMESTAMP, TIMESTAMPTZ, JSON_TYPE, JSONB = 1082, 1114, 1184, 114, 3802

EPOCH, DAY = date(1970, 1, 1).toordinal(), 86_400_000_000
INFINITE = {"infinity": (1 << 63) - 1, "-infinity": -(1 << 63)}


def _whole(text: str) -> Json:
    number = int(text)
    return number if -EXACT <= number <= EXACT else text


def _float(text: str) -> Json:
    return text if text in ("NaN", "Infinity", "-Infinity") else float(text)


def _moment(text: str) -> Json:
    """As everywhere in the API, but for times that RFC 3339 does not have."""
    found = MOMENT.fullmatch(text)
    return text if found is None else f"{found[1]}T{found[2]}{'Z' if found[3] else ''}"


OF_TYPE: dict[int, Callable[[str], Any]] = {
    BOOL: lambda text: text == "true",
    **dict.fromkeys((INT2, INT4, INT8, OID), _whole),
    **dict.fromkeys((FLOAT4, FLOAT8), _float),
    **dict.fromkeys((TIMESTAMP, TIMESTAMPTZ), _moment),
    **dict.fromkeys((JSON_TYPE, JSONB), lambda text: orjson.Fragment(text)),
}


class ToJson:
    """Each row as the bytes of a JSON array."""

    def __init__(self, columns: Sequence[QueryColumn]) -> None:
        self._make = [orjson.Fragment if column.structured else OF_TYPE.get(column.oid) for column in columns]

    def row(self, row: Row) -> bytes:
        cells = zip(row, self._make, strict=True)
        return orjson.dumps([text if text is None or make is None else make(text) for text, make in cells])


def arrow_date(text: str) -> date | int:
    """Days since 1970 where Python has no such date; infinity is the greatest that there is, as PostgreSQL itself has it."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return INFINITE[text] >> 32 if text in INFINITE else _days(text)


def arrow_moment(text: str) -> datetime | int:
    """Microseconds since 1970 where Python has no such moment."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        if text in INFINITE:
            return INFINITE[text]
        day, _, rest = text.partition(" ")
        clock, _, era = rest.partition(" ")
        beginning = datetime.fromisoformat(f"1970-01-01 {clock}")
        since = beginning.replace(tzinfo=beginning.tzinfo or UTC) - datetime(1970, 1, 1, tzinfo=UTC)
        # the last thirty of PostgreSQL's years are beyond Arrow's
        return min(_days(f"{day} {era}") * DAY + since // timedelta(microseconds=1), INFINITE["infinity"])


def _days(text: str) -> int:
    """Of a date with any year, also `44-03-15 BC`. The calendar comes again every 400 years."""
    day, _, era = text.partition(" ")
    year, month, of_month = map(int, day.split("-"))
    year = 1 - year if era == "BC" else year
    turns, within = divmod(year, 400)
    return date(within + 400, month, of_month).toordinal() - EPOCH + (turns - 1) * 146_097


class ToArrow:
    """Rows as a stream of record batches. Raises ImportError where pyarrow is not installed."""

    def __init__(self, columns: Sequence[QueryColumn]) -> None:
        import pyarrow  # type: ignore[import-untyped]  # it has none

        self._arrow: Any = pyarrow
        whole = {INT2: pyarrow.int16(), INT4: pyarrow.int32(), INT8: pyarrow.int64(), OID: pyarrow.int64()}
        made: dict[int, tuple[Any, Callable[[str], Any] | None]] = {
            BOOL: (pyarrow.bool_(), lambda text: text == "true"),
            **{oid: (kind, int) for oid, kind in whole.items()},
            FLOAT4: (pyarrow.float32(), float),
            FLOAT8: (pyarrow.float64(), float),
            DATE: (pyarrow.date32(), arrow_date),
            TIMESTAMP: (pyarrow.timestamp("us"), arrow_moment),
            TIMESTAMPTZ: (pyarrow.timestamp("us", "UTC"), arrow_moment),
        }
        text = (pyarrow.string(), None)
        kinds = [text if column.structured else made.get(column.oid, text) for column in columns]
        self._make = [make for _, make in kinds]
        fields = zip(columns, kinds, strict=True)
        self._schema = pyarrow.schema([pyarrow.field(column.name, kind) for column, (kind, _) in fields])
        self._sink = io.BytesIO()
        self._writer = pyarrow.ipc.new_stream(self._sink, self._schema)

    def batch(self, rows: Sequence[Row]) -> bytes:
        arrays = [
            self._arrow.array([None if text is None else make(text) if make else text for text in texts], field.type)
            for texts, make, field in zip(zip(*rows, strict=True), self._make, self._schema, strict=True)
        ]
        self._writer.write_batch(self._arrow.RecordBatch.from_arrays(arrays, schema=self._schema))
        return self._taken()

    def end(self) -> bytes:
        self._writer.close()
        return self._taken()

    def _taken(self) -> bytes:
        told = self._sink.getvalue()
        self._sink.seek(0)
        self._sink.truncate()
        return told
