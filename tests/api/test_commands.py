"""How commands answer: once and for all, with what says where they stand, and never in silence when refused."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from tests.api.conftest import Gesta
from tests.api.definitions import APPROVAL, INSTANT


async def test_a_repeated_request_is_answered_and_not_done_again(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    await acme.publish(INSTANT)
    body = {"workflow_key": "instant"}
    first = await acme.admin.post("/executions", body, Idempotency_Key="once")
    events = await gesta.events()
    again = await acme.admin.post("/executions", body, Idempotency_Key="once")
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    for name in ("ETag", "Gesta-Position", "Location"):
        assert again.headers[name] == first.headers[name]
    assert await gesta.events() == events


async def test_the_keys_of_two_clients_are_two_keys(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    await acme.publish(INSTANT)
    one, other = await acme.service("executions:start"), await acme.service("executions:start")
    body = {"workflow_key": "instant"}
    first = await one.post("/executions", body, Idempotency_Key="k")
    second = await other.post("/executions", body, Idempotency_Key="k")
    assert first.json()["id"] != second.json()["id"]


async def test_a_token_is_shown_once_and_stored_nowhere(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    body = {"name": "robot", "permissions": ["executions:read"]}
    first = await acme.admin.post("/api-keys", body, Idempotency_Key="k")
    again = await acme.admin.post("/api-keys", body, Idempotency_Key="k")
    token = first.json().pop("token")
    assert token.startswith("gk_")
    assert "token" not in again.json()
    events = (await acme.admin.get("/events", limit="200")).text
    assert token not in events
    created = next(item for item in (await acme.admin.get("/events", topics="api_key.created.v1")).json()["items"])
    assert created["data"]["secret_hash"] == "[redacted]"


async def test_if_match_lets_the_command_through_that_saw_the_latest_version(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    await acme.publish(APPROVAL)
    started = await acme.admin.post("/executions", {"workflow_key": "purchase", "input": {"amount": 1}})
    read = await acme.admin.get(f"/executions/{started.json()['id']}")
    assert read.headers["ETag"] == started.headers["ETag"]
    paused = await acme.admin.post(f"/executions/{started.json()['id']}/pause", If_Match=read.headers["ETag"])
    assert (paused.status_code, paused.json()["status"]) == (200, "paused")
    assert paused.headers["ETag"] != read.headers["ETag"]
    resumed = await acme.admin.post(
        f"/executions/{started.json()['id']}/resume", {"reason": "go on"}, If_Match=paused.headers["ETag"]
    )
    assert resumed.json()["status"] == "running"


async def test_a_refused_command_is_in_the_audit_log(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    await acme.publish(APPROVAL)
    started = (await acme.admin.post("/executions", {"workflow_key": "purchase", "input": {"amount": 1}})).json()
    viewer = await acme.member("viewer")
    refused = await viewer.client.post(f"/executions/{started['id']}/cancel", {"reason": "because"})
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
    logged = (await acme.admin.get("/audit-logs", action="execution.cancel")).json()["items"]
    assert [(row["outcome"], row["user_id"], row["resource_id"]) for row in logged] == [
        ("refused", viewer.user_id, started["id"])
    ]


async def test_the_envelope_keeps_who_from_where_and_about_what(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    await acme.publish(INSTANT)
    member = await acme.member("operator")
    correlation = str(uuid4())
    await member.client.post(
        "/executions", {"workflow_key": "instant"}, Gesta_Correlation_Id=correlation, User_Agent="tests/1", X_Request_Id="mine"
    )
    rows = (await acme.admin.get("/audit-logs", correlation_id=correlation)).json()["items"]
    assert rows
    for row in rows:
        assert (row["actor_type"], row["user_id"], row["user_agent"]) == ("user", member.user_id, "tests/1")
        assert row["ip_address"] == "127.0.0.1"


async def test_a_business_key_is_taken_while_its_execution_runs(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    await acme.publish(APPROVAL)
    body = {"workflow_key": "purchase", "business_key": "P-1", "input": {"amount": 1}}
    first = await acme.admin.post("/executions", body)
    second = await acme.admin.post("/executions", body)
    assert (second.status_code, second.json()["code"]) == (409, "name_taken")
    await acme.admin.post(f"/executions/{first.json()['id']}/cancel", {"reason": "wrong"})
    assert (await acme.admin.post("/executions", body)).status_code == 201


async def test_bulk_answers_for_every_item(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    await acme.publish(APPROVAL)
    items = [{"business_key": f"B-{n}", "input": {"amount": n}} for n in range(5)]
    body = {"workflow_key": "purchase", "items": [*items, {"input": {"amount": "x"}}]}
    answer = (await acme.admin.post("/executions/bulk", body, Idempotency_Key="all")).json()["items"]
    assert [one["status"] for one in answer] == [201] * 5 + [422]
    assert answer[5]["problem"]["errors"][0]["path"] == "/input/amount"
    again = (await acme.admin.post("/executions/bulk", body, Idempotency_Key="all")).json()["items"]
    assert [one["execution"]["id"] for one in again[:5]] == [one["execution"]["id"] for one in answer[:5]]
    assert len((await acme.admin.get("/executions")).json()["items"]) == 5
    refused = await acme.admin.post("/executions/bulk", body, Idempotency_Key="x" * 256)
    assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, "Idempotency-Key")


async def test_backdating_needs_its_permission_and_shows_in_the_tables(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    await acme.publish(INSTANT)
    then = (datetime.now(UTC) - timedelta(days=100)).replace(microsecond=0).isoformat().replace("+00:00", "Z")
    allowed = await acme.service("executions:start", "events:backdate")
    forbidden = await acme.service("executions:start")
    refused = await forbidden.post("/executions", {"workflow_key": "instant"}, Gesta_Occurred_At=then)
    assert refused.status_code == 403
    started = await allowed.post("/executions", {"workflow_key": "instant"}, Gesta_Occurred_At=then)
    assert started.status_code == 201, started.text
    execution = (await acme.admin.get(f"/executions/{started.json()['id']}")).json()
    assert execution["started_at"] == then
    assert execution["created_at"] > then
