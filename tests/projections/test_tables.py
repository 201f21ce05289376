"""What each event does to the rows, seen in the database."""

from datetime import timedelta
from decimal import Decimal
from ipaddress import ip_address
from typing import Any

import pytest
from psycopg import AsyncConnection, sql
from psycopg.rows import dict_row

from domain.aggregates import AGGREGATES
from domain.ai_task import AiTaskAttemptFailed
from domain.envelope import PLATFORM, Envelope
from domain.permission import permission_id
from domain.refusal import CommandRefused
from domain.retry import Failure
from domain.user import UserRegistered
from projections.audit_logs import event_id
from projections.audit_subjects import SOURCES
from projections.projector import Projector
from projections.registry import TABLES
from tests.projections.story import (
    ACME,
    ANN,
    APPROVER,
    BOB,
    BY_ANN,
    CLERK,
    DEFINITION,
    START,
    STEP,
    TRAVEL,
    Ledgers,
    Step,
    an_id,
    attempt,
    bulk,
    entrusted,
    platform_story,
    started,
    tenant_story,
)

pytestmark = pytest.mark.usefixtures("told")

SELECT = sql.SQL("SELECT * FROM projections.{} {} ORDER BY created_at, version")
EVERYTHING_SHOWN = """
SELECT bool_and(f.position = (SELECT max(position) FROM ledger.events e WHERE e.tenant_id = f.tenant_id)), count(*)
  FROM projections.freshness f
"""

Rows = list[dict[str, Any]]


async def rows(conn: AsyncConnection[Any], table: str, **having: Any) -> Rows:
    """A table's rows, Acme's where it has a tenant, that have these values."""
    mine = [] if table in ("tenants", "users", "permissions") else [("tenant_id", ACME)]
    wanted = [*mine, *having.items()]
    where = sql.SQL(" AND ").join(sql.SQL("{} = {}").format(sql.Identifier(name), value) for name, value in wanted)
    async with conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(SELECT.format(sql.Identifier(table), sql.SQL("WHERE {}").format(where) if wanted else sql.SQL("")))
        return await cursor.fetchall()


async def row(conn: AsyncConnection[Any], table: str, **having: Any) -> dict[str, Any]:
    (only,) = await rows(conn, table, **having)
    return only


def part(of: dict[str, Any], *columns: str) -> tuple[Any, ...]:
    return tuple(of[column] for column in columns)


async def test_all_ledgers_are_projected_to_their_end(system: AsyncConnection[Any]) -> None:
    assert await (await system.execute(EVERYTHING_SHOWN)).fetchone() == (True, 3)


async def test_a_tenant_s_changes_and_suspensions(system: AsyncConnection[Any]) -> None:
    acme = await row(system, "tenants", slug="acme")
    assert part(acme, "id", "name", "subscription_tier", "is_active", "version") == (ACME, "Acme & Co", "gold", True, 4)
    assert acme["settings"] == {"limits": {"executions": 100}}
    assert acme["updated_at"] - acme["created_at"] == 4 * STEP, "recorded times; Globex was created in between"


async def test_a_user_s_changes(system: AsyncConnection[Any]) -> None:
    bob = await row(system, "users", id=BOB)
    assert part(bob, "email", "display_name", "preferences", "version") == ("Bob@acme.example", "Bobby", {}, 2)


async def test_members_come_go_and_return(system: AsyncConnection[Any]) -> None:
    bob = await row(system, "tenant_users", user_id=BOB)
    assert part(bob, "status", "invited_by", "version") == ("active", ANN, 8)
    assert part(bob, "manager_id", "attributes") == (ANN, {"cost_centre": "4711"})
    assert bob["updated_at"] > bob["joined_at"] > bob["created_at"]


