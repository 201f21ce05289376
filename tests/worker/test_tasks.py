"""Tasks done by handlers in the worker's process: done, failed, tried again, taken away, and drained."""

import asyncio

import pytest

from domain.facts import Decided, Job, Json
from runtime.ids import new_id
from store.jobs import LeasedJob
from store.notifications import waking
from store.notifications.listening import Notifications
from tests.conftest import Database
from tests.worker.house import LONG_RETRY, PATIENCE, RETRY, SHORT, at_work, house, steps, worker_of
from worker.leases import Leasing
from worker.tasks import TaskFailed

END_CONNECTIONS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'gesta_system'
"""


async def echo(job: LeasedJob) -> Json:
    return job.input


class Gate:
    """A handler that waits to be let through; it says when it is entered."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.open = asyncio.Event()
        self.times = 0
        self.cancelled = 0

    async def __call__(self, _job: LeasedJob) -> Json:
        self.times += 1
        self.entered.set()
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return self.times


async def test_three_tasks_in_a_row_are_done_and_the_execution_completes(database: Database) -> None:
    async with house(database) as home, worker_of(database, {"step": echo}) as worker, at_work(worker):
        execution = await home.start(steps(3), {"n": 1})
        assert (await home.ended(execution)).status == "completed"
        assert (await home.topics("execution")) == ["execution.started.v1", "execution.completed.v1"]
        assert home.jobs() == []
        actors = {event.envelope.actor_type for event in await home.events() if event.topic == "activation.completed.v1"}
        assert "worker" in actors


async def test_a_waiting_worker_is_woken_by_a_hint_and_does_not_poll(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waking, "SWEEP_SECONDS", 3600.0)
    async with house(database) as home, worker_of(database, {"step": echo}) as worker, at_work(worker):
        first = await home.start(steps())
        await home.ended(first)  # from here on it waits
        second = await home.start(steps())
        assert (await home.ended(second)).status == "completed"


