"""ledger.append from Python: what a command brings to the ledger, and what the ledger says to it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any, Generic, Literal, NamedTuple, TypeVar
from uuid import UUID

from psycopg import AsyncConnection, AsyncCursor, AsyncRawCursor
from psycopg.rows import tuple_row
from pydantic_core import to_json

from domain.facts import Claim, Fence, Job, Json, Timer
from store.arrays import MICROSECOND, Bigints, Blobs, Bools, Ints, Texts, Times, Uuids

# A batch that leaves no work is sent without the parameters for it: as many again, which cost a quarter of a small append.
# Numbered as PostgreSQL has it: statements of more than 50 parameters psycopg would translate anew each time.
APPEND = """
SELECT cmd, outcome, reason, taken, pos, recorded, result, epoch
  FROM ledger.append(
       $1::uuid, $2::boolean,
       $3::uuid[], $4::bytea[], $5::bytea[], $6::bytea[],
       $7::int[], $8::uuid[], $9::bigint[],
       $10::int[], $11::int[],
       $12::int[], $13::uuid[], $14::text[], $15::timestamptz[], $16::bytea[],
       $17::int[], $18::text[], $19::text[], $20::uuid[],
       $21::int[], $22::text[], $23::text[], $24::uuid[])
"""
APPEND_WITH_WORK = """
SELECT cmd, outcome, reason, taken, pos, recorded, result, epoch
  FROM ledger.append(
       $1::uuid, $2::boolean,
       $3::uuid[], $4::bytea[], $5::bytea[], $6::bytea[],
       $7::int[], $8::uuid[], $9::bigint[],
       $10::int[], $11::int[],
       $12::int[], $13::uuid[], $14::text[], $15::timestamptz[], $16::bytea[],
       $17::int[], $18::text[], $19::text[], $20::uuid[],
       $21::int[], $22::text[], $23::text[], $24::uuid[],
       $25::int[], $26::uuid[], $27::bigint[], $28::boolean[], $29::text[], $30::bigint[], $31::bytea[],
       $32::int[], $33::uuid[], $34::text[], $35::bytea[],
       $36::uuid[], $37::uuid[], $38::uuid[], $39::int[], $40::bigint[], $41::int[],
       $42::int[], $43::uuid[],
       $44::int[], $45::uuid[], $46::bigint[], $47::text[], $48::uuid[], $49::uuid[],
       $50::int[], $51::uuid[],
       $52::timestamptz[], $53::text[], $54::uuid[], $55::text[])