async def test_members_have_the_roles_given_last_and_none_that_was_deleted(system: AsyncConnection[Any]) -> None:
    given = [part(each, "user_id", "role_id") for each in await rows(system, "tenant_user_roles")]
    assert set(given) == {(ANN, APPROVER), (ANN, CLERK), (BOB, CLERK)}
    assert {each["key"] for each in await rows(system, "roles")} == {"approver", "clerk"}


async def test_a_role_gives_the_permissions_it_was_changed_to(system: AsyncConnection[Any]) -> None:
    gives = {each["permission_id"] for each in await rows(system, "role_permissions", role_id=APPROVER)}
    assert gives == {permission_id("approvals:decide"), permission_id("executions:read")}


async def test_an_api_key_shows_no_secret(system: AsyncConnection[Any]) -> None:
    key = await row(system, "api_keys", name="laptop")
    assert part(key, "name", "user_id", "permissions", "created_by") == ("laptop", ANN, ["executions:start"], ANN)
    assert key["revoked_at"] == key["updated_at"]
    audited = await row(system, "audit_logs", action="api_key.created", resource_id=key["id"])
    assert audited["payload"]["secret_hash"] == "[redacted]"


async def test_a_workflow_shows_what_was_published_last_and_keeps_every_version(system: AsyncConnection[Any]) -> None:
    travel = await row(system, "workflows", key="travel")
    expected = ("active", "Travelling", None, 2, {"type": "object"}, 18)
    assert part(travel, "status", "name", "draft", "published_version", "input_schema", "execution_count") == expected
    assert travel["version"] == 4, "counting executions is no event of the workflow"
    versions = await rows(system, "workflow_versions")
    assert [part(each, "workflow_id", "number", "note", "published_by") for each in versions] == [
        (TRAVEL, 1, "first", ANN),
        (TRAVEL, 2, None, ANN),
    ]
    assert versions[0]["definition"] == DEFINITION
    assert (await row(system, "workflows", key="old"))["status"] == "archived"


async def test_an_execution_that_completed(system: AsyncConnection[Any]) -> None:
    done = await row(system, "workflow_executions", id=an_id("acme 1"))
    assert part(done, "status", "execution_number", "business_key", "priority") == ("completed", 1, "trip-1", 3)
    assert done["output"] == {"done": True}
    assert done["variables"] == {"total": 1e21, "rate": 0.25, "big": 2**80}, "of two set nodes; the later value of a name holds"
    assert done["current_nodes"] == []
    assert done["metrics"] == {
        "total": 5,
        "completed": 5,
        "failed": 0,
        "skipped": 0,
        "waiting_ms": 6000,  # the approval was left four events after it was entered
        "running_ms": 21000,
    }
    assert done["completed_at"] - done["started_at"] == 14 * STEP == timedelta(seconds=21)
    assert done["correlation_id"] == BY_ANN.correlation_id
    assert done["version"] == 12


async def test_an_execution_that_failed(system: AsyncConnection[Any]) -> None:
    lost = await row(system, "workflow_executions", id=an_id("acme 2"))
    assert part(lost, "status", "execution_number", "error") == ("failed", 2, "Too late.")
    assert lost["error_details"] == {"code": "timeout", "message": "Too late.", "node_id": "call"}
    assert lost["metrics"]["failed"] == 1
    call = await row(system, "node_activations", execution_id=lost["id"])
    assert part(call, "status", "retry_count", "handle") == ("failed", 2, None)
    assert call["error"] == {"type": "timeout", "message": "Too late.", "attempts": 3}


