"""Given a ledger, when a batch is appended, then …: what the tests of append share."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg import RawCursor
from pydantic_core import to_json

from domain.facts import Claim, Fence, Job, Timer
from store.append import AppendOutcome, Entry, NewEvent, statement
from store.arrays import teach_columns
from store.side_rows import NAMES, SELECT_TYPES, teach_side_rows

MOMENT = datetime(2024, 2, 29, 12, 0, 0, 123456, tzinfo=UTC)


@contextmanager
def connected(url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(url, autocommit=True, options="-c timezone=UTC -c lock_timeout=10000") as connection:
        teach_columns(connection)
        if connection.execute("SELECT to_regtype('ledger.job_row') IS NOT NULL").fetchone() == (True,):
            teach_side_rows(connection, connection.execute(SELECT_TYPES, NAMES).fetchall())
        yield connection


def open_ledger(connection: psycopg.Connection[Any], tenant_id: UUID | None = None) -> UUID:
    tenant_id = tenant_id or uuid4()
    connection.execute("SELECT ledger.open(%s)", (tenant_id,))
    return tenant_id


def event(stream_id: UUID, data: bytes = b"{}", topic: str = "test.happened.v1") -> NewEvent:
    return NewEvent(stream_id, topic, MOMENT, data)


def entry(
    *streams: UUID,
    expect: Sequence[tuple[UUID, int]] = (),
    command_id: UUID | None = None,
    request_hash: bytes | None = None,
    result: bytes | None = None,
    claims: Sequence[Claim] = (),
    releases: Sequence[Claim] = (),
    jobs: Sequence[Job] = (),
    fences: Sequence[Fence] = (),
    dropped_jobs: Sequence[UUID] = (),
    timers: Sequence[Timer] = (),
    dropped_timers: Sequence[UUID] = (),
) -> Entry:
    """A command that writes one event to each of `streams`, in order."""
    return Entry(
        command_id or uuid4(),
        b'{"actor_type":"system"}',
        [event(stream_id) for stream_id in streams],
        expect,
        claims,
        releases,
        request_hash,
        result,
        [(job, None if job.input is None else to_json(job.input)) for job in jobs],
        [(fence, None if fence.error is None else to_json(fence.error)) for fence in fences],
        dropped_jobs,
        timers,
        dropped_timers,
    )


def append(
    connection: psycopg.Connection[Any],
    tenant_id: UUID,
    *entries: Entry,
    dependencies: Sequence[tuple[int, int]] = (),
    no_wait: bool = False,
) -> list[AppendOutcome]:
    with RawCursor(connection) as cursor:
        cursor.execute(*statement(tenant_id, entries, dependencies, no_wait=no_wait), prepare=True, binary=True)
        rows = sorted(cursor.fetchall(), key=lambda row: row[0])
    assert [row[0] for row in rows] == list(range(1, len(entries) + 1))
    return [AppendOutcome(*row[1:]) for row in rows]


def verdicts(outcomes: Sequence[AppendOutcome]) -> list[str]:
    return [outcome.verdict for outcome in outcomes]


def positions(connection: psycopg.Connection[Any], tenant_id: UUID) -> list[int]:
    rows = connection.execute("SELECT position FROM ledger.events WHERE tenant_id = %s ORDER BY position", (tenant_id,))
    return [row[0] for row in rows]


def versions(connection: psycopg.Connection[Any], tenant_id: UUID, stream_id: UUID) -> list[int]:
    statement = "SELECT version FROM ledger.events WHERE tenant_id = %s AND stream_id = %s ORDER BY position"
    return [row[0] for row in connection.execute(statement, (tenant_id, stream_id))]


def claims(connection: psycopg.Connection[Any], tenant_id: UUID) -> dict[tuple[str, str], UUID]:
    rows = connection.execute("SELECT scope, name, owner FROM runtime.claims WHERE tenant_id = %s", (tenant_id,))
    return {(scope, name): owner for scope, name, owner in rows}
