"""What a command brings to the ledger beside its events: claims, fences, jobs, timers, as arrays of composite types.

Each kind is a class: its type in the database, and its fields in the type's order. `ledger.append_rows_2` takes an array of each.
A type never changes, because processes of the release before send it: a new field is a new type ("A side row" in
docs/how-to/change-the-schema.md).

An array of a composite type names that type's number, which each database has its own of. So whoever appends has its connection
learn them first (`learn_side_rows`).

Source of the format: PostgreSQL, src/backend/utils/adt/rowtypes.c, record_recv: the number of fields, then of each its type's
number, its length (-1: NULL) and its bytes. Arrays are as in `store.arrays`.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from operator import attrgetter
from struct import Struct
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.abc import AdaptContext
from psycopg.adapt import Buffer, Dumper
from psycopg.pq import Format
from pydantic_core import to_json

from domain.facts import Claim, Fence, Job, JobLimits, Json, Timer
from store.arrays import EMPTY, HEADER, LENGTH, MICROSECOND, POSTGRES_EPOCH

FIELD = Struct("!Ii")
INT4 = Struct("!Iii")
INT8 = Struct("!Iiq")
TRUE, FALSE = FIELD.pack(16, 1) + b"\1", FIELD.pack(16, 1) + b"\0"
UUID_FIELD, NO_UUID = FIELD.pack(2950, 16), FIELD.pack(2950, -1)
NO_BYTEA, NO_JSONB, NO_MOMENT = FIELD.pack(17, -1), FIELD.pack(3802, -1), FIELD.pack(1184, -1)
JSONB_VERSION = b"\1"


def int4(value: int) -> bytes:
    return INT4.pack(23, 4, value)


def int8(value: int) -> bytes:
    return INT8.pack(20, 8, value)


def boolean(value: bool) -> bytes:
    return TRUE if value else FALSE


def uuid(value: UUID | None) -> bytes:
    return NO_UUID if value is None else UUID_FIELD + value.bytes


def text(value: str) -> bytes:
    encoded = value.encode()
    return FIELD.pack(25, len(encoded)) + encoded


def bytea(value: bytes | None) -> bytes:
    return NO_BYTEA if value is None else FIELD.pack(17, len(value)) + value


def timestamptz(value: datetime | None) -> bytes:
    return NO_MOMENT if value is None else INT8.pack(1184, 8, (value - POSTGRES_EPOCH) // MICROSECOND)


# What is of few values is written once.
number = lru_cache(maxsize=256)(int4)
word = lru_cache(maxsize=256)(text)


@lru_cache(maxsize=256)
def microseconds(value: timedelta | None) -> bytes:
    return int8(0 if value is None else value // MICROSECOND)


def limits(under: JobLimits | None) -> bytes:
    """What limits go by, in the jsonb that `runtime.limits_of` reads."""
    if under is None:
        return NO_JSONB
    said: dict[str, Json] = {} if under.node is None else {"workflow": under.workflow, "node": under.node}
    if under.concurrency is not None:
        said["concurrency"] = {"key": under.concurrency.key, "limit": under.concurrency.limit}
    if under.rate is not None:
        said["rate"] = {"key": under.rate.key, "count": under.rate.count, "seconds": under.rate.per.total_seconds()}
    encoded = JSONB_VERSION + to_json(said)
    return FIELD.pack(3802, len(encoded)) + encoded


T = TypeVar("T")
TypeNumbers: TypeAlias = tuple[int, int]
"""Of a composite type, and of arrays of it."""
Field: TypeAlias = tuple[str, Callable[[Any], bytes], str]
"""Its name in the type, how it is written, and the attribute that it is of the row's object."""


class SideRows(Generic[T]):
    """The rows of one kind that a batch brings, encoded. The first field of each is the number of its command."""

    type: ClassVar[str]
    fields: ClassVar[Sequence[Field]]
    beside: ClassVar[Sequence[str]] = ()
    _head: ClassVar[bytes]
    _writers: ClassVar[Sequence[Callable[[Any], bytes]]]
    _values: "ClassVar[attrgetter[Any]]"

    def __init_subclass__(cls) -> None:
        if "fields" in vars(cls):
            cls._head = LENGTH.pack(1 + len(cls.fields) + len(cls.beside))
            cls._writers = [write for _, write, _ in cls.fields]
            cls._values = attrgetter(*(attribute for _, _, attribute in cls.fields))

    def __init__(self) -> None:
        self.encoded: list[bytes] = []

    def add(self, command: int, rows: Sequence[T]) -> None:
        head = self._head + int4(command)
        self.encoded += [head + self.written(row) for row in rows]

    def written(self, row: T) -> bytes:
        return b"".join([write(value) for write, value in zip(self._writers, self._values(row), strict=True)])


