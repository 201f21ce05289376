"""The worker of the SDK: what becomes of its functions' results, errors, leases, and of the worker itself."""

import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from client import AsyncClient, Client, Execution, Job, NonRetryable, Unauthorized, Worker, calls
from client.protocol import Lost, Reply, Request
from tests.api.conftest import Client as Raw
from tests.api.conftest import Gesta, Tenant
from tests.api.definitions import TASK
from tests.api.working import LAPSE, leased, run_sql, start, take_lapsed
from tests.client.conftest import url_of

LEASE_UNTIL = "SELECT lease_until FROM runtime.jobs"
COMPLETED = """
SELECT count(*) FROM ledger.events
 WHERE topic = 'activation.completed.v1' AND convert_from(data, 'UTF8')::jsonb ->> 'node_id' = 'resize'
"""
CREW = Path(__file__).with_name("crew.py")
SRC = Path(__file__).parents[2] / "src"


def worker_of(gesta: Gesta, hand: Raw, **options: Any) -> Worker:
    return Worker(Client(url_of(gesta), hand.token), **options)


@asynccontextmanager
async def at_work(worker: Worker) -> AsyncIterator[None]:
    serving = asyncio.create_task(worker.serve())
    try:
        yield
    finally:
        worker.stop()
        await asyncio.wait_for(serving, 30)


async def test_functions_async_and_plain_do_the_work_of_tasks(gesta: Gesta, acme: Tenant, hand: Raw, boss: AsyncClient) -> None:
    worker = worker_of(gesta, hand)
    threads: list[int] = []

    @worker.task("resize-image")
    async def resize(input: dict[str, Any]) -> dict[str, Any]:
        return {"from": input["url"]}

    @worker.task("stamp")
    def stamp(input: dict[str, Any], job: Job) -> list[Any]:
        threads.append(threading.get_ident())
        return [input["url"], job.type, job.attempt]

    resized, stamped = await start(acme, "resize"), await start(acme, "stamp")
    async with at_work(worker):
        assert (await boss.wait(resized)).output == {"resized": {"from": "a.png"}}
        assert (await boss.wait(stamped)).output == {"resized": ["a.png", "stamp", 1]}
        later = await boss.start("resize", {"url": "b.png"})
        assert (await boss.wait(later.id)).output == {"resized": {"from": "b.png"}}
    assert threads != [threading.get_ident()]


def three_steps() -> dict[str, Any]:
    """A workflow of three tasks, one after another."""
    start, node, end = TASK["nodes"]
    ids = ["start", "one", "two", "resize", "end"]
    edges = [{"source": source, "target": target} for source, target in pairwise(ids)]
    return {**TASK, "key": "steps", "nodes": [start, *({**node, "id": id} for id in ids[1:-1]), end], "edges": edges}


@dataclass
class Requests:
    """How many of them there were, of each kind, and how many jobs came with the answers to reports."""

    leases: int = 0
    reports: int = 0
    brought: int = 0


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> Requests:
    made, send = Requests(), AsyncClient._send

    async def counted(self: AsyncClient, request: Request) -> Reply | Lost:
        answer = await send(self, request)
        if isinstance(answer, Reply) and request.path == "/jobs/lease":
            made.leases += 1
        if isinstance(answer, Reply) and request.path == "/jobs/report":
            made.reports += 1
            made.brought += len(json.loads(answer.content).get("jobs", ()))
        return answer

    monkeypatch.setattr(AsyncClient, "_send", counted)
    return made


async def test_the_next_step_comes_with_the_answer_to_the_report(
    gesta: Gesta, acme: Tenant, hand: Raw, boss: AsyncClient, requests: Requests
) -> None:
    await acme.publish(three_steps())
    worker = worker_of(gesta, hand, concurrency=1)  # or it might ask for the next one while it reports
    worker.task("resize-image")(lambda input: input)
    async with at_work(worker):
        started = await boss.start("steps", {"url": "a.png"})
        assert (await boss.wait(started.id)).output == {"resized": {"url": "a.png"}}
        assert (requests.reports, requests.leases + requests.brought) == (3, 3)
        assert requests.brought >= 1, "a step came with the answer to the report of the one before"


async def test_a_worker_with_its_hands_full_goes_on_with_what_comes_with_the_answers(
    gesta: Gesta, acme: Tenant, hand: Raw, boss: AsyncClient, requests: Requests
) -> None:
    executions = [await start(acme) for _ in range(12)]
    worker, at_once, most = worker_of(gesta, hand, concurrency=2), 0, 0

    @worker.task("resize-image")
    async def resize(_input: Any) -> None:
        nonlocal at_once, most
        at_once, most = at_once + 1, max(most, at_once + 1)
        await asyncio.sleep(0)
        at_once -= 1

    async with at_work(worker):
        for each in executions:
            assert (await boss.wait(each)).status == "completed"
    assert most <= 2
    assert requests.brought == 10
    assert await run_sql(gesta.database, COMPLETED) == 12


