"""Webhooks over HTTP: an address that nobody can guess, signed requests, and each request once."""

import asyncio
import time
from typing import Any
from uuid import UUID

import httpx2
import pytest

from engine.triggers.signature import sign
from tests.api.conftest import Gesta, Tenant, serving
from tests.api.definitions import INSTANT

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


async def hooked(tenant: Tenant, **fields: Any) -> tuple[str, str]:
    """(trigger, address) of a published webhook."""
    await tenant.publish({**INSTANT, "triggers": [{"type": "webhook", **fields}]})
    (trigger,) = (await tenant.admin.get("/triggers")).json()["items"]
    assert not trigger["has_address"]
    rotated = await tenant.admin.post(f"/triggers/{trigger['id']}/rotate")
    assert rotated.status_code == 200, rotated.text
    assert rotated.headers["Cache-Control"] == "no-store"
    return trigger["id"], rotated.json()["address"]


def signed(body: bytes, id: str = "msg_1", secret: str = SECRET, at: float | None = None) -> dict[str, str]:
    timestamp = str(int(time.time() if at is None else at))
    return {
        "webhook-id": id,
        "webhook-timestamp": timestamp,
        "webhook-signature": sign(secret, id, timestamp, body),
        "content-type": "application/json",
    }


async def test_a_request_starts_an_execution_without_a_key(gesta: Gesta, acme: Tenant) -> None:
    given = {"order": "=body.order", "page": "=query.page", "agent": "=headers['x-shop-event']", "all": "=headers"}
    trigger_id, address = await hooked(acme, input=given)
    sent = {"x-shop-event": "paid", "x-shop-token": "secret", "authorization": "Bearer x", "cookie": "a=b"}
    answer = await gesta.http.post(f"{address}?page=7", json={"order": "E-1"}, headers=sent)
    assert (answer.status_code, answer.json()["outcome"]) == (202, "started"), answer.text
    execution = (await acme.admin.get(f"/executions/{answer.json()['execution_id']}")).json()
    assert (execution["trigger_type"], execution["created_by"]) == ("webhook", None)
    assert {name: execution["input"][name] for name in ("order", "page", "agent")} == {
        "order": "E-1",
        "page": "7",
        "agent": "paid",
    }
    assert execution["input"]["all"].keys() <= {"x-shop-event", "content-type", "user-agent"}
    (log,) = (await acme.admin.get("/audit-logs?action=execution.started")).json()["items"]
    assert (log["actor_type"], log["actor_id"]) == ("webhook", trigger_id)
    assert log["ip_address"] is not None


async def test_a_request_of_the_same_id_starts_nothing_twice(gesta: Gesta, acme: Tenant) -> None:
    _, address = await hooked(acme)
    headers = {"webhook-id": "msg_1"}
    answers = await asyncio.gather(*(gesta.http.post(address, json={"n": n}, headers=headers) for n in range(8)))
    assert {answer.status_code for answer in answers} == {202}
    assert sorted(answer.json()["outcome"] for answer in answers) == ["duplicate"] * 7 + ["started"]
    assert len({answer.json()["execution_id"] for answer in answers}) == 1
    assert len((await acme.admin.get("/executions")).json()["items"]) == 1
    for _ in range(2):
        assert (await gesta.http.post(address, json={})).json()["outcome"] == "started", "without an id each one counts"


async def test_a_signed_webhook_takes_signed_requests_of_now_only(gesta: Gesta, acme: Tenant) -> None:
    secret = await acme.admin.post("/secrets", {"name": "shop", "value": SECRET})
    assert secret.status_code == 201, secret.text
    _, address = await hooked(acme, secret="shop", replay_window="PT1M")
    body = b'{"order": "E-1"}'
    for headers in (
        {"content-type": "application/json"},
        signed(body, secret="another one that is wrong"),
        signed(body + b" "),
        signed(body, at=time.time() - 120),
        signed(body, at=time.time() + 120),
        {**signed(body), "webhook-id": "msg_2"},
    ):
        refused = await gesta.http.post(address, content=body, headers=headers)
        assert refused.status_code == 403, refused.text
        assert refused.json()["code"] in ("signature_missing", "signature_invalid")
    accepted = await gesta.http.post(address, content=body, headers=signed(body))
    again = await gesta.http.post(address, content=body, headers=signed(body))
    assert (accepted.status_code, again.json()) == (202, {**accepted.json(), "outcome": "duplicate"})
    events = (await acme.admin.get("/events", limit=500)).text
    assert SECRET not in events
    assert address.removeprefix("/hooks/") not in events


