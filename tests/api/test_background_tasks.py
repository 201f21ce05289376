"""Background tasks of every kind of process: rubbish on every channel ends none, and one that fails comes back."""

import asyncio
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from api import health
from domain.facts import Json
from runtime import counters, failing_tasks, failpoints, supervision
from runtime.supervision import METRIC, supervise
from store.jobs import LeasedJob
from store.notifications.listening import DROPPED
from tests.api.conftest import Client, Gesta, Tenant
from tests.api.definitions import TASK
from tests.api.working import lease, report, start
from tests.store.test_notifications import ALL, RUBBISH, run
from tests.worker.house import at_work, worker_of
from tests.worker.test_expired_leases import LISTENS
from worker.leases import Leasing

FAILPOINTS = (
    "writer.serves",
    "loader.answers",
    "notifier.says",
    "notifications.heard",
    "waiter.looks",
    "projector.round",
    "worker.leases",
    "worker.heartbeats",
    "worker.fire_timers",
    "worker.take_expired_leases",
    "worker.forget_commands",
)
"""One in each background task."""


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - it is told nowhere else
            await asyncio.sleep(0.005)


async def does_its_work(acme: Tenant, hand: Client) -> None:
    """A task is started, leased by somebody who waits for it, and reported; the tables show the end."""
    waiting = asyncio.create_task(lease(hand, wait_seconds=30))
    started = await start(acme)
    (job,) = (await asyncio.wait_for(waiting, 60)).json()["items"]
    assert (await report(hand, job, "complete", {"output": "b.png"})).status_code == 200
    ended = await acme.admin.get(f"/executions/{started}", wait="30")
    assert ended.json()["status"] == "completed"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(supervision, "LONGEST_PAUSE", 0.1)
    monkeypatch.setattr(supervision, "LASTING_AFTER", 0.0)
    monkeypatch.setattr(failing_tasks, "TELL_SECONDS", 0.01)


async def test_rubbish_on_every_channel_ends_nothing(gesta: Gesta, acme: Tenant, worker: Client) -> None:
    before = failures()
    dropped = counters.counted(DROPPED, channel="gesta_leases")
    async with worker_of(gesta.database) as other, at_work(other):
        with psycopg.connect(gesta.database.api_url, autocommit=True) as anybody:
            await until(lambda: run(gesta.database, LISTENS) != [])
            for channel in ALL:
                for rubbish in RUBBISH:
                    anybody.execute("SELECT pg_notify(%s, %s)", [channel.name, rubbish])
        await until(lambda: counters.counted(DROPPED, channel="gesta_leases") > dropped)
        for _ in range(3):
            await does_its_work(acme, worker)
    assert failures() == before
    assert "gesta_notifications_dropped_total{" in (await gesta.http.get("/metrics")).text


def failures() -> int:
    """Of all background tasks, so far."""
    return sum(int(line.rsplit(" ", 1)[1]) for line in counters.lines() if line.startswith(METRIC + "{"))


@pytest.mark.parametrize("failpoint", FAILPOINTS)
async def test_a_task_that_fails_comes_back(
    failpoint: str, gesta: Gesta, acme: Tenant, worker: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = failures()

    async def patient(_job: LeasedJob) -> Json:
        await until(lambda: failures() >= before + 2)
        return "done"

    await acme.publish({**TASK, "key": "own", "nodes": [replaced(node) for node in TASK["nodes"]]})
    monkeypatch.setattr(failpoints, "armed", f"{failpoint}!2")
    async with worker_of(gesta.database, {"own": patient}, leasing=Leasing(lease=0.5)) as other, at_work(other):
        started = await start(acme, "own") if failpoint == "worker.heartbeats" else None
        while failures() < before + 2:
            await does_its_work(acme, worker)
        await does_its_work(acme, worker)
        if started is not None:
            ended = await acme.admin.get(f"/executions/{started}", wait="30")
            assert ended.json()["status"] == "completed"


def replaced(node: dict[str, Any]) -> dict[str, Any]:
    """The same with work for Gesta's own worker."""
    return {**node, "config": {"job_type": "own"}} if node["type"] == "task" else node


class Trouble:
    """A task that fails until it is let be."""

    def __init__(self) -> None:
        self.over = False

    async def run(self) -> None:
        if not self.over:
            raise ValueError("something is broken")
        await asyncio.Event().wait()


async def test_what_keeps_failing_is_shown_until_it_is_well(gesta: Gesta, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the API itself, and by another process through the database."""
    monkeypatch.setattr(supervision, "HEALTHY_AFTER", 0.05)
    monkeypatch.setattr(health, "LOOK_SECONDS", 30.0)
    trouble = Trouble()

    async def shown() -> list[Any]:
        ready = await gesta.http.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (200, "ok")
        return [(one["process"].split()[0], one["task"], one["error"]) for one in ready.json()["failing_tasks"]]

    async with failing_tasks.telling(gesta.database.system_url, "worker"):
        assert await shown() == []
        task = supervise("trouble", trouble.run)
        words = "ValueError: something is broken"
        async with asyncio.timeout(60):
            while await shown() != [("this", "trouble", words), ("worker", "trouble", words)]:  # noqa: ASYNC110 - HTTP is asked
                await asyncio.sleep(0.05)
        assert "\ngesta_failing_tasks 2\n" in (await gesta.http.get("/metrics")).text
        trouble.over = True
        async with asyncio.timeout(60):
            while await shown() != []:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await supervision.stop(task)


async def test_what_a_killed_process_said_is_not_believed_for_long(gesta: Gesta) -> None:
    told = "INSERT INTO runtime.failing_tasks SELECT %s, 'x', 'y', 1, now(), now(), now() - %s::interval"
    with psycopg.connect(gesta.database.system_url, autocommit=True) as conn:
        conn.execute(told, ["worker a", "1 second"])
        conn.execute(told, ["worker b", "1 minute"])
    assert [one["process"] for one in (await gesta.http.get("/readyz")).json()["failing_tasks"]] == ["worker a"]
