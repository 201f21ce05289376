"""Reports on many jobs at once: each is a command of its own, answered in its place."""

from typing import Any
from uuid import uuid4

import httpx2

from tests.api.conftest import Client, Gesta, Tenant
from tests.api.working import execution, lease, start
from tests.in_turn import in_turn


async def leased(acme: Tenant, worker: Client, count: int) -> list[dict[str, Any]]:
    for _ in range(count):
        await start(acme)
    jobs = (await lease(worker, max=count)).json()["items"]
    assert len(jobs) == count
    return list(jobs)


def on(job: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": job["id"], "fence": job["fence"], **more}


async def tell(worker: Client, *reports: Any, **headers: str) -> httpx2.Response:
    return await worker.post("/jobs/report", {"reports": list(reports)}, **headers)


BROKEN = {"type": "Broken", "retryable": False}


async def test_each_report_has_its_result_and_its_execution_goes_on(acme: Tenant, worker: Client) -> None:
    one, two, three = await leased(acme, worker, 3)
    answer = await tell(worker, on(one, output={"url": "b.png"}), on(two, error=BROKEN), on(three))
    assert answer.status_code == 200, answer.text
    items = answer.json()["items"]
    assert [(item["status"], item["job"]["id"], item["job"]["state"]) for item in items] == [
        (200, one["id"], "done"),
        (200, two["id"], "done"),
        (200, three["id"], "done"),
    ]
    assert [item["execution"]["status"] for item in items] == ["completed", "failed", "completed"]
    assert (await execution(acme, one["execution_id"]))["output"] == {"resized": {"url": "b.png"}}
    assert (await execution(acme, two["execution_id"]))["error_details"]["code"] == "Broken"
    assert (await execution(acme, three["execution_id"]))["output"] == {"resized": None}


async def test_a_refused_report_does_not_stop_the_others(acme: Tenant, worker: Client) -> None:
    one, two, three = await leased(acme, worker, 3)
    words = {"type": "two words"}
    items = (await tell(worker, on({**one, "fence": 7}), on(two, output=2), on(two, output=3), on(three, error=words))).json()[
        "items"
    ]
    assert [item["status"] for item in items][0::3] == [409, 422]
    assert items[0]["problem"]["code"] == "lease_lost"
    assert items[3]["problem"]["errors"][0]["path"] == "/error/type"
    assert sorted(item["status"] for item in items[1:3]) == [200, 409]
    assert (await execution(acme, two["execution_id"]))["status"] == "completed"
    assert (await execution(acme, one["execution_id"]))["status"] == "running"


async def test_reports_that_are_repeated_are_answered_and_not_done_again(gesta: Gesta, acme: Tenant, worker: Client) -> None:
    one, two = await leased(acme, worker, 2)
    reports = (on(one, output=1), on(two, error=BROKEN))
    first = await tell(worker, *reports, Idempotency_Key="k")
    before = await gesta.events()
    second = await tell(worker, *reports, Idempotency_Key="k")
    assert (second.status_code, second.json()) == (200, first.json())
    assert await gesta.events() == before
    other = (await tell(worker, on(one, output=2), Idempotency_Key="k")).json()["items"]
    assert [(item["status"], item["problem"]["code"]) for item in other] == [(422, "key_reused")]


async def test_only_workers_may_report_and_only_on_their_tenants_jobs(gesta: Gesta, acme: Tenant, worker: Client) -> None:
    (job,) = await leased(acme, worker, 1)
    stranger = await acme.service("executions:read")
    assert (await tell(stranger, on(job))).status_code == 403
    thief = await (await gesta.tenant("umbrella")).service("jobs:work")
    foreign, absent = (await tell(thief, on(job), on({"id": str(uuid4()), "fence": 1}))).json()["items"]
    assert foreign["status"] == absent["status"] == 409
    assert foreign["problem"] == absent["problem"]
    assert (await execution(acme, job["execution_id"]))["status"] == "running"


@in_turn(
    ("reports", "path"),
    [
        ([], "/reports"),
        ([{"id": "x", "fence": 1}], "/reports/0/id"),
        ([{"id": str(uuid4()), "fence": False}], "/reports/0/fence"),
        ([{"id": str(uuid4()), "fence": 1}, {"id": str(uuid4())}], "/reports/1/fence"),
        ([{"id": str(uuid4()), "fence": 1, "output": 1, "error": BROKEN}], "/reports/0/output"),
        ([{"id": str(uuid4()), "fence": 1, "error": {"type": ""}}], "/reports/0/error/type"),
        ([{"id": str(uuid4()), "fence": 1, "job": 1}], "/reports/0/job"),
        ([{"id": str(uuid4()), "fence": 1}] * 101, "/reports"),
    ],
)
async def test_reports_that_make_no_sense_are_refused_as_a_whole(worker: Client, reports: Any, path: str) -> None:
    answer = await tell(worker, *reports)
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, path)


async def test_an_if_match_is_no_single_reports(worker: Client) -> None:
    answer = await tell(worker, {"id": str(uuid4()), "fence": 1}, If_Match='"1"')
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, "If-Match")
