"""Jobs: made with their events or not at all, handed to one worker at a time, in turn across tenants."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import AsyncConnection

from domain.facts import Due, Fence, Job, Timer
from store import due, jobs
from store.append import AppendOutcome, Entry, read_outcomes, send_append
from store.arrays import teach_columns
from store.jobs import Lease, LeasedJob
from store.side_rows import learn_side_rows
from tests.conftest import Database
from tests.store.ledgers import append, connected, entry, open_ledger, verdicts

BACKLOG = """
INSERT INTO runtime.jobs (tenant_id, id, type, state, run_at, priority, max_attempts, created_at, updated_at)
SELECT %s, gen_random_uuid(), 'resize', 'ready', now(), 0, 1, now(), now() FROM generate_series(1, %s)
"""
LAPSE = "UPDATE runtime.jobs SET lease_until = clock_timestamp() WHERE id = %s"
DUE_NOW = "UPDATE runtime.jobs SET run_at = clock_timestamp() WHERE id = %s"
READ_SO_FAR = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relid = 'runtime.jobs'::regclass"
NO_TIME = timedelta(0)


def a_timer(after: timedelta) -> Timer:
    return Timer(uuid4(), Due(after), "timeout", "execution", uuid4(), activation_id=uuid4())


STATE = "SELECT state, attempt, fence FROM runtime.jobs WHERE id = %s"


@pytest.fixture
async def conn(database: Database) -> AsyncIterator[AsyncConnection[Any]]:
    async with await AsyncConnection.connect(database.system_url, autocommit=True, options="-c timezone=UTC") as connection:
        teach_columns(connection)
        await learn_side_rows(connection)
        yield connection


AS_BEFORE = """
SELECT ledger.append(%(tenant)s::uuid, false, ARRAY[gen_random_uuid()], ARRAY[NULL::bytea], ARRAY[NULL::bytea],
    ARRAY['{}'::bytea],
    '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}',
    '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}',
    ARRAY[1], ARRAY[%(timer)s::uuid], ARRAY[0::bigint], ARRAY['timeout'], ARRAY[%(execution)s::uuid], ARRAY[NULL::uuid],
    '{}', '{}')
