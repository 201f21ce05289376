"""Worker, API and PostgreSQL are killed at each boundary of a job's and an AI attempt's life; each execution ends once."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
import pytest_asyncio

from client import AnswerLost, EnqueuedJob
from tests.faults.asking import ENDS, asking
from tests.faults.platform import DEFINITION, PATIENCE, RETRY, Platform, platform
from tests.worker.ai.wire import Wire, answer, completion, serve

WORKERS = ("worker.job_leased", "worker.attempt_started", "worker.attempt_called", "worker.attempt_ended")
APIS = ("api.job_leased", "api.report_received", "api.report_appended")
REFUSED = ("A job was lost: its lease", "The job is over already")
"""What a worker says whose report the ledger refuses; which of them depends on how much it has read since."""
OPEN_WORK = "SELECT count(*) FROM runtime.jobs"


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def wire() -> AsyncIterator[Wire]:
    async with serve(answer(completion("done"))) as wire:
        yield wire


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory, wire: Wire) -> AsyncIterator[Platform]:
    async with platform(tmp_path_factory.mktemp("platform"), wire.url) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def gesta(shared: Platform, wire: Wire) -> Platform:
    """The platform that all tests here share, with nothing counted yet."""
    wire.asked.clear()
    wire.before_answer = None
    shared.forget_deaths()
    return shared


async def assert_ended_once(gesta: Platform, wire: Wire, id: str, uncalled: int = 0) -> list[dict[str, Any]]:
    """`uncalled`: attempts on record whose worker died before it called. More calls than attempts there never are."""
    assert (await gesta.until_ended(id)).status == "completed"
    topics = await gesta.topics(id)
    ends = [topic for topic in topics if topic.split(".")[0] == "execution" and topic != "execution.started.v1"]
    assert ends == ["execution.completed.v1"]
    assert topics[-1] == "execution.completed.v1"
    attempts = await gesta.attempts(id)
    assert len(wire.asked) == len(attempts) - uncalled
    assert [attempt["status"] for attempt in attempts].count("succeeded") == 1
    assert {attempt["status"] for attempt in attempts} <= {"succeeded", "failed"}
    assert gesta.sql(OPEN_WORK).split() == ["0"]
    gesta.gesta("verify")
    return attempts


async def test_the_worker_dies_at_each_boundary_of_an_attempt(gesta: Platform, wire: Wire) -> None:
    gesta.arm(*WORKERS)
    started = await gesta.client.start("both", {"n": 1})
    await assert_ended_once(gesta, wire, started.id, uncalled=1)
    assert (gesta.armed, gesta.worker.deaths) == ([], len(WORKERS))


async def test_the_api_dies_at_each_boundary_of_a_job(gesta: Platform, wire: Wire) -> None:
    gesta.arm(*APIS)
    started = await gesta.client.start("both", {"n": 1})
    await assert_ended_once(gesta, wire, started.id)
    assert (gesta.armed, gesta.api.deaths) == ([], len(APIS))


def steps() -> dict[str, Any]:
    """Three tasks, one after another."""
    start, work, _, end = DEFINITION["nodes"]
    ids = ["start", "one", "two", "three", "end"]
    nodes = [start, *({**work, "id": id} for id in ids[1:-1]), {**end, "config": {}}]
    return {**DEFINITION, "key": "steps", "nodes": nodes, "edges": [{"source": a, "target": b} for a, b in pairwise(ids)]}


async def test_the_api_dies_with_the_next_job_in_its_answer(gesta: Platform) -> None:
    """What was reported stays so, and the job that the worker has never heard of is done when its lease has run out."""
    await gesta.client.apply(steps(), publish=True)
    gesta.arm("api.next_jobs_leased")
    started = await gesta.client.start("steps", {"n": 1})
    assert (await gesta.until_ended(started.id)).status == "completed"
    assert (gesta.armed, gesta.api.deaths) == ([], 1)
    topics = await gesta.topics(started.id)
    assert topics.count("activation.completed.v1") == 5
    assert gesta.sql(OPEN_WORK).split() == ["0"]
    gesta.gesta("verify")


ENDED_ONCE = "SELECT count(*) FROM ledger.events WHERE topic = 'job.completed.v1' AND stream_id = '{}'"


async def job_ended(gesta: Platform, id: str) -> EnqueuedJob:
    """Asked for again while the API comes back: that may take longer, three times over, than a client is patient."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with suppress(AnswerLost):
                return await gesta.client.wait_job(id, PATIENCE)


