"""Columns of values as PostgreSQL arrays in binary format.

psycopg's own list adapter looks at every element and gives empty lists no type; a batch knows its types.

Source of the format: PostgreSQL, src/backend/utils/adt/arrayfuncs.c, array_recv: number of dimensions, whether there are
NULLs, element type, then size and lower bound of each dimension, then each element's length (-1: NULL) and bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from struct import Struct, pack
from typing import Any, ClassVar
from uuid import UUID

from psycopg.abc import AdaptContext
from psycopg.adapt import Buffer, Dumper
from psycopg.pq import Format

HEADER = Struct("!iiIii")
EMPTY = Struct("!iiI")
LENGTH = Struct("!i")
NULL = LENGTH.pack(-1)
UUID_LENGTH = LENGTH.pack(16)
BIGINT = Struct("!iq").pack
JSONB = Struct("!iB").pack
POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class ArrayColumn:
    """The values of one column, in one of the subclasses that know their type."""

    values: Sequence[Any]


class Uuids(ArrayColumn):
    """UUID or None."""


class Ints(ArrayColumn):
    """int4."""


class Bigints(ArrayColumn):
    """int8, or None."""


class Texts(ArrayColumn):
    """str or None."""


class Blobs(ArrayColumn):
    """bytes or None."""


class JsonBytes(ArrayColumn):
    """jsonb: JSON as bytes, or None."""


class Times(ArrayColumn):
    """Timezone-aware datetimes or None."""


class ColumnDumper(Dumper):
    """Base of the dumpers: `array` is the array's type, `element` its element's."""

    format = Format.BINARY
    array: ClassVar[int]
    element: ClassVar[int]

    def __init__(self, cls: type, context: AdaptContext | None = None) -> None:
        super().__init__(cls, context)
        self.oid = self.array  # not the class's: COPY would take it for what sends lists of this type

    def dump(self, obj: ArrayColumn) -> Buffer:
        values = obj.values
        if not values:
            return EMPTY.pack(0, 0, self.element)
        return HEADER.pack(1, 1, self.element, len(values), 1) + self.elements(values)  # the server looks for NULLs itself

    def elements(self, values: Sequence[Any]) -> bytes:
        raise NotImplementedError


class UuidsDumper(ColumnDumper):
    array, element = 2951, 2950

    def elements(self, values: Sequence[UUID | None]) -> bytes:
        return b"".join([NULL if value is None else UUID_LENGTH + value.int.to_bytes(16) for value in values])


class IntsDumper(ColumnDumper):
    array, element = 1007, 23

    def elements(self, values: Sequence[int]) -> bytes:
        return pack(f"!{'ii' * len(values)}", *(part for value in values for part in (4, value)))


class BigintsDumper(ColumnDumper):
    array, element = 1016, 20

    def elements(self, values: Sequence[int | None]) -> bytes:
        return b"".join([NULL if value is None else BIGINT(8, value) for value in values])


class BlobsDumper(ColumnDumper):
    array, element = 1001, 17

    def elements(self, values: Sequence[bytes | None]) -> bytes:
        return b"".join([NULL if value is None else LENGTH.pack(len(value)) + value for value in values])


class TextsDumper(BlobsDumper):
    array, element = 1009, 25

    def elements(self, values: Sequence[Any]) -> bytes:
        packed = {value: _text(value) for value in set(values)}  # most columns have few different ones
        return b"".join([packed[value] for value in values])


def _text(value: str | None) -> bytes:
    if value is None:
        return NULL
    data = value.encode()
    return LENGTH.pack(len(data)) + data


class JsonBytesDumper(ColumnDumper):
    array, element = 3807, 3802

    def elements(self, values: Sequence[bytes | None]) -> bytes:
        # the length counts the version of the format, which comes before the text
        return b"".join([NULL if value is None else JSONB(len(value) + 1, 1) + value for value in values])


class TimesDumper(BigintsDumper):
    array, element = 1185, 1184

    def elements(self, values: Sequence[Any]) -> bytes:
        return super().elements([None if value is None else (value - POSTGRES_EPOCH) // MICROSECOND for value in values])


DUMPERS: tuple[tuple[type[ArrayColumn], type[ColumnDumper]], ...] = (
    (Uuids, UuidsDumper),
    (Ints, IntsDumper),
    (Bigints, BigintsDumper),
    (Texts, TextsDumper),
    (Blobs, BlobsDumper),
    (JsonBytes, JsonBytesDumper),
    (Times, TimesDumper),
)


def teach_columns(connection: AdaptContext) -> None:
    """Let this connection send columns."""
    for column, dumper in DUMPERS:
        connection.adapters.register_dumper(column, dumper)
