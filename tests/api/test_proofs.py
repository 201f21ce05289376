"""Fresh proof of who decides, over HTTP: the secret of one's key again, or a one-time password, on a page as well."""

import asyncio

import httpx2

from domain.totp import MOST_FAILURES
from tests.api.behind import one_time
from tests.api.conftest import Client, Gesta, Member, Tenant
from tests.api.test_approval_links import asked, decisions, holds, linked, sent

MEANS = "I release this batch."
BY_KEY = [{"name": "approved", "kind": "approve", "proof": "key", "means": MEANS}, {"name": "rejected", "kind": "reject"}]
BY_CODE = [{**BY_KEY[0], "proof": "totp"}, {"name": "rejected", "kind": "reject"}]


async def decide(client: Client, request_id: str, proof: str | None = None, **headers: str) -> httpx2.Response:
    also = {} if proof is None else {"Gesta_Proof": proof}
    return await client.post(f"/approvals/{request_id}/decide", {"outcome": "approved"}, **also, **headers)


def refusal(answer: httpx2.Response) -> tuple[int, str, str | None]:
    body = answer.json()
    return answer.status_code, body["code"], body["errors"][0]["path"] if body["errors"] else None


REQUIRED, FAILED = (403, "proof_required", "Gesta-Proof"), (403, "proof_failed", "Gesta-Proof")


async def test_the_secret_of_ones_own_key_is_shown_again(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    ann, ben = await acme.member("approver"), await acme.member("approver", "owner")
    request_id = await asked(acme.admin, outcomes=BY_KEY)
    offered = (await ann.client.get(f"/approvals/{request_id}")).json()["request_data"]["outcomes"][0]
    assert (offered["proof"], offered["means"]) == ("key", MEANS)
    other = await acme.key(None, ann.user_id)
    assert refusal(await decide(ann.client, request_id)) == REQUIRED
    for wrong in (ben.client.token, other.token, ann.client.token[:-1], "gk_x"):
        assert refusal(await decide(ann.client, request_id, f"key {wrong}")) == FAILED
    assert refusal(await decide(ann.client, request_id, "totp 123456")) == REQUIRED
    assert refusal(await decide(ann.client, request_id, "password x")) == (422, "proof", "Gesta-Proof")
    # Who acts on behalf of another proves nothing for them, whatever they show.
    robot = await ben.client.post("/api-keys", {"name": "robot", "permissions": ["approvals:decide", "users:act_as"]})
    acting = Client(gesta.http, robot.json()["token"]).with_headers(Gesta_On_Behalf_Of=ann.user_id)
    for token in (acting.token, ann.client.token):
        assert refusal(await decide(acting, request_id, f"key {token}")) == REQUIRED
    backdated = {"Gesta_Occurred_At": "2026-01-01T00:00:00Z"}
    assert refusal(await decide(ben.client, request_id, f"key {ben.client.token}", **backdated))[1] == "not_applicable"
    done = await decide(ann.client, request_id, f"key {ann.client.token}")
    assert done.status_code == 200, done.text
    (decision,) = await decisions(acme.admin, request_id)
    key_id = (await ann.client.get("/me")).json()["api_key"]["id"]
    assert (decision["proof"], decision["proof_id"], decision["signature_means"]) == ("key", key_id, MEANS)
    log = (await acme.admin.get("/audit-logs", action="approval.decide")).json()["items"]
    assert {row["outcome"] for row in log} == {"refused"}
    assert ann.client.token.encode() not in (await acme.admin.get("/events", limit=200)).content
    await holds(gesta, acme)


async def enrolled(member: Member) -> str:
    """A code that was not used yet. Another one there is after half a minute only."""
    begun = await member.client.post("/totp")
    assert begun.status_code == 201, begun.text
    assert begun.headers["Cache-Control"] == "no-store"
    confirmed = await member.client.post("/totp/confirm", one_time(begun.json()["secret"]))
    assert confirmed.json()["status"] == "enabled", confirmed.text
    return one_time(begun.json()["secret"], 1)["code"]


async def reset(tenant: Tenant, member: Member) -> None:
    answer = await tenant.admin.call("DELETE", f"/members/{member.user_id}/totp", {"reason": "lost"})
    assert answer.status_code == 200, answer.text


async def test_one_time_passwords_prove_once_by_the_api_and_on_the_page_of_a_link(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    ann, ben = await acme.member("approver"), await acme.member("approver")
    first, second = [await asked(acme.admin, outcomes=BY_CODE) for _ in range(2)]
    assert refusal(await decide(ann.client, first, "totp 123456")) == FAILED, "who has none"
    before = await acme.admin.get(f"/members/{ann.user_id}")
    code = await enrolled(ann)
    known = {"If-None-Match": before.headers["ETag"]}
    member = await acme.admin.call("GET", f"/members/{ann.user_id}", headers=known)
    assert member.json()["totp_since"] is not None, "although it is no new version of the member"
    assert (await ann.client.post("/totp")).json()["code"] == "already_enrolled"
    assert refusal(await decide(ann.client, first)) == REQUIRED
    answers = await asyncio.gather(*(decide(ann.client, id, f"totp {code}") for id in (first, second)))
    assert sorted(answer.status_code for answer in answers) == [200, 403], "one code, one signature"
    decided, undecided = (first, second) if answers[0].status_code == 200 else (second, first)
    (decision,) = await decisions(acme.admin, decided)
    assert (decision["proof"], decision["signature_means"]) == ("totp", MEANS)
    names = {row["id"]: row["name"] for row in (await acme.admin.get("/secrets")).json()["items"]}
    assert names[decision["proof_id"]].startswith("totp-")

    address = (await linked(ann.client, undecided))["address"]
    assert "One-time password" in (await gesta.http.get(address)).text
    lacking = await sent(gesta.http, address)
    assert (lacking.status_code, "Type a code." in lacking.text) == (403, True)
    wrong = await sent(gesta.http, address, code=code)
    assert (wrong.status_code, "used before" in wrong.text) == (403, True)
    await reset(acme, ann)
    assert (await acme.admin.get(f"/members/{ann.user_id}")).json()["totp_since"] is None
    code = await enrolled(ann)
    done = await sent(gesta.http, address, code=f"{code[:3]} {code[3:]}")
    assert done.status_code == 200, done.text
    (decision,) = await decisions(acme.admin, undecided)
    assert (decision["via"], decision["proof"]) == ("link", "totp")

    assert refusal(await ann.client.call("DELETE", "/totp", {"code": code})) == (403, "proof_failed", "/code")
    third = await asked(acme.admin, outcomes=BY_CODE)
    tries = [await decide(ann.client, third, f"totp {code}") for _ in range(MOST_FAILURES)]
    assert [refusal(each)[1] for each in tries] == ["proof_failed"] * (MOST_FAILURES - 1) + ["too_many_codes"]
    refused = await ben.client.call("DELETE", f"/members/{ann.user_id}/totp")
    assert refusal(refused)[:2] == (403, "permission_denied")
    await reset(acme, ann)
    removed = await ann.client.call("DELETE", "/totp", {"code": await enrolled(ann)})
    assert removed.json()["status"] == "none", removed.text
    acting = (await acme.service("approvals:decide", "users:act_as")).with_headers(Gesta_On_Behalf_Of=ben.user_id)
    assert (await acting.post("/totp")).json()["code"] == "own_name_only"
    await holds(gesta, acme)
