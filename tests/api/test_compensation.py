"""Undoing over HTTP: two API processes, a worker's own HTTP client, and what the tables show meanwhile."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.api.behind import Two, two_processes
from tests.api.conftest import Gesta
from tests.api.definitions import UNDOABLE
from tests.api.working import execution, lease, leased, report, start


@pytest.fixture
async def two(gesta: Gesta) -> AsyncIterator[Two]:
    async with two_processes(gesta) as made:
        await made.behind.publish(UNDOABLE)
        yield made


async def booked(two: Two) -> str:
    id = await start(two.behind, "trip")
    answer = await report(two.worker, await leased(two.worker, "book"), "complete", {"output": "B7"})
    assert answer.status_code == 200, answer.text
    return id


async def history(two: Two, id: str) -> list[dict[str, Any]]:
    return list((await two.behind.admin.get(f"/executions/{id}/history", limit=200)).json()["items"])


async def test_a_failure_is_undone_by_a_worker_and_the_first_error_stays(two: Two) -> None:
    id = await booked(two)
    failed = {"error": {"type": "declined", "message": "No money.", "retryable": False}}
    answer = await report(two.worker, await leased(two.worker, "pay"), "fail", failed)
    assert answer.json()["execution"]["status"] == "running"
    assert [item["node_id"] for item in answer.json()["execution"]["open"]] == ["free"]
    meanwhile = await execution(two.behind, id)
    assert (meanwhile["status"], meanwhile["compensation"], meanwhile["current_nodes"]) == ("running", "running", ["free"])
    assert meanwhile["error_details"]["code"] == "declined"
    job = await leased(two.worker, "free")
    assert job["input"] == "B7"
    await report(two.worker, job, "complete")
    over = await execution(two.behind, id)
    assert (over["status"], over["compensation"], over["error"]) == ("failed", "completed", "No money.")
    items = await history(two, id)
    begun = {item["node_id"]: item for item in items if item["topic"] == "activation.started.v3"}
    assert begun["book"]["data"]["compensate"] == "free"
    assert begun["free"]["data"]["compensates"] == begun["book"]["activation_id"]
    assert "execution.compensating.v1" in [item["topic"] for item in items]


async def test_cancel_undoes_and_terminate_does_not(two: Two) -> None:
    id = await booked(two)
    late = await leased(two.worker, "pay")
    answer = await two.ahead.admin.post(f"/executions/{id}/cancel", {"reason": "ill"})
    assert (answer.status_code, answer.json()["status"]) == (200, "running")
    refused = await report(two.worker, late, "complete")
    assert (refused.status_code, refused.json()["code"] in ("activation_closed", "lease_lost")) == (409, True)
    again = await two.behind.admin.post(f"/executions/{id}/cancel", {})
    assert (again.status_code, again.json()["code"]) == (409, "execution_compensating")
    waited = two.behind.admin.get(f"/executions/{id}", wait=0)
    assert (await waited).json()["status"] == "running"
    await report(two.worker, await leased(two.worker, "free"), "complete")
    over = await execution(two.behind, id)
    assert (over["status"], over["compensation"], over["error_details"]) == ("cancelled", "completed", None)

    id = await booked(two)
    answer = await two.ahead.admin.post(f"/executions/{id}/terminate", {})
    assert answer.json()["status"] == "cancelled"
    assert (await lease(two.worker, "free")).json()["items"] == []
    assert (await execution(two.behind, id))["compensation"] is None


async def test_what_cannot_be_undone_is_named(two: Two) -> None:
    id = await booked(two)
    await two.ahead.admin.post(f"/executions/{id}/cancel", {})
    failed = {"error": {"type": "closed", "message": "Nobody there.", "retryable": False}}
    await report(two.worker, await leased(two.worker, "free"), "fail", failed)
    over = await execution(two.behind, id)
    assert (over["status"], over["compensation"], over["error"]) == ("cancelled", "failed", "Nobody there.")
    (failure,) = over["error_details"]["compensation"]["failures"]
    assert (failure["node_id"], failure["compensate"], failure["error"]["type"]) == ("book", "free", "closed")