"""


@pytest.fixture
def tenant(database: Database) -> UUID:
    with connected(database.system_url) as connection:
        return open_ledger(connection)


async def commit(conn: AsyncConnection[Any], tenant_id: UUID, *entries: Entry) -> list[AppendOutcome]:
    return await read_outcomes(await send_append(conn, tenant_id, entries))


async def lease_one(conn: AsyncConnection[Any], *, seconds: float = 60, **given: Any) -> LeasedJob:
    (job,) = await jobs.lease(conn, ["resize"], 1, seconds, "worker", **given)
    return job


async def made(conn: AsyncConnection[Any], tenant_id: UUID, **given: Any) -> Job:
    job = Job(uuid4(), "resize", **given)
    assert verdicts(await commit(conn, tenant_id, entry(uuid4(), jobs=[job]))) == ["appended"]
    return job


async def state_of(conn: AsyncConnection[Any], job_id: UUID) -> tuple[Any, ...] | None:
    return await (await conn.execute(STATE, (job_id,))).fetchone()


def fenced(job: LeasedJob, then: Any = "done", **given: Any) -> Entry:
    return entry(uuid4(), fences=[Fence(job.id, job.fence, then, **given)])


# Made


async def test_a_job_is_leased_as_it_was_given(conn: AsyncConnection[Any], tenant: UUID) -> None:
    job = Job(uuid4(), "resize", {"input": {"width": 7, "unit": "ø"}}, uuid4(), uuid4(), uuid4(), max_attempts=3)
    await commit(conn, tenant, entry(uuid4(), jobs=[job]))
    leased = await lease_one(conn)
    assert (leased.tenant_id, leased.id, leased.type, leased.input) == (tenant, job.id, job.type, job.input)
    assert (leased.execution_id, leased.activation_id, leased.task_id) == (job.execution_id, job.activation_id, job.task_id)
    assert (leased.fence, leased.attempt, leased.max_attempts) == (1, 1, 3)
    assert await jobs.leased(conn, tenant, job.id) == leased


async def test_a_rejected_command_makes_no_job_and_sets_no_timer(conn: AsyncConnection[Any], tenant: UUID) -> None:
    stream = uuid4()
    timer = a_timer(NO_TIME)
    stale = entry(stream, expect=[(stream, 7)], jobs=[Job(uuid4(), "resize")], timers=[timer])
    good = entry(uuid4(), jobs=[Job(uuid4(), "resize")])
    assert verdicts(await commit(conn, tenant, stale, good)) == ["conflict", "appended"]
    assert [job.id for job in await jobs.lease(conn, ["resize"], 9, 60, "worker")] == [good.jobs[0][0].id]
    assert await due.claim_timers(conn, ["execution"], 9) == []


async def test_a_command_sent_again_makes_its_job_once(conn: AsyncConnection[Any], tenant: UUID) -> None:
    command = entry(uuid4(), jobs=[Job(uuid4(), "resize")])
    assert verdicts([*await commit(conn, tenant, command), *await commit(conn, tenant, command)]) == ["appended", "done"]
    assert len(await jobs.lease(conn, ["resize"], 9, 60, "worker")) == 1


async def test_a_dropped_job_is_not_leased(conn: AsyncConnection[Any], tenant: UUID) -> None:
    job = await made(conn, tenant)
    await commit(conn, tenant, entry(uuid4(), dropped_jobs=[job.id, uuid4()]))
    assert await jobs.lease(conn, ["resize"], 9, 60, "worker") == []


async def test_a_job_made_and_dropped_in_one_batch_is_gone(conn: AsyncConnection[Any], tenant: UUID) -> None:
    job = Job(uuid4(), "resize")
    await commit(conn, tenant, entry(uuid4(), jobs=[job]), entry(uuid4(), dropped_jobs=[job.id]))
    assert await state_of(conn, job.id) is None


async def test_what_is_dropped_and_made_again_is_there(conn: AsyncConnection[Any], tenant: UUID) -> None:
    """The two may come in one batch, or in one command."""
    timer = a_timer(timedelta(days=1))
    await commit(conn, tenant, entry(uuid4(), timers=[timer]))
    await commit(
        conn, tenant, entry(uuid4(), dropped_timers=[timer.id]), entry(uuid4(), timers=[replace(timer, due=Due(NO_TIME))])
    )
    assert [one.id for one in await due.claim_timers(conn, ["execution"], 9)] == [timer.id]
    await commit(conn, tenant, entry(uuid4(), dropped_timers=[timer.id], timers=[timer]))
    assert await due.claim_timers(conn, ["execution"], 9) == []
    assert 86_000 < (await due.seconds_to_timer(conn, ["execution"]) or 0) <= 86_400


async def test_a_timers_moment_is_reckoned_from_the_recorded_time(conn: AsyncConnection[Any], tenant: UUID) -> None:
    """Whatever a process's clock says, and when the event occurred."""
    timer = a_timer(timedelta(minutes=5))
    (outcome,) = await commit(conn, tenant, entry(uuid4(), timers=[timer]))
    row = await (await conn.execute("SELECT due_at FROM runtime.timers")).fetchone()
    assert row is not None
    assert outcome.recorded_at is not None
    assert row[0] == timer.due.moment(outcome.recorded_at)


# Fences


async def test_who_holds_the_lease_completes_the_job_once(conn: AsyncConnection[Any], tenant: UUID) -> None:
    await made(conn, tenant)
    job = await lease_one(conn)
    assert verdicts(await commit(conn, tenant, fenced(job))) == ["appended"]
    (second,) = await commit(conn, tenant, fenced(job))
    assert (second.verdict, second.reason) == ("refused", "fence")