async def test_what_is_undone_and_what_cannot_be(system: AsyncConnection[Any]) -> None:
    failed = await row(system, "workflow_executions", id=an_id("acme 20"))
    assert part(failed, "status", "compensation", "error") == ("failed", "failed", "No room.")
    failure = {
        "node_id": "stay",
        "activation_id": str(an_id("acme 20 stay")),
        "compensate": "leave",
        "error": {"type": "closed", "message": "Nobody answers.", "attempts": 2},
    }
    said = {"undone": 1, "failed": 1, "left": 0, "failures": [failure]}
    assert failed["error_details"] == {"code": "full", "message": "No room.", "node_id": "start", "compensation": said}
    gone = await row(system, "workflow_executions", id=an_id("acme 21"))
    assert part(gone, "status", "compensation", "error") == ("cancelled", "failed", "Nobody answers.")
    assert part(gone["error_details"], "code", "node_id") == ("compensation_failed", "leave")
    visits = await rows(system, "node_activations", execution_id=failed["id"])
    undoing = {each["node_id"]: each["compensates"] for each in visits}
    assert undoing == {"book": None, "stay": None, "free": an_id("acme 20 book"), "leave": an_id("acme 20 stay")}


async def test_an_execution_that_was_cancelled(system: AsyncConnection[Any]) -> None:
    gone = await row(system, "workflow_executions", id=an_id("acme 3"))
    assert part(gone, "status", "cancelled_by", "completed_at", "current_nodes") == ("cancelled", ANN, None, [])
    assert gone["cancelled_at"] == gone["updated_at"]
    assert gone["metrics"]["skipped"] == 1
    review = await row(system, "node_activations", execution_id=gone["id"])
    assert part(review, "status", "error") == ("cancelled", {"type": "cancelled", "message": "withdrawn"})
    request = await row(system, "approval_requests", execution_id=gone["id"])
    assert part(request, "status", "outcome", "responded_at") == ("cancelled", None, None)


async def test_an_execution_that_is_open_stands_at_its_node(system: AsyncConnection[Any]) -> None:
    open_one = await row(system, "workflow_executions", status="running")
    assert part(open_one, "id", "current_nodes") == (an_id("acme 4"), ["review"])
    review = await row(system, "node_activations", status="running")
    assert review["execution_created_at"] == open_one["created_at"]


async def test_attributes_are_rows_by_kind(system: AsyncConnection[Any]) -> None:
    found = await rows(system, "execution_attributes", execution_id=an_id("acme 1"))
    assert {each["name"]: part(each, "kind", "value") for each in found} == {
        "amount": ("number", "100.5"),
        "country": ("text", "NO"),
        "urgent": ("boolean", "true"),
        "parts": ("json", '[1,{"a":null}]'),
        "none": ("null", "null"),
    }


async def test_a_request_that_was_approved(system: AsyncConnection[Any]) -> None:
    request = await row(system, "approval_requests", id=an_id("acme 1 request"))
    assert part(request, "status", "outcome", "outcome_kind", "decided_by") == ("resolved", "approve", "approve", ANN)
    assert part(request, "approval_type", "received_approvals", "received_rejections") == ("single", 1, 0)
    assert request["assigned_to"] == {"users": [str(BOB)], "roles": ["approver", "clerk"]}
    assert request["responded_at"] - request["first_response_at"] == STEP
    assert request["due_at"] == START + timedelta(days=1)
    decision = await row(system, "approval_decisions", request_id=request["id"])
    assert part(decision, "user_id", "role", "outcome", "comment") == (ANN, "approver", "approve", "Bon voyage")
    assert decision["form_data"] == request["approval_data"] == {"sum": 1.0}


async def test_requests_are_found_by_role_person_and_status(system: AsyncConnection[Any]) -> None:
    closed = await rows(system, "approval_assignees", request_id=an_id("acme 1 request"))
    assert {part(each, "kind", "value", "status") for each in closed} == {
        ("role", "approver", "resolved"),
        ("role", "clerk", "resolved"),
        ("user", str(BOB), "resolved"),
    }
    open_one = await row(system, "approval_assignees", status="pending", kind="anyone")
    assert open_one["value"] == "", "an outcome that names nobody is everybody's"


