"""ledger.append_rows_2 from Python: what a command brings to the ledger, and what the ledger says to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter
from typing import Any, Literal, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection, AsyncCursor, AsyncRawCursor
from psycopg.rows import tuple_row

from domain.facts import Claim, Fence, Job, Timer
from store.arrays import Bigints, Blobs, Ints, Texts, Times, Uuids
from store.side_rows import Claims, Dropped, Fences, Jobs, SideRows, Timers

COLUMNS: Sequence[str] = (
    *("uuid", "boolean", "uuid[]", "bytea[]", "bytea[]", "bytea[]", "int[]", "uuid[]", "bigint[]", "int[]", "int[]"),
    *("int[]", "uuid[]", "text[]", "timestamptz[]", "bytea[]"),
)
"""Types of the first parameters of ledger.append_rows_2: the ledger, and what every command has. Side rows follow."""
SIDES: Mapping[str, type[SideRows[Any]]] = {
    "claims": Claims,
    "releases": Claims,
    "fences": Fences,
    "jobs": Jobs,
    "dropped_jobs": Dropped,
    "timers": Timers,
    "dropped_timers": Dropped,
}
"""The further parameters: an array of rows each."""
ALWAYS = 2
"""How many of them are always sent. A batch that leaves no work does without the others."""


def _query(sides: Sequence[str]) -> bytes:
    """Numbered as PostgreSQL has it, so that psycopg has nothing to translate."""
    types = [*((None, name) for name in COLUMNS), *((name, f"ledger.{SIDES[name].type}[]") for name in sides)]
    given = [f"{f'{name} => ' if name else ''}${n}::{of_type}" for n, (name, of_type) in enumerate(types, 1)]
    columns = "cmd, outcome, reason, taken, pos, recorded, result, epoch"
    return f"SELECT {columns} FROM ledger.append_rows_2({', '.join(given)})".encode()  # noqa: S608  of constants


APPEND = _query([*SIDES][:ALWAYS])
APPEND_WITH_WORK = _query([*SIDES])


class NewEvent(NamedTuple):
    """An event to be appended, encoded."""

    stream_id: UUID
    topic: str
    occurred_at: datetime
    data: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """A command as the ledger takes it: encoded, with the versions it was decided on."""

    command_id: UUID
    meta: bytes
    events: Sequence[NewEvent] = ()
    expectations: Sequence[tuple[UUID, int]] = ()
    """(stream, version) of every stream that was read or is written."""
    claims: Sequence[Claim] = ()
    releases: Sequence[Claim] = ()
    request_hash: bytes | None = None
    result: bytes | None = None
    jobs: Sequence[tuple[Job, bytes | None]] = ()
    """Each with its input, encoded."""
    fences: Sequence[tuple[Fence, bytes | None]] = ()
    """Each with its error, encoded."""
    dropped_jobs: Sequence[UUID] = ()
    timers: Sequence[Timer] = ()
    dropped_timers: Sequence[UUID] = ()

    @property
    def size(self) -> int:
        """Bytes, roughly."""
        events = sum(len(event.data) + len(self.meta) + 64 for event in self.events)
        beside = sum(len(encoded or b"") + 128 for _, encoded in (*self.jobs, *self.fences))
        return events + beside + len(self.result or b"") + 64


Verdict = Literal["appended", "done", "conflict", "refused", "busy", "failed"]


@dataclass(frozen=True, slots=True)
class AppendOutcome:
    """What became of a command.

    appended; done (its id was known: `position`, `recorded_at` and `result` are those of the first time); conflict (what it
    was decided on no longer holds); refused (`reason`: claim:<scope>, fence, key_reused or unknown_ledger); busy (the ledger's
    head is held, nothing was tried); failed (`error`).
    """

    verdict: Verdict
    reason: str | None = None
    name: str | None = None
    """The name that is taken, where the reason is claim:<scope>."""
    position: int | None = None
    recorded_at: datetime | None = None
    result: bytes | None = None
    epoch: int = 0
    error: Exception | None = None


@dataclass(slots=True)
class Columns:
    """A batch turned on its side: one list for each parameter of ledger.append_rows_2."""

    command_ids: list[UUID] = field(default_factory=list)
    hashes: list[bytes | None] = field(default_factory=list)
    results: list[bytes | None] = field(default_factory=list)
    metas: list[bytes] = field(default_factory=list)
    expecting: list[int] = field(default_factory=list)
    expected_streams: list[UUID] = field(default_factory=list)
    expected_versions: list[int] = field(default_factory=list)
    events_of: list[int] = field(default_factory=list)
    events: list[NewEvent] = field(default_factory=list)
    sides: dict[str, SideRows[Any]] = field(default_factory=lambda: {name: kind() for name, kind in SIDES.items()})

    def add(self, number: int, entry: Entry) -> None:
        self.command_ids.append(entry.command_id)
        self.hashes.append(entry.request_hash)
        self.results.append(entry.result)
        self.metas.append(entry.meta)
        for stream_id, version in entry.expectations:
            self.expecting.append(number)
            self.expected_streams.append(stream_id)
            self.expected_versions.append(version)
        self.events_of += [number] * len(entry.events)
        self.events += entry.events
        for name, side in self.sides.items():
            if rows := getattr(entry, name):
                side.add(number, rows)


class Statement(NamedTuple):
    """What to send, and its parameters."""

    query: bytes
    parameters: list[Any]


def statement(tenant_id: UUID, entries: Sequence[Entry], dependencies: Sequence[tuple[int, int]], *, no_wait: bool) -> Statement:
    """A batch. `dependencies`: (command, earlier command on whose outcome it was decided), counted from 1."""
    columns = Columns()
    for number, entry in enumerate(entries, 1):
        columns.add(number, entry)
    events = columns.events
    parameters: list[Any] = [
        tenant_id,
        no_wait,
        Uuids(columns.command_ids),
        Blobs(columns.hashes),
        Blobs(columns.results),
        Blobs(columns.metas),
        Ints(columns.expecting),
        Uuids(columns.expected_streams),
        Bigints(columns.expected_versions),
        Ints([command for command, _ in dependencies]),
        Ints([on for _, on in dependencies]),
        Ints(columns.events_of),
        Uuids([event.stream_id for event in events]),
        Texts([event.topic for event in events]),
        Times([event.occurred_at for event in events]),
        Blobs([event.data for event in events]),
    ]
    sides = [*columns.sides.values()]
    leaves_work = any(side.encoded for side in sides[ALWAYS:])
    parameters += sides if leaves_work else sides[:ALWAYS]
    return Statement(APPEND_WITH_WORK if leaves_work else APPEND, parameters)


async def send_append(
    connection: AsyncConnection[Any],
    tenant_id: UUID,
    entries: Sequence[Entry],
    dependencies: Sequence[tuple[int, int]] = (),
    *,
    no_wait: bool = False,
) -> AsyncCursor[tuple[Any, ...]]:
    """Send a batch for one ledger, over a connection that knows columns and side rows. In a pipeline the answer comes when the
    cursor is read: see `read_outcomes`."""
    cursor = AsyncRawCursor(connection, row_factory=tuple_row)
    await cursor.execute(*statement(tenant_id, entries, dependencies, no_wait=no_wait), prepare=True, binary=True)
    return cursor


async def read_outcomes(cursor: AsyncCursor[tuple[Any, ...]]) -> list[AppendOutcome]:
    """One for each command, in their order."""
    rows = await cursor.fetchall()
    rows.sort(key=itemgetter(0))
    return [AppendOutcome(*row[1:]) for row in rows]