async def test_two_completions_in_one_batch_go_to_the_first(conn: AsyncConnection[Any], tenant: UUID) -> None:
    await made(conn, tenant)
    job = await lease_one(conn)
    assert verdicts(await commit(conn, tenant, fenced(job), fenced(job))) == ["appended", "refused"]


async def test_a_lease_that_ran_out_is_refused_before_anybody_noticed(conn: AsyncConnection[Any], tenant: UUID) -> None:
    await made(conn, tenant)
    job = await lease_one(conn)
    await conn.execute(LAPSE, (job.id,))
    (late,) = await commit(conn, tenant, fenced(job))
    assert (late.verdict, late.reason) == ("refused", "fence")
    assert await jobs.heartbeat(conn, job.lease) is None


async def test_a_worker_past_its_lease_is_refused_while_the_next_one_works(conn: AsyncConnection[Any], tenant: UUID) -> None:
    await made(conn, tenant)
    job = await lease_one(conn)
    await conn.execute(LAPSE, (job.id,))
    assert verdicts(await commit(conn, tenant, fenced(job, "retry", expired=True))) == ["appended"]
    again = await lease_one(conn)
    assert (again.id, again.fence, again.attempt) == (job.id, 2, 2)
    assert verdicts(await commit(conn, tenant, fenced(job))) == ["refused"]
    assert verdicts(await commit(conn, tenant, fenced(again))) == ["appended"]


async def test_a_lease_that_lasts_cannot_be_called_lapsed(conn: AsyncConnection[Any], tenant: UUID) -> None:
    await made(conn, tenant)
    job = await lease_one(conn)
    assert verdicts(await commit(conn, tenant, fenced(job, "retry", expired=True))) == ["refused"]
    assert await due.expired_leases(conn, 9) == []


async def test_a_fence_that_keeps_changes_nothing(conn: AsyncConnection[Any], tenant: UUID) -> None:
    await made(conn, tenant)
    job = await lease_one(conn)
    assert verdicts(await commit(conn, tenant, fenced(job, "keep"), fenced(job, "keep"), fenced(job))) == ["appended"] * 3


async def test_a_refused_fence_writes_nothing_of_its_command(conn: AsyncConnection[Any], tenant: UUID) -> None:
    await made(conn, tenant)
    job = await lease_one(conn)
    stale = entry(uuid4(), fences=[Fence(job.id, 9, "done")], jobs=[Job(uuid4(), "resize")], dropped_jobs=[job.id])
    (outcome, good) = await commit(conn, tenant, stale, entry(uuid4()))
    assert (outcome.verdict, outcome.position, good.position) == ("refused", None, 2)
    assert await jobs.lease(conn, ["resize"], 9, 60, "worker") == []
    assert await state_of(conn, job.id) == ("leased", 1, 1)


async def test_a_fence_of_another_tenants_job_does_not_hold(conn: AsyncConnection[Any], tenant: UUID, database: Database) -> None:
    await made(conn, tenant)
    job = await lease_one(conn)
    with connected(database.system_url) as connection:
        assert verdicts(append(connection, open_ledger(connection), fenced(job))) == ["refused"]


async def test_a_heartbeat_at_the_last_moment_holds_off_the_lapse(
    conn: AsyncConnection[Any], tenant: UUID, database: Database
) -> None:
    """Append waits for the heartbeat's row, and judges by what that left."""
    await made(conn, tenant)
    job = await lease_one(conn)
    await conn.execute(LAPSE, (job.id,))
    with connected(database.system_url) as other:
        with other.transaction():
            other.execute(
                "UPDATE runtime.jobs SET lease_until = clock_timestamp() + interval '1 minute' WHERE id = %s", (job.id,)
            )
            lapse = asyncio.create_task(commit(conn, tenant, fenced(job, "retry", expired=True)))
            await until_waiting(database, conn.info.backend_pid)
        assert verdicts(await lapse) == ["refused"]


