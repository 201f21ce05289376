"""Reminders and escalation over HTTP, through two processes and a worker: each moment comes once, and the tables say so."""

from typing import Any

import pytest

from tests.api.behind import Two, ok
from tests.api.conftest import Gesta
from tests.api.racing import REALLY, ROUNDS, at_once, code, racing
from tests.api.test_approval_rules import asking, opened, said
from tests.api.test_approval_rules import shown as row_of
from tests.api.test_http_nodes import worker
from tests.api.test_own_approvals import asked, holds
from tests.api.working import run_sql
from tests.worker.house import worker_of
from worker.maintenance import fire_timers

SOONER = "UPDATE runtime.timers SET due_at = clock_timestamp() WHERE kind = '{}'"
ESCALATED = "SELECT value FROM projections.approval_assignees WHERE request_id = '{}' AND escalation_level = 1"
OF_REQUEST = "SELECT count(*) FROM projections.execution_waits WHERE approval_id = '{}'"


@pytest.fixture
async def two(gesta: Gesta, request: pytest.FixtureRequest):  # type: ignore[no-untyped-def]
    async with racing(gesta, getattr(request, "param", "of one process")) as made:
        yield made


async def topics(two: Two, id: str) -> list[str]:
    entries = (await ok(two.ahead.admin.get("/audit-logs", resource_id=id)))["items"]
    return [entry["action"] for entry in reversed(entries) if entry["outcome"] == "accepted"]


async def test_a_request_is_reminded_of_escalated_and_approved_by_default(two: Two) -> None:
    database, boss = two.behind.gesta.database, await two.behind.member("approver")
    chain = [{"after": "PT2H", "by": {"users": [boss.user_id]}}, {"after": "PT4H", "outcome": "approved"}]
    by = {"users": [two.person.user_id]}
    id = await asked(two.behind.admin, by=by, due_in="PT3H", remind=[{"after": "PT1H"}], escalate=chain)
    async with worker_of(database) as gestas:
        for kind in ("remind 1.1", "escalate 1.1", "due 1", "escalate 1.2"):
            await run_sql(database, SOONER.format(kind))
            await fire_timers(gestas.context)
    row = await row_of(two.ahead, id)
    assert (row["status"], row["outcome"], row["decided_by"]) == ("resolved", "approved", None)
    assert (row["reminders_sent"], row["escalation_level"], row["sla_met"]) == (1, 2, False)
    assert row["overdue_at"] is not None
    assert [level["outcome"] for level in row["escalation_rules"]] == [None, "approved"]
    assert row["assigned_to"]["users"] == [two.person.user_id, boss.user_id]
    assert await topics(two, id) == [
        "approval.requested",
        "approval.reminded",
        "approval.escalated",
        "approval.overdue",
        "approval.escalated",
        "approval.resolved",
    ]
    assert await run_sql(database, "SELECT count(*) FROM runtime.timers") == 0


async def test_a_worker_that_runs_comes_to_the_outcome_at_its_moment(two: Two) -> None:
    async with worker(two.behind.gesta.database):
        id = await asked(two.behind.admin, escalate=[{"after": "PT0.3S", "outcome": "rejected"}])
        assert (await ok(two.ahead.admin.get(f"/approvals/{id}", wait=30)))["outcome"] == "rejected"
    assert await topics(two, id) == ["approval.requested", "approval.escalated", "approval.resolved"]


