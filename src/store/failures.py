"""Work whose handling failed: recorded on its own row, put off, and tried again; what operators see of it.

A failure is no attempt of a job: the process that was to fire a timer, to take a job from a lost worker or to begin a job could
not do its own part, by a fault of its own or because the work is a newer release's. The intervals double, up to five minutes,
by the database's clock. Connections are in autocommit.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from psycopg.rows import class_row, tuple_row
from pydantic_core import from_json, to_json

from domain.storable import storable_text
from store.due import DueTimer
from store.jobs import Connection, Lease
from store.notifications.channels import JOBS, LEASES, TIMERS
from store.notifications.sending import notify

FIRST_INTERVAL, LONGEST_INTERVAL = "1 second", "5 minutes"
LONGEST_TEXT = 2_000

Which = Literal["troubled", "failing", "dead", "ready", "waiting", "leased", "held"]

# The interval is reckoned on the failures so far.
TIMER_FAILED = """
UPDATE runtime.timers
   SET failures = failures + 1, failure_type = %(type)s, failure_message = %(message)s, failed_at = clock_timestamp(),
       retry_at = clock_timestamp() + least(%(first)s::interval * power(2, least(failures, 20)), %(longest)s::interval),
       claimed_until = NULL
 WHERE tenant_id = %(tenant_id)s AND id = %(id)s AND due_at = %(due_at)s
RETURNING failures
"""
LEASE_FAILED = """
UPDATE runtime.jobs
   SET failures = so_far + 1, failure_type = %(type)s, failure_message = %(message)s, failure_fence = fence,
       failed_at = clock_timestamp(), updated_at = clock_timestamp(),
       retry_at = clock_timestamp() + least(%(first)s::interval * power(2, least(so_far, 20)), %(longest)s::interval)
  FROM (SELECT CASE WHEN failure_fence = fence THEN failures ELSE 0 END AS so_far
          FROM runtime.jobs WHERE tenant_id = %(tenant_id)s AND id = %(id)s) before
 WHERE tenant_id = %(tenant_id)s AND id = %(id)s AND fence = %(fence)s AND state = 'leased'
RETURNING failures
"""

# The lease does not count as an attempt. What failed under the lease before this one failed in a row.
HAND_BACK = """
UPDATE runtime.jobs
   SET state = 'waiting', attempt = attempt - 1, lease_until = NULL, lease_seconds = NULL, worker_id = NULL, retry_at = NULL,
       run_at = clock_timestamp() + least(%(first)s::interval * power(2, least(so_far, 20)), %(longest)s::interval),
       failures = so_far + 1, failure_type = %(type)s, failure_message = %(message)s, failure_fence = fence,
       error = %(error)s, failed_at = clock_timestamp(), updated_at = clock_timestamp()
  FROM (SELECT CASE WHEN failure_fence >= fence - 1 THEN failures ELSE 0 END AS so_far
          FROM runtime.jobs WHERE tenant_id = %(tenant_id)s AND id = %(id)s) before
 WHERE tenant_id = %(tenant_id)s AND id = %(id)s AND fence = %(fence)s AND state = 'leased'
RETURNING failures
"""

SELECT = """
SELECT tenant_id, 'job' AS kind, id, type, state, attempt, max_attempts, execution_id, is_failing, failures,
       failure_type, failure_message, error, failed_at, next_at
  FROM (SELECT *, failures > 0 AND failure_fence = fence AND state <> 'dead' AS is_failing,
               CASE WHEN state = 'leased' THEN greatest(lease_until, retry_at)
                    WHEN state IN ('ready', 'waiting') THEN run_at END AS next_at
          FROM runtime.jobs) j
 WHERE CASE %(which)s WHEN 'troubled' THEN state = 'dead' OR is_failing WHEN 'failing' THEN is_failing ELSE state = %(which)s END
   AND (%(tenant_id)s::uuid IS NULL OR tenant_id = %(tenant_id)s) AND (%(type)s::text IS NULL OR type = %(type)s)
 UNION ALL
SELECT tenant_id, 'timer', id, kind, 'due', NULL, NULL, execution_id, true, failures,
       failure_type, failure_message, NULL, failed_at, greatest(due_at, retry_at)
  FROM runtime.timers
 WHERE failures > 0 AND %(which)s IN ('troubled', 'failing')
   AND (%(tenant_id)s::uuid IS NULL OR tenant_id = %(tenant_id)s) AND (%(type)s::text IS NULL OR kind = %(type)s)
 ORDER BY tenant_id, next_at NULLS FIRST, id
 LIMIT %(limit)s
"""

COUNT = """
SELECT (SELECT count(*) FROM runtime.jobs WHERE failures > 0 AND failure_fence = fence AND state <> 'dead'),
       (SELECT count(*) FROM runtime.jobs WHERE state = 'dead'),
       (SELECT count(*) FROM runtime.timers WHERE failures > 0)
