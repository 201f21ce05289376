"""Two commands at once, at two processes: exactly one outcome, and the other one is told why."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from tests.api.behind import Two
from tests.api.conftest import Gesta
from tests.api.racing import APART, DUE, GONE, REALLY, ROUNDS, at_once, code, ends, published, racing, steer, together
from tests.api.working import execution, lease, leased, report, run_sql
from tests.engine.drawing import ask, drawing
from tests.worker.house import worker_of
from worker.maintenance import fire_timers

LINE = drawing(
    {
        "s": "start",
        "one": ("task", {"job_type": "one"}, {"timeout": "PT1H"}),
        "two": ("task", {"job_type": "two"}),
        "e": "end",
    },
    "s > one",
    "one > two",
    "two > e",
)
SAGA = drawing(
    {
        "s": "start",
        "book": ("task", {"job_type": "book"}, {"compensate": "free"}),
        "one": ("task", {"job_type": "one"}),
        "e": "end",
        "free": ("task", {"job_type": "free"}),
    },
    "s > book",
    "book > one",
    "one > e",
    timeout="PT2H",
)
ASKED = drawing({"s": "start", "a": ask("ok:approve"), "b": ask("ok:approve"), "e": "end"}, "s > a", "a.ok > b", "b.ok > e")
EVENT = drawing(
    {"s": "start", "w": ("wait_event", {"event_type": "paid"}), "two": ("task", {"job_type": "two"}), "e": "end"},
    "s > w",
    "w > two",
    "two > e",
)


@pytest.fixture
async def two(gesta: Gesta, request: pytest.FixtureRequest) -> AsyncIterator[Two]:
    async with racing(gesta, getattr(request, "param", "of one process")) as made:
        yield made


async def test_a_timer_against_a_report(two: Two) -> None:
    begin = await published(two, LINE)
    async with worker_of(two.behind.gesta.database) as worker:
        for number in range(ROUNDS):
            id = await begin()
            job = await leased(two.worker, "one")
            await run_sql(two.behind.gesta.database, DUE)
            done, _ = await at_once(number, report(two.worker, job, "complete"), fire_timers(worker.context))
            if code(done):
                assert code(done) in GONE
                assert (await ends(two, id), (await execution(two.behind, id))["error_details"]["code"]) == (
                    ["execution.failed.v1"],
                    "timeout",
                )
            else:
                await report(two.worker, await leased(two.worker, "two"), "complete")
                assert await ends(two, id) == ["execution.completed.v1"]


async def test_the_time_of_an_execution_against_its_last_report(two: Two) -> None:
    begin = await published(two, SAGA)
    async with worker_of(two.behind.gesta.database) as worker:
        for number in range(ROUNDS):
            id = await begin()
            await report(two.worker, await leased(two.worker, "book"), "complete")
            job = await leased(two.worker, "one")
            await run_sql(two.behind.gesta.database, DUE)
            done, _ = await at_once(number, report(two.worker, job, "complete"), fire_timers(worker.context))
            if code(done):
                assert code(done) in GONE
                await report(two.worker, await leased(two.worker, "free"), "complete")
                assert await ends(two, id) == ["execution.failed.v1"]
            else:
                assert await ends(two, id) == ["execution.completed.v1"]


@APART
async def test_cancel_against_the_last_report(two: Two) -> None:
    begin = await published(two, SAGA)
    for number in range(ROUNDS):
        id = await begin()
        await report(two.worker, await leased(two.worker, "book"), "complete")
        job = await leased(two.worker, "one")
        done, cancelled = await together(two, number, report(two.worker, job, "complete"), steer(two.behind, id, "cancel"))
        assert bool(code(done)) != bool(code(cancelled))
        if code(done):
            assert code(done) in GONE
            assert (await execution(two.behind, id))["compensation"] == "running"
            await report(two.worker, await leased(two.worker, "free"), "complete")
            assert await ends(two, id) == ["execution.cancelled.v1"]
        else:
            assert code(cancelled) == "execution_closed"
            assert await ends(two, id) == ["execution.completed.v1"]


async def test_cancel_against_an_error(two: Two) -> None:
    """Whichever comes first says how it ends; it is undone once."""
    begin = await published(two, SAGA)
    for number in range(ROUNDS):
        id = await begin()
        await report(two.worker, await leased(two.worker, "book"), "complete")
        job = await leased(two.worker, "one")
        error = {"error": {"type": "broken", "message": "no", "retryable": False}}
        failed, cancelled = await at_once(number, report(two.worker, job, "fail", error), steer(two.behind, id, "cancel"))
        assert bool(code(failed)) != bool(code(cancelled))
        assert code(failed) in {"", *GONE}
        assert code(cancelled) in ("", "execution_compensating")
        await report(two.worker, await leased(two.worker, "free"), "complete")
        assert await ends(two, id) == ["execution.cancelled.v1" if code(failed) else "execution.failed.v1"]
        assert (await lease(two.worker, "free")).json()["items"] == []


async def test_cancel_against_cancel(two: Two) -> None:
    begin = await published(two, SAGA)
    for number in range(ROUNDS):
        id = await begin()
        if number > 1:
            await report(two.worker, await leased(two.worker, "book"), "complete")
        one, other = await at_once(number, steer(two.ahead, id, "cancel"), steer(two.behind, id, "cancel"))
        assert {code(one), code(other)} == {"", "execution_compensating" if number > 1 else "execution_closed"}
        if number > 1:
            await report(two.worker, await leased(two.worker, "free"), "complete")
        assert await ends(two, id) == ["execution.cancelled.v1"]


async def test_terminate_against_the_last_undoing(two: Two) -> None:
    begin = await published(two, SAGA)
    for number in range(ROUNDS):
        id = await begin()
        await report(two.worker, await leased(two.worker, "book"), "complete")
        await steer(two.behind, id, "cancel")
        job = await leased(two.worker, "free")
        done, ended = await at_once(number, report(two.worker, job, "complete"), steer(two.behind, id, "terminate"))
        assert bool(code(done)) != bool(code(ended))
        assert await ends(two, id) == ["execution.cancelled.v1"]
        assert (await execution(two.behind, id))["compensation"] == ("terminated" if code(done) else "completed")


@REALLY
async def test_pause_against_a_report(two: Two) -> None:
    """What was handed out may report, before or after; what follows waits."""
    begin = await published(two, LINE)
    for number in range(ROUNDS):
        id = await begin()
        job = await leased(two.worker, "one")
        done, paused = await together(two, number, report(two.worker, job, "complete"), steer(two.behind, id, "pause"))
        assert (code(done), code(paused)) == ("", "")
        assert (await lease(two.worker, "two")).json()["items"] == []
        assert code(await steer(two.ahead, id, "resume")) == ""
        await report(two.worker, await leased(two.worker, "two"), "complete")
        assert await ends(two, id) == ["execution.completed.v1"]


async def test_pause_against_the_last_report(two: Two) -> None:
    begin = await published(two, LINE)
    for number in range(ROUNDS):
        id = await begin()
        await report(two.worker, await leased(two.worker, "one"), "complete")
        job = await leased(two.worker, "two")
        done, paused = await at_once(number, report(two.worker, job, "complete"), steer(two.behind, id, "pause"))
        assert (code(done), code(paused) in ("", "execution_closed")) == ("", True)
        if not code(paused):
            assert await ends(two, id) == []
            assert code(await steer(two.behind, id, "resume")) == ""
        assert await ends(two, id) == ["execution.completed.v1"]


async def test_pause_against_a_lease(two: Two) -> None:
    """The job was handed out, or it is not before the execution goes on."""
    begin = await published(two, LINE)
    for number in range(ROUNDS):
        id = await begin()
        taken, paused = await at_once(number, lease(two.worker, "one"), steer(two.behind, id, "pause"))
        assert code(paused) == ""
        jobs = taken.json()["items"]
        if jobs:
            assert code(await report(two.worker, jobs[0], "complete")) == ""
            following = "two"
        else:
            following = "one"
        assert (await lease(two.worker, "one", "two")).json()["items"] == []
        assert code(await steer(two.behind, id, "resume")) == ""
        await leased(two.worker, following)
        await steer(two.behind, id, "terminate")


async def test_pause_against_a_decision(two: Two) -> None:
    begin = await published(two, ASKED)
    person = two.at(two.ahead, two.person.client)
    for number in range(ROUNDS):
        id = await begin()
        (item,) = (await execution(two.behind, id))["open"]
        decision = person.post(f"/approvals/{item['id']}/decide", {"outcome": "ok"})
        decided, paused = await at_once(number, decision, steer(two.behind, id, "pause"))
        assert code(paused) == ""
        assert code(decided) in ("", "execution_paused")
        assert code(await steer(two.behind, id, "resume")) == ""
        at = (await execution(two.behind, id))["current_nodes"]
        assert at == (["a"] if code(decided) else ["b"])


async def test_pause_against_a_timer(two: Two) -> None:
    begin = await published(two, LINE)
    async with worker_of(two.behind.gesta.database) as worker:
        for number in range(ROUNDS):
            id = await begin()
            await run_sql(two.behind.gesta.database, DUE)
            _, paused = await at_once(number, fire_timers(worker.context), steer(two.behind, id, "pause"))
            assert code(paused) in ("", "execution_closed")
            if code(paused):
                assert await ends(two, id) == ["execution.failed.v1"]
                continue
            assert await ends(two, id) == []
            await fire_timers(worker.context)
            assert await ends(two, id) == [], "it is held"
            await steer(two.behind, id, "resume")
            await run_sql(two.behind.gesta.database, DUE)
            await fire_timers(worker.context)
            assert await ends(two, id) == ["execution.failed.v1"]


async def test_pause_against_an_event(two: Two) -> None:
    """It is noted, before or after; what follows waits."""
    begin = await published(two, EVENT)
    async with worker_of(two.behind.gesta.database) as worker:
        stop = asyncio.Event()
        running = asyncio.create_task(worker.run(stop))
        for number in range(ROUNDS):
            id = await begin()
            event = {"specversion": "1.0", "id": str(number), "source": "shop", "type": "paid"}
            came, paused = await at_once(number, two.ahead.admin.post("/events", event), steer(two.behind, id, "pause"))
            assert came.status_code < 300, came.text
            assert code(paused) == ""
            async with asyncio.timeout(30):
                while (await visit(two, id, "w"))["status"] == "running":
                    pass
            assert (await lease(two.worker, "two")).json()["items"] == []
            assert code(await steer(two.behind, id, "resume")) == ""
            await report(two.worker, await leased(two.worker, "two"), "complete")
            assert await ends(two, id) == ["execution.completed.v1"]
        stop.set()
        await running


async def visit(two: Two, id: str, node_id: str) -> dict[str, Any]:
    async with await psycopg.AsyncConnection.connect(two.behind.gesta.database.system_url, autocommit=True) as conn:
        cursor = await conn.execute(
            "SELECT status FROM projections.node_activations WHERE execution_id = %s AND node_id = %s", [id, node_id]
        )
        row = await cursor.fetchone()
    return {"status": "running" if row is None else row[0]}


@pytest.mark.parametrize("verb", ["pause", "resume"])
async def test_twice_the_same(two: Two, verb: str) -> None:
    begin = await published(two, LINE)
    for number in range(ROUNDS):
        id = await begin()
        if verb == "resume":
            await steer(two.behind, id, "pause")
        one, other = await at_once(number, steer(two.ahead, id, verb), steer(two.behind, id, verb))
        assert {code(one), code(other)} == {"", "execution_paused" if verb == "pause" else "execution_not_paused"}
        await steer(two.ahead, id, "terminate")


async def test_pause_against_cancel(two: Two) -> None:
    """Where it is paused first, the undoing waits; where it is cancelled first, the undoing is what is paused."""
    begin = await published(two, SAGA)
    for number in range(ROUNDS):
        id = await begin()
        await report(two.worker, await leased(two.worker, "book"), "complete")
        paused, cancelled = await at_once(number, steer(two.ahead, id, "pause"), steer(two.behind, id, "cancel"))
        assert (code(paused), code(cancelled)) == ("", "")
        assert (await lease(two.worker, "free", "one")).json()["items"] == []
        assert code(await steer(two.behind, id, "resume")) == ""
        await report(two.worker, await leased(two.worker, "free"), "complete")
        assert await ends(two, id) == ["execution.cancelled.v1"]
