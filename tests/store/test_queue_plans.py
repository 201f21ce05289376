"""How the queue's statements are run, whatever the planner believes: by one way each, that reads what it returns and no more.

A table of jobs is empty one moment and full of dead rows the next, while an old snapshot is held. A plan made in such a moment is
kept until the table is analysed again; one of them looked up each job by going through all that had died in its tenant.
"""

import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import AsyncConnection, sql
from psycopg.rows import TupleRow

from domain.facts import Concurrency, Due, Fence, Job, JobLimits, Rate, Timer
from store import due, jobs
from store.append import Entry, read_outcomes, send_append
from store.arrays import teach_columns
from store.side_rows import learn_side_rows
from tests.conftest import Database
from tests.store.ledgers import connected, entry, open_ledger, verdicts

TABLES = ("runtime.jobs", "runtime.job_queue", "runtime.timers")
EXPLAINED = {
    "session_preload_libraries": "auto_explain",
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_nested_statements": "on",
    "auto_explain.log_triggers": "on",
    "auto_explain.log_format": "json",
    "auto_explain.log_level": "notice",
}
BY_KEY = {"jobs_pkey", "job_queue_pkey", "timers_pkey"}
BY_ORDER = {"job_queue_ready", "job_queue_waiting", "job_queue_leased", "job_queue_limited", "timers_due", "timers_due_by_tenant"}
BY_EXECUTION = {"jobs_of_execution", "timers_of_execution"}
PAUSE = """
INSERT INTO ledger.events (tenant_id, position, stream_id, version, topic, occurred_at, recorded_at, command_id, meta, data)
SELECT %(tenant)s, coalesce(max(position), 0) + 1, %(execution)s, 1, %(topic)s, now(), now(), gen_random_uuid(), '{}', '{}'
  FROM ledger.events WHERE tenant_id = %(tenant)s
"""


