"""What careful clients notice of addresses, methods and conditions: one way to write each thing, and the answers of RFC 9110."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from api.headers import prefers
from tests.api.behind import LOCAL, calendar, endpoint, ok
from tests.api.conftest import Client, Gesta, Tenant, platform_key, projecting, serving
from tests.api.definitions import APPROVAL, INSTANT, SCHEDULED
from tests.api.documented import document
from tests.api.test_bad_input import fault
from tests.conftest import Database

HEADS_LEFT_OUT = {"date", "x-request-id"}
EVENT_STREAM = "text/event-stream"


async def started(acme: Tenant) -> str:
    await acme.publish(INSTANT)
    return str((await ok(acme.admin.post("/executions", {"workflow_key": "instant"})))["id"])


async def test_a_number_in_a_path_is_written_in_one_way(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    workflow = await acme.publish(INSTANT)
    assert (await acme.admin.get(f"/workflows/{workflow}/versions/1")).status_code == 200
    for number in ("1.0", "%2B1", "01", "1e0", "1_0", "%201", "1%20", "0", "-1", "%D9%A1", "1%0A", "99999999999", "9" * 5000):
        answer = await acme.admin.get(f"/workflows/{workflow}/versions/{number}")
        assert fault(answer) == (404, None), number


async def test_an_id_is_written_in_one_way_wherever_it_stands(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    id = await started(acme)
    assert (await acme.admin.get(f"/executions/{id.upper()}")).status_code == 200
    for other in (UUID(id).hex, f"urn:uuid:{id}", f"{{{id}}}", f"%20{id}", f"{id}%0A", id[:-1], id.replace("-", "", 1) + "-"):
        assert fault(await acme.admin.get(f"/executions/{other}")) == (404, None), other
        assert fault(await acme.admin.post(f"/executions/{other}/cancel")) == (404, None), other
    hexadecimal = uuid4().hex
    assert fault(await acme.admin.get("/approvals", execution_id=hexadecimal)) == (422, "execution_id")
    assert fault(await acme.admin.post("/members", {"user_id": hexadecimal, "role_ids": []})) == (422, "/user_id")
    for header in ("Gesta-Correlation-Id", "Gesta-On-Behalf-Of"):
        answer = await acme.admin.call("POST", "/executions", {"workflow_key": "instant"}, headers={header: hexadecimal})
        assert fault(answer) == (422, header)
    assert (await gesta.platform.with_headers(Gesta_Tenant=str(acme.id)).get("/tenant")).status_code == 200
    assert fault(await gesta.platform.with_headers(Gesta_Tenant=acme.id.hex).get("/tenant")) == (404, None)


async def test_a_path_with_something_after_its_end_leads_nowhere(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    id = await started(acme)
    for path in ("/me/", "/executions/", f"/executions/{id}/", f"/executions/{id}/history/", "/me%0A", "/executions%0A", "//me"):
        for method in ("GET", "POST"):
            answer = await acme.admin.call(method, path, headers={"Host": "elsewhere.example"}, follow_redirects=False)
            assert fault(answer) == (404, None), (method, path)
            assert "Location" not in answer.headers
    for path in ("/docs/", "/healthz/", "/openapi.json/", "/v1"):
        assert fault(await gesta.http.get(path, follow_redirects=False)) == (404, None), path


async def test_allow_lists_all_methods_of_an_address(gesta: Gesta) -> None:
    """For every address of the document, and those beside it."""
    expected = {path: {method.upper() for method in item} for path, item in document().described["paths"].items()}
    expected |= {"/docs": {"GET"}, "/openapi.json": {"GET"}}
    for path, methods in expected.items():
        allowed = methods | ({"HEAD"} if "GET" in methods else set())
        answer = await gesta.http.request("PROPFIND", path.replace("{number}", "1"))
        assert fault(answer) == (405, None), path
        assert answer.headers["Allow"] == ", ".join(sorted(allowed)), path
        single, _, name = path.rpartition("/")  # /v1/jobs/lease is also the address of a job that is named "lease"
        if "GET" not in methods and (name == "{id}" or "GET" not in expected.get(f"{single}/{{id}}", ())):
            head = await gesta.http.head(path)
            assert (head.status_code, head.headers["Allow"]) == (405, answer.headers["Allow"]), path


async def test_head_answers_as_get_does_without_the_body(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    id = await started(acme)
    workflow = (await acme.admin.get("/workflows")).json()["items"][0]["id"]
    for path in (
        *("/healthz", "/readyz", "/docs", "/openapi.json", "/v1/me", "/v1/executions", "/v1/tenant", "/v1/nothing"),
        *(
            f"/v1/executions/{id}",
            f"/v1/executions/{uuid4()}",
            "/v1/executions?statuss=x",
            f"/v1/workflows/{workflow}/versions/1",
        ),
    ):
        sent = {"Authorization": f"Bearer {acme.admin.token}", "Gesta-Tenant": acme.slug}
        got, head = [await gesta.http.request(method, path, headers=sent) for method in ("GET", "HEAD")]
        assert (head.status_code, head.content) == (got.status_code, b""), path
        told = [{name: value for name, value in each.headers.items() if name not in HEADS_LEFT_OUT} for each in (got, head)]
        assert told[0] == told[1], path
    stranger = await gesta.http.head("/v1/executions")
    assert stranger.status_code == 401


async def test_head_of_what_has_no_end_ends(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    async with asyncio.timeout(10):
        answer = await acme.admin.call("HEAD", "/events", headers={"Accept": EVENT_STREAM})
    assert (answer.status_code, answer.headers["Content-Type"].partition(";")[0], answer.content) == (200, EVENT_STREAM, b"")
    assert (await acme.admin.get("/me")).status_code == 200


@pytest.mark.parametrize(
    ("accept", "preferred"),
    [
        (EVENT_STREAM, True),
        ("TEXT/Event-Stream; q=1.0", True),
        ("application/json;q=0.5, text/event-stream;q=0.9", True),
        ("text/event-stream, */*;q=0.1", True),
        ("", False),
        ("*/*", False),
        ("text/*", False),
        ("text/event-stream;q=0", False),
        ("text/event-stream;q=0.000", False),
        ("text/event-stream; q=0, application/json", False),
        ("application/json, text/event-stream;q=0.5", False),
        ("*/*, text/event-stream;q=0.5", False),
        ("application/*, text/event-stream;q=0.5", False),
        ("text/event-streams", False),
        ("text/event-stream;q=2", False),
        ("text/event-stream;q=high", False),
    ],
)
def test_what_is_accepted_goes_by_its_weight(accept: str, preferred: bool) -> None:
    assert prefers([accept], EVENT_STREAM, "application/json") is preferred


async def test_events_with_a_weight_of_zero_are_a_page(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    answer = await acme.admin.call("GET", "/events", headers={"Accept": "application/json, text/event-stream;q=0"})
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["items"]


async def test_as_of_is_refused_as_not_there_yet_by_lists(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    for path in ("/executions", f"/executions/{uuid4()}/history", "/members", "/me"):
        answer = await acme.admin.get(path, as_of="2026-01-01T00:00:00Z")
        assert fault(answer) == (422, "as_of")
        assert answer.json()["code"] == "not_yet"


# Conditions


async def things(acme: Tenant) -> dict[str, str]:
    """A path of each single resource there is, by the path in the document."""
    await acme.publish(APPROVAL)
    body = {"workflow_key": "purchase", "input": {"amount": 1}}
    execution = await ok(acme.admin.post("/executions", body))
    workflow = (await acme.admin.get("/workflows")).json()["items"][0]["id"]
    person = await acme.member("approver")
    key = (await ok(acme.admin.post("/api-keys", {"name": "k", "permissions": []})))["id"]
    invitation = (await ok(acme.admin.post("/invitations", {"email": "guest@else.example"})))["id"]
    secret = (await ok(acme.admin.post("/secrets", {"name": "token", "value": "sesame, open"})))["id"]
    await acme.publish(SCHEDULED)
    trigger = (await acme.admin.get("/triggers")).json()["items"][0]["id"]
    one, other = person.user_id, (await acme.member("approver")).user_id
    given = (await ok(acme.admin.post("/delegations", {"from_user_id": one, "to_user_id": other})))["id"]
    asked = {"action": "pause", "execution_ids": [execution["id"]]}
    await ok(acme.admin.call("PUT", "/ai-providers/local", LOCAL))
    await ok(acme.admin.call("PUT", "/ai-models/fast", {"models": ["offline/echo"]}))
    link = await ok(acme.admin.post(f"/approvals/{execution['open'][0]['id']}/links", {"outcome": "approved", "user_id": one}))
    prompt = f"of-{acme.slug}"
    await ok(acme.admin.post("/prompts", {"key": prompt, "template": {"user": "Hello."}}))
    await ok(acme.admin.post(f"/prompts/{prompt}/publish"))
    return {
        "/v1/approval-links/{id}": f"/approval-links/{link['id']}",
        "/v1/calendars/{id}": f"/calendars/{await calendar(acme)}",
        "/v1/prompts/{key}": f"/prompts/{prompt}",
        "/v1/prompts/{key}/versions/{number}": f"/prompts/{prompt}/versions/1",
        "/v1/ai-providers/{key}": "/ai-providers/local",
        "/v1/ai-models/{key}": "/ai-models/fast",
        "/v1/delegations/{id}": f"/delegations/{given}",
        "/v1/notifications/endpoints/{id}": f"/notifications/endpoints/{await endpoint(acme)}",
        "/v1/bulk-operations/{id}": f"/bulk-operations/{(await ok(acme.admin.post('/bulk-operations', asked)))['id']}",
        "/v1/triggers/{id}": f"/triggers/{trigger}",
        "/v1/secrets/{id}": f"/secrets/{secret}",
        "/v1/invitations/{id}": f"/invitations/{invitation}",
        "/v1/executions/{id}": f"/executions/{execution['id']}",
        "/v1/executions/{id}/waits": f"/executions/{execution['id']}/waits",
        "/v1/approvals/{id}": f"/approvals/{execution['open'][0]['id']}",
        "/v1/approvals/{id}/versions/{number}": f"/approvals/{execution['open'][0]['id']}/versions/1",
        "/v1/workflows/{id}": f"/workflows/{workflow}",
        "/v1/workflows/{id}/versions/{number}": f"/workflows/{workflow}/versions/1",
        "/v1/users/{id}": f"/users/{person.user_id}",
        "/v1/members/{user_id}": f"/members/{person.user_id}",
        "/v1/roles/{id}": f"/roles/{await acme.role_id('approver')}",
        "/v1/api-keys/{id}": f"/api-keys/{key}",
        "/v1/tenants/{id}": f"/tenants/{acme.id}",
        "/v1/tenant": "/tenant",
    }


async def test_what_has_not_changed_is_304(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    for path in (await things(acme)).values():
        client = gesta.platform if path.startswith("/tenants") else acme.admin
        got = await client.get(path)
        assert "ETag" in got.headers, (path, got.status_code)
        tag = got.headers["ETag"]
        for condition in (tag, f"W/{tag}", f'"x", {tag}', f'"x",W/"y" , {tag}', "*"):
            again = await client.call("GET", path, headers={"If-None-Match": condition})
            assert (again.status_code, again.content) == (304, b""), (path, condition)
            assert again.headers["ETag"] == tag
        for condition in ('"0"', '"x"', f'"x{tag[1:]}', tag[1:-1], f'"x, {tag[1:-1]}"'):
            again = await client.call("GET", path, headers={"If-None-Match": condition})
            assert (again.status_code, again.json()) == (200, got.json()), (path, condition)
        head = await client.call("HEAD", path, headers={"If-None-Match": tag})
        assert (head.status_code, head.headers["ETag"]) == (304, tag)


async def test_every_single_resource_takes_the_condition(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    tried = await things(acme)
    known = {path for path, item in document().described["paths"].items() if "304" in item.get("get", {}).get("responses", {})}
    archived = {"/v1/archived-executions/{id}", "/v1/archived-executions/{id}/rows/{key}/{number}"}
    assert known == {*tried, *archived, "/v1/ai-tasks/{id}", "/v1/deliveries/{id}", "/v1/evaluations/{id}"}


async def test_what_has_changed_is_sent_anew_and_its_tag_serves_a_command(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    paths = await things(acme)
    execution = paths["/v1/executions/{id}"]
    seen = (await acme.admin.get(execution)).headers["ETag"]
    await ok(acme.admin.post(f"{execution}/pause"))
    changed = await acme.admin.call("GET", execution, headers={"If-None-Match": seen})
    assert (changed.status_code, changed.json()["status"]) == (200, "paused")
    # what another stream counts is a change, too
    workflow = paths["/v1/workflows/{id}"]
    seen = (await acme.admin.get(workflow)).headers["ETag"]
    await ok(acme.admin.post("/executions", {"workflow_key": "purchase", "input": {"amount": 2}}))
    changed = await acme.admin.call("GET", workflow, headers={"If-None-Match": seen})
    assert (changed.status_code, changed.json()["execution_count"]) == (200, 2)
    archived = await acme.admin.post(f"{workflow}/archive", If_Match=changed.headers["ETag"])
    assert archived.status_code == 200, archived.text


async def test_304_says_how_stale_it_is(database: Database) -> None:
    body = {"key": "clerk", "name": "Clerk", "permissions": []}
    token = await platform_key(database)
    async with serving(database) as http:
        platform = Client(http, token)
        async with projecting(database):
            await platform.post("/tenants", {"slug": "acme", "name": "Acme"})
            admin = platform.with_headers(Gesta_Tenant="acme")
            role = (await ok(admin.post("/roles", body)))["id"]
            seen = await admin.get(f"/roles/{role}")
        await ok(admin.post("/roles", {**body, "key": "other"}))
        path = f"/roles/{role}?consistency=eventual"
        answer = await admin.call("GET", path, headers={"If-None-Match": seen.headers["ETag"]})
        assert (answer.status_code, answer.headers["Gesta-Stale"]) == (304, "1")
        assert "Gesta-Stale" not in seen.headers


async def test_if_match_on_what_is_absent_is_404(gesta: Gesta) -> None:
    """Never there, gone, or another tenant's; and who may not is told so."""
    acme, other = await gesta.tenant(), await gesta.tenant("other")
    foreign = await things(other)
    role = (await ok(acme.admin.post("/roles", {"key": "clerk", "name": "Clerk", "permissions": []})))["id"]
    await ok(acme.admin.call("DELETE", f"/roles/{role}"))
    gone = (await acme.member("viewer")).user_id
    await ok(acme.admin.call("DELETE", f"/members/{gone}"))
    cases: list[tuple[str, str, Any]] = [
        ("PATCH", f"/roles/{role}", {"name": "x"}),
        ("DELETE", f"/roles/{role}", None),
        ("PATCH", f"/members/{gone}", {"role_ids": []}),
        ("DELETE", f"/members/{gone}", None),
        ("PUT", f"/workflows/{uuid4()}/draft", {"definition": INSTANT}),
        ("PATCH", f"/users/{uuid4()}", {"display_name": "x"}),
    ]
    for path in ("executions/{}/cancel", "executions/{}/pause", "workflows/{}/publish", "workflows/{}/archive"):
        cases += [("POST", f"/{path.format(uuid4())}", None)]
    cases += [
        ("POST", f"{foreign['/v1/executions/{id}']}/cancel", None),
        ("POST", f"{foreign['/v1/workflows/{id}']}/publish", None),
        ("DELETE", foreign["/v1/api-keys/{id}"], None),
    ]
    for method, path, body in cases:
        for tag in ('"1"', '"7"'):
            answer = await acme.admin.call(method, path, body, headers={"If-Match": tag})
            assert fault(answer) == (404, None), (method, path, tag)
    viewer = await acme.service("executions:read")
    here = await things(acme)
    refused = await viewer.call("POST", f"{here['/v1/executions/{id}']}/cancel", headers={"If-Match": '"7"'})
    assert refused.status_code == 403
    stale = await acme.admin.call("POST", f"{here['/v1/executions/{id}']}/cancel", headers={"If-Match": '"7"'})
    assert fault(stale) == (412, "If-Match")


async def test_a_position_of_the_platforms_ledger_is_accepted(gesta: Gesta) -> None:
    """A tenant's own command may have been recorded there: what it was answered leads everywhere in the tenant."""
    acme = await gesta.tenant()
    person = await acme.member("viewer")
    changed = await acme.admin.call("PATCH", "/tenant", {"description": "Anvils."})
    position = changed.headers["Gesta-Position"]
    for path in ("/executions", "/tenant", "/roles", f"/users/{person.user_id}", f"/members/{person.user_id}", "/audit-logs"):
        answer = await acme.admin.get(path, at_least=position)
        assert answer.status_code == 200, (path, answer.text)
    assert (await acme.admin.get("/tenant", at_least=position)).json()["description"] == "Anvils."
    other = await gesta.tenant("other")
    theirs = (await other.admin.post("/roles", {"key": "clerk", "name": "Clerk", "permissions": []})).headers["Gesta-Position"]
    assert fault(await acme.admin.get("/executions", at_least=theirs)) == (422, "at_least")