async def test_a_secret_that_is_not_there_is_no_open_door(gesta: Gesta, acme: Tenant) -> None:
    _, address = await hooked(acme, secret="nowhere")
    assert (await gesta.http.post(address, content=b"{}", headers=signed(b"{}"))).status_code == 503


def alike(one: httpx2.Response, other: httpx2.Response) -> bool:
    """But for what names the request."""
    named = [answer.headers.pop("x-request-id") for answer in (one, other)]
    bodies = [answer.text.replace(name, "") for answer, name in zip((one, other), named, strict=True)]
    heads = [{name: value for name, value in answer.headers.items() if name != "date"} for answer in (one, other)]
    return (one.status_code, bodies[0], heads[0]) == (other.status_code, bodies[1], heads[1])


async def test_what_is_no_address_is_answered_like_what_was_never_there(gesta: Gesta, acme: Tenant) -> None:
    trigger_id, address = await hooked(acme)
    await acme.admin.post(f"/triggers/{trigger_id}/rotate")
    rotated_away = await gesta.http.post(address, json={})
    assert rotated_away.status_code == 404
    for wrong in ("/hooks/x", f"/hooks/wh_{'A' * 86}", address[:-1] + "A", address + "A"):
        assert alike(await gesta.http.post(wrong, json={}), await gesta.http.post(address, json={})), wrong
    assert alike(
        await gesta.http.post(address, content=b"{", headers={"content-type": "application/json"}), await gesta.http.post(address)
    )


async def test_archived_suspended_and_paused(gesta: Gesta, acme: Tenant) -> None:
    trigger_id, address = await hooked(acme)
    await acme.admin.post(f"/triggers/{trigger_id}/pause")
    paused = await gesta.http.post(address, json={})
    assert (paused.status_code, paused.json()["code"], paused.headers["Retry-After"]) == (503, "trigger_paused", "60")
    await acme.admin.post(f"/triggers/{trigger_id}/resume")
    await gesta.platform.post(f"/tenants/{acme.id}/suspend")
    assert (await gesta.http.post(address, json={})).status_code == 404
    await gesta.platform.post(f"/tenants/{acme.id}/reactivate")
    workflow_id = (await acme.admin.get(f"/triggers/{trigger_id}")).json()["workflow_id"]
    await acme.admin.post(f"/workflows/{workflow_id}/archive")
    assert (await gesta.http.post(address, json={})).status_code == 404
    await acme.admin.post(f"/workflows/{workflow_id}/restore")
    assert (await gesta.http.post(address, json={})).status_code == 202, "restored, it is where it was"


async def test_what_is_not_wanted_starts_nothing_and_what_fails_is_told_and_recorded(gesta: Gesta, acme: Tenant) -> None:
    trigger_id, address = await hooked(acme, when="body.kind == 'paid'", input="=body.order")
    ignored = await gesta.http.post(address, json={"kind": "refunded"}, headers={"webhook-id": "1"})
    assert (ignored.status_code, ignored.json()) == (202, {"outcome": "ignored", "execution_id": None})
    failed = await gesta.http.post(address, json={"kind": "paid"}, headers={"webhook-id": "2"})
    assert (failed.status_code, failed.json()["code"]) == (422, "expression_error"), failed.text
    (run,) = (await acme.admin.get(f"/triggers/{trigger_id}/runs")).json()["items"]
    assert (run["outcome"], run["code"]) == ("failed", "expression_error")
    mended = await gesta.http.post(address, json={"kind": "paid", "order": 3}, headers={"webhook-id": "2"})
    assert mended.json()["outcome"] == "started", "one that failed may be tried again"
    (run,) = (await acme.admin.get(f"/triggers/{trigger_id}/runs")).json()["items"]
    assert run["outcome"] == "started"


