"""What processes of the release before send to this schema, word for word: it is understood as it was.

When a release is out, its statements take the place of these.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from runtime.ids import new_id
from tests.conftest import Database

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
       $50::int[], $51::uuid[])
"""
# The last one that brought all of it as columns.
APPEND_WITH_LIMITS = """
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
LEASE = """
SELECT tenant_id, id, fence, type, input, attempt, max_attempts, lease_until, execution_id, activation_id, task_id, $1::uuid
  FROM runtime.lease_jobs($2::text[], $3::int, $4::double precision, $5::text, $6::uuid, $7::uuid,
                          $8::int, $9::uuid[], $10::uuid)
"""
GIVE_BACK = """
UPDATE runtime.jobs j
   SET state = 'ready', attempt = j.attempt - 1, lease_until = NULL, lease_seconds = NULL, worker_id = NULL,
       updated_at = clock_timestamp()
  FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS given (tenant_id, id, fence)
 WHERE j.tenant_id = given.tenant_id AND j.id = given.id AND j.state = 'leased' AND j.fence = given.fence
RETURNING j.tenant_id, j.type
"""
EXPIRED = """
SELECT tenant_id, id FROM runtime.jobs WHERE state = 'leased' AND greatest(lease_until, retry_at) <= clock_timestamp()
"""
TIMERS = "SELECT id, kind, owner_kind, owner_id, due_at - created_at > interval '59 minutes' FROM runtime.timers"
# What comes as rows, with jobs as they were until they could name a moment.
APPEND_ROWS = """
SELECT cmd, outcome FROM ledger.append_rows(
    $1::uuid, false, ARRAY[$2]::uuid[], ARRAY[NULL]::bytea[], ARRAY[NULL]::bytea[], ARRAY['{}']::bytea[],
    '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', claims => '{}', releases => '{}',
    jobs => ARRAY[ROW(1, $3, 'step', NULL, NULL, NULL, 3, 1000000, false, 2,
                      '{"workflow": "w", "node": "n"}', 'null')::ledger.job_row])