async def until_waiting(database: Database, backend: int) -> None:
    """Until this backend waits for a lock."""
    async with asyncio.timeout(30), await AsyncConnection.connect(database.superuser_url, autocommit=True) as looking:
        statement = "SELECT cardinality(pg_blocking_pids(%s))"
        while not (await (await looking.execute(statement, (backend,))).fetchone() or (0,))[0]:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.01)


# Leases


async def test_workers_never_share_a_job(conn: AsyncConnection[Any], tenant: UUID, database: Database) -> None:
    await conn.execute(BACKLOG, (tenant, 300))

    async def work() -> list[UUID]:
        taken: list[UUID] = []
        async with await AsyncConnection.connect(database.system_url, autocommit=True) as own:
            while len(taken) < 300 and (
                await (await own.execute("SELECT count(*) FROM runtime.jobs WHERE state = 'ready'")).fetchone()
            ) != (0,):
                taken += [job.id for job in await jobs.lease(own, ["resize"], 3, 60, "worker")]
        return taken

    taken = await asyncio.gather(*(work() for _ in range(6)))
    everything = [job_id for one in taken for job_id in one]
    assert len(everything) == len(set(everything)) == 300


async def test_a_long_queue_of_one_tenant_does_not_hold_up_anothers_first_job(conn: AsyncConnection[Any], tenant: UUID) -> None:
    await conn.execute(BACKLOG, (tenant, 100_000))
    others = {uuid4() for _ in range(3)}
    for other in others:
        await conn.execute(BACKLOG, (other, 1))
    asked = time.monotonic()
    first = await jobs.lease(conn, ["resize"], 10, 60, "worker")
    assert time.monotonic() - asked < 1
    assert len(first) == 10
    assert {job.tenant_id for job in first} == {tenant, *others}


async def test_where_there_is_room_for_one_the_tenants_take_turns(conn: AsyncConnection[Any]) -> None:
    tenants = sorted(uuid4() for _ in range(3))
    for one in tenants:
        await conn.execute(BACKLOG, (one, 50))
    served, cursor = [], jobs.NOBODY
    for _ in range(6):
        cursor = (await lease_one(conn, after_tenant=cursor)).tenant_id
        served.append(cursor)
    assert served == tenants * 2


async def test_where_the_shares_do_not_come_out_even_nobody_goes_away_empty(conn: AsyncConnection[Any]) -> None:
    tenants = [uuid4() for _ in range(3)]
    for one in tenants:
        await conn.execute(BACKLOG, (one, 50))
    shares = Counter(job.tenant_id for job in await jobs.lease(conn, ["resize"], 4, 60, "worker"))
    assert sorted(shares.values()) == [1, 1, 2]


async def test_what_is_reserved_goes_to_tenants_that_hold_nothing_one_each(conn: AsyncConnection[Any]) -> None:
    """The one in the middle holds a job; its queue is stepped over, and those on both sides of it are found."""
    first, holder, last = sorted(uuid4() for _ in range(3))
    for one in (first, holder, last):
        await conn.execute(BACKLOG, (one, 50))
    leased = await jobs.lease(conn, ["resize"], 9, 60, "worker", reserved=9, held_by=[holder])
    assert sorted(job.tenant_id for job in leased) == [first, last]
    assert await jobs.lease(conn, ["resize"], 9, 60, "worker", reserved=9, held_by=[first, holder, last]) == []


async def test_what_is_reserved_goes_by_turns_as_well(conn: AsyncConnection[Any]) -> None:
    tenants = sorted(uuid4() for _ in range(5))
    for one in tenants:
        await conn.execute(BACKLOG, (one, 50))
    held_by = {tenants[2]}
    for after, following in ((0, 1), (1, 3), (2, 3), (3, 4), (4, 0)):
        job = await lease_one(conn, after_tenant=tenants[after], reserved=1, held_by=held_by)
        assert job.tenant_id == tenants[following]