async def test_who_is_asked_at_a_level_decides_at_another_process_and_a_pause_holds_the_moments(two: Two) -> None:
    database, boss = two.behind.gesta.database, await two.behind.member("approver")
    await ok(two.behind.admin.call("PATCH", f"/members/{two.person.user_id}", {"manager_id": boss.user_id}))
    hours = {day: [{"from": "00:00", "to": "24:00"}] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
    await ok(two.behind.admin.post("/calendars", {"key": "always", "name": "Always", "time_zone": "UTC", "hours": hours}))
    config: dict[str, Any] = {
        "by": {"users": [two.person.user_id]},
        "start_in": "PT1H",
        "remind": [{"after": {"calendar": "always", "duration": "PT2H"}}],
        "escalate": [{"after": "PT4H", "by": {"manager_of": "asked"}}],
    }
    await two.behind.publish(asking({"type": "single"}, **config))
    id = await opened(two.behind)
    execution_id = (await row_of(two.ahead, id))["execution_id"]
    client = two.at(two.ahead, boss.client)
    await holds(two.behind.gesta, two.behind)
    waits = (await ok(two.ahead.admin.get(f"/executions/{execution_id}/waits")))["items"]
    assert sorted(wait["about"] for wait in waits) == ["escalate 1.1", "remind 1.1", "start 1", "timed"]
    assert await run_sql(database, OF_REQUEST.format(id)) == 3
    assert (await said(client, id, "approved")).json()["code"] == "not_eligible"
    async with worker_of(database) as gestas:
        await fire_timers(gestas.context)  # what is reckoned in working time
        await holds(two.behind.gesta, two.behind)
        await ok(two.behind.admin.post(f"/executions/{execution_id}/pause", {}))
        await run_sql(database, SOONER.format("escalate 1.1"))
        await fire_timers(gestas.context)
        assert (await row_of(two.ahead, id))["escalation_level"] == 0
        await holds(two.behind.gesta, two.behind)
        await ok(two.ahead.admin.post(f"/executions/{execution_id}/resume", {}))
        for kind in ("remind 1.1", "start 1", "escalate 1.1"):
            await run_sql(database, SOONER.format(kind))
            await fire_timers(gestas.context)
        await fire_timers(gestas.context)
    row = await row_of(two.behind, id)
    assert (row["reminders_sent"], row["escalation_level"], row["taken_on_at"]) == (1, 1, None)
    assert row["start_missed_at"] is not None
    await two.behind.gesta.projector.catch_up()
    assert str(await run_sql(database, ESCALATED.format(id))) == boss.user_id
    assert id in [item["id"] for item in (await ok(client.get("/inbox")))["items"]]
    done = await ok(said(client, id, "approved"))
    assert (done["approval"]["outcome"], done["execution"]["status"]) == ("approved", "completed")
    row = await row_of(two.behind, id)
    assert (row["decided_by"], row["taken_on_by"], row["sla_met"]) == (boss.user_id, boss.user_id, None)
    assert row["first_response_ms"] == row["turnaround_ms"] > 0
    assert await run_sql(database, "SELECT count(*) FROM runtime.timers") == 0


@REALLY
async def test_a_decision_and_an_outcome_by_default_in_the_same_moment_have_one_resolution(two: Two) -> None:
    database = two.behind.gesta.database
    async with worker_of(database) as gestas, worker_of(database) as others:
        for number in range(ROUNDS):
            id = await asked(two.behind.admin, remind=[{"after": "PT1H"}], escalate=[{"after": "PT1H", "outcome": "rejected"}])
            await run_sql(database, SOONER.format("escalate 1.1"))
            person = two.at(two.ahead, two.person.client)
            decide = person.post(f"/approvals/{id}/decide", {"outcome": "approved"})
            _, answer = await at_once(number, fire_timers(gestas.context), decide)
            await fire_timers(others.context)
            over = await row_of(two.ahead, id)
            assert (over["outcome"], code(answer)) in (("approved", ""), ("rejected", "approval_closed"))
            assert (await topics(two, id)).count("approval.resolved") == 1


async def test_what_is_wrong_with_a_moment_is_named(two: Two) -> None:
    for wrong, path in (
        ({"remind": [{"before_due": "PT1H"}]}, "/remind/0/before_due"),
        ({"escalate": [{"after": "PT1H", "by": {"roles": ["gone"]}}]}, "/escalate/0/by/roles/0"),
        ({"escalate": [{"after": "PT1H", "by": {"expr": "input.boss"}}]}, "/escalate/0/by/expr"),
        ({"start_in": "=input.time"}, "/start_in"),
        ({"remind": [{"after": {"calendar": "none", "duration": "PT1H"}}]}, None),
    ):
        refused = await two.behind.admin.post("/approvals", {"title": "x", **wrong})
        assert refused.status_code == 422, refused.text
        assert path is None or refused.json()["errors"][0]["path"] == path, refused.text