"""

# A job that was given up is given all its attempts again.
RETRY_JOBS = """
UPDATE runtime.jobs
   SET state = CASE WHEN state = 'leased' THEN state ELSE 'ready' END,
       attempt = CASE WHEN state = 'dead' THEN 0 ELSE attempt END,
       run_at = CASE WHEN state = 'leased' THEN run_at ELSE clock_timestamp() END,
       retry_at = NULL, updated_at = clock_timestamp()
 WHERE (state = 'dead' OR failures > 0 AND failure_fence = fence)
   AND (%(tenant_id)s::uuid IS NULL OR tenant_id = %(tenant_id)s) AND (%(id)s::uuid IS NULL OR id = %(id)s)
RETURNING id
"""
RETRY_TIMERS = """
UPDATE runtime.timers SET retry_at = NULL, claimed_until = NULL
 WHERE failures > 0 AND (%(tenant_id)s::uuid IS NULL OR tenant_id = %(tenant_id)s) AND (%(id)s::uuid IS NULL OR id = %(id)s)
RETURNING id
"""


@dataclass(frozen=True, slots=True)
class WorkItem:
    """A job or a timer as operators see it. `next_at`: when something is done with it next; None: nothing is, by itself."""

    tenant_id: UUID
    kind: Literal["job", "timer"]
    id: UUID
    type: str
    state: str
    attempt: int | None
    max_attempts: int | None
    execution_id: UUID | None
    is_failing: bool
    failures: int
    failure_type: str | None
    failure_message: str | None
    error: bytes | None
    failed_at: datetime | None
    next_at: datetime | None

    @property
    def trouble(self) -> str | None:
        """What is wrong with it: the last failure, or what the last attempt failed with."""
        if self.is_failing:
            return f"{self.failure_type}: {self.failure_message}"
        error = None if self.error is None else from_json(self.error)
        return f"{error.get('type')}: {error.get('message')}" if isinstance(error, dict) else None


@dataclass(frozen=True, slots=True)
class Troubled:
    """How many items are in trouble."""

    jobs_failing: int
    jobs_dead: int
    timers_failing: int


async def timer_failed(conn: Connection, due: DueTimer, error: BaseException) -> int | None:
    """Put a timer off. How often in a row it failed; None: it was moved or dropped meanwhile."""
    given = {"tenant_id": due.tenant_id, "id": due.id, "due_at": due.due_at, **_words(error)}
    return await _failures(conn, TIMER_FAILED, given)


async def lease_failed(conn: Connection, lease: Lease, error: BaseException) -> int | None:
    """Put off what becomes of a lease that has expired. None: it is another's by now, or the job is over."""
    return await _failures(conn, LEASE_FAILED, {**_lease(lease), **_words(error)})


async def hand_back(conn: Connection, lease: Lease, error: BaseException) -> int | None:
    """Leave a job that this process cannot do to others, and to itself later, without using up an attempt."""
    words = _words(error)
    told = to_json({"type": words["type"], "message": words["message"]})
    return await _failures(conn, HAND_BACK, {**_lease(lease), **words, "error": told})


async def work_items(
    conn: Connection, which: Which, limit: int, *, tenant_id: UUID | None = None, type: str | None = None
) -> list[WorkItem]:
    """Jobs in a state and, among those that fail, timers; by tenant and the moment when they are next looked at."""
    async with conn.cursor(row_factory=class_row(WorkItem)) as cursor:
        await cursor.execute(SELECT, {"which": which, "tenant_id": tenant_id, "type": type, "limit": limit})
        return await cursor.fetchall()


async def troubled(conn: Connection) -> Troubled:
    """Reads what is in trouble, and nothing else."""
    row = await (await conn.execute(COUNT)).fetchone()
    assert row is not None
    return Troubled(*row)


async def retry_now(conn: Connection, *, tenant_id: UUID | None = None, id: UUID | None = None) -> list[UUID]:
    """Try again now what is in trouble, and wake the workers. Returns what that was."""
    given = {"tenant_id": tenant_id, "id": id}
    found: list[UUID] = []
    for statement in (RETRY_JOBS, RETRY_TIMERS):
        async with conn.cursor(row_factory=tuple_row) as cursor:
            await cursor.execute(statement, given)
            found += [row[0] for row in await cursor.fetchall()]
    if found:
        for channel in (JOBS, TIMERS, LEASES):
            await notify(conn, channel)
    return found


def _lease(lease: Lease) -> dict[str, object]:
    return {"tenant_id": lease.tenant_id, "id": lease.job_id, "fence": lease.fence}


def _words(error: BaseException) -> dict[str, object]:
    message = storable_text(str(error))[:LONGEST_TEXT]
    return {"type": type(error).__name__, "message": message, "first": FIRST_INTERVAL, "longest": LONGEST_INTERVAL}


async def _failures(conn: Connection, statement: str, given: dict[str, object]) -> int | None:
    row = await (await conn.execute(statement, given)).fetchone()
    return None if row is None else int(row[0])