async def test_the_audit_log_has_every_event_and_what_it_says(system: AsyncConnection[Any]) -> None:
    log = await rows(system, "audit_logs")
    assert [each["position"] for each in log] == list(range(1, len(tenant_story("acme")) + len(bulk("acme")) + 1))
    assert all(each["event_id"] == event_id(ACME, each["position"]) for each in log)
    decided = await row(system, "audit_logs", action="approval.decided", resource_id=an_id("acme 1 request"))
    assert decided["description"] == "A member decided as approver, approve: May Ann travel?"
    assert part(decided, "resource", "resource_id", "resource_version") == ("approval", an_id("acme 1 request"), 2)
    assert part(decided, "category", "severity", "outcome") == ("approval", "info", "accepted")
    assert part(decided, "user_id", "actor_type", "actor_id") == (ANN, "api_key", "key-1")
    assert part(decided, "ip_address", "user_agent") == (ip_address("192.0.2.7"), "curl/8")
    assert decided["metadata"] == {"request": {"id": "request-1"}}
    left = await rows(system, "audit_logs", action="activation.completed")
    assert {each["resource"] for each in left} == {"execution"}
    assert left[0]["description"] == "Execution 1 of travel left start by success."


async def test_the_audit_log_says_what_was_written_whatever_has_become_of_its_class(
    ledgers: Ledgers, projector: Projector, system: AsyncConnection[Any]
) -> None:
    """So a release that adds a field to an event, or a version to a topic, leaves what a replay compares as it is."""
    eve = an_id("eve")
    await ledgers.append(PLATFORM, (eve, UserRegistered("eve@acme.example", "Eve")))
    await ledgers.append_raw(ACME, eve, "member.added.v1", b'{"user_id":"%s","role_ids":[]}' % str(eve).encode())
    await projector.catch_up()
    added = await row(system, "audit_logs", action="member.added", resource_id=eve)
    assert added["payload"] == {"user_id": str(eve), "role_ids": []}


async def test_a_refusal_is_evidence(system: AsyncConnection[Any]) -> None:
    refused = await row(system, "audit_logs", outcome="refused")
    assert part(refused, "action", "severity", "category") == ("approval.decide", "warning", "approval")
    assert part(refused, "resource", "resource_id", "resource_version") == ("approval", an_id("acme 4 request"), None)
    assert refused["metadata"]["refusal"]["code"] == "permission_denied"


async def test_the_audit_log_tells_before_from_after(system: AsyncConnection[Any]) -> None:
    cursor = await system.execute(
        "SELECT metadata FROM projections.audit_logs WHERE tenant_id = %s AND action = 'tenant.changed'", [PLATFORM]
    )
    ((metadata,),) = await cursor.fetchall()
    assert metadata["before"] == {"name": "Acme", "subscription_tier": None}
    assert metadata["after"] == {"name": "Acme & Co", "subscription_tier": "gold"}
    assert metadata["changes"] == ["name", "subscription_tier"]


@pytest.mark.parametrize(
    ("given", "kept"),
    [("not an address", None), ("fe80::1%eth0", "fe80::1"), ("::ffff:192.0.2.1", "::ffff:c000:201"), (None, None)],
)
async def test_an_address_that_is_none_is_left_out(
    given: str | None, kept: str | None, ledgers: Ledgers, projector: Projector, system: AsyncConnection[Any]
) -> None:
    refusal = (an_id("again"), CommandRefused("x", "y", "z", "nothing we know", "no id"))
    await ledgers.append(ACME, refusal, envelope=Envelope("system", ip=given))
    await projector.catch_up()
    cursor = await system.execute(
        "SELECT ip_address, resource_id, category FROM projections.audit_logs "
        "WHERE tenant_id = %s ORDER BY position DESC LIMIT 1",
        [ACME],
    )
    assert await cursor.fetchone() == (None if kept is None else ip_address(kept), None, "system")


async def test_the_platform_s_own_log(system: AsyncConnection[Any]) -> None:
    cursor = await system.execute("SELECT count(*) FROM projections.audit_logs WHERE tenant_id = %s", [PLATFORM])
    assert await cursor.fetchone() == (len(platform_story()),)