async def test_who_is_given_a_job_is_given_nothing_of_what_is_reserved(conn: AsyncConnection[Any], tenant: UUID) -> None:
    await conn.execute(BACKLOG, (tenant, 50))
    assert len(await jobs.lease(conn, ["resize"], 9, 60, "worker", reserved=2)) == 7
    await conn.execute(BACKLOG, (uuid4(), 50))
    both = Counter(job.tenant_id for job in await jobs.lease(conn, ["resize"], 9, 60, "worker", reserved=2))
    assert sum(both.values()) == 7
    late = {uuid4(), uuid4(), uuid4()}
    for one in late:
        await conn.execute(BACKLOG, (one, 50))
    given = [job.tenant_id for job in await jobs.lease(conn, ["resize"], 2, 60, "worker", reserved=2, held_by=both.keys())]
    assert len(given) == len(set(given)) == 2
    assert set(given) < late


async def test_what_is_reserved_is_one_of_each_type(conn: AsyncConnection[Any], tenant: UUID) -> None:
    await conn.execute(BACKLOG, (tenant, 3))
    await commit(conn, tenant, entry(uuid4(), jobs=[Job(uuid4(), "other"), Job(uuid4(), "other")]))
    leased = await jobs.lease(conn, ["resize", "other"], 9, 60, "worker", reserved=9)
    assert sorted(job.type for job in leased) == ["other", "resize"]


async def test_a_long_queue_that_is_left_out_is_not_read(conn: AsyncConnection[Any], tenant: UUID) -> None:
    await conn.execute(BACKLOG, (tenant, 5_000))
    newcomer = uuid4()
    await conn.execute(BACKLOG, (newcomer, 1))
    async with conn.transaction():
        leased = await jobs.lease(conn, ["resize"], 5, 60, "worker", reserved=5, held_by=[tenant])
        (read,) = await (await conn.execute(READ_SO_FAR)).fetchone() or (0,)
    assert [job.tenant_id for job in leased] == [newcomer]
    assert 1 <= read < 50


async def test_of_several_types_each_has_its_turn(conn: AsyncConnection[Any], tenant: UUID) -> None:
    await conn.execute(BACKLOG, (tenant, 100))
    await commit(conn, tenant, entry(uuid4(), jobs=[Job(uuid4(), "other"), Job(uuid4(), "foreign")]))
    assert {job.type for job in await jobs.lease(conn, ["resize", "other"], 4, 60, "worker")} == {"resize", "other"}


async def test_a_tenants_worker_is_given_its_own_jobs_only(conn: AsyncConnection[Any], tenant: UUID) -> None:
    await conn.execute(BACKLOG, (tenant, 1))
    await conn.execute(BACKLOG, (uuid4(), 5))
    assert [job.tenant_id for job in await jobs.lease(conn, ["resize"], 9, 60, "worker", tenant_id=tenant)] == [tenant]


async def test_the_highest_priority_goes_first_and_then_the_oldest(conn: AsyncConnection[Any], tenant: UUID) -> None:
    made_jobs = [await made(conn, tenant, priority=priority) for priority in (0, 5, 5, 9)]
    wanted = [made_jobs[n].id for n in (3, 1, 2, 0)]
    assert [(await lease_one(conn)).id for _ in wanted] == wanted


async def test_a_heartbeat_prolongs_the_lease(conn: AsyncConnection[Any], tenant: UUID) -> None:
    await made(conn, tenant)
    job = await lease_one(conn, seconds=10)
    prolonged = await jobs.heartbeat(conn, job.lease, 500)
    assert prolonged is not None
    assert prolonged - job.lease_until > timedelta(seconds=450)
    again = await jobs.heartbeat(conn, job.lease)
    assert again is not None
    assert again >= prolonged
    assert (await jobs.heartbeats(conn, [job.lease, Lease(tenant, job.id, 2), Lease(uuid4(), job.id, 1)])).keys() == {job.lease}
    assert await jobs.heartbeat(conn, Lease(tenant, job.id, 2)) is None