"""

NO_TIME = timedelta(0)


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


T = TypeVar("T")


@dataclass(slots=True)
class Side(Generic[T]):
    """The side rows of one kind, each with the number of its command."""

    commands: list[int] = field(default_factory=list)
    rows: list[T] = field(default_factory=list)

    def add(self, number: int, rows: Sequence[T]) -> None:
        if rows:
            self.commands += [number] * len(rows)
            self.rows += rows


@dataclass(slots=True)
class Columns:
    """A batch turned on its side: one list for each parameter of ledger.append."""

    command_ids: list[UUID] = field(default_factory=list)
    hashes: list[bytes | None] = field(default_factory=list)
    results: list[bytes | None] = field(default_factory=list)
    metas: list[bytes] = field(default_factory=list)
    expecting: list[int] = field(default_factory=list)
    expected_streams: list[UUID] = field(default_factory=list)
    expected_versions: list[int] = field(default_factory=list)
    events_of: list[int] = field(default_factory=list)
    events: list[NewEvent] = field(default_factory=list)
    claims: Side[Claim] = field(default_factory=Side)
    releases: Side[Claim] = field(default_factory=Side)
    fences: Side[tuple[Fence, bytes | None]] = field(default_factory=Side)
    jobs: Side[tuple[Job, bytes | None]] = field(default_factory=Side)
    dropped_jobs: Side[UUID] = field(default_factory=Side)
    timers: Side[Timer] = field(default_factory=Side)
    dropped_timers: Side[UUID] = field(default_factory=Side)

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
        self.claims.add(number, entry.claims)
        self.releases.add(number, entry.releases)
        self.fences.add(number, entry.fences)
        self.jobs.add(number, entry.jobs)
        self.dropped_jobs.add(number, entry.dropped_jobs)
        self.timers.add(number, entry.timers)
        self.dropped_timers.add(number, entry.dropped_timers)

    @property
    def leaves_work(self) -> bool:
        work = (self.fences, self.jobs, self.dropped_jobs, self.timers, self.dropped_timers)
        return any(side.commands for side in work)


class Statement(NamedTuple):
    """What to send, and its parameters."""

    query: str
    parameters: list[Any]


def statement(tenant_id: UUID, entries: Sequence[Entry], dependencies: Sequence[tuple[int, int]], *, no_wait: bool) -> Statement:
    """A batch. `dependencies`: (command, earlier command on whose outcome it was decided), counted from 1."""
    columns = Columns()
    for number, entry in enumerate(entries, 1):
        columns.add(number, entry)
    events = columns.events
    parameters = [
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
        *_claims(columns.claims),
        *_claims(columns.releases),
    ]
    return Statement(APPEND_WITH_WORK, parameters + _work(columns)) if columns.leaves_work else Statement(APPEND, parameters)


def _work(columns: Columns) -> list[Any]:
    return [
        *_fences(columns.fences),
        *_jobs(columns.jobs),
        Ints(columns.dropped_jobs.commands),
        Uuids(columns.dropped_jobs.rows),
        *_timers(columns.timers),
        Ints(columns.dropped_timers.commands),
        Uuids(columns.dropped_timers.rows),
        *_of_timers(columns.timers),
        Texts([_limits(job) for job, _ in columns.jobs.rows]),
    ]


def _claims(side: Side[Claim]) -> list[Any]:
    rows = side.rows
    return [
        Ints(side.commands),
        Texts([claim.scope for claim in rows]),
        Texts([claim.name for claim in rows]),
        Uuids([claim.owner for claim in rows]),
    ]


def _fences(side: Side[tuple[Fence, bytes | None]]) -> list[Any]:
    fences = [fence for fence, _ in side.rows]
    return [
        Ints(side.commands),
        Uuids([fence.job_id for fence in fences]),
        Bigints([fence.fence for fence in fences]),
        Bools([fence.expired for fence in fences]),
        Texts([fence.then for fence in fences]),
        Bigints([fence.delay // MICROSECOND for fence in fences]),
        Blobs([error for _, error in side.rows]),
    ]


def _jobs(side: Side[tuple[Job, bytes | None]]) -> list[Any]:
    jobs = [job for job, _ in side.rows]
    return [
        Ints(side.commands),
        Uuids([job.id for job in jobs]),
        Texts([job.type for job in jobs]),
        Blobs([encoded for _, encoded in side.rows]),
        Uuids([job.execution_id for job in jobs]),
        Uuids([job.activation_id for job in jobs]),
        Uuids([job.task_id for job in jobs]),
        Ints([job.max_attempts for job in jobs]),
        Bigints([_delay(job.delay, held=job.held) for job in jobs]),
        Ints([job.priority for job in jobs]),
    ]


def _delay(delay: timedelta, *, held: bool) -> int:
    """Microseconds; of what is held, less than none: -1 for no delay, -2 for one microsecond."""
    microseconds = delay // MICROSECOND
    return -1 - microseconds if held else microseconds


def _timers(side: Side[Timer]) -> list[Any]:
    timers = side.rows
    return [
        Ints(side.commands),
        Uuids([timer.id for timer in timers]),
        Bigints([_delay(timer.due.after or NO_TIME, held=timer.held) for timer in timers]),
        Texts([timer.purpose for timer in timers]),
        Uuids([timer.execution_id for timer in timers]),
        Uuids([timer.activation_id for timer in timers]),
    ]


def _of_timers(side: Side[Timer]) -> list[Any]:
    """What the ledger learnt of timers last: moments that were named, and owners."""
    timers = side.rows
    return [
        Times([timer.due.at for timer in timers]),
        Texts([timer.owner for timer in timers]),
        Uuids([timer.owner_id for timer in timers]),
    ]


def _limits(job: Job) -> str | None:
    """What limits go by, as `runtime.limits_of` reads it."""
    under = job.limits
    if under is None:
        return None
    said: dict[str, Json] = {"workflow": under.workflow, "node": under.node}
    if under.concurrency is not None:
        said["concurrency"] = {"key": under.concurrency.key, "limit": under.concurrency.limit}
    if under.rate is not None:
        said["rate"] = {"key": under.rate.key, "count": under.rate.count, "seconds": under.rate.per.total_seconds()}
    return to_json(said).decode()


async def send_append(
    connection: AsyncConnection[Any],
    tenant_id: UUID,
    entries: Sequence[Entry],
    dependencies: Sequence[tuple[int, int]] = (),
    *,
    no_wait: bool = False,
) -> AsyncCursor[tuple[Any, ...]]:
    """Send a batch for one ledger. In a pipeline the answer comes when the cursor is read: see `read_outcomes`."""
    cursor = AsyncRawCursor(connection, row_factory=tuple_row)
    await cursor.execute(*statement(tenant_id, entries, dependencies, no_wait=no_wait), prepare=True, binary=True)
    return cursor


async def read_outcomes(cursor: AsyncCursor[tuple[Any, ...]]) -> list[AppendOutcome]:
    """One for each command, in their order."""
    rows = await cursor.fetchall()
    rows.sort(key=itemgetter(0))
    return [AppendOutcome(*row[1:]) for row in rows]