async def test_an_ai_task_that_was_answered_at_the_second_attempt(system: AsyncConnection[Any]) -> None:
    task = await row(system, "ai_agent_tasks", id=an_id("acme 5 task"))
    assert part(task, "status", "retry_count", "model", "provider") == ("completed", 1, "openai:gpt-4o", "openai")
    assert part(task, "task_name", "agent_type", "system_prompt") == ("Classify the claim", "classifier", "You classify.")
    assert part(task, "execution_id", "activation_id") == (an_id("acme 5"), an_id("acme 5 classify"))
    assert task["output"] == {"kind": "travel", "certainty": 0.75}
    assert task["configuration"] == {
        "max_output_tokens": 200,
        "temperature": 0.25,
        "top_p": None,
        "seed": None,
        "output_schema": {"type": "object"},
        "retry": {
            "max_attempts": 3,
            "initial_interval": "PT1.5S",
            "backoff": 2.0,
            "max_interval": "PT1M",
            "jitter": 0.2,
            "non_retryable": ["auth"],
        },
    }
    assert task["usage"] == {
        "attempts": 2,
        "input_tokens": 1200,
        "output_tokens": 30,
        "cache_read_tokens": 1024,
        "cache_write_tokens": 0,
        "reasoning_tokens": 12,
        "unpriced": 1,
    }
    assert part(task, "input_tokens", "output_tokens", "latency_ms") == (1200, 30, 2500)
    assert part(task, "cost_estimate", "actual_cost", "currency") == (Decimal("0.01"), Decimal("0.0033000001"), "USD")
    assert task["completed_at"] - task["started_at"] == 4 * STEP
    first, second = await rows(system, "ai_agent_attempts", task_id=task["id"])
    assert part(first, "number", "status", "error", "cost", "input_tokens") == (1, "failed", "Too many.", None, None)
    assert first["error_details"] == {"type": "rate_limit", "message": "Too many.", "retryable": True}
    assert first["retry_at"] == first["completed_at"] + timedelta(days=2), "by the recorded time"
    assert part(second, "number", "status", "model", "worker_id") == (2, "succeeded", "gpt-4o-2024-08-06", "worker-1")
    assert part(second, "cost", "currency", "finish_reason") == (Decimal("0.0033000001"), "USD", "stop")
    assert second["usage"]["details"] == {"audio_tokens": 0}


async def test_an_ai_task_that_failed_cost_what_it_cost(system: AsyncConnection[Any]) -> None:
    task = await row(system, "ai_agent_tasks", id=an_id("acme 6 task"))
    assert part(task, "status", "error", "output", "retry_count") == ("failed", "It is not JSON.", None, 0)
    assert task["error_details"] == {"type": "invalid_output", "message": "It is not JSON.", "retryable": False}
    assert part(task, "actual_cost", "currency", "cost_estimate") == (Decimal("0.2"), "EUR", None), "dollars are not euros"


async def test_an_ai_task_that_was_cancelled_is_still_charged_for(system: AsyncConnection[Any]) -> None:
    task = await row(system, "ai_agent_tasks", id=an_id("acme 7 task"))
    assert part(task, "status", "output", "actual_cost", "currency") == ("cancelled", None, Decimal("1E-7"), "USD")
    assert part(task, "input_tokens", "output_tokens", "latency_ms") == (7, 1, 60_000)
    assert task["completed_at"] == task["updated_at"] - STEP
    lost, late = await rows(system, "ai_agent_attempts", task_id=task["id"])
    assert part(lost, "status", "error_details") == (
        "failed",
        {"type": "lease_lost", "message": "The lease expired without a heartbeat.", "retryable": True},
    )
    assert late["status"] == "succeeded"


