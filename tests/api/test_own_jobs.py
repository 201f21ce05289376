"""Jobs of their own over HTTP: enqueued, worked on like those of nodes, waited for, cancelled and retried."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from psycopg import AsyncConnection

from projections.verify import verify
from tests.api.behind import Two
from tests.api.conftest import Gesta, Tenant
from tests.api.racing import DUE, GONE, ROUNDS, at_once, code, racing
from tests.api.working import BURY, LAPSE, lease, leased, report, run_sql, take_lapsed
from tests.in_turn import in_turn
from tests.worker.house import worker_of
from worker.maintenance import fire_timers

RETRY = {"max_attempts": 3, "initial_interval": "PT0.01S", "jitter": 0}
BROKEN = {"error": {"type": "broken", "message": "no"}}


@pytest.fixture
async def two(gesta: Gesta):  # type: ignore[no-untyped-def]
    async with racing(gesta) as made:
        yield made


async def enqueued(tenant: Tenant, type: str = "resize-image", **more: Any) -> str:
    answer = await tenant.admin.post("/jobs", {"type": type, **more})
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == f"/v1/jobs/{answer.json()['id']}"
    return str(answer.json()["id"])


async def found(tenant: Tenant, id: str, **params: Any) -> dict[str, Any]:
    answer = await tenant.admin.get(f"/jobs/{id}", **params)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def failing(gesta: Gesta, **given: Any) -> Any:
    """What `gesta verify` says of a tenant."""
    async with await AsyncConnection.connect(gesta.database.system_url, autocommit=True) as conn:
        await gesta.projector.catch_up()
        return (await verify(conn, **given)).broken


async def test_a_job_is_enqueued_done_and_its_output_kept(gesta: Gesta, acme: Tenant) -> None:
    worker = await acme.service("jobs:work")
    id = await enqueued(acme, input={"url": "a.png"}, priority=2, retry=RETRY)
    waiting = await found(acme, id)
    assert (waiting["status"], waiting["priority"], waiting["max_attempts"]) == ("pending", 2, 3)
    assert waiting["queue"] == {"state": "ready", "attempt": 0, "lease_until": None, "place": 0, "held_back_by": None}
    job = await leased(worker)
    assert (job["id"], job["input"], job["attempt"], job["execution_id"]) == (id, {"url": "a.png"}, 1, None)
    assert (await found(acme, id))["queue"]["state"] == "leased"
    done = await report(worker, job, "complete", {"output": {"url": "b.png"}})
    assert done.json() == {"job": {"id": id, "state": "done", "attempt": 1, "delay_ms": None}, "execution": None}
    over = await found(acme, id)
    assert (over["status"], over["output"], over["attempts"], over["queue"]) == ("completed", {"url": "b.png"}, 1, None)
    assert (await report(worker, job, "complete")).json()["code"] == "lease_lost"
    log = (await acme.admin.get("/audit-logs", resource_id=id)).json()["items"]
    assert [entry["action"] for entry in log] == ["job.completed", "job.enqueued"]
    assert not any((await failing(gesta, tenant_id=acme.id)).values())


async def test_attempts_fail_and_the_job_with_the_last(acme: Tenant) -> None:
    worker = await acme.service("jobs:work")
    id = await enqueued(acme, retry=RETRY)
    for attempt in (1, 2, 3):
        job = await leased(worker, wait_seconds=10)
        assert job["attempt"] == attempt
        answer = await report(worker, job, "fail", BROKEN)
        assert answer.json()["job"]["state"] == ("done" if attempt == 3 else "ready")
    over = await found(acme, id)
    assert (over["status"], over["error"], over["attempts"]) == ("failed", {"type": "broken", "message": "no"}, 3)


async def test_whoever_waits_is_told_of_the_end(acme: Tenant) -> None:
    worker = await acme.service("jobs:work")
    id = await enqueued(acme)
    waiting = asyncio.create_task(found(acme, id, wait=30))
    await report(worker, await leased(worker), "complete", {"output": 7})
    assert (await asyncio.wait_for(waiting, 20))["output"] == 7
    assert (await found(acme, await enqueued(acme), wait=0))["status"] == "pending"


async def test_a_failed_job_is_retried_and_nobody_of_before_reports(acme: Tenant) -> None:
    worker = await acme.service("jobs:work")
    id = await enqueued(acme, unique_key="a")
    first = await leased(worker)
    await report(worker, first, "fail", BROKEN)
    retried = await acme.admin.post(f"/jobs/{id}/retry", {"reason": "mended"})
    assert retried.json() == {"id": id, "state": "ready"}
    again = await leased(worker)
    assert (again["id"], again["attempt"]) == (id, 1)
    assert again["fence"] > first["fence"] + 1000
    assert (await report(worker, first, "complete", {"output": "late"})).json()["code"] == "lease_lost"
    await report(worker, again, "complete", {"output": "in time"})
    over = await found(acme, id)
    assert (over["output"], over["retries"], over["error"]) == ("in time", 1, None)
    assert (await acme.admin.post(f"/jobs/{id}/retry")).json()["code"] == "job_not_failed"


async def test_a_lost_lease_uses_up_an_attempt(gesta: Gesta, acme: Tenant) -> None:
    worker = await acme.service("jobs:work")
    id = await enqueued(acme, retry={**RETRY, "max_attempts": 2})
    for state in ("pending", "failed"):
        await leased(worker, wait_seconds=10)
        await run_sql(gesta.database, LAPSE)
        await take_lapsed(gesta.database)
        now = await found(acme, id)
        assert (now["status"], now["error"]["type"]) == (state, "lease_lost")
    assert (await found(acme, id))["attempts"] == 2


async def test_its_time_is_up_whoever_has_it(gesta: Gesta, acme: Tenant) -> None:
    worker = await acme.service("jobs:work")
    id = await enqueued(acme, timeout="PT1H", retry=RETRY, unique_key="k")
    job = await leased(worker)
    await run_sql(gesta.database, DUE)
    async with worker_of(gesta.database) as gestas:
        await fire_timers(gestas.context)
    over = await found(acme, id)
    assert (over["status"], over["error"]["type"], over["attempts"]) == ("failed", "timeout", 0)
    assert (await report(worker, job, "complete")).json()["code"] == "lease_lost"
    assert await enqueued(acme, unique_key="k") != id
    broken = await failing(gesta, tenant_id=acme.id)
    assert (broken["jobs"], broken["timers"], broken["claims"]) == ([], [], [])


async def test_a_job_for_later_waits_for_its_moment_by_the_databases_clock(gesta: Gesta, acme: Tenant) -> None:
    worker = await acme.service("jobs:work")
    moment = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    named = await enqueued(acme, run_at=moment.isoformat(), timeout="PT1H")
    delayed = await enqueued(acme, run_after="P1D")
    assert (await lease(worker)).json() == {"items": []}
    rows = {job["id"]: job for job in (await acme.admin.get("/jobs")).json()["items"]}
    assert datetime.fromisoformat(rows[named]["run_at"]) == moment
    assert datetime.fromisoformat(rows[named]["expires_at"]) == moment + timedelta(hours=1)
    created = datetime.fromisoformat(rows[delayed]["created_at"])
    assert datetime.fromisoformat(rows[delayed]["run_at"]) == created + timedelta(days=1)
    assert not any((await failing(gesta, tenant_id=acme.id)).values())
    at = f"SELECT run_at FROM runtime.jobs WHERE id = '{named}'"  # noqa: S608  an id of ours
    assert await run_sql(gesta.database, at) == moment
    past = await enqueued(acme, run_at="2020-01-01T00:00:00Z", timeout="PT1H")
    now = await found(acme, past)
    assert now["run_at"] == now["created_at"]
    assert datetime.fromisoformat(now["expires_at"]) == datetime.fromisoformat(now["created_at"]) + timedelta(hours=1)
    assert (await leased(worker))["id"] == past
    assert not any((await failing(gesta, tenant_id=acme.id)).values())


async def test_a_moment_that_comes_lets_it_go(acme: Tenant) -> None:
    worker = await acme.service("jobs:work")
    id = await enqueued(acme, run_after="PT0.2S")
    assert (await leased(worker, wait_seconds=30))["id"] == id


async def test_a_unique_key_is_one_pending_jobs(acme: Tenant) -> None:
    worker = await acme.service("jobs:work")
    id = await enqueued(acme, unique_key="welcome-17", input=1)
    same = await acme.admin.post("/jobs", {"type": "resize-image", "unique_key": "welcome-17", "input": 2})
    assert (same.status_code, same.json()["id"], same.json()["existing"]) == (200, id, True)
    body = {"type": "resize-image", "unique_key": "welcome-17"}
    refused = await acme.admin.post("/jobs", {**body, "on_conflict": "reject"})
    assert (refused.status_code, refused.json()["code"]) == (409, "name_taken")
    assert await enqueued(acme, "letter", unique_key="welcome-17") != id
    job = await leased(worker)
    replaced = await acme.admin.post("/jobs", {**body, "on_conflict": "replace", "input": 3})
    assert replaced.status_code == 201
    assert (await found(acme, id))["status"] == "cancelled"
    assert (await report(worker, job, "complete")).json()["code"] == "lease_lost"
    assert (await leased(worker))["id"] == replaced.json()["id"]
    enqueuer = await acme.service("jobs:enqueue")
    denied = await enqueuer.post("/jobs", {**body, "on_conflict": "replace"})
    assert (denied.status_code, denied.json()["code"]) == (403, "permission_denied")


async def test_a_cancelled_job_is_not_handed_out_and_not_reported(acme: Tenant) -> None:
    worker = await acme.service("jobs:work")
    id, other = await enqueued(acme), await enqueued(acme)
    job = await leased(worker)
    assert job["id"] == id
    for each in (id, other):
        cancelled = await acme.admin.post(f"/jobs/{each}/cancel", {"reason": "not needed"})
        assert cancelled.json() == {"id": each, "status": "cancelled", "version": 2}
        assert cancelled.headers["ETag"] == '"2"'
    assert (await report(worker, job, "heartbeat")).json()["code"] == "lease_lost"
    assert (await report(worker, job, "complete")).json()["code"] == "lease_lost"
    assert (await lease(worker)).json() == {"items": []}
    assert (await acme.admin.post(f"/jobs/{id}/cancel")).json()["code"] == "job_closed"


async def test_jobs_are_listed(acme: Tenant) -> None:
    worker = await acme.service("jobs:work")
    one, other = await enqueued(acme, unique_key="a"), await enqueued(acme, "letter")
    await report(worker, await leased(worker), "complete")

    async def ids(**params: str) -> list[str]:
        answer = await acme.admin.get("/jobs", **params)
        assert answer.status_code == 200, answer.text
        return [item["id"] for item in answer.json()["items"]]

    assert await ids() == [other, one]
    assert await ids(order="created_at") == [one, other]
    assert await ids(status="completed") == [one]
    assert await ids(type="letter") == [other]
    assert await ids(unique_key="a") == [one]
    assert await ids(created_to="2020-01-01T00:00:00Z") == []
    page = (await acme.admin.get("/jobs", limit=1)).json()
    assert await ids(limit="1", cursor=page["next_cursor"]) == [one]


async def test_many_are_enqueued_at_once_each_with_its_result(acme: Tenant) -> None:
    items = [{"type": "letter", "input": number} for number in range(200)]
    items += [{"type": "gesta.ai"}, {"type": "letter", "unique_key": "k"}, {"type": "letter", "unique_key": "k"}]
    answer = await acme.admin.post("/jobs/bulk", {"items": items}, Idempotency_Key="once")
    results = answer.json()["items"]
    assert [each["status"] for each in results[:201]] == [201] * 200 + [422]
    assert results[200]["problem"]["errors"][0]["path"] == "/type"
    assert sorted(each["status"] for each in results[201:]) == [200, 201]
    assert len({each["job"]["id"] for each in results[201:]}) == 1
    again = await acme.admin.post("/jobs/bulk", {"items": items}, Idempotency_Key="once")
    assert [each.get("job", {}).get("id") for each in again.json()["items"]] == [
        each.get("job", {}).get("id") for each in results
    ]


@in_turn(
    ("wrong", "path"),
    [
        ({"type": "gesta.ai"}, "/type"),
        ({"type": "two words"}, "/type"),
        ({"timeout": "soon"}, "/timeout"),
        ({"timeout": "PT0S"}, "/timeout"),
        ({"retry": {"max_attempts": 0}}, "/retry/max_attempts"),
        ({"retry": {"max_attempts": 2, "initial_interval": "1 s"}}, "/retry/initial_interval"),
        ({"run_after": "P1M"}, "/run_after"),
        ({"run_after": "PT1S", "run_at": "2030-01-01T00:00:00Z"}, "/run_after"),
        ({"run_at": "9999-01-01T00:00:00Z"}, "/run_at"),
        ({"run_at": "tomorrow"}, "/run_at"),
        ({"rate": {"key": "k", "count": 1, "per": "P1Y"}}, "/rate/per"),
        ({"concurrency": {"limit": 1}}, "/concurrency/key"),
        ({"on_conflict": "replace"}, "/on_conflict"),
        ({"unique_key": ""}, "/unique_key"),
        ({"priority": 2**31}, "/priority"),
        ({"delay": 1}, "/delay"),
    ],
)
async def test_what_is_wrong_is_named(acme: Tenant, wrong: dict[str, Any], path: str) -> None:
    answer = await acme.admin.post("/jobs", {"type": "letter", **wrong})
    assert answer.status_code == 422, answer.text
    assert path in [fault["path"] for fault in answer.json()["errors"]]


async def test_its_limits_and_those_of_the_tenant_hold(acme: Tenant) -> None:
    worker = await acme.service("jobs:work")
    for _ in range(3):
        await enqueued(acme, concurrency={"key": "smtp", "limit": 2})
    assert len((await lease(worker, max=9)).json()["items"]) == 2
    await acme.admin.post("/limits", {"scope": "job_type", "name": "letter", "concurrency": 1})
    await enqueued(acme, "letter")
    await enqueued(acme, "letter")
    assert len((await lease(worker, "letter", max=9)).json()["items"]) == 1


async def test_a_suspended_tenants_jobs_wait(acme: Tenant) -> None:
    worker = await acme.service("jobs:work")
    id = await enqueued(acme)
    await acme.gesta.platform.post(f"/tenants/{acme.id}/suspend")
    refused = await acme.admin.post("/jobs", {"type": "letter"})
    assert (refused.status_code, refused.json()["code"]) == (403, "tenant_suspended")
    assert (
        await run_sql(
            acme.gesta.database,
            "SELECT count(*) FROM runtime.lease_jobs('{resize-image}', 9, 60, 'w', NULL, '00000000-0000-0000-0000-000000000000')",
        )
        == 0
    )
    await acme.gesta.platform.post(f"/tenants/{acme.id}/reactivate")
    assert (await leased(worker))["id"] == id


async def test_jobs_of_nodes_and_their_own_need_each_their_permission(acme: Tenant) -> None:
    id = await enqueued(acme)
    of_executions, of_jobs, neither = [await acme.service(*p) for p in (["executions:read"], ["jobs:read"], ["audit:read"])]
    assert (await of_executions.get(f"/jobs/{id}")).status_code == 403
    assert (await of_jobs.get(f"/jobs/{id}")).status_code == 200
    assert (await neither.get(f"/jobs/{id}")).status_code == 403
    assert (await acme.admin.get(f"/jobs/{uuid4()}")).status_code == 404
    other = await acme.gesta.tenant("globex")
    assert (await other.admin.get(f"/jobs/{id}")).status_code == 404
    assert (await other.admin.post(f"/jobs/{id}/cancel")).status_code == 404


async def test_one_that_was_given_up_goes_on_by_hand(acme: Tenant) -> None:
    worker = await acme.service("jobs:work")
    id = await enqueued(acme)
    await leased(worker)
    await run_sql(acme.gesta.database, BURY)
    (dead,) = (await acme.admin.get("/jobs/dead")).json()["items"]
    assert dead["id"] == id
    assert (await acme.admin.post(f"/jobs/{id}/retry")).status_code == 200
    await report(worker, await leased(worker), "complete")
    assert (await found(acme, id))["status"] == "completed"


# Two processes


async def test_of_many_with_one_key_at_two_processes_one_is_enqueued(two: Two) -> None:
    for number in range(ROUNDS):
        body = {"type": "letter", "unique_key": f"k{number}"}
        answers = await asyncio.gather(*(tenant.admin.post("/jobs", body) for tenant in (two.ahead, two.behind) * 4))
        assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
        assert len({answer.json()["id"] for answer in answers}) == 1
        rejected = {**body, "unique_key": f"r{number}", "on_conflict": "reject"}
        answers = await asyncio.gather(*(tenant.admin.post("/jobs", rejected) for tenant in (two.ahead, two.behind) * 4))
        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7


async def test_a_cancellation_and_a_completion_have_one_outcome(two: Two) -> None:
    for number in range(ROUNDS):
        id = await enqueued(two.behind)
        job = await leased(two.worker, wait_seconds=10)
        cancelled, done = await at_once(
            number, two.behind.admin.post(f"/jobs/{id}/cancel"), report(two.worker, job, "complete", {"output": 1})
        )
        told = {code(cancelled), code(done)}
        assert "" in told
        assert told - {""} <= {"job_closed", *GONE}
        status = (await found(two.ahead, id))["status"]
        assert status == ("cancelled" if code(cancelled) == "" else "completed")
        assert (code(cancelled) == "") != (code(done) == "")


async def test_a_timeout_and_a_completion_have_one_outcome(two: Two) -> None:
    database = two.behind.gesta.database
    async with worker_of(database) as gestas:
        for number in range(ROUNDS):
            id = await enqueued(two.behind, timeout="PT1H")
            job = await leased(two.worker, wait_seconds=10)
            await run_sql(database, DUE)
            _, done = await at_once(number, fire_timers(gestas.context), report(two.worker, job, "complete", {"output": 1}))
            over = await found(two.ahead, id)
            assert (over["status"], code(done) in GONE) in (("completed", False), ("failed", True))


async def test_two_processes_retry_a_job_once(two: Two) -> None:
    id = await enqueued(two.behind)
    await report(two.worker, await leased(two.worker), "fail", BROKEN)
    answers: list[httpx2.Response] = await asyncio.gather(
        *(tenant.admin.post(f"/jobs/{id}/retry") for tenant in (two.ahead, two.behind))
    )
    assert any(answer.status_code == 200 for answer in answers)
    assert (await found(two.ahead, id))["retries"] == 1


async def test_one_exchange_reports_and_brings_the_next_of_both_kinds(two: Two) -> None:
    for number in range(3):
        await enqueued(two.behind, input=number)
    job = await leased(two.worker)
    for number in range(1, 3):
        body = {
            "reports": [{"id": job["id"], "fence": job["fence"], "output": number}],
            "lease": {"types": ["resize-image"], "worker_id": "w"},
        }
        answer = (await two.worker.post("/jobs/report", body)).json()
        assert [item["status"] for item in answer["items"]] == [200]
        (job,) = answer["jobs"]
        assert job["input"] == number