class SideRowsWith(SideRows[tuple[T, bytes | None]]):
    """Each with something beside it that is encoded already: the last field."""

    def written(self, row: tuple[T, bytes | None]) -> bytes:
        of, beside = row
        return b"".join([write(value) for write, value in zip(self._writers, self._values(of), strict=True)]) + bytea(beside)


class Claims(SideRows[Claim]):
    type = "claim_row"
    fields = (("scope", word, "scope"), ("name", text, "name"), ("owner", uuid, "owner"))


class Fences(SideRowsWith[Fence]):
    type = "fence_row"
    fields = (
        ("job", uuid, "job_id"),
        ("token", int8, "fence"),
        ("lapsed", boolean, "expired"),
        ("becomes", word, "then"),
        ("delay", microseconds, "delay"),
    )
    beside = ("error",)


class Jobs(SideRowsWith[Job]):
    type = "job_row_2"
    fields = (
        ("id", uuid, "id"),
        ("type", word, "type"),
        ("execution", uuid, "execution_id"),
        ("activation", uuid, "activation_id"),
        ("task", uuid, "task_id"),
        ("max_attempts", number, "max_attempts"),
        ("delay", microseconds, "delay"),
        ("held", boolean, "held"),
        ("priority", number, "priority"),
        ("limits", limits, "limits"),
        ("moment", timestamptz, "run_at"),
        ("fence", int8, "fence"),
    )
    beside = ("input",)


class Timers(SideRows[Timer]):
    type = "timer_row"
    fields = (
        ("id", uuid, "id"),
        ("kind", word, "purpose"),
        ("delay", microseconds, "due.after"),
        ("moment", timestamptz, "due.at"),
        ("held", boolean, "held"),
        ("execution", uuid, "execution_id"),
        ("activation", uuid, "activation_id"),
        ("owner_kind", word, "owner"),
        ("owner", uuid, "owner_id"),
    )


class Dropped(SideRows[UUID]):
    """Jobs or timers, which are named by their ids alone."""

    type = "dropped_row"
    fields = (("id", uuid, "bytes"),)

    def written(self, row: UUID) -> bytes:
        return uuid(row)


KINDS: tuple[type[SideRows[Any]], ...] = (Claims, Fences, Jobs, Timers, Dropped)

# Answers UndefinedObject where a type is not there: the schema was taken back while this process runs.
SELECT_TYPES = """
SELECT t.oid::int8, t.typarray::int8
  FROM unnest(%s::text[]) WITH ORDINALITY AS kind (name, n) JOIN pg_type t ON t.oid = ('ledger.' || kind.name)::regtype
 ORDER BY kind.n
"""
NAMES = [[kind.type for kind in KINDS]]


class SideRowsDumper(Dumper):
    """`oid` is the array's type, `element` its element's."""

    format = Format.BINARY
    element: ClassVar[int]

    def dump(self, obj: SideRows[Any]) -> Buffer:
        rows = obj.encoded
        if not rows:
            return EMPTY.pack(0, 0, self.element)
        return HEADER.pack(1, 0, self.element, len(rows), 1) + b"".join([LENGTH.pack(len(row)) + row for row in rows])


@lru_cache(maxsize=256)
def _dumper(of_rows: int, of_arrays: int) -> type[SideRowsDumper]:
    return type("SideRowsDumper", (SideRowsDumper,), {"oid": of_arrays, "element": of_rows})


def teach_side_rows(connection: AdaptContext, types: Iterable[TypeNumbers]) -> None:
    """Let this connection send side rows. `types`: what SELECT_TYPES found."""
    for kind, numbers in zip(KINDS, types, strict=True):
        connection.adapters.register_dumper(kind, _dumper(*numbers))


async def learn_side_rows(connection: AsyncConnection[Any]) -> Sequence[TypeNumbers]:
    """Have this connection know the types by the numbers that they have in its database, and return those."""
    types = await (await connection.execute(SELECT_TYPES, NAMES)).fetchall()
    teach_side_rows(connection, types)
    return types
