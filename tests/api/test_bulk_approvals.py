"""Many approval requests in one request: each judged on its own, as it would be alone, and all of them once."""

from typing import Any
from uuid import uuid4

import httpx2

from api.routes.bulk_approvals import MOST
from tests.api.behind import ok
from tests.api.conftest import Client, Gesta

OFFER = {"name": "offer.pdf", "reference": "https://files.example/17.pdf", "sha256": "9f" * 32}
REASONS = {"name": "rejected", "kind": "reject", "comment": "required"}


async def asked(client: Client, **fields: Any) -> str:
    outcomes = [{"name": "approved", "kind": "approve"}, REASONS]
    body = {"title": "Pay?", "by": {"roles": ["approver"]}, "exclude": ["requester"], "outcomes": outcomes, **fields}
    return str((await ok(client.post("/approvals", body)))["id"])


async def many(client: Client, action: str, *items: dict[str, Any], **headers: str) -> list[dict[str, Any]]:
    answer = await client.post("/approvals/bulk", {"action": action, "items": [*items]}, **headers)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


def said(results: list[dict[str, Any]]) -> list[tuple[int, str | None]]:
    """Status, and the code of what was refused."""
    return [(one["status"], one["problem"]["code"] if "problem" in one else None) for one in results]


def code(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_each_is_decided_on_its_own_in_the_order_of_the_request_and_once(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    ann, ben = await acme.member("approver", "operator"), await acme.member("approver")
    fine, closed, seen, changed, lacking, wrong = [await asked(acme.admin) for _ in range(6)]
    proving = await asked(acme.admin, outcomes=[{"name": "approved", "kind": "approve", "proof": "key"}, REASONS])
    own, named = await asked(ann.client), await asked(acme.admin, by={"users": [ben.user_id]})
    stood_in_for = await asked(acme.admin, by={"users": [ben.user_id]})
    await ok(ben.client.post(f"/approvals/{closed}/decide", {"outcome": "approved"}))
    await ok(ben.client.post(f"/approvals/{changed}/claim"))
    await ok(ben.client.post(f"/approvals/{changed}/release"))
    await ok(ben.client.post("/delegations", {"to_user_id": ann.user_id}))
    items: list[dict[str, Any]] = [
        {"id": fine, "outcome": "approved", "comment": "Within budget.", "attachments": [OFFER]},
        {"id": closed, "outcome": "approved"},
        {"id": own, "outcome": "approved"},
        {"id": named, "outcome": "approved"},
        {"id": stood_in_for, "outcome": "approved", "on_behalf_of": ben.user_id},
        {"id": str(uuid4()), "outcome": "approved"},
        {"id": lacking, "outcome": "rejected"},
        {"id": wrong, "outcome": "postponed"},
        {"id": changed, "outcome": "approved", "version": 1},
        {"id": seen, "outcome": "rejected", "comment": "No.", "version": 1},
        {"id": proving, "outcome": "approved"},
    ]
    expected = [
        (200, None),
        (409, "approval_closed"),
        (403, "excluded"),
        (403, "not_eligible"),
        (200, None),
        (404, "not_found"),
        (422, "invalid_decision"),
        (422, "unknown_outcome"),
        (412, "version_mismatch"),
        (200, None),
        (403, "proof_required"),
    ]
    first = await many(ann.client, "decide", *items, Idempotency_Key="all")
    assert said(first) == expected
    assert first[0]["approval"] == {
        "id": fine,
        "status": "resolved",
        "outcome": "approved",
        "outcome_kind": "approve",
        "version": 3,
    }
    assert [first[number]["problem"]["errors"][0]["path"] for number in (6, 7, 8)] == ["/comment", "/outcome", "/version"]
    again = await many(ann.client, "decide", *items, Idempotency_Key="all")
    assert said(again) == expected
    assert [one for one in again if one["status"] == 200] == [one for one in first if one["status"] == 200]
    decided = (await ok(acme.admin.get("/events", topics="approval.decided.v1")))["items"]
    assert len([one for one in decided if one["stream_id"] in (fine, seen, stood_in_for)]) == 3, "done once"
    (decision,) = (await ok(acme.admin.get(f"/approvals/{stood_in_for}")))["decisions"]
    assert (decision["user_id"], decision["on_behalf_of"]) == (ann.user_id, ben.user_id)
    logged = (await ok(acme.admin.get("/audit-logs", action="approval.decide", user_id=ann.user_id)))["items"]
    assert {row["resource_id"] for row in logged if row["outcome"] == "refused"} >= {own, named, closed}
    retried = [{**items[6], "comment": "Too dear."}, {**items[8], "version": 3}]
    assert said(await many(ann.client, "decide", *retried)) == [(200, None)] * 2


async def test_a_lead_claims_releases_and_reassigns_many(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    ann, ben, cat = [await acme.member("approver") for _ in range(3)]
    lead = await acme.member("approver", "operator")
    ids = [await asked(acme.admin, rule={"type": "single"}) for _ in range(3)]
    several = await asked(acme.admin, rule={"type": "multiple", "count": 2})
    of_ann = [await asked(acme.admin, by={"users": [ann.user_id]}) for _ in range(2)]
    mine = [{"id": id} for id in (*ids[:2], several, of_ann[0])]
    assert said(await many(ben.client, "claim", *mine)) == [
        (200, None),
        (200, None),
        (409, "not_claimable"),
        (403, "not_eligible"),
    ]
    assert said(await many(cat.client, "claim", {"id": ids[0]}, {"id": ids[2]})) == [(409, "claimed"), (200, None)]
    over = [{"id": id, "override": True} for id in ids]
    assert code(await cat.client.post("/approvals/bulk", {"action": "claim", "items": over})) == (403, "permission_denied")
    assert said(await many(lead.client, "claim", *over)) == [(200, None)] * 3
    assert said(await many(ben.client, "release", {"id": ids[0]})) == [(409, "claimed_by_another")]
    assert said(await many(lead.client, "release", *({"id": id, "comment": "Back."} for id in (*ids, several)))) == [
        *[(200, None)] * 3,
        (409, "not_claimed"),
    ]
    moved = [{"id": id, "from_user_id": ann.user_id, "to_user_id": cat.user_id} for id in (*of_ann, ids[0])]
    assert code(await ann.client.post("/approvals/bulk", {"action": "reassign", "items": moved})) == (403, "permission_denied")
    assert said(await many(lead.client, "reassign", *moved)) == [(200, None), (200, None), (409, "not_reassignable")]
    assert said(await many(cat.client, "decide", *({"id": id, "outcome": "approved"} for id in of_ann))) == [(200, None)] * 2


async def test_what_speaks_against_the_whole_is_answered_as_a_whole(gesta: Gesta) -> None:
    """And nothing is done; but who is not asked for a single one of them may still decide in general."""
    acme = await gesta.tenant()
    ann, viewer = await acme.member("approver"), await acme.member("viewer")
    ids = [await asked(acme.admin, by={"users": [(await acme.member("approver")).user_id]}) for _ in range(2)]
    items = [{"id": id, "outcome": "approved"} for id in ids]
    assert said(await many(ann.client, "decide", *items)) == [(403, "not_eligible")] * 2
    body = {"action": "decide", "items": items}
    assert code(await viewer.client.post("/approvals/bulk", body)) == (403, "permission_denied")
    assert code(await (await acme.service("approvals:decide")).post("/approvals/bulk", body)) == (403, "nobody_decides")
    narrow = await acme.member("approver", permissions=["approvals:read"])
    assert code(await narrow.client.post("/approvals/bulk", body)) == (403, "permission_denied")
    events = await gesta.events()
    for wrong, path in (
        ({"action": "decide", "items": []}, "/items"),
        ({"action": "decide", "items": [{"id": str(uuid4()), "outcome": "yes"} for _ in range(MOST + 1)]}, "/items"),
        ({"action": "decide", "items": [items[0], {"id": ids[1]}]}, "/items/1/outcome"),
        ({"action": "decide", "items": [items[0], items[0]]}, "/items/1/id"),
        ({"action": "claim", "items": items}, "/items/0/outcome"),
        ({"action": "reassign", "items": [{"id": ids[0], "from_user_id": ann.user_id}]}, "/items/0/to_user_id"),
        ({"action": "approve", "items": items}, "/action"),
    ):
        refused = await ann.client.post("/approvals/bulk", wrong)
        assert refused.status_code == 422, refused.text
        assert path in {error["path"] for error in refused.json()["errors"]}, refused.text
    assert (await ann.client.post("/approvals/bulk", body, If_Match='"1"')).status_code in (400, 422)
    assert await gesta.events() == events