async def test_a_server_that_hands_out_no_jobs_with_its_answers_is_worked_for_all_the_same(
    gesta: Gesta, acme: Tenant, hand: Raw, boss: AsyncClient, requests: Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It finds fault with a field that it does not know; for a while it is not asked again."""
    monkeypatch.setattr(calls, "LEASE", "what_comes_later")
    await acme.publish(three_steps())
    worker = worker_of(gesta, hand)
    worker.task("resize-image")(lambda input: input)
    async with at_work(worker):
        started = await boss.start("steps", {"url": "a.png"})
        assert (await boss.wait(started.id)).output == {"resized": {"url": "a.png"}}
    assert (requests.reports, requests.brought) == (1 + 3, 0)


async def test_jobs_that_come_with_the_last_answer_are_handed_back(
    gesta: Gesta, acme: Tenant, hand: Raw, boss: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker is asked to stop while an answer is on its way to it."""
    first, second = await start(acme), await start(acme)
    worker, send = worker_of(gesta, hand, concurrency=1), AsyncClient._send

    async def stopping(self: AsyncClient, request: Request) -> Reply | Lost:
        answer = await send(self, request)
        if request.path == "/jobs/report":
            worker.stop()
            for _ in range(10):  # the worker's loop has its turns before the answer is seen
                await asyncio.sleep(0)
        return answer

    monkeypatch.setattr(AsyncClient, "_send", stopping)
    worker.task("resize-image")(lambda input: input)
    await asyncio.wait_for(worker.serve(), 30)
    assert (await boss.execution(first)).status == "completed"
    job = await leased(hand)
    assert (job["execution_id"], job["attempt"], job["fence"]) == (second, 1, 2)


async def fails_with(gesta: Gesta, acme: Tenant, hand: Raw, boss: AsyncClient, function: Any) -> tuple[Execution, int]:
    """The execution of a task that is done by this function, and how often it was tried."""
    worker, tried = worker_of(gesta, hand), 0

    @worker.task("resize-image")
    def counted(input: Any) -> Any:
        nonlocal tried
        tried += 1
        return function(input)

    started = await start(acme)
    async with at_work(worker):
        return await boss.wait(started), tried


async def test_an_exception_is_a_failed_attempt_of_its_type(gesta: Gesta, acme: Tenant, hand: Raw, boss: AsyncClient) -> None:
    def function(_input: Any) -> Any:
        raise LookupError("No such image.")

    ended, tried = await fails_with(gesta, acme, hand, boss, function)
    assert (ended.status, ended.error_details["code"], tried) == ("failed", "LookupError", 3)
    assert "No such image." in ended.error_details["message"]


async def test_what_another_attempt_would_not_mend_is_not_tried_again(
    gesta: Gesta, acme: Tenant, hand: Raw, boss: AsyncClient
) -> None:
    class Unreadable(NonRetryable):
        pass

    def function(_input: Any) -> Any:
        raise Unreadable("It is no image.")

    ended, tried = await fails_with(gesta, acme, hand, boss, function)
    assert (ended.error_details["code"], tried) == ("Unreadable", 1)


@pytest.mark.parametrize("output", [object(), float("nan"), "\ud800", {"a": {1, 2}}, "long" * 300_000, "\0"])
async def test_an_output_that_cannot_be_told_is_an_error(
    gesta: Gesta, acme: Tenant, hand: Raw, boss: AsyncClient, output: Any
) -> None:
    ended, tried = await fails_with(gesta, acme, hand, boss, lambda _: output)
    assert (ended.error_details["code"], tried) == ("invalid_output", 1)


async def test_a_job_that_takes_long_is_kept(gesta: Gesta, acme: Tenant, hand: Raw, boss: AsyncClient) -> None:
    worker = worker_of(gesta, hand, lease_seconds=1)

    @worker.task("resize-image")
    async def resize(_input: Any) -> int:
        first = await run_sql(gesta.database, LEASE_UNTIL)
        beats = 0
        for _ in range(3):
            while await run_sql(gesta.database, LEASE_UNTIL) == first:
                pass
            first = await run_sql(gesta.database, LEASE_UNTIL)
            beats += 1
        return beats

    started = await start(acme)
    async with at_work(worker):
        assert (await boss.wait(started)).output == {"resized": 3}


async def test_work_whose_lease_is_lost_is_stopped_and_not_reported(
    gesta: Gesta, acme: Tenant, hand: Raw, boss: AsyncClient
) -> None:
    worker, begun, stopped = worker_of(gesta, hand, lease_seconds=1, concurrency=1), asyncio.Event(), asyncio.Event()

    @worker.task("resize-image")
    async def resize(_input: Any, job: Job) -> str:
        if job.attempt > 1:
            return "second"
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            stopped.set()
            raise
        return "first"

    started = await start(acme)
    async with at_work(worker):
        await asyncio.wait_for(begun.wait(), 30)
        await run_sql(gesta.database, LAPSE)
        await take_lapsed(gesta.database)
        await asyncio.wait_for(stopped.wait(), 30)
        assert (await boss.wait(started)).output == {"resized": "second"}


async def test_a_worker_that_stops_finishes_what_it_has_begun(gesta: Gesta, acme: Tenant, hand: Raw, boss: AsyncClient) -> None:
    worker, begun, go_on = worker_of(gesta, hand, concurrency=1), asyncio.Event(), asyncio.Event()

    @worker.task("resize-image")
    async def resize(_input: Any) -> str:
        begun.set()
        await go_on.wait()
        return "done"

    first = await start(acme)
    async with at_work(worker):
        await asyncio.wait_for(begun.wait(), 30)
        second = await start(acme)
        worker.stop()
        go_on.set()
    assert (await boss.execution(first)).output == {"resized": "done"}
    assert (await leased(hand))["execution_id"] == second


async def test_what_a_stopping_worker_cannot_finish_is_handed_back(gesta: Gesta, acme: Tenant, hand: Raw) -> None:
    worker, begun = worker_of(gesta, hand, grace_seconds=0.01), asyncio.Event()

    @worker.task("resize-image")
    async def resize(_input: Any) -> None:
        begun.set()
        await asyncio.Event().wait()

    await start(acme)
    async with at_work(worker):
        await asyncio.wait_for(begun.wait(), 30)
    assert (await leased(hand, wait_seconds=10))["attempt"] == 2


async def test_a_worker_that_may_not_work_says_so(gesta: Gesta) -> None:
    worker = Worker(Client(url_of(gesta), "gk_nobody"))
    worker.task("resize-image")(lambda _input: None)
    with pytest.raises(Unauthorized):
        await asyncio.wait_for(worker.serve(), 30)


def test_a_type_has_one_function_and_a_worker_at_least_one() -> None:
    worker = Worker(Client("http://127.0.0.1:1", "gk"))
    with pytest.raises(ValueError, match="at least one function"):
        worker.run()
    worker.task("a")(lambda _input: None)
    with pytest.raises(ValueError, match="already"):
        worker.task("a")(lambda _input: None)


@asynccontextmanager
async def process(gesta: Gesta, hand: Raw) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker of its own; killed at the end, if it still runs."""
    made = await asyncio.create_subprocess_exec(
        sys.executable,
        str(CREW),
        url_of(gesta),
        hand.token,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(SRC)},
    )
    try:
        yield made
    finally:
        if made.returncode is None:
            made.kill()
        await made.communicate()


async def has_begun(worker: asyncio.subprocess.Process) -> None:
    assert worker.stdout is not None
    assert await asyncio.wait_for(worker.stdout.readline(), 30) == b"begun\n"


async def go_on(worker: asyncio.subprocess.Process) -> None:
    assert worker.stdin is not None
    worker.stdin.write(b"\n")
    await worker.stdin.drain()


async def test_a_worker_that_is_killed_is_followed_by_another_and_the_work_is_done_once(
    gesta: Gesta, acme: Tenant, hand: Raw, boss: AsyncClient
) -> None:
    started = await start(acme)
    async with process(gesta, hand) as victim:
        await has_begun(victim)
        victim.kill()
    await run_sql(gesta.database, LAPSE)
    await take_lapsed(gesta.database)
    async with process(gesta, hand) as heir:
        await has_begun(heir)
        await go_on(heir)
        assert (await boss.wait(started)).output == {"resized": {"url": "a.jpg"}}
    assert await run_sql(gesta.database, COMPLETED) == 1


async def test_a_worker_that_is_told_to_stop_by_a_signal_finishes_first(
    gesta: Gesta, acme: Tenant, hand: Raw, boss: AsyncClient
) -> None:
    started = await start(acme)
    async with process(gesta, hand) as worker:
        await has_begun(worker)
        worker.send_signal(signal.SIGTERM)
        await go_on(worker)
        assert await asyncio.wait_for(worker.wait(), 30) == 0
    assert (await boss.execution(started)).output == {"resized": {"url": "a.jpg"}}


async def test_answers_that_are_none_of_the_apis_end_nothing(
    gesta: Gesta, acme: Tenant, hand: Raw, boss: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a proxy that answers in its place, or of a fault of the client's own: the worker goes on."""
    worker, odd = worker_of(gesta, hand, lease_seconds=4.5), {"lease": 0, "heartbeat": 0}

    def at_first_odd(name: str, real: Any) -> Any:
        async def call(client: AsyncClient, *arguments: Any, **options: Any) -> Any:
            odd[name] += 1
            if odd[name] == 1:
                raise KeyError("items")
            return await real(client, *arguments, **options)

        return call

    for name in odd:
        monkeypatch.setattr(AsyncClient, name, at_first_odd(name, getattr(AsyncClient, name)))

    async def beaten_twice() -> None:
        while odd["heartbeat"] < 2:  # noqa: ASYNC110 - it is counted elsewhere
            await asyncio.sleep(0.01)

    @worker.task("resize-image")
    async def resize(_input: Any) -> str:
        await asyncio.wait_for(beaten_twice(), 30)
        return "done"

    started = await start(acme)
    async with at_work(worker):
        assert (await boss.wait(started)).output == {"resized": "done"}
