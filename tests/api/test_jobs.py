"""Jobs over HTTP: leased, kept, given back, reported, given up and retried; each by who may, and once."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast
from uuid import uuid4

import pytest

from api.job_dispatcher import JobDispatcher
from runtime.pools import Pool
from store.jobs import LeasedJob
from tests.api.conftest import Client, Gesta, Tenant, serving
from tests.api.definitions import AI_TASK, task
from tests.api.working import BURY, LAPSE, execution, lease, leased, report, run_sql, start, take_lapsed
from tests.in_turn import in_turn


async def test_a_worker_leases_a_job_and_completes_it(acme: Tenant, worker: Client) -> None:
    started = await start(acme)
    job = await leased(worker)
    assert (job["type"], job["input"], job["attempt"], job["fence"]) == ("resize-image", {"url": "a.png"}, 1, 1)
    assert job["execution_id"] == started
    done = await report(worker, job, "complete", {"output": {"url": "b.png"}})
    assert done.status_code == 200, done.text
    assert done.json()["job"]["state"] == "done"
    assert done.json()["execution"]["status"] == "completed"
    assert done.headers["Gesta-Position"]
    assert (await execution(acme, started))["output"] == {"resized": {"url": "b.png"}}


async def test_an_execution_says_which_job_it_waits_for(acme: Tenant, worker: Client) -> None:
    started = await start(acme)
    (opened,) = (await execution(acme, started))["open"]
    job = await leased(worker)
    assert opened == {"kind": "task", "id": job["id"], "node_id": "resize", "activation_id": job["activation_id"]}


async def test_another_process_than_the_one_that_leased_it_takes_a_report(gesta: Gesta, acme: Tenant, worker: Client) -> None:
    started = await start(acme)
    job = await leased(worker)
    async with serving(gesta.database) as other:
        elsewhere = Client(other, worker.token)
        assert (await report(elsewhere, job, "heartbeat")).status_code == 200
        assert (await report(elsewhere, job, "complete", {"output": 1})).status_code == 200
    assert (await report(worker, job, "complete", {"output": 2})).json()["code"] == "lease_lost"
    assert (await execution(acme, started))["output"] == {"resized": 1}


async def test_a_failed_attempt_is_followed_by_another_until_the_last(acme: Tenant, worker: Client) -> None:
    started = await start(acme)
    for attempt in (1, 2, 3):
        job = await leased(worker, wait_seconds=10)
        assert (job["attempt"], job["fence"]) == (attempt, attempt)
        failed = await report(worker, job, "fail", {"error": {"type": "Broken", "message": "It broke."}})
        assert failed.json()["job"]["state"] == ("ready" if attempt < 3 else "done"), failed.text
    found = await execution(acme, started)
    assert (found["status"], found["error_details"]["code"]) == ("failed", "Broken")


async def test_a_failure_that_is_not_retryable_is_the_last(acme: Tenant, worker: Client) -> None:
    started = await start(acme)
    error = {"type": "Unreadable", "message": "No image.", "retryable": False}
    failed = await report(worker, await leased(worker), "fail", {"error": error})
    assert failed.json()["execution"]["status"] == "failed"
    assert (await execution(acme, started))["error_details"]["code"] == "Unreadable"


async def test_an_output_that_does_not_fit_its_schema_fails_the_task(acme: Tenant, worker: Client) -> None:
    schema = {"type": "object", "required": ["url"]}
    await acme.publish(task("strict", "strict", config={"output_schema": schema}))
    started = await start(acme, "strict")
    answer = await report(worker, await leased(worker, "strict"), "complete", {"output": 7})
    assert answer.json()["execution"]["status"] == "failed"
    assert (await execution(acme, started))["error_details"]["code"] == "invalid_output"


async def test_whoever_waits_gets_a_job_when_it_comes(acme: Tenant, worker: Client) -> None:
    waiting = asyncio.create_task(leased(worker, wait_seconds=60))
    others = asyncio.create_task(lease(worker, "other", wait_seconds=0.2))
    started = await start(acme)
    job = await asyncio.wait_for(waiting, 10)
    assert job["execution_id"] == started
    assert (await others).json() == {"items": []}


async def test_many_jobs_wake_as_many_who_wait(acme: Tenant, worker: Client) -> None:
    waiting = [asyncio.create_task(leased(worker, wait_seconds=60)) for _ in range(5)]
    bulk = {"workflow_key": "resize", "items": [{"input": {"url": f"{number}.png"}} for number in range(5)]}
    assert (await acme.admin.post("/executions/bulk", bulk)).status_code == 200
    found = await asyncio.wait_for(asyncio.gather(*waiting), 10)
    assert len({job["id"] for job in found}) == 5


async def test_a_lease_takes_no_more_than_was_asked_for(acme: Tenant, worker: Client) -> None:
    for _ in range(3):
        await start(acme)
    assert len((await lease(worker, max=2)).json()["items"]) == 2
    assert len((await lease(worker, max=2)).json()["items"]) == 1
    assert (await lease(worker)).json() == {"items": []}


async def test_a_heartbeat_prolongs_a_lease(acme: Tenant, worker: Client) -> None:
    await start(acme)
    job = await leased(worker, lease_seconds=5)
    kept = await report(worker, job, "heartbeat", {"lease_seconds": 600})
    assert kept.status_code == 200, kept.text
    assert kept.json()["lease_until"] > job["lease_until"]


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("heartbeat", {}),
        ("complete", {"output": 1}),
        ("fail", {"error": {"type": "Broken"}}),
        ("release", {}),
    ],
)
async def test_a_worker_whose_lease_is_anothers_is_refused(
    gesta: Gesta, acme: Tenant, worker: Client, verb: str, body: Any
) -> None:
    started = await start(acme)
    slow = await leased(worker)
    await run_sql(gesta.database, LAPSE)
    await take_lapsed(gesta.database)
    quick = await leased(worker, wait_seconds=10)
    assert (quick["id"], quick["fence"], quick["attempt"]) == (slow["id"], 2, 2)
    refused = await report(worker, slow, verb, body)
    assert (refused.status_code, refused.json()["code"]) == (409, "lease_lost")
    assert (await report(worker, quick, "complete", {"output": "done"})).status_code == 200
    assert (await execution(acme, started))["output"] == {"resized": "done"}
    assert (await report(worker, quick, verb, body)).json()["code"] == "lease_lost"


@pytest.mark.parametrize("verb", ["heartbeat", "complete"])
async def test_a_lease_that_ran_out_is_lost_although_nobody_took_the_job(
    gesta: Gesta, acme: Tenant, worker: Client, verb: str
) -> None:
    await start(acme)
    job = await leased(worker)
    await run_sql(gesta.database, LAPSE)
    assert (await report(worker, job, verb)).json()["code"] == "lease_lost"


async def test_a_job_that_is_given_back_was_not_attempted(acme: Tenant, worker: Client) -> None:
    await start(acme)
    job = await leased(worker)
    assert (await report(worker, job, "release")).json() == {"id": job["id"], "state": "ready"}
    again = await leased(worker)
    assert (again["id"], again["attempt"], again["fence"]) == (job["id"], 1, 2)


async def test_a_report_that_is_repeated_is_answered_and_not_done_again(gesta: Gesta, acme: Tenant, worker: Client) -> None:
    await start(acme)
    job = await leased(worker)
    first = await report(worker, job, "complete", {"output": 1}, Idempotency_Key="k")
    before = await gesta.events()
    second = await report(worker, job, "complete", {"output": 1}, Idempotency_Key="k")
    assert (second.status_code, second.json()) == (200, first.json())
    assert second.headers["Idempotency-Replayed"] == "true"
    assert await gesta.events() == before


async def test_a_cancelled_execution_takes_its_job_back(acme: Tenant, worker: Client) -> None:
    started = await start(acme)
    job = await leased(worker)
    assert (await acme.admin.post(f"/executions/{started}/cancel")).status_code == 200
    assert (await report(worker, job, "complete")).json()["code"] == "lease_lost"


async def test_only_workers_may_work(acme: Tenant, worker: Client) -> None:
    await start(acme)
    stranger = await acme.service("executions:read")
    job = await leased(worker)
    assert (await lease(stranger)).status_code == 403
    for verb, body in (("heartbeat", {}), ("complete", {}), ("release", {}), ("fail", {"error": {"type": "Broken"}})):
        assert (await report(stranger, job, verb, body)).status_code == 403, verb
    assert (await worker.get("/jobs")).status_code == 403
    assert (await worker.post(f"/jobs/{job['id']}/retry")).status_code == 403


async def test_a_tenants_jobs_are_nobody_elses(gesta: Gesta, acme: Tenant, worker: Client) -> None:
    await start(acme)
    other = await gesta.tenant("umbrella")
    thief = await other.service("jobs:work")
    assert (await lease(thief)).json() == {"items": []}
    job = await leased(worker)
    foreign = await report(thief, job, "complete")
    absent = await report(thief, {"id": "0198c0de-0000-7000-8000-000000000000", "fence": 1}, "complete")
    assert (foreign.status_code, foreign.json()["code"]) == (absent.status_code, absent.json()["code"]) == (409, "lease_lost")


async def test_gestas_own_jobs_are_not_for_external_workers(gesta: Gesta, acme: Tenant, worker: Client) -> None:
    await acme.publish(AI_TASK)
    started = await start(acme, "classify", claim="Taxi")
    refused = await lease(worker, "resize-image", "gesta.ai")
    assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, "/types/1")
    activation = (await execution(acme, started))["open"][0]["activation_id"]
    await run_sql(
        gesta.database,
        "UPDATE runtime.jobs SET state = 'leased', fence = 1, lease_until = clock_timestamp() + interval '1 hour'",
    )
    for verb in ("heartbeat", "release", "complete"):
        assert (await report(worker, {"id": activation, "fence": 1}, verb)).json()["code"] == "lease_lost", verb


@in_turn(
    ("body", "path"),
    [
        ({"types": [], "worker_id": "w"}, "/types"),
        ({"types": ["a"]}, "/worker_id"),
        ({"types": ["a"], "worker_id": "w", "max": 0}, "/max"),
        ({"types": ["a"], "worker_id": "w", "wait_seconds": 61}, "/wait_seconds"),
        ({"types": ["a"], "worker_id": "w", "lease_seconds": 0.5}, "/lease_seconds"),
        ({"types": ["a"], "worker_id": "w", "tenant": "x"}, "/tenant"),
    ],
)
async def test_a_lease_that_makes_no_sense_is_refused(worker: Client, body: Any, path: str) -> None:
    answer = await worker.post("/jobs/lease", body)
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, path)


async def test_a_report_that_makes_no_sense_is_refused(acme: Tenant, worker: Client) -> None:
    await start(acme)
    job = await leased(worker)
    assert (await worker.post(f"/jobs/{job['id']}/complete", {})).json()["errors"][0]["path"] == "/fence"
    assert (await worker.post("/jobs/no-id/complete", {"fence": 1})).status_code == 404
    for error, path in ((None, "/error"), ({"type": ""}, "/error/type"), ({"type": "two words"}, "/error/type")):
        answer = await report(worker, job, "fail", {} if error is None else {"error": error})
        assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, path)


def noted(caplog: pytest.LogCaptureFixture, action: str) -> dict[str, Any]:
    """The one record of what leaves no event; it says who and from where."""
    (record,) = (vars(record) for record in caplog.records if vars(record).get("action") == action)
    assert record["actor_id"]
    assert record["ip"] == "127.0.0.1"
    return record


async def test_a_job_that_was_given_up_is_listed_and_retried(
    gesta: Gesta, acme: Tenant, worker: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "api.call")
    await start(acme)
    job = await leased(worker)
    assert (await acme.admin.get("/jobs/dead")).json()["items"] == []
    await run_sql(gesta.database, BURY)
    (dead,) = (await acme.admin.get("/jobs/dead", type="resize-image")).json()["items"]
    assert (dead["id"], dead["input"], dead["error"], dead["attempt"]) == (job["id"], {"url": "a.png"}, {"type": "broken"}, 1)
    assert (await acme.admin.get("/jobs/dead", type="other")).json()["items"] == []
    waiting = asyncio.create_task(leased(worker, wait_seconds=60))
    retried = await acme.admin.post(f"/jobs/{job['id']}/retry")
    assert (retried.status_code, retried.json()["state"]) == (200, "ready")
    assert noted(caplog, "job.revive")["resource_id"] == job["id"]
    assert (await asyncio.wait_for(waiting, 10))["attempt"] == 1
    assert (await acme.admin.post(f"/jobs/{job['id']}/retry")).status_code == 404


async def test_reports_are_for_the_key_that_leased_the_job(acme: Tenant, worker: Client) -> None:
    """Another key of the tenant that guesses the fence is told the same as one that shows a wrong fence."""
    await start(acme)
    job = await leased(worker)
    other = await acme.service("jobs:work")
    reports = [("heartbeat", None), ("release", None), ("complete", {"output": 1}), ("fail", {"error": {"type": "Broken"}})]
    for _ in range(2):
        for verb, body in reports:
            refused = await report(other, job, verb, body)
            assert (refused.status_code, refused.json()["code"]) == (409, "lease_lost"), verb
        (item,) = (await other.post("/jobs/report", {"reports": [{"id": job["id"], "fence": job["fence"]}]})).json()["items"]
        assert item["problem"]["code"] == "lease_lost"
        assert (await report(worker, job, "heartbeat")).status_code == 200
    assert (await report(worker, job, "complete", {"output": 1})).status_code == 200


async def test_a_lease_is_known_by_its_key_in_another_process(gesta: Gesta, acme: Tenant, worker: Client) -> None:
    """What a process has not leased itself is read from the row."""
    await start(acme)
    job = await leased(worker)
    stranger = await acme.service("jobs:work")
    async with serving(gesta.database) as other:
        assert (await report(Client(other, stranger.token), job, "complete", {"output": 1})).status_code == 409
        assert (await report(Client(other, worker.token), job, "complete", {"output": 1})).status_code == 200


def test_a_desk_remembers_no_inputs() -> None:
    """Ten thousand jobs of a megabyte each are handed out with their inputs, and kept without."""
    job = LeasedJob(uuid4(), uuid4(), 1, "t", {"large": "x" * 1_000}, 1, 1, datetime.now(UTC), None, None, None)
    dispatcher = JobDispatcher(cast("Pool", None))
    dispatcher._remember([job])
    assert dispatcher.handed_out(job.lease) == replace(job, input=None)