async def test_what_is_in_another_currency_does_not_add_up(
    ledgers: Ledgers, projector: Projector, system: AsyncConnection[Any]
) -> None:
    task = an_id("acme 9 task")
    failure = Failure("timeout", "Too late.")
    costs = [(Decimal("0.1"), "USD"), (Decimal("0.5"), "EUR"), (None, None), (Decimal("0.25"), "USD")]
    steps: list[Step] = [started("acme 9"), *entrusted("acme 9")]
    for number, (cost, currency) in enumerate(costs, 1):
        failed = AiTaskAttemptFailed(an_id(f"acme 9 attempt {number}"), number, failure, cost=cost, currency=currency)
        steps += [attempt("acme 9", number), (task, failed)]
    await ledgers.append(ACME, *steps)
    await projector.catch_up()
    found = await row(system, "ai_agent_tasks", id=task)
    assert part(found, "actual_cost", "currency", "status") == (Decimal("0.35"), "USD", "pending")
    assert part(found["usage"], "attempts", "unpriced") == (4, 2)
    assert part(found, "input_tokens", "output_tokens") == (None, None), "unknown stays unknown"


async def test_what_agents_ask_of_tools_and_people_are_rows(system: AsyncConnection[Any]) -> None:
    name = "acme agent"
    task = await row(system, "ai_agent_tasks", id=an_id(f"{name} task"))
    assert part(task, "status", "execution_id", "node_id", "external") == ("completed", None, None, True)
    assert part(task, "turns", "tool_calls", "open_questions", "retry_count") == (3, 2, 0, 4)
    assert part(task, "review_outcome", "reviewed_by") == ("edited", BOB)
    assert (task["original_output"], task["output"]) == ({"refunded": 80}, {"refunded": 80, "sorry": True})
    assert task["bounds"] == {"turns": 5, "cost": "0.50", "currency": "EUR", "time": "PT1H"}
    turns = sorted(await rows(system, "ai_agent_turns", task_id=task["id"]), key=lambda each: each["number"])
    assert [part(each, "number", "tool_calls", "text", "feedback") for each in turns] == [
        (1, 4, "I look it up.", None),
        (2, 0, None, "Say sorry."),
        (3, 0, None, None),
    ]
    calls = sorted(await rows(system, "ai_agent_tool_calls", task_id=task["id"]), key=lambda each: each["place"])
    assert [part(each, "tool", "verdict", "status", "attempts", "edited", "denial_reason") for each in calls] == [
        ("lookup", "allow", "succeeded", 2, False, None),
        ("refund", "ask", "failed", 1, True, None),
        ("drop_tables", "deny", "denied", 0, False, "not_allowed"),
        ("refund", "ask", "denied", 0, False, "rejected"),
    ]
    assert (calls[1]["arguments"], calls[1]["called_with"], calls[1]["decided_by"]) == ({"amount": 90}, {"amount": 80}, BOB)
    attempts = sorted(await rows(system, "ai_agent_attempts", task_id=task["id"]), key=lambda each: each["number"])
    assert [part(each, "turn", "purpose", "status", "answered") for each in attempts] == [
        (1, "turn", "succeeded", None),
        (2, "guard", "succeeded", None),
        (2, "turn", "failed", "Done!"),
        (2, "turn", "succeeded", None),
        (3, "turn", "succeeded", None),
    ]
    waits = await row(system, "ai_agent_tasks", id=an_id(f"{name} waits"))
    assert part(waits, "status", "open_questions", "continues_id") == ("waiting", 1, task["id"])
    left = await rows(system, "ai_agent_tool_calls", task_id=an_id(f"{name} left"))
    assert {part(each, "tool", "status") for each in left} == {("ship", "running"), ("refund", "cancelled")}


