"""Workers that are killed at each boundary of a job's and an attempt's life: each execution ends once."""

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from domain.execution import ExecutionCompleted
from domain.facts import Json
from domain.job import JOB
from engine.queued_jobs import Wanted, enqueue
from runtime.failpoints import VARIABLE
from store.command import Command, CommandResult
from tests.conftest import Database
from tests.engine.drawing import drawing
from tests.worker.house import PATIENCE, RETRY, WHO, House, asking, house, steps
from tests.worker.outbound.servers import answering, server


async def started(
    database: Database, file: Path, failpoint: str | None = None, settings: Mapping[str, str] | None = None
) -> asyncio.subprocess.Process:
    environment = {**os.environ, **(settings or {}), **({VARIABLE: failpoint} if failpoint else {})}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.worker.process",
        database.system_url,
        str(file),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), PATIENCE) == b"ready\n"
    return process


async def stopped(process: asyncio.subprocess.Process) -> int:
    process.terminate()
    await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode is not None
    return process.returncode


@pytest.mark.parametrize(
    ("failpoint", "uncalled"),
    [
        ("worker.attempt_called", 0),
        pytest.param("worker.attempt_started", 1, marks=pytest.mark.nightly),
        pytest.param("worker.attempt_ended", 0, marks=pytest.mark.nightly),
    ],
)
async def test_an_ai_task_survives_its_worker(database: Database, tmp_path: Path, failpoint: str, uncalled: int) -> None:
    """`uncalled`: attempts on record for which no call was made. More calls than attempts there never are."""
    calls = tmp_path / "calls"
    async with house(database) as home:
        execution = await home.start(asking(retry=RETRY))
        first = await started(database, calls, failpoint)
        assert await asyncio.wait_for(first.wait(), PATIENCE) == -signal.SIGKILL
        home.lapse_all()
        second = await started(database, calls)
        assert (await home.ended(execution)).status == "completed"
        assert await stopped(second) == 0
        attempts = await home.topics("ai_task.attempt_started")
        assert len(calls.read_text().splitlines()) == len(attempts) - uncalled
        assert len(await home.topics("execution.completed")) == len(await home.topics("ai_task.completed")) == 1
        assert home.jobs() == []


@pytest.mark.parametrize(("failpoint", "times"), [("worker.task_done", 2), ("worker.task_reported", 1)])
async def test_a_task_survives_its_worker(database: Database, tmp_path: Path, failpoint: str, times: int) -> None:
    done = tmp_path / "done"
    async with house(database) as home:
        execution = await home.start(steps(retry=RETRY))
        first = await started(database, done, failpoint)
        assert await asyncio.wait_for(first.wait(), PATIENCE) == -signal.SIGKILL
        home.lapse_all()
        second = await started(database, done)
        assert (await home.ended(execution)).status == "completed"
        assert await stopped(second) == 0
        assert len(done.read_text().splitlines()) == times
        assert len(await home.topics("execution.completed")) == 1
        assert home.jobs() == []


def enqueued(home: House, **more: Json) -> Coroutine[Any, Any, CommandResult]:
    """A job of its own."""
    wanted = Wanted("step", retry=RETRY, **more)
    return home.handler.handle(Command(home.tenant_id, "job.enqueue", WHO), lambda view: enqueue(view, wanted))


@pytest.mark.parametrize(
    ("failpoint", "times"),
    [
        ("worker.task_reported", 1),
        pytest.param("worker.job_leased", 1, marks=pytest.mark.nightly),
        pytest.param("worker.task_done", 2, marks=pytest.mark.nightly),
    ],
)
async def test_a_job_of_its_own_survives_its_worker(database: Database, tmp_path: Path, failpoint: str, times: int) -> None:
    done = tmp_path / "done"
    async with house(database) as home:
        job_id = UUID((await enqueued(home)).result["id"])
        first = await started(database, done, failpoint)
        assert await asyncio.wait_for(first.wait(), PATIENCE) == -signal.SIGKILL
        home.lapse_all()
        second = await started(database, done)
        await home.until(lambda: over(home, job_id, "completed"))
        assert await stopped(second) == 0
        assert len(done.read_text().splitlines()) == times
        assert len(await home.topics("job.completed")) == 1
        assert home.jobs() == []