async def test_what_was_not_begun_is_given_back_and_does_not_count(conn: AsyncConnection[Any], tenant: UUID) -> None:
    await made(conn, tenant)
    job = await lease_one(conn)
    await jobs.give_back(conn, [job.lease])
    again = await lease_one(conn)
    assert (again.id, again.attempt, again.fence) == (job.id, 1, 2)
    await jobs.give_back(conn, [job.lease])  # no longer his
    assert await state_of(conn, job.id) == ("leased", 1, 2)


async def test_a_surrendered_lease_has_lapsed(conn: AsyncConnection[Any], tenant: UUID) -> None:
    await made(conn, tenant)
    job = await lease_one(conn)
    await jobs.expire_now(conn, [job.lease])
    assert [one.lease for one in await due.expired_leases(conn, 9)] == [job.lease]
    assert (await due.seconds_to_expiry(conn) or 0) <= 0


# Later, and never


async def test_a_retry_waits_for_its_delay(conn: AsyncConnection[Any], tenant: UUID) -> None:
    await made(conn, tenant, max_attempts=3)
    job = await lease_one(conn)
    await commit(conn, tenant, fenced(job, "retry", delay=timedelta(minutes=1), error={"type": "busy"}))
    assert await jobs.lease(conn, ["resize"], 1, 60, "worker") == []
    assert 50 < (await jobs.seconds_to_job(conn, ["resize"]) or 0) <= 60
    assert await jobs.seconds_to_job(conn, ["other"]) is None
    assert await jobs.seconds_to_job(conn, ["resize"], uuid4()) is None
    await conn.execute(DUE_NOW, (job.id,))
    again = await lease_one(conn)
    assert (again.id, again.attempt, again.fence) == (job.id, 2, 2)


async def test_a_delayed_job_waits(conn: AsyncConnection[Any], tenant: UUID) -> None:
    job = await made(conn, tenant, delay=timedelta(hours=1))
    assert await jobs.lease(conn, ["resize"], 1, 60, "worker") == []
    assert await state_of(conn, job.id) == ("waiting", 0, 0)


async def test_a_job_given_up_is_listed_with_its_error_and_can_be_retried(conn: AsyncConnection[Any], tenant: UUID) -> None:
    await made(conn, tenant, input={"n": 1})
    job = await lease_one(conn)
    await commit(conn, tenant, fenced(job, "dead", error={"type": "broken", "message": "no"}))
    assert await jobs.lease(conn, ["resize"], 1, 60, "worker") == []
    (dead,) = await jobs.dead(conn, tenant, 9)
    assert (dead.id, dead.input, dead.error, dead.attempt) == (job.id, {"n": 1}, {"type": "broken", "message": "no"}, 1)
    assert await jobs.dead(conn, tenant, 9, after=(dead.updated_at, dead.id)) == []
    assert await jobs.dead(conn, uuid4(), 9) == []
    with pytest.raises(jobs.NoSuchDeadJob):
        await jobs.retry_dead(conn, uuid4(), job.id)
    await jobs.retry_dead(conn, tenant, job.id)
    again = await lease_one(conn)
    assert (again.id, again.attempt, again.fence) == (job.id, 1, 2)
    with pytest.raises(jobs.NoSuchDeadJob):
        await jobs.retry_dead(conn, tenant, job.id)


