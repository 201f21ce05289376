"""Jobs of their own with the SDK: enqueued, waited for, listed, and worked on by its workers as they are."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from client import AsyncClient, Client, Conflict, NonRetryable, NotFound, StillPending, Worker
from tests.api.conftest import Client as Raw
from tests.api.conftest import Gesta, Tenant
from tests.client.conftest import url_of


async def test_a_worker_of_the_sdk_does_them(gesta: Gesta, boss: AsyncClient, hand: Raw) -> None:
    worker = Worker(Client(url_of(gesta), hand.token))

    @worker.task("double")
    def double(input: int) -> int:
        if input < 0:
            raise NonRetryable("Too small.", type="TooSmall")
        return 2 * input

    serving = asyncio.create_task(worker.serve())
    try:
        done, refused = await boss.enqueue("double", 21), await boss.enqueue("double", -1, retry={"max_attempts": 5})
        assert (await boss.wait_job(done.id)).output == 42
        failed = await boss.wait_job(refused.id)
        assert (failed.status, failed.error, failed.attempts) == ("failed", {"type": "TooSmall", "message": "Too small."}, 1)
    finally:
        worker.stop()
        await asyncio.wait_for(serving, 30)


async def test_what_is_asked_for_is_what_stands(boss: AsyncClient) -> None:
    moment = datetime.now(UTC) + timedelta(days=1)
    first = await boss.enqueue("mail", {"to": "ann"}, run_at=moment, unique_key="welcome", timeout="P1D", priority=2)
    again = await boss.enqueue("mail", unique_key="welcome")
    assert (again.id, again.existing, first.existing) == (first.id, True, False)
    with pytest.raises(Conflict):
        await boss.enqueue("mail", unique_key="welcome", on_conflict="reject")
    found = await boss.job(first.id)
    assert (found.status, found.input, found.run_at, found.unique_key) == ("pending", {"to": "ann"}, moment, "welcome")
    with pytest.raises(StillPending) as still:
        await boss.wait_job(first.id, seconds=0)
    assert still.value.job.id == first.id
    other = await boss.enqueue("mail", unique_key="welcome", on_conflict="replace", run_after="PT1H")
    assert [job.id for job in await boss.jobs(type="mail", unique_key="welcome", status="pending")] == [other.id]
    assert (await boss.cancel_job(other.id, "no")).status == "cancelled"
    assert [job.status for job in await boss.jobs(limit=5)] == ["cancelled", "cancelled"]
    with pytest.raises(Conflict):
        await boss.retry_job(other.id)


async def test_the_blocking_client_does_the_same(gesta: Gesta, acme: Tenant) -> None:
    key = await acme.service("jobs:enqueue", "jobs:read", "jobs:control", "jobs:work")

    def play() -> tuple[str, int]:
        with Client(url_of(gesta), key.token) as client:
            enqueued = client.enqueue("mail", idempotency_key="one")
            assert client.enqueue("mail", idempotency_key="one") == enqueued
            (job,) = client.lease(["mail"], worker_id="w")
            client.fail(job, "broken", "no")
            assert client.job(enqueued.id).status == "failed"
            client.retry_job(enqueued.id, "mended")
            (job,) = client.lease(["mail"], worker_id="w")
            client.complete(job, 7)
            ended = client.wait_job(enqueued.id)
            with pytest.raises(NotFound):
                client.cancel_job("00000000-0000-7000-8000-000000000000")
            return ended.status, ended.output

    assert await asyncio.to_thread(play) == ("completed", 7)