async def test_a_starting_worker_looks_by_itself(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not hear anything here."""

    async def deaf(_self: Notifications) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(waking, "SWEEP_SECONDS", 3600.0)
    monkeypatch.setattr(Notifications, "run", deaf)
    async with house(database) as home, worker_of(database, {"step": echo}) as worker:
        execution = await home.start(steps())
        async with at_work(worker):
            assert (await home.ended(execution)).status == "completed"


async def test_an_idle_worker_asks_less_than_once_a_second(database: Database) -> None:
    async with worker_of(database, {"step": echo}) as worker:
        pool = worker.context.pool
        async with at_work(worker):
            async with asyncio.timeout(PATIENCE):
                while pool.get_stats().get("requests_num", 0) < 4:  # noqa: ASYNC110 - each part has looked once
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0.5)  # and once more after it began to listen
            before = pool.get_stats()["requests_num"]
            await asyncio.sleep(3)  # this is what is measured
            assert pool.get_stats()["requests_num"] - before <= 1


async def test_a_failed_task_is_tried_again_after_its_pause(database: Database) -> None:
    seen: list[int] = []

    async def flaky(job: LeasedJob) -> Json:
        seen.append(job.attempt)
        if len(seen) < 3:
            raise TaskFailed("busy", "Come back.")
        return "done"

    async with house(database) as home, worker_of(database, {"step": flaky}) as worker, at_work(worker):
        execution = await home.start(steps(retry=RETRY))
        assert (await home.ended(execution)).status == "completed"
        assert seen == [1, 2, 3]
        assert len(await home.topics("activation.retried")) == 2


async def test_a_task_that_is_not_to_be_tried_again_fails_the_execution(database: Database) -> None:
    async def broken(_job: LeasedJob) -> Json:
        raise TaskFailed("no_such_image", "Never.", retryable=False)

    async with house(database) as home, worker_of(database, {"step": broken}) as worker, at_work(worker):
        execution = await home.start(steps(retry=RETRY))
        assert (await home.ended(execution)).status == "failed"
        assert home.jobs() == []


async def test_an_exception_of_a_handler_is_a_failed_attempt(database: Database) -> None:
    async def broken(_job: LeasedJob) -> Json:
        raise ZeroDivisionError("by zero")

    async with house(database) as home, worker_of(database, {"step": broken}) as worker, at_work(worker):
        execution = await home.start(steps())
        assert (await home.ended(execution)).status == "failed"


async def test_a_worker_past_its_lease_changes_nothing_and_the_next_one_completes(database: Database) -> None:
    slow, quick = Gate(), Gate()
    quick.open.set()
    async with house(database) as home, worker_of(database, {"step": slow}) as stopped:
        async with at_work(stopped) as stop:
            execution = await home.start(steps(retry=RETRY))
            await slow.entered.wait()
            stop.set()  # so that it does not take the job up again itself
            home.lapse_all()
            async with worker_of(database, {"step": quick}) as other, at_work(other):
                assert (await home.ended(execution)).status == "completed"
            slow.open.set()
        assert (slow.times, quick.times) == (1, 1)
        assert await home.topics("activation.retried") == ["activation.retried.v1"]
        assert await home.topics("execution") == ["execution.started.v1", "execution.completed.v1"]


async def test_a_lost_lease_stops_the_handler_at_the_next_heartbeat(database: Database) -> None:
    gate = Gate()
    async with house(database) as home, worker_of(database, {"step": gate}) as worker, at_work(worker):
        await home.start(steps(retry=LONG_RETRY))
        await gate.entered.wait()
        await worker.leases.beat()
        assert gate.cancelled == 0
        home.lapse_all()
        await worker.leases.beat()

        async def left() -> bool:
            return gate.cancelled == 1 and worker.leases.running == 0

        await home.until(left)


async def test_heartbeats_keep_a_long_task_its_lease(database: Database) -> None:
    gate = Gate()
    leasing = Leasing(lease=1.0)
    async with house(database) as home, worker_of(database, {"step": gate}, leasing=leasing) as worker, at_work(worker):
        execution = await home.start(steps())
        await gate.entered.wait()
        (first,) = home.sql("SELECT lease_until FROM runtime.jobs")

        async def past_its_first_lease() -> bool:
            return home.sql("SELECT clock_timestamp() > %s::timestamptz + interval '0.5 s'", *first) == [(True,)]

        await home.until(past_its_first_lease)
        gate.open.set()
        assert (await home.ended(execution)).status == "completed"
        assert gate.times == 1


async def test_a_worker_told_to_stop_finishes_what_it_has_and_takes_nothing_more(database: Database) -> None:
    gate = Gate()
    async with house(database) as home, worker_of(database, {"step": gate}) as worker:
        stop = asyncio.Event()
        running = asyncio.create_task(worker.run(stop))
        execution = await home.start(steps(2))
        await gate.entered.wait()
        stop.set()
        gate.open.set()
        await asyncio.wait_for(running, PATIENCE)
        assert gate.times == 1
        assert (await home.state(execution)).status == "running"
        assert home.jobs() == [("step", "ready", 0)]  # the second step's, untouched


async def test_what_does_not_end_in_time_is_left_to_others_at_once(database: Database) -> None:
    gate, quick = Gate(), Gate()
    quick.open.set()
    async with house(database) as home, worker_of(database, {"step": gate}, leasing=SHORT) as worker:
        stop = asyncio.Event()
        running = asyncio.create_task(worker.run(stop))
        execution = await home.start(steps(retry=RETRY))
        await gate.entered.wait()
        stop.set()
        await asyncio.wait_for(running, PATIENCE)
        assert gate.cancelled == 1
        async with worker_of(database, {"step": quick}) as other, at_work(other):
            assert (await home.ended(execution)).status == "completed"


async def test_work_goes_on_when_all_connections_were_lost(database: Database) -> None:
    gate = Gate()
    async with house(database) as home, worker_of(database, {"step": gate}) as worker, at_work(worker):
        execution = await home.start(steps(2))
        await gate.entered.wait()
        home.sql(END_CONNECTIONS)
        gate.open.set()
        assert (await home.ended(execution)).status == "completed"
        again = await home.start(steps(2))
        assert (await home.ended(again)).status == "completed"
        assert gate.times == 4


async def test_no_more_jobs_run_than_there_is_room_for(database: Database) -> None:
    most, now = 0, 0

    async def counting(_job: LeasedJob) -> Json:
        nonlocal most, now
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        now -= 1
        return None

    leasing = Leasing(concurrency=3)
    async with house(database) as home, worker_of(database, {"step": counting}, leasing=leasing) as worker:
        executions = [await home.start(steps()) for _ in range(12)]
        async with at_work(worker):
            for execution in executions:
                await home.ended(execution)
        assert 1 <= most <= 3


async def test_a_worker_without_room_looks_again_when_a_job_ends(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other jobs were hinted at before there was room for them, and nobody hints at them again."""
    monkeypatch.setattr(waking, "SWEEP_SECONDS", 3600.0)
    gate, leasing = Gate(), Leasing(concurrency=1)
    async with house(database) as home, worker_of(database, {"step": gate}, leasing=leasing) as worker, at_work(worker):
        executions = [await home.start(steps()) for _ in range(3)]
        await gate.entered.wait()
        gate.open.set()
        assert {(await home.ended(execution)).status for execution in executions} == {"completed"}


async def test_a_job_whose_end_is_refused_is_kept_to_be_looked_at(database: Database) -> None:
    """Nothing in the engine comes to this; a job that nobody ends would otherwise be tried for ever."""
    async with house(database) as home, worker_of(database) as worker:
        job = Job(new_id(), "step")  # of no execution
        await worker.context.do(home.tenant_id, "test", lambda _: Decided(jobs=(job,)))
        async with worker_of(database, {"step": echo}) as other, at_work(other):

            async def dead() -> bool:
                return home.jobs() == [("step", "dead", 1)]

            await home.until(dead)