async def done_once(gesta: Platform) -> None:
    """A job of its own is done, whatever dies meanwhile."""
    enqueued = await gesta.client.enqueue("work", 1, retry=RETRY, unique_key="one", timeout="PT1H")
    ended = await job_ended(gesta, enqueued.id)
    assert (ended.status, ended.output) == ("completed", 1)
    assert gesta.sql(ENDED_ONCE.format(ended.id)).split() == ["1"]
    assert gesta.sql(OPEN_WORK).split() == ["0"]
    gesta.gesta("verify")


async def test_the_api_dies_at_each_boundary_of_a_job_of_its_own(gesta: Platform) -> None:
    gesta.arm(*APIS)
    await done_once(gesta)
    assert (gesta.armed, gesta.api.deaths) == ([], len(APIS))


async def test_postgresql_dies_at_each_boundary_of_a_job_of_its_own(gesta: Platform) -> None:
    gesta.arm(*APIS, victim=gesta.postmaster)
    for _ in APIS:
        await done_once(gesta)
        if not gesta.armed:
            break
    assert gesta.armed == []


@pytest.mark.nightly
async def test_postgresql_dies_at_each_boundary_of_both(gesta: Platform, wire: Wire) -> None:
    """Again until all of them were come to: who comes to one while it is still dead from another kills nobody."""
    gesta.arm(*WORKERS, *APIS, victim=gesta.postmaster)
    for _ in WORKERS + APIS:
        wire.asked.clear()
        started = await gesta.client.start("both", {"n": 1})
        await assert_ended_once(gesta, wire, started.id)
        if not gesta.armed:
            break
    assert gesta.armed == []
    assert (gesta.api.deaths, gesta.projector.deaths, gesta.worker.deaths) == (0, 0, 0)


async def test_a_worker_stopped_past_its_lease_is_refused_by_its_fence(gesta: Platform, wire: Wire) -> None:
    """It is stopped with the provider's answer on its way; another does the task; then the first goes on with its answer."""
    first = gesta.worker.pid

    def stop_the_first() -> None:
        if len(wire.asked) == 1:
            os.kill(first, signal.SIGSTOP)

    wire.before_answer = stop_the_first
    started = await gesta.client.start("both", {"n": 1})
    async with asyncio.timeout(PATIENCE):
        while not wire.asked:
            await wire.arrived.wait()
            wire.arrived.clear()
    async with gesta.another_worker():
        attempts = await assert_ended_once(gesta, wire, started.id)
        topics, written = await gesta.topics(started.id), gesta.log.stat().st_size
        os.kill(first, signal.SIGCONT)
        await gesta.until_logged(written, *REFUSED)
    assert await gesta.topics(started.id) == topics
    assert [(attempt["error_details"] or {}).get("type") for attempt in attempts] == ["lease_lost", None]
    assert await gesta.attempts(started.id) == attempts
    assert gesta.worker.deaths == 0


# Approval requests of their own

ASKING = (
    "projector.round",
    "worker.timer_found",
    "worker.timer_fired",
    "worker.deliveries_asked_for",
    "worker.notification_ready",
    "worker.notification_sent",
    "worker.notification_recorded",
)


@pytest.mark.parametrize(
    ("failpoints", "alive", "dying"),
    [
        (("worker.timer_fired", "worker.notification_sent"), ("expired",), ("approved",)),
        pytest.param(ASKING, (), ("approved", "expired", "withdrawn"), marks=pytest.mark.nightly),
    ],
)
async def test_everybody_dies_around_requests_their_ends_and_the_telling_of_these(
    gesta: Platform, failpoints: tuple[str, ...], alive: tuple[str, ...], dying: tuple[str, ...]
) -> None:
    """The API, for those that are `dying`, after each command: who gave it has no answer, and gives it again under its key."""
    async with asking(gesta) as asks:
        gesta.arm(*failpoints)
        await asks.end(*alive)
        await asks.end(*dying, deaths=["api.command_appended"])
        await asks.until_all_is_told()
        await asks.nothing_is_lost_or_twice()
    assert (gesta.armed, gesta.api.deaths) == ([], 2 * len(dying) - ("expired" in dying))  # nobody ends the one that expires
    assert gesta.worker.deaths + gesta.projector.deaths == len(failpoints)


@pytest.mark.nightly
@pytest.mark.parametrize("failpoint", [*ASKING, "writer.serves"])
async def test_postgresql_dies_around_requests_and_their_ends(gesta: Platform, failpoint: str) -> None:
    async with asking(gesta) as asks:
        gesta.arm(failpoint, victim=gesta.postmaster)
        await asks.end(*ENDS)
        await asks.until_all_is_told()
        await asks.nothing_is_lost_or_twice()
    assert failpoint not in gesta.armed