@pytest.fixture
def superuser(database: Database) -> Iterator[psycopg.Connection[TupleRow]]:
    with psycopg.connect(database.superuser_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
async def conn(database: Database, superuser: psycopg.Connection[TupleRow]) -> AsyncIterator[AsyncConnection[Any]]:
    for name, value in EXPLAINED.items():
        where = sql.SQL("ALTER ROLE gesta_system IN DATABASE {} SET {} = {}")
        superuser.execute(where.format(sql.Identifier(database.name), sql.Identifier(*name.split(".")), sql.Literal(value)))
    async with await AsyncConnection.connect(database.system_url, autocommit=True) as connection:
        teach_columns(connection)
        await learn_side_rows(connection)
        yield connection


@pytest.fixture
def tenant(database: Database) -> UUID:
    with connected(database.system_url) as connection:
        return open_ledger(connection)


class Scans:
    """Each scan of a table of the queue: the index, and its condition."""

    def __init__(self, connection: AsyncConnection[Any]) -> None:
        self.seen: set[tuple[str, str, str]] = set()
        self.filters: set[tuple[str, str]] = set()
        """Of each index, what is looked at and passed over."""
        connection.add_notice_handler(self._hear)

    def _hear(self, said: psycopg.errors.Diagnostic) -> None:
        text = said.message_primary or ""
        if "plan:" in text:
            self._walk(json.loads(text.split("plan:", 1)[1])["Plan"])

    def _walk(self, node: dict[str, Any]) -> None:
        index = node.get("Index Name", "")
        if "Scan" in node["Node Type"] and node["Node Type"] not in ("Bitmap Heap Scan", "Tid Scan"):  # a row that is at hand
            self.seen.add((node.get("Relation Name", ""), index, node.get("Index Cond", "")))
            self.filters.add((index, node.get("Filter", "")))
        for child in node.get("Plans", ()):
            self._walk(child)

    def of_the_queue(self) -> list[tuple[str, str, str]]:
        ours = BY_KEY | BY_ORDER | BY_EXECUTION
        return [
            scan
            for scan in self.seen
            if scan[0] in ("jobs", "job_queue", "timers") or scan[0].startswith("limit_") or scan[1] in ours
        ]


def check(scans: Scans) -> None:
    for relation, index, condition in scans.of_the_queue():
        if relation.startswith("limit_"):
            assert index not in ("limit_uses_pkey", "limit_buckets_pkey") or "bucket = " in condition, (
                relation,
                index,
                condition,
            )
        elif index in BY_KEY:
            assert "tenant_id = " in condition, (relation, index, condition)
            assert "(id = " in condition, (relation, index, condition)
        elif index in BY_EXECUTION:
            assert "execution_id = " in condition, (relation, index, condition)
        else:
            assert index in BY_ORDER, (relation, index, condition)

    for index, passed_over in scans.filters:
        assert index != "timers_due" or "tenant_id = " not in passed_over, "what all others have due is read"


def timer(execution: UUID) -> Timer:
    return Timer(uuid4(), Due(timedelta(0)), "timeout", "execution", execution, execution, uuid4())


async def commit(conn: AsyncConnection[Any], tenant: UUID, *entries: Entry) -> None:
    assert set(verdicts(await read_outcomes(await send_append(conn, tenant, entries)))) == {"appended"}


async def everything(conn: AsyncConnection[Any], tenant: UUID) -> None:
    """Each statement that looks for jobs, timers or leases, with something for it to find."""
    execution, owners = uuid4(), ("execution",)
    timers = [timer(execution) for _ in range(3)]
    await limited_ones(conn)
    made = [Job(uuid4(), "resize", execution_id=execution) for _ in range(20)]
    later = Job(uuid4(), "resize", delay=timedelta(microseconds=1))
    await commit(conn, tenant, entry(uuid4(), jobs=[*made, later], timers=timers))
    assert await jobs.seconds_to_job(conn, ["resize"]) is not None
    assert len(await due.claim_timers(conn, owners, 9, window=2)) == 3
    assert await due.seconds_to_timer(conn, owners) is not None
    of_all = await jobs.lease(conn, ["resize"], 8, 60, "worker", reserved=2)
    of_one = await jobs.lease(conn, ["resize"], 8, 60, "worker", tenant_id=tenant)
    assert (len(of_all), len(of_one)) == (6, 8)
    leases = [job.lease for job in (*of_all, *of_one)]
    assert len(await jobs.heartbeats(conn, leases)) == 14
    assert await due.seconds_to_expiry(conn) is not None
    await jobs.give_back(conn, leases[:2])
    await jobs.expire_now(conn, leases[2:4])
    assert len(await due.expired_leases(conn, 9)) == 2
    thens = [Fence(lease.job_id, lease.fence, "done" if n % 2 else "retry") for n, lease in enumerate(leases[4:])]
    await commit(conn, tenant, entry(uuid4(), fences=thens, dropped_timers=[one.id for one in timers]))
    await commit(conn, tenant, entry(uuid4(), dropped_jobs=[job.id for job in (*made, later)]))


async def limited_ones(conn: AsyncConnection[Any]) -> None:
    """Of another tenant: two of three are held back, and the next one goes on when the first is done."""
    tenant = uuid4()
    await conn.execute("SELECT ledger.open(%s)", [tenant])
    under = JobLimits("flow", "n", Concurrency(1, "k"), Rate(100, timedelta(hours=1), "k"))
    await commit(conn, tenant, entry(uuid4(), jobs=[Job(uuid4(), "resize", limits=under) for _ in range(3)]))
    for _ in range(3):
        (job,) = await jobs.lease(conn, ["resize"], 8, 60, "worker", tenant_id=tenant)
        await commit(conn, tenant, entry(uuid4(), fences=[Fence(job.id, job.fence, "done")]))


async def test_there_is_one_way_for_each_whatever_the_planner_believes(
    conn: AsyncConnection[Any], superuser: psycopg.Connection[TupleRow], database: Database, tenant: UUID
) -> None:
    scans = Scans(conn)

    async def in_this_state() -> None:
        await conn.execute("DISCARD PLANS")
        await everything(conn, tenant)
        check(scans)

    await in_this_state()  # never analysed
    for table in TABLES:
        superuser.execute(f"VACUUM (ANALYZE) {table}")  # believed to be empty, as it is
    await in_this_state()
    with psycopg.connect(database.owner_url, autocommit=True) as analyst:
        analyst.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        analyst.execute("SELECT count(*) FROM projections.tenants")
        for _ in range(5):
            crowd = [Job(uuid4(), "resize", execution_id=uuid4()) for _ in range(400)]
            timers = [timer(uuid4()) for _ in range(400)]
            await commit(conn, tenant, entry(uuid4(), jobs=crowd, timers=timers))
            gone = entry(uuid4(), dropped_jobs=[job.id for job in crowd], dropped_timers=[one.id for one in timers])
            await commit(conn, tenant, gone)
        for table in TABLES:
            superuser.execute(f"ANALYZE {table}")  # believed to be empty, and full of what has died
        await in_this_state()
        with connected(database.system_url) as another:  # it reads all, as it is meant to
            another.execute("SELECT runtime.rewrite_job_queue()")
        await in_this_state()
        analyst.execute("ROLLBACK")
    assert {index for _, index, _ in scans.of_the_queue()} >= BY_KEY | BY_ORDER


@pytest.mark.parametrize("topic", ["execution.paused.v1", "execution.resumed.v1"])
async def test_what_an_execution_has_is_found_by_its_execution(
    superuser: psycopg.Connection[TupleRow], tenant: UUID, topic: str
) -> None:
    """Not by all that its tenant has, as in a pause of one of very many."""
    for statement in ("LOAD 'auto_explain'", *[f"VACUUM (ANALYZE) {table}" for table in TABLES]):
        superuser.execute(statement)
    found: list[str] = []
    superuser.add_notice_handler(lambda said: found.append(said.message_primary or ""))
    for name in ("log_min_duration = 0", "log_nested_statements = on", "log_level = notice"):
        superuser.execute(f"SET auto_explain.{name}")
    superuser.execute(PAUSE, {"tenant": tenant, "execution": uuid4(), "topic": topic})
    plans = [plan for plan in found if "UPDATE runtime." in plan]
    assert len(plans) == 2
    for plan in plans:
        assert "Index Cond: (execution_id = " in plan, plan
