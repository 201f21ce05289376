"""Links to decide by over HTTP: a page that changes nothing until its form is sent, and then decides once."""

import asyncio
import html
import logging
import re
from typing import Any

import httpx2
import pytest
from psycopg import AsyncConnection

from projections.verify import verify
from runtime.failpoints import VARIABLE
from tests.api.behind import serving_apart, two_processes
from tests.api.conftest import Client, Gesta, Member, Tenant

FORM = {
    "type": "object",
    "properties": {
        "cost": {"type": "integer", "title": "Cost <i>", "minimum": 1},
        "urgent": {"type": "boolean"},
        "centre": {"enum": ["north", 7]},
        "lines": {"type": "array", "items": {"type": "integer"}},
        "note": {"type": "string", "default": 'a "note"'},
    },
    "required": ["cost", "centre"],
}
OUTCOMES = [
    {"name": "approved", "kind": "approve", "means": "I have read <it>."},
    {"name": "rejected", "kind": "reject", "comment": "required", "reasons": ["price", "date"]},
]
FILE = {"name": "Invoice <1>", "sha256": "ab" * 32}
INPUT = re.compile(r'<input type="hidden" name="seen" value="([0-9a-f]{64})">')


async def asked(client: Client, **fields: Any) -> str:
    body = {"title": "Pay <script>alert(1)</script>?", "by": {"roles": ["approver"]}, "outcomes": OUTCOMES, **fields}
    answer = await client.post("/approvals", body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def linked(client: Client, request_id: str, outcome: str = "approved", **fields: Any) -> dict[str, Any]:
    answer = await client.post(f"/approvals/{request_id}/links", {"outcome": outcome, **fields})
    assert answer.status_code == 201, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    return dict(answer.json())


def seen(page: httpx2.Response) -> str:
    found = INPUT.search(page.text)
    assert found is not None, page.text
    return found[1]


async def sent(http: httpx2.AsyncClient, address: str, **fields: str) -> httpx2.Response:
    """The page's form, as a browser sends it."""
    page = await http.get(address)
    about = {"seen": seen(page)} if INPUT.search(page.text) else {}
    return await http.post(address, data={**about, **{name.replace("__", "."): value for name, value in fields.items()}})


async def decisions(client: Client, request_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.get(f"/approvals/{request_id}")).json()["decisions"]
    return found


async def holds(gesta: Gesta, tenant: Tenant) -> None:
    async with await AsyncConnection.connect(gesta.database.system_url, autocommit=True) as conn:
        await gesta.projector.catch_up()
        verdict = await verify(conn, tenant.id)
        assert verdict.holds, verdict.broken


async def test_looking_changes_nothing_and_confirming_decides_once(gesta: Gesta, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    acme = await gesta.tenant()
    ann = await acme.member("approver")
    context, files = {"amount": 12.5, "<b>": "&"}, [{"reference": "https://files.example/a?b=1&c='x'", **FILE}]
    about: dict[str, Any] = {"context": context, "description": "Line one\n<b>two</b>", "attachments": files}
    request_id = await asked(acme.admin, form=FORM, **about)
    link = await linked(ann.client, request_id)
    address = link["address"]
    before = await gesta.events()
    page = await gesta.http.get(address)
    assert page.status_code == 200, page.text
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    for name, value in (("referrer-policy", "no-referrer"), ("cache-control", "no-store"), ("x-frame-options", "DENY")):
        assert page.headers[name] == value
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    for raw in ("<script", "<b>two", "<i>", "<it>", "<1>"):
        assert raw not in page.text
    for told in (
        "Pay <script>alert(1)</script>?",
        "<b>two</b>",
        "Cost <i>",
        "I have read <it>.",
        'a "note"',
        "12.5",
        files[0]["reference"],
    ):
        assert html.escape(told) in page.text
    assert html.escape(files[0]["reference"]) in page.text
    head = await gesta.http.head(address)
    assert (head.status_code, head.content) == (200, b"")
    led = await gesta.http.get(f"/approvals/{request_id}")
    assert (led.status_code, led.headers["cache-control"]) == (200, "no-store")
    assert request_id in led.text and "alert(1)" not in led.text  # noqa: PT018 - where it leads, and nothing of what it is
    assert (await gesta.http.get("/approvals/none")).status_code == 404
    assert await gesta.events() == before, "who looks changes nothing"

    wrong = await sent(gesta.http, address, form__cost="none", form__centre="1", comment="Kept <u>", form__lines="[1,")
    assert wrong.status_code == 422
    assert "Kept &lt;u&gt;" in wrong.text
    wrong = await sent(gesta.http, address, form__cost="none", form__centre="1", comment="Kept <u>")
    assert wrong.text.count('class="fault"') == 1, wrong.text
    done = await sent(
        gesta.http, address, form__cost="3", form__centre="1", form__urgent="true", form__lines="[1, 2]", comment="Ok"
    )
    assert done.status_code == 200, done.text
    assert "resolved" in done.text
    (decision,) = await decisions(acme.admin, request_id)
    assert (decision["user_id"], decision["via"], decision["link_id"]) == (ann.user_id, "link", link["id"])
    assert decision["signature_means"] == "I have read <it>."
    assert decision["form_data"] == {"cost": 3, "centre": 7, "urgent": True, "lines": [1, 2], "note": 'a "note"'}
    for again in (await sent(gesta.http, address, form__cost="3"), await gesta.http.get(address)):
        assert again.status_code == 410
        assert "You chose “approved” by this link." in again.text

    (row,) = (await ann.client.get(f"/approvals/{request_id}/links")).json()["items"]
    assert (row["id"], row["user_id"], row["decision_id"]) == (link["id"], ann.user_id, decision["id"])
    assert row["used_at"] is not None
    log = (await acme.admin.get("/audit-logs", action="approval.decided")).json()["items"][0]
    assert (log["actor_type"], log["actor_id"], log["user_id"]) == ("user", link["id"], ann.user_id)
    token = address.removeprefix("/approve/")
    everything = [(await acme.admin.get(path, limit=200)).text for path in ("/events", "/audit-logs")]
    ours = [record for record in caplog.records if record.name.partition(".")[0] not in OTHERS]
    assert all(token not in text for text in (*everything, *(f"{record.getMessage()} {vars(record)}" for record in ours)))
    assert all(
        "secret_hash" not in row["payload"] or row["payload"]["secret_hash"] == "[redacted]"
        for row in (await acme.admin.get("/audit-logs", resource="approval_link")).json()["items"]
    )
    await holds(gesta, acme)


async def test_who_may_make_one_and_what_is_answered_like_what_was_never_there(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    ann, ben, cat = [await acme.member("approver", *more) for more in ((), (), ("operator",))]
    request_id = await asked(cat.client, exclude=["requester"])
    path, body = f"/approvals/{request_id}/links", {"outcome": "approved"}
    mailer = await acme.service("approvals:decide", "users:act_as")
    for_ann = await linked(mailer, request_id, user_id=ann.user_id)
    assert (for_ann["user_id"], for_ann["outcome"]) == (ann.user_id, "approved")
    assert (await linked(mailer.with_headers(Gesta_On_Behalf_Of=ben.user_id), request_id))["user_id"] == ben.user_id
    for client, sent_body, status, code in (
        (mailer, body, 403, "nobody_decides"),
        (ann.client, {**body, "user_id": ben.user_id}, 403, "permission_denied"),
        (mailer, {**body, "user_id": cat.user_id}, 403, "excluded"),
        (mailer, {**body, "user_id": request_id}, 422, "invalid"),
        (cat.client, body, 403, "excluded"),
        (ann.client, {"outcome": "maybe"}, 422, "unknown_outcome"),
        (ann.client, {**body, "expires_in": "P1Y"}, 422, "invalid"),
    ):
        refused = await client.post(path, sent_body)
        assert (refused.status_code, refused.json()["code"]) == (status, code), refused.text
    # A service of the requester's makes none by which that one would decide in fact.
    role_ids = [await acme.role_id(role) for role in ("owner", "approver")]
    await acme.admin.call("PATCH", f"/members/{cat.user_id}", {"role_ids": role_ids})
    robot = await cat.client.post("/api-keys", {"name": "robot", "permissions": ["approvals:decide", "users:act_as"]})
    theirs = Client(gesta.http, robot.json()["token"])
    assert (await theirs.post(path, {**body, "user_id": ann.user_id})).json()["code"] == "excluded"

    repeated = [await mailer.post(path, {**body, "user_id": ann.user_id}, Idempotency_Key="k") for _ in range(2)]
    assert [("address" in answer.json(), answer.json()["id"]) for answer in repeated] == [
        (True, repeated[0].json()["id"]),
        (False, repeated[0].json()["id"]),
    ]
    revoked = await ann.client.call("DELETE", f"/approval-links/{for_ann['id']}")
    assert revoked.status_code == 200, revoked.text
    assert "revoked" in (await gesta.http.get(for_ann["address"])).text
    assert (await sent(gesta.http, for_ann["address"])).status_code == 410

    never = await gesta.http.get("/approve/al_x")
    other = for_ann["address"][:-1] + ("A" if for_ann["address"][-1] != "A" else "E")
    for address in (other, f"/approve/{'al_' + 'A' * 86}"):
        answer = await gesta.http.get(address)
        assert (answer.status_code, answer.text) == (404, never.text), address
    still = repeated[0].json()["address"]
    await acme.gesta.platform.post(f"/tenants/{acme.id}/suspend")
    assert (await gesta.http.get(still)).text == never.text
    await acme.gesta.platform.post(f"/tenants/{acme.id}/reactivate")
    for content, kind, status in ((b"{}", "application/json", 415), (b"a=1&a=2", FORM_TYPE, 400), (b"a=%ff", FORM_TYPE, 400)):
        assert (await gesta.http.post(still, content=content, headers={"content-type": kind})).status_code == status
    assert (await gesta.http.post(still, content=b"seen=x", headers={"content-type": FORM_TYPE})).status_code == 409
    last = never
    for _ in range(100):
        last = await gesta.http.get("/approve/al_x")
    assert last.status_code == 429
    assert int(last.headers["Retry-After"]) > 0
    assert (await gesta.http.get(still)).status_code == 200, "what was a link here before is looked at all the same"
    await holds(gesta, acme)


OTHERS = {"httpx2", "httpcore2", "uvicorn"}
"""Loggers of the test's client; and of the server's library, whose access log the server has turned off."""
FORM_TYPE = "application/x-www-form-urlencoded"


async def test_two_processes_and_a_double_click_come_to_one_decision(gesta: Gesta) -> None:
    async with two_processes(gesta) as two:
        acme = two.behind
        people: list[Member] = [await acme.member("approver") for _ in range(2)]
        rule = {"type": "multiple", "count": 2}
        request_id = await asked(acme.admin, rule=rule)
        addresses = [(await linked(person.client, request_id))["address"] for person in people]
        processes = [two.behind.gesta.http, two.ahead.gesta.http]
        for address in addresses:
            form = {"seen": seen(await processes[0].get(address))}
            answers = await asyncio.gather(*(processes[n % 2].post(address, data=form) for n in range(6)))
            assert sorted(answer.status_code for answer in answers) == [200, 410, 410, 410, 410, 410], [a.text for a in answers]
            for answer in answers:
                assert "approved" in answer.text
        assert len(await decisions(acme.admin, request_id)) == 2
        assert (await acme.admin.get(f"/approvals/{request_id}")).json()["outcome"] == "approved"
        await holds(gesta, acme)


@pytest.mark.nightly
async def test_a_process_that_is_killed_before_it_answers_has_decided_and_the_next_one_says_so(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    ann = await acme.member("approver")
    request_id = await asked(acme.admin)
    address = (await linked(ann.client, request_id))["address"]
    form = {"seen": seen(await gesta.http.get(address))}
    async with serving_apart(gesta.database, **{VARIABLE: "api.link_used"}) as http:
        with pytest.raises(httpx2.TransportError):
            await http.post(address, data=form)
    again = await gesta.http.post(address, data=form)
    assert again.status_code == 410
    assert "You chose “approved” by this link." in again.text
    await gesta.projector.catch_up()
    assert len(await decisions(acme.admin, request_id)) == 1