async def test_the_audit_log_tells_of_ai_tasks(system: AsyncConnection[Any]) -> None:
    log = await rows(system, "audit_logs", resource_id=an_id("acme 5 task"))
    assert [each["description"] for each in log] == [
        "An AI task was requested of openai:gpt-4o: Classify the claim",
        "Attempt 1 was started, by gpt-4o of openai: Classify the claim",
        "Attempt 1 failed (rate_limit, Too many.), another one follows: Classify the claim",
        "Attempt 2 was started, by gpt-4o of openai: Classify the claim",
        "Attempt 2 succeeded after 2500 ms, by gpt-4o-2024-08-06 of openai: Classify the claim",
        "The AI task was completed, with 2 attempts: Classify the claim",
    ]
    assert {part(each, "category", "resource") for each in log} == {("ai", "ai_task")}
    assert [each["severity"] for each in log] == ["info", "debug", "warning", "debug", "info", "info"]
    assert all(each["tags"] == ["classify"] for each in log)
    assert log[0]["payload"]["retry"]["max_interval"] == "PT1M"
    assert log[4]["payload"]["cost"] == "0.0033000001"
    assert log[-1]["metadata"]["before"] == {"status": "pending"}
    failed = await row(system, "audit_logs", action="ai_task.failed")
    assert part(failed, "severity", "description") == (
        "error",
        "The AI task failed (invalid_output, It is not JSON.): Classify the claim",
    )
    cancelled = await row(system, "audit_logs", action="ai_task.cancelled", resource_id=an_id("acme 7 task"))
    assert cancelled["description"] == "The AI task was cancelled (withdrawn): Classify the claim"


async def test_retries_are_counted_and_the_execution_keeps_its_version(system: AsyncConnection[Any]) -> None:
    call = await row(system, "node_activations", id=an_id("acme 6 call"))
    assert part(call, "status", "retry_count", "handle") == ("failed", 1, "error")
    retried = await row(system, "audit_logs", action="activation.retried")
    expected = "Execution 6 of travel tries call again: attempt 1 failed (lease_lost, Not heard of.)."
    assert part(retried, "description", "severity") == (expected, "warning")
    held = await row(system, "audit_logs", action="execution.held")
    assert part(held, "description", "severity") == ("Execution 5 of travel holds 1 token back until it goes on.", "debug")
    assert (await row(system, "workflow_executions", id=an_id("acme 6")))["version"] == 7


async def test_a_request_that_expired(system: AsyncConnection[Any]) -> None:
    request = await row(system, "approval_requests", status="expired")
    assert part(request, "id", "expires_at") == (an_id("acme 8 request"), START + timedelta(days=1))
    assignees = await rows(system, "approval_assignees", request_id=request["id"])
    assert {each["status"] for each in assignees} == {"expired"}


async def test_addresses_that_only_the_database_holds_to_be_equal_are_two(
    system: AsyncConnection[Any], ledgers: Ledgers, projector: Projector
) -> None:
    """Its lower() makes i of U+0130, alone; ours makes two characters. What the ledger accepted must be projected."""
    addresses = [f"{letter}lker@acme.example" for letter in ("\u0130", "i", "\u0131")]
    for number, address in enumerate(addresses):
        await ledgers.append(PLATFORM, (an_id(f"user {number}"), UserRegistered(address, "Ilker")))
    await projector.catch_up()
    assert addresses == [each["email"] for each in await rows(system, "users", display_name="Ilker")]


def test_the_row_by_which_the_audit_log_names_a_thing_is_at_hand_for_each_of_its_events() -> None:
    """Whatever its sentence says: the table whose row that is applies the event, and so has the row loaded."""
    tables = {table.name: table for table in TABLES}
    missing = [
        event.__name__
        for aggregate in AGGREGATES
        if aggregate.name in SOURCES
        for event in aggregate.events
        if event not in tables[SOURCES[aggregate.name].table].appliers
        and event not in tables["execution_items"].appliers  # whose own row names them
        and event not in tables["archived_rows"].appliers  # which has all rows of an execution loaded
    ]
    assert missing == []