"""
NOBODY = UUID(int=0)
NONE: list[object] = []


@pytest.fixture
def connection(database: Database) -> Iterator[Connection[TupleRow]]:
    with psycopg.connect(database.system_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def tenant(connection: Connection[TupleRow]) -> UUID:
    tenant_id = new_id()
    connection.execute("SELECT ledger.open(%s)", [tenant_id])
    return tenant_id


def append(
    connection: Connection[TupleRow],
    tenant: UUID,
    work: list[object] | None = None,
    *,
    limits: list[object] | None = None,
    claims: list[object] | None = None,
    releases: list[object] | None = None,
) -> tuple[object, ...]:
    """A command with an event on a stream of its own: outcome, reason, position."""
    stream, now = new_id(), connection.execute("SELECT clock_timestamp()").fetchone()
    assert now is not None
    given = [tenant, False, [new_id()], [None], [None], [b"{}"], [1], [stream], [0], NONE, NONE]
    given += [[1], [stream], ["execution.paused.v1"], [now[0]], [b"{}"], *(claims or [NONE] * 4), *(releases or [NONE] * 4)]
    query = APPEND if work is None else APPEND_WITH_WORK if limits is None else APPEND_WITH_LIMITS
    row = psycopg.RawCursor(connection).execute(query, [*given, *(work or []), *(limits or [])]).fetchone()
    assert row is not None
    return row[1], row[2], row[4]


def work(job: UUID | None = None, fence: tuple[UUID, int] | None = None, timer: UUID | None = None) -> list[object]:
    """The parameters for work: a job that begins, one that is done, a timer of an hour."""
    hour = int(timedelta(hours=1) / timedelta(microseconds=1))
    fences = [NONE] * 7 if fence is None else [[1], [fence[0]], [fence[1]], [False], ["done"], [0], [None]]
    jobs = [NONE] * 10 if job is None else [[1], [job], ["step"], [b"{}"], [new_id()], [new_id()], [None], [1], [0], [0]]
    timers = [NONE] * 6 if timer is None else [[1], [timer], [hour], ["timeout"], [timer], [timer]]
    return [*fences, *jobs, NONE, NONE, *timers, NONE, NONE]


def lease(connection: Connection[TupleRow], key: UUID | None = None) -> list[tuple[UUID, int]]:
    given = [key, ["step"], 10, 30.0, "worker", None, NOBODY, 0, NONE, key]
    return [(row[1], row[2]) for row in psycopg.RawCursor(connection).execute(LEASE, given).fetchall()]


def test_its_commands_are_appended(connection: Connection[TupleRow], tenant: UUID) -> None:
    assert append(connection, tenant) == ("appended", None, 1)
    assert append(connection, tenant, work()) == ("appended", None, 2)


def test_its_jobs_are_leased_given_back_leased_again_and_reported(connection: Connection[TupleRow], tenant: UUID) -> None:
    job = new_id()
    append(connection, tenant, work(job))
    assert lease(connection) == [(job, 1)]
    assert lease(connection) == []
    psycopg.RawCursor(connection).execute(GIVE_BACK, [[tenant], [job], [1]])
    assert append(connection, tenant, work(fence=(job, 1)))[:2] == ("refused", "fence")
    assert lease(connection, new_id()) == [(job, 2)]
    assert append(connection, tenant, work(fence=(job, 2))) == ("appended", None, 2)
    assert (lease(connection), connection.execute(EXPIRED).fetchall()) == ([], [])


def test_its_jobs_come_as_rows(connection: Connection[TupleRow], tenant: UUID) -> None:
    job = new_id()
    assert psycopg.RawCursor(connection).execute(APPEND_ROWS, [tenant, new_id(), job]).fetchall() == [(1, "appended")]
    told = "SELECT id, state, fence, max_attempts, priority, run_at > created_at, limits ->> 'node', input FROM runtime.jobs"
    assert connection.execute(told).fetchall() == [(job, "waiting", 0, 3, 2, True, "n", b"null")]


def test_its_timers_are_set_and_owned(connection: Connection[TupleRow], tenant: UUID) -> None:
    timer = new_id()
    append(connection, tenant, work(timer=timer))
    assert connection.execute(TIMERS).fetchall() == [(timer, "timeout", "execution", timer, True)]


def test_its_names_are_claimed_refused_and_released(connection: Connection[TupleRow], tenant: UUID) -> None:
    one, other = new_id(), new_id()
    claim: list[object] = [[1], ["role.key"], ["approver"], [one]]
    assert append(connection, tenant, claims=claim)[0] == "appended"
    assert append(connection, tenant, claims=[[1], ["role.key"], ["approver"], [other]])[:2] == ("refused", "claim:role.key")
    assert append(connection, tenant, releases=claim)[0] == "appended"
    assert append(connection, tenant, claims=[[1], ["role.key"], ["approver"], [other]])[0] == "appended"


def test_its_jobs_and_timers_wait_are_held_limited_and_dropped(connection: Connection[TupleRow], tenant: UUID) -> None:
    """In columns, what is held has a delay below zero."""
    second, moment = 1_000_000, datetime(2030, 1, 1, tzinfo=UTC)
    jobs, timers = [new_id() for _ in range(3)], [new_id() for _ in range(3)]
    execution: list[object] = [new_id()] * 3
    limits = '{"workflow": "expense", "node": "book", "rate": {"key": "erp", "count": 5, "seconds": 60.0}}'
    ours: list[object] = [
        *[NONE] * 7,
        *(
            [1] * 3,
            jobs,
            ["step"] * 3,
            [None] * 3,
            execution,
            [None] * 3,
            [None] * 3,
            [2] * 3,
            [second, -1, -1 - second],
            [0, 5, 0],
        ),
        *(NONE, NONE),
        *([1] * 3, timers, [second, 0, -1 - second], ["timeout", "due", "timeout"], execution, [None] * 3),
        *(NONE, NONE),
    ]
    named: list[object] = [
        [None, moment, None],
        [None, "approval", "execution"],
        [None, jobs[0], execution[0]],
        [limits, None, None],
    ]
    assert append(connection, tenant, ours, limits=named)[0] == "appended"
    told = "SELECT id, state, paused, max_attempts, priority, run_at > created_at, limits IS NULL FROM runtime.jobs"
    assert set(connection.execute(told).fetchall()) == {
        (jobs[0], "waiting", False, 2, 0, True, False),
        (jobs[1], "held", True, 2, 5, False, True),
        (jobs[2], "held", True, 2, 0, True, True),
    }
    assert connection.execute("SELECT tenant_id FROM runtime.limited_tenants").fetchall() == [(tenant,)]
    told = "SELECT id, kind, owner_kind, owner_id, fixed, due_at = %s, remaining FROM runtime.timers"
    assert set(connection.execute(told, [moment]).fetchall()) == {
        (timers[0], "timeout", "execution", execution[0], False, False, None),
        (timers[1], "due", "approval", jobs[0], True, True, None),
        (timers[2], "timeout", "execution", execution[0], False, False, timedelta(seconds=1)),
    }
    gone: list[object] = [*[NONE] * 17, [1] * 3, jobs, *[NONE] * 6, [1] * 3, timers]
    assert append(connection, tenant, gone, limits=[NONE] * 4)[0] == "appended"
    assert connection.execute("SELECT id FROM runtime.jobs UNION SELECT id FROM runtime.timers").fetchall() == []