@pytest.mark.parametrize(
    ("content", "media_type", "status", "body"),
    [
        (b"plain", "text/plain", 202, "plain"),
        (b"a=1&b=2", "application/x-www-form-urlencoded", 202, "a=1&b=2"),
        (b"", "application/json", 202, None),
        (b"\xff\xfe", "text/plain", 415, None),
        (b"a\x00b", "text/plain", 400, None),
        (b"{", "application/json", 400, None),
        (b'{"a": 1, "a": 2}', "application/json", 422, None),
        (b"x" * (1024 * 1024 + 1), "text/plain", 413, None),
    ],
)
async def test_bodies(gesta: Gesta, acme: Tenant, content: bytes, media_type: str, status: int, body: Any) -> None:
    _, address = await hooked(acme)
    answer = await gesta.http.post(address, content=content, headers={"content-type": media_type})
    assert answer.status_code == status, answer.text
    if status == 202:
        execution = (await acme.admin.get(f"/executions/{answer.json()['execution_id']}")).json()
        assert execution["input"] == body


async def test_a_query_without_end_is_refused(gesta: Gesta, acme: Tenant) -> None:
    _, address = await hooked(acme)
    many = "&".join(f"n{number}=1" for number in range(101))
    assert (await gesta.http.post(f"{address}?{many}")).status_code == 400
    assert (await gesta.http.post(f"{address}?a=%00")).status_code == 400
    assert (await gesta.http.post(address, headers={"webhook-id": "x" * 256})).status_code in (400, 422)


async def test_a_rate_holds_for_all_processes_together(gesta: Gesta, acme: Tenant) -> None:
    _, address = await hooked(acme, rate={"count": 3, "per": "PT1H"})
    async with serving(gesta.database) as other:
        answers = await asyncio.gather(*(http.post(address, json={}) for http in (gesta.http, other) * 4))
    assert sorted(answer.status_code for answer in answers) == [202] * 3 + [429] * 5
    (refused, *_) = [answer for answer in answers if answer.status_code == 429]
    assert refused.json()["code"] == "rate_limited"
    assert 3_000 < int(refused.headers["Retry-After"]) <= 3_600
    assert len((await acme.admin.get("/executions")).json()["items"]) == 3


async def test_a_limit_is_set_for_a_webhook_while_it_runs(gesta: Gesta, acme: Tenant) -> None:
    trigger_id, address = await hooked(acme)
    limit = {"scope": "trigger", "name": trigger_id, "rate": {"count": 1, "per": "PT1H"}}
    made = await acme.admin.post("/limits", limit)
    assert made.status_code == 200, made.text
    assert [(await gesta.http.post(address, json={})).status_code for _ in range(2)] == [202, 429]
    (listed,) = (await acme.admin.get("/limits?scope=trigger")).json()["items"]
    assert listed["rate"] == {"count": 1, "per": "PT1H"}
    assert (await acme.admin.call("DELETE", f"/limits/{made.json()['id']}")).status_code == 200
    assert (await gesta.http.post(address, json={})).status_code == 202


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"name": "shop", "rate": {"count": 1, "per": "PT1S"}}, "/name"),
        ({"name": str(UUID(int=1)), "concurrency": 1}, "/concurrency"),
    ],
)
async def test_a_limit_of_a_trigger_is_a_rate_of_one_that_is_named_by_its_id(
    acme: Tenant, wrong: dict[str, Any], path: str
) -> None:
    refused = await acme.admin.post("/limits", {"scope": "trigger", **wrong})
    assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, path), refused.text


async def test_who_cannot_sign_uses_up_nobodys_rate(gesta: Gesta, acme: Tenant) -> None:
    await acme.admin.post("/secrets", {"name": "shop", "value": SECRET})
    _, address = await hooked(acme, secret="shop", rate={"count": 1, "per": "PT1H"})
    for _ in range(3):
        assert (await gesta.http.post(address, content=b"{}", headers=signed(b"{}", secret="wrong"))).status_code == 403
    assert (await gesta.http.post(address, content=b"{}", headers=signed(b"{}"))).status_code == 202
