"""Two reports, messages or answers at once, at two processes: exactly one outcome, and the other one is told why."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import httpx2
import pytest
from psycopg import AsyncConnection

from domain.event import stream_of
from tests.api.behind import Two
from tests.api.conftest import Client, Gesta
from tests.api.racing import DUE, GONE, REALLY, ROUNDS, at_once, code, ended, ends, history, published, racing, steer, together
from tests.api.working import LAPSE, execution, lease, leased, report, run_sql, take_lapsed
from tests.engine.drawing import ask, drawing
from tests.worker.house import worker_of
from worker.maintenance import fire_timers

WORK = drawing(
    {
        "s": "start",
        "one": ("task", {"job_type": "one"}, {"retry": {"max_attempts": 3, "initial_interval": "PT0.01S"}}),
        "e": "end",
    },
    "s > one",
    "one > e",
)
HEARS = drawing(
    {
        "s": "start",
        "w": ("wait_event", {"event_type": "paid"}, {"timeout": "PT1H"}),
        "e": ("end", {"output": "=nodes.w.output.data"}),
        "late": ("end", {"output": "=nodes.w.error.type"}),
    },
    "s > w",
    "w > e",
    "w.timeout > late",
)
ASKED = drawing(
    {"s": "start", "a": (*ask("yes:approve", "no:reject"), {"timeout": "P1D"}), "e": "end", "n": "end", "late": "end"},
    "s > a",
    "a.yes > e",
    "a.no > n",
    "a.timeout > late",
)
BROKEN = {"error": {"type": "broken", "message": "no", "retryable": True}}


@pytest.fixture
async def two(gesta: Gesta, request: pytest.FixtureRequest) -> AsyncIterator[Two]:
    async with racing(gesta, getattr(request, "param", "of one process")) as made:
        yield made


def other_worker(two: Two) -> Client:
    """The same key at the other process."""
    return two.at(two.behind, two.worker)


def post_event(two: Two, number: int) -> Awaitable[httpx2.Response]:
    event = {"specversion": "1.0", "id": f"e{number}", "source": "shop", "type": "paid", "data": {"by": "event"}}
    return two.ahead.admin.post("/events", event)


def post_signal(process: Any, id: str, by: str) -> Awaitable[httpx2.Response]:
    return process.admin.post(f"/executions/{id}/signal", {"name": "paid", "payload": {"by": by}})  # type: ignore[no-any-return]


# --- Workers ----------------------------------------------------------------------------------------------------------


async def test_two_workers_want_one_job(two: Two) -> None:
    begin = await published(two, WORK)
    for number in range(ROUNDS):
        id = await begin()
        one, other = await at_once(number, lease(two.worker, "one"), lease(other_worker(two), "one"))
        assert (one.status_code, other.status_code) == (200, 200)
        (job,) = [job for answer in (one, other) for job in answer.json()["items"]]
        assert code(await report(two.worker, job, "complete")) == ""
        assert await ends(two, id) == ["execution.completed.v1"]


@pytest.mark.parametrize("verb", ["complete", "fail"])
async def test_two_report_on_one_job(two: Two, verb: str) -> None:
    """Under one lease, which both have."""
    begin = await published(two, WORK)
    body = BROKEN if verb == "fail" else {}
    for number in range(ROUNDS):
        id = await begin()
        job = await leased(two.worker, "one", wait_seconds=10)
        done, again = await at_once(number, report(two.worker, job, "complete"), report(other_worker(two), job, verb, body))
        assert sorted([code(done) in GONE, code(again) in GONE]) == [False, True]
        assert "" in (code(done), code(again))
        if code(done) and verb == "fail":
            assert code(await report(two.worker, await leased(two.worker, "one", wait_seconds=10), "complete")) == ""
        assert await ends(two, id) == ["execution.completed.v1"]
        assert await ended(two, id, "one") == [("activation.completed.v1", "success")]


async def test_who_lost_the_job_against_who_has_it(two: Two) -> None:
    begin = await published(two, WORK)
    for number in range(ROUNDS):
        id = await begin()
        lost = await leased(two.worker, "one", wait_seconds=10)
        await run_sql(two.behind.gesta.database, LAPSE)
        await take_lapsed(two.behind.gesta.database)
        job = await leased(two.worker, "one", wait_seconds=10)
        assert job["fence"] > lost["fence"]
        late, done = await at_once(
            number,
            report(other_worker(two), lost, "complete", {"output": "late"}),
            report(two.worker, job, "complete", {"output": "right"}),
        )
        assert code(late) in GONE
        assert code(done) == ""
        (completed,) = [
            item for item in await history(two, id) if item["topic"] == "activation.completed.v1" and item["node_id"] == "one"
        ]
        assert completed["data"]["output"] == "right"


async def test_a_late_heartbeat_against_who_takes_the_job_back(two: Two) -> None:
    """The lease has run out: it is prolonged once more, or another attempt begins."""
    begin = await published(two, WORK)
    for number in range(ROUNDS):
        id = await begin()
        job = await leased(two.worker, "one", wait_seconds=10)
        await run_sql(two.behind.gesta.database, LAPSE)
        beat, _ = await at_once(number, report(two.worker, job, "heartbeat"), take_lapsed(two.behind.gesta.database))
        assert code(beat) in ("", "lease_lost")
        if code(beat):
            await take_lapsed(two.behind.gesta.database)
            assert code(await report(two.worker, job, "heartbeat")) == "lease_lost"
            assert code(await report(two.worker, job, "complete")) in GONE
            again = await leased(two.worker, "one", wait_seconds=10)
            assert (again["attempt"], again["fence"] > job["fence"]) == (2, True)
            job = again
        else:
            assert (await lease(other_worker(two), "one")).json()["items"] == []
        assert code(await report(two.worker, job, "complete")) == ""
        assert await ends(two, id) == ["execution.completed.v1"]


async def test_a_heartbeat_against_the_report(two: Two) -> None:
    begin = await published(two, WORK)
    for number in range(ROUNDS):
        id = await begin()
        job = await leased(two.worker, "one", wait_seconds=10)
        beat, done = await at_once(number, report(other_worker(two), job, "heartbeat"), report(two.worker, job, "complete"))
        assert code(done) == ""
        assert code(beat) in ("", "lease_lost")
        assert code(await report(two.worker, job, "heartbeat")) == "lease_lost"
        assert await ends(two, id) == ["execution.completed.v1"]


async def test_a_report_against_who_takes_the_job_back(two: Two) -> None:
    begin = await published(two, WORK)
    for number in range(ROUNDS):
        id = await begin()
        job = await leased(two.worker, "one", wait_seconds=10)
        await run_sql(two.behind.gesta.database, LAPSE)
        done, _ = await at_once(number, report(two.worker, job, "complete"), take_lapsed(two.behind.gesta.database))
        if code(done):
            assert code(done) in GONE
            await take_lapsed(two.behind.gesta.database)
            assert code(await report(two.worker, await leased(two.worker, "one", wait_seconds=10), "complete")) == ""
        assert await ended(two, id, "one") == [("activation.completed.v1", "success")]
        assert await ends(two, id) == ["execution.completed.v1"]


# --- Messages ---------------------------------------------------------------------------------------------------------


async def test_two_signals(two: Two) -> None:
    """The first one ends the wait; both are recorded, unless it was the end, of which the other one is told."""
    begin = await published(two, HEARS)
    for number in range(ROUNDS):
        id = await begin()
        one, other = await at_once(number, post_signal(two.ahead, id, "one"), post_signal(two.behind, id, "other"))
        assert sorted([code(one), code(other)]) == ["", "execution_closed"]
        assert (await execution(two.behind, id))["output"] == {"by": "other" if code(one) else "one"}
        assert await ends(two, id) == ["execution.completed.v1"]


@REALLY
async def test_two_signals_where_it_goes_on(two: Two) -> None:
    """Each of two waits, one behind the other, gets one of them, in their order."""
    nodes = {name: ("wait_event", {"event_type": "paid"}) for name in ("w", "v")}
    both = "=[nodes.w.output.data.by, nodes.v.output.data.by]"
    begin = await published(two, drawing({"s": "start", **nodes, "e": ("end", {"output": both})}, "s > w", "w > v", "v > e"))
    for number in range(ROUNDS):
        id = await begin()
        one, other = await together(two, number, post_signal(two.ahead, id, "one"), post_signal(two.behind, id, "other"))
        assert (code(one), code(other)) == ("", "")
        told = [item["data"]["payload"]["by"] for item in await history(two, id) if item["topic"] == "execution.signalled.v1"]
        assert sorted(told) == ["one", "other"]
        assert (await execution(two.behind, id))["output"] == told


async def test_a_signal_against_cancel(two: Two) -> None:
    begin = await published(two, HEARS)
    for number in range(ROUNDS):
        id = await begin()
        told, cancelled = await at_once(number, post_signal(two.ahead, id, "it"), steer(two.behind, id, "cancel"))
        assert sorted([code(told), code(cancelled)]) == ["", "execution_closed"]
        assert await ends(two, id) == ["execution.cancelled.v1" if code(told) else "execution.completed.v1"]


async def test_an_event_against_its_timeout(two: Two) -> None:
    """The wait ends one way; how many the event has woken says which."""
    begin = await published(two, HEARS)
    async with worker_of(two.behind.gesta.database) as worker, worker_of(two.behind.gesta.database) as other:
        stop = asyncio.Event()
        running = asyncio.create_task(worker.run(stop))
        for number in range(ROUNDS):
            id = await begin()
            came = await post_event(two, number)
            assert came.status_code < 300, came.text
            await run_sql(two.behind.gesta.database, DUE)
            async with asyncio.timeout(30):
                while not await ends(two, id):
                    await fire_timers(other.context)
            assert await ends(two, id) == ["execution.completed.v1"]
            by_event = (await execution(two.behind, id))["output"] == {"by": "event"}
            (end,) = await ended(two, id, "w")
            assert end == (("activation.completed.v1", "success") if by_event else ("activation.failed.v1", "timeout"))
            assert await woken(two, f"e{number}") == int(by_event)
        stop.set()
        await running


async def woken(two: Two, event_id: str) -> int:
    """How many an event has moved on, once all are told."""
    statement = """SELECT convert_from(data, 'UTF8')::jsonb ->> 'woken' FROM ledger.events
                    WHERE tenant_id = %s AND stream_id = %s AND topic = 'event.delivered.v1'"""
    system = two.behind.gesta.database.system_url
    async with asyncio.timeout(30), await AsyncConnection.connect(system, autocommit=True) as connection:
        while True:
            cursor = await connection.execute(statement, [two.behind.id, stream_of("shop", event_id)])
            found = await cursor.fetchone()
            if found is not None:
                return int(found[0])


async def test_a_signal_against_an_event(two: Two) -> None:
    begin = await published(two, HEARS)
    async with worker_of(two.behind.gesta.database) as worker:
        stop = asyncio.Event()
        running = asyncio.create_task(worker.run(stop))
        for number in range(ROUNDS):
            id = await begin()
            came, told = await at_once(number, post_event(two, number), post_signal(two.behind, id, "signal"))
            assert came.status_code < 300, came.text
            assert code(told) in ("", "execution_closed")
            assert await woken(two, f"e{number}") == bool(code(told))
            assert (await execution(two.behind, id))["output"] == {"by": "event" if code(told) else "signal"}
            assert await ends(two, id) == ["execution.completed.v1"]
        stop.set()
        await running


async def test_a_signal_against_the_timeout(two: Two) -> None:
    begin = await published(two, HEARS)
    async with worker_of(two.behind.gesta.database) as worker:
        for number in range(ROUNDS):
            id = await begin()
            await run_sql(two.behind.gesta.database, DUE)
            told, _ = await at_once(number, post_signal(two.ahead, id, "signal"), fire_timers(worker.context))
            assert code(told) in ("", "execution_closed")
            assert (await execution(two.behind, id))["output"] == ("timeout" if code(told) else {"by": "signal"})
            assert await ends(two, id) == ["execution.completed.v1"]


# --- Answers ----------------------------------------------------------------------------------------------------------


def decide(two: Two, process: Any, request: str, outcome: str) -> Awaitable[httpx2.Response]:
    return two.at(process, two.person.client).post(f"/approvals/{request}/decide", {"outcome": outcome})


@REALLY
async def test_two_answers(two: Two) -> None:
    begin = await published(two, ASKED)
    for number in range(ROUNDS):
        id = await begin()
        request = await two.open(id)
        yes, no = await together(two, number, decide(two, two.ahead, request, "yes"), decide(two, two.behind, request, "no"))
        assert sorted([code(yes), code(no)]) == ["", "approval_closed"]
        assert await ended(two, id, "a") == [("activation.completed.v1", "no" if code(yes) else "yes")]
        assert await ends(two, id) == ["execution.completed.v1"]


async def test_an_answer_against_its_timeout(two: Two) -> None:
    begin = await published(two, ASKED)
    async with worker_of(two.behind.gesta.database) as worker:
        for number in range(ROUNDS):
            id = await begin()
            request = await two.open(id)
            await run_sql(two.behind.gesta.database, DUE)
            yes, _ = await at_once(number, decide(two, two.ahead, request, "yes"), fire_timers(worker.context))
            assert code(yes) in ("", "approval_closed")
            late = [("activation.failed.v1", "timeout")]
            assert await ended(two, id, "a") == (late if code(yes) else [("activation.completed.v1", "yes")])
            assert await ends(two, id) == ["execution.completed.v1"]


async def test_an_answer_against_cancel(two: Two) -> None:
    begin = await published(two, ASKED)
    for number in range(ROUNDS):
        id = await begin()
        request = await two.open(id)
        yes, cancelled = await at_once(number, decide(two, two.ahead, request, "yes"), steer(two.behind, id, "cancel"))
        assert (code(yes), code(cancelled)) in (("", "execution_closed"), ("approval_closed", ""), ("execution_closed", ""))
        assert await ends(two, id) == ["execution.cancelled.v1" if code(yes) else "execution.completed.v1"]


# --- Pause against the rest -------------------------------------------------------------------------------------------


async def test_pause_against_a_heartbeat(two: Two) -> None:
    """What was handed out is kept."""
    begin = await published(two, WORK)
    for number in range(ROUNDS):
        id = await begin()
        job = await leased(two.worker, "one", wait_seconds=10)
        beat, paused = await at_once(number, report(two.worker, job, "heartbeat"), steer(two.behind, id, "pause"))
        assert (code(beat), code(paused)) == ("", "")
        assert code(await report(two.worker, job, "complete")) == ""
        assert await ends(two, id) == []
        assert code(await steer(two.behind, id, "resume")) == ""
        assert await ends(two, id) == ["execution.completed.v1"]


@pytest.mark.parametrize("lapses", [False, True])
async def test_pause_against_an_attempt_that_fails(two: Two, lapses: bool) -> None:
    """Another one begins only when it goes on."""
    begin = await published(two, WORK)
    for number in range(ROUNDS):
        id = await begin()
        job = await leased(two.worker, "one", wait_seconds=10)
        paused: Any
        if lapses:
            await run_sql(two.behind.gesta.database, LAPSE)
            _, paused = await at_once(number, take_lapsed(two.behind.gesta.database), steer(two.behind, id, "pause"))
            await take_lapsed(two.behind.gesta.database)
        else:
            failed, paused = await at_once(number, report(two.worker, job, "fail", BROKEN), steer(two.behind, id, "pause"))
            assert code(failed) == ""
        assert code(paused) == ""
        assert (await lease(two.worker, "one")).json()["items"] == []
        assert code(await steer(two.behind, id, "resume")) == ""
        again = await leased(two.worker, "one", wait_seconds=10)
        assert again["attempt"] == 2
        assert code(await report(two.worker, again, "complete")) == ""
        assert await ends(two, id) == ["execution.completed.v1"]


async def test_pause_against_a_signal(two: Two) -> None:
    begin = await published(two, HEARS)
    for number in range(ROUNDS):
        id = await begin()
        told, paused = await at_once(number, post_signal(two.ahead, id, "it"), steer(two.behind, id, "pause"))
        assert code(told) == ""
        assert code(paused) in ("", "execution_closed")
        if not code(paused):
            assert await ends(two, id) == []
            assert await ended(two, id, "w") == [("activation.completed.v1", "success")]
            assert code(await steer(two.behind, id, "resume")) == ""
        assert await ends(two, id) == ["execution.completed.v1"]


async def test_pause_against_terminate(two: Two) -> None:
    begin = await published(two, WORK)
    for number in range(ROUNDS):
        id = await begin()
        ended_, paused = await at_once(number, steer(two.ahead, id, "terminate"), steer(two.behind, id, "pause"))
        assert code(ended_) == ""
        assert code(paused) in ("", "execution_closed")
        assert await ends(two, id) == ["execution.cancelled.v1"]
        assert (await lease(two.worker, "one")).json()["items"] == []