async def test_a_timer_may_be_of_any_owner_and_for_a_moment_that_is_named(conn: AsyncConnection[Any], tenant: UUID) -> None:
    moment, owner = datetime(2030, 2, 28, 12, 0, 0, 7, UTC), uuid4()
    named = Timer(uuid4(), Due(at=moment), "next", "schedule", owner)
    past = Timer(uuid4(), Due(at=datetime(2020, 1, 1, tzinfo=UTC)), "reminder", "approval", owner, execution_id=uuid4())
    await commit(conn, tenant, entry(uuid4(), timers=[named, past, a_timer(timedelta(hours=1))]))
    rows = await (await conn.execute("SELECT due_at FROM runtime.timers WHERE id = %s", [named.id])).fetchall()
    assert rows == [(moment,)]
    assert await due.claim_timers(conn, ["execution"], 9) == []
    (found,) = await due.claim_timers(conn, ["schedule", "approval"], 9)
    assert (found.id, found.owner, found.owner_id, found.purpose) == (past.id, "approval", owner, "reminder")
    assert (await due.seconds_to_timer(conn, ["execution"]) or 0) <= 3600 < (await due.seconds_to_timer(conn, ["schedule"]) or 0)


async def test_a_process_of_the_release_before_sets_timers_as_it_did(conn: AsyncConnection[Any], tenant: UUID) -> None:
    """It names an execution, and no owner."""
    execution, timer = uuid4(), uuid4()
    await conn.execute(AS_BEFORE, {"tenant": tenant, "timer": timer, "execution": execution})
    (found,) = await due.claim_timers(conn, ["execution"], 9)
    assert (found.id, found.owner, found.owner_id) == (timer, "execution", execution)


async def test_jobs_are_counted_by_type_and_state(conn: AsyncConnection[Any], tenant: UUID) -> None:
    await conn.execute(BACKLOG, (tenant, 3))
    await lease_one(conn)
    assert await jobs.counts(conn) == {("resize", "ready"): 2, ("resize", "leased"): 1}


async def test_timers_come_due_in_order_until_they_are_dropped(conn: AsyncConnection[Any], tenant: UUID) -> None:
    timers = [a_timer(timedelta(microseconds=1 + number)) for number in (1, 0)]
    later = a_timer(timedelta(hours=1))
    await commit(conn, tenant, entry(uuid4(), timers=[*timers, later]))
    found = await due.claim_timers(conn, ["execution"], 9)
    assert [(one.tenant_id, one.id, one.owner, one.owner_id, one.activation_id, one.moved) for one in found] == [
        (tenant, timer.id, timer.owner, timer.owner_id, timer.activation_id, 0) for timer in reversed(timers)
    ]
    await commit(conn, tenant, entry(uuid4(), dropped_timers=[timer.id for timer in timers]))
    assert await due.claim_timers(conn, ["execution"], 9) == []
    assert 3500 < (await due.seconds_to_timer(conn, ["execution"]) or 0) <= 3600
    await commit(conn, tenant, entry(uuid4(), dropped_timers=[later.id]))
    assert await due.seconds_to_timer(conn, ["execution"]) is None


async def test_old_commands_are_forgotten_in_portions(conn: AsyncConnection[Any], tenant: UUID, database: Database) -> None:
    old = [entry(uuid4()) for _ in range(3)]
    await commit(conn, tenant, *old)
    with psycopg.connect(database.superuser_url, autocommit=True) as superuser:
        superuser.execute("UPDATE runtime.commands SET created_at = created_at - interval '25 hours'")
    young = entry(uuid4())
    await commit(conn, tenant, young)
    portions = [await jobs.delete_old_commands(conn, timedelta(hours=24), 2) for _ in range(3)]
    assert portions == [2, 1, 0]
    assert verdicts(await commit(conn, tenant, young)) == ["done"]


async def test_the_api_role_sees_its_tenants_jobs_and_changes_none(
    conn: AsyncConnection[Any], tenant: UUID, database: Database
) -> None:
    await conn.execute(BACKLOG, (tenant, 2))
    await conn.execute(BACKLOG, (uuid4(), 2))
    with psycopg.connect(database.api_url) as reader:
        reader.execute("SELECT set_config('gesta.tenant_id', %s, true)", (str(tenant),))
        assert reader.execute("SELECT DISTINCT tenant_id FROM runtime.jobs").fetchall() == [(tenant,)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute("DELETE FROM runtime.jobs")