@pytest.mark.parametrize("failpoint", ["worker.timer_found", "worker.timer_fired"])
async def test_a_job_of_its_own_runs_out_of_time_once(database: Database, tmp_path: Path, failpoint: str) -> None:
    """Whoever fires its timer is killed; nobody does the job, which is due tomorrow."""
    async with house(database) as home:
        job_id = UUID((await enqueued(home, run_after="P1D", timeout="PT1H")).result["id"])
        home.sql("UPDATE runtime.timers SET due_at = clock_timestamp()")
        first = await started(database, tmp_path / "done", failpoint)
        assert await asyncio.wait_for(first.wait(), PATIENCE) == -signal.SIGKILL
        home.sql("UPDATE runtime.timers SET claimed_until = NULL")  # it is left to the dead for some seconds
        second = await started(database, tmp_path / "done")
        await home.until(lambda: over(home, job_id, "failed"))
        assert await stopped(second) == 0
        assert await home.topics("job.") == ["job.enqueued.v1", "job.failed.v1"]
        assert (home.jobs(), home.sql("SELECT id FROM runtime.timers")) == ([], [])


async def over(home: House, job_id: UUID, status: str) -> bool:
    return (await home.handler.read(home.tenant_id, JOB, job_id))[0].status == status


@pytest.mark.parametrize(
    ("failpoint", "config", "sent", "ends_by"),
    [
        pytest.param("worker.http_ready", {"method": "GET"}, 1, "e", marks=pytest.mark.nightly),
        ("worker.http_sent", {"method": "GET"}, 2, "e"),
        pytest.param("worker.http_recorded", {"method": "POST"}, 1, "e", marks=pytest.mark.nightly),
        pytest.param("worker.http_ready", {"method": "POST"}, 0, "f", marks=pytest.mark.nightly),
        ("worker.http_sent", {"method": "POST"}, 1, "f"),
        ("worker.http_sent", {"method": "POST", "idempotent": True}, 2, "e"),
    ],
)
async def test_a_request_survives_its_worker_and_is_not_sent_twice_unless_it_may(
    database: Database, tmp_path: Path, failpoint: str, config: Json, sent: int, ends_by: str
) -> None:
    """What cannot be known is not tried out: one that was only about to be sent counts as sent."""
    ok, seen = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", list[bytes]()
    async with house(database) as home, server(answering(ok, seen=seen)) as port:
        call = ("http", {"url": f"http://127.0.0.1:{port}/", **config}, {"retry": RETRY})
        end, late = ("end", {"output": "=nodes.h.output.status"}), ("end", {"output": "=nodes.h.error.type"})
        nodes = {"s": "start", "h": call, "e": end, "f": late}
        execution = await home.start(drawing(nodes, "s > h", "h > e", "h.error > f"))
        first = await started(database, tmp_path / "calls", failpoint)
        assert await asyncio.wait_for(first.wait(), PATIENCE) == -signal.SIGKILL
        home.lapse_all()
        second = await started(database, tmp_path / "calls")
        await home.ended(execution)
        assert await stopped(second) == 0
        (completed,) = [each.event for each in await home.events() if isinstance(each.event, ExecutionCompleted)]
        assert completed.output == (200 if ends_by == "e" else "lease_lost")
        assert len(seen) == sent
        keys = {line for head in seen for line in head.splitlines() if line.startswith(b"Idempotency-Key:")}
        assert len(keys) == (0 if config["method"] == "GET" or not sent else 1), "the visit's, for all attempts"
        assert home.jobs() == []


async def test_gesta_worker_stops_when_it_is_told_to(database: Database) -> None:
    environment = {
        **os.environ,
        "DATABASE_URL": database.owner_url,
        "GESTA_SYSTEM_DATABASE_URL": database.system_url,
        "GESTA_API_DATABASE_URL": database.api_url,
        "GESTA_LOG_FORMAT": "json",
    }
    async with house(database) as home:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "cli.main", "worker", env=environment, stderr=asyncio.subprocess.PIPE
        )
        execution = await home.start(asking(model="offline/echo"))
        assert (await home.ended(execution)).status == "completed"
        process.terminate()
        _, errors = await asyncio.wait_for(process.communicate(), PATIENCE)
        assert process.returncode == 0, errors.decode()
