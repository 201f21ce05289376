"""Bad input gets the right status, names the field, and leaves nothing behind."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx2

from tests.api.conftest import Client, Gesta, Tenant
from tests.api.definitions import APPROVAL, INSTANT

EMPTY: dict[str, Any] = {}


def fault(response: httpx2.Response) -> tuple[int, str | None]:
    """The status, and the first path that is named."""
    problem = response.json()
    assert response.headers["Content-Type"] == "application/problem+json", response.text
    assert problem["status"] == response.status_code
    assert problem["request_id"] == response.headers["X-Request-Id"]
    paths = [error["path"] for error in problem["errors"]]
    return response.status_code, paths[0] if paths else None


async def raw(client: Client, path: str, body: bytes, content_type: str = "application/json") -> httpx2.Response:
    return await client.call("POST", path, headers={"Content-Type": content_type}, content=body)


async def prepared(gesta: Gesta) -> Tenant:
    acme = await gesta.tenant()
    await acme.publish(APPROVAL)
    return acme


async def test_bodies_that_are_no_strict_json(gesta: Gesta) -> None:
    acme = await prepared(gesta)
    before = await gesta.events()
    cases: list[tuple[bytes, tuple[int, str | None]]] = [
        (b"{", (400, "")),
        (b'{"workflow_key": "purchase", "input": {"amount": NaN}}', (400, "/input/amount")),
        (b'{"workflow_key": "purchase", "input": {"amount": "\\u0000"}}', (422, "/input/amount")),
        (b'{"workflow_key": "purchase", "workflow_key": "x", "input": {}}', (422, "/workflow_key")),
        (b'{"workflow_key": "purchase", "input": {"a": ' + b"[" * 70 + b"]" * 70 + b"}}", (422, "/input/a" + "/0" * 62)),
        (b'{"workflow_key": "purchase", "input": {"amount": 12345678901234567.89}}', (422, "/input/amount")),
        (b'{"workflow_key": "purchase", "input": {"a": "\\ud800"}}', (422, "/input/a")),
        (b"[]", (422, "")),
        (b"", (422, "")),
    ]
    for body, expected in cases:
        assert fault(await raw(acme.admin, "/executions", body)) == expected, body
    assert await gesta.events() == before


async def test_of_very_many_faults_some_are_told_and_the_rest_counted(gesta: Gesta) -> None:
    acme = await prepared(gesta)
    many = {f"field {number}": 1 for number in range(50_000)}
    for body, place in ((many, ""), ({"workflow_key": "purchase", "items": [{}, many]}, "/items/1")):
        refused = await acme.admin.post("/executions/bulk" if place else "/executions", body)
        problem = refused.json()
        assert fault(refused) == (422, f"{place}/field 0")
        assert (len(problem["errors"]), problem["more_errors"]) == (50, 49_950)
        assert len(refused.content) < 20_000
    few = (await acme.admin.post("/executions", {f"field {number}": 1 for number in range(52)})).json()
    assert (len(few["errors"]), few["more_errors"]) == (50, 3), "the missing key is one"


async def test_a_body_that_is_said_to_be_huge_is_refused_before_it_comes(gesta: Gesta) -> None:
    acme = await prepared(gesta)
    for length, more in (("17000000", ""), ("999999999999", ""), ("1100000", "Expect: 100-continue\r\n")):
        reader, writer = await asyncio.open_connection(acme.admin.http.base_url.host, acme.admin.http.base_url.port)
        head = f"POST /v1/executions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {acme.admin.token}\r\n"
        tenant = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in acme.admin.headers.items())
        writer.write(f"{head}{tenant}{more}Content-Length: {length}\r\n\r\n".encode())
        async with asyncio.timeout(5):
            answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 413 "), answer
        writer.close()


async def test_fields_that_are_unknown_missing_or_of_another_type(gesta: Gesta) -> None:
    acme = await prepared(gesta)
    before = await gesta.events()
    good = {"workflow_key": "purchase", "input": {"amount": 1}}
    cases: list[tuple[dict[str, Any], str]] = [
        ({**good, "surprise": 1}, "/surprise"),
        ({"input": {}}, "/workflow_key"),
        ({**good, "workflow_key": 7}, "/workflow_key"),
        ({**good, "priority": False}, "/priority"),
        ({**good, "priority": "1"}, "/priority"),
        ({**good, "priority": 1.0}, "/priority"),
        ({**good, "priority": 2**40}, "/priority"),
        ({**good, "version": True}, "/version"),
        ({**good, "input": []}, "/input"),
        ({**good, "business_key": ""}, "/business_key"),
        ({**good, "input": {"amount": "much"}}, "/input/amount"),
        ({**good, "input": {}}, "/input/amount"),
        ({**good, "workflow_key": "absent"}, "/workflow_key"),
        ({**good, "version": 9}, "/version"),
    ]
    for body, path in cases:
        assert fault(await acme.admin.post("/executions", body)) == (422, path), body
    members: list[tuple[dict[str, Any], str]] = [
        ({"user_id": "x", "role_ids": []}, "/user_id"),
        ({"user_id": str(uuid4()), "role_ids": []}, "/user_id"),
        ({"user_id": 1, "role_ids": []}, "/user_id"),
        ({"user_id": str(uuid4()), "role_ids": ["x"]}, "/role_ids/0"),
    ]
    for body, path in members:
        assert fault(await acme.admin.post("/members", body)) == (422, path), body
    keys: list[tuple[dict[str, Any], str]] = [
        ({"name": "k", "permissions": ["all"]}, "/permissions/0"),
        ({"name": "k", "permissions": [], "expires_at": "tomorrow"}, "/expires_at"),
        ({"name": "k", "permissions": [], "expires_at": 1}, "/expires_at"),
        ({"name": "k", "permissions": [], "expires_at": "2001-01-01T00:00:00Z"}, "/expires_at"),
        ({"name": "k", "permissions": [], "user_id": str(uuid4())}, "/user_id"),
    ]
    for body, path in keys:
        assert fault(await acme.admin.post("/api-keys", body)) == (422, path), body
    of_several: list[tuple[str, dict[str, Any], set[str]]] = [
        ("/ai-tasks", {"model": "m", "prompt": 5}, {"/prompt"}),
        ("/ai-tasks", {"model": "m", "prompt": "p", "temperature": "hot", "labels": {"": 1}}, {"/temperature", "/labels"}),
        (
            "/evaluations",
            {
                "name": "e",
                "checks": [{"type": "none"}, {"type": "judge", "prompt": "p"}, {"type": "cel", "expression": 5, "a": 1}],
            },
            {"/cases", "/variants", "/checks/0", "/checks/1/model", "/checks/2/expression", "/checks/2/a"},
        ),
    ]
    for route, body, paths in of_several:
        refused = await acme.admin.post(route, body)
        assert {error["path"] for error in refused.json()["errors"]} == paths, "no path names which of several types was tried"
    assert await gesta.events() == before


async def test_an_unknown_node_type_is_named_and_not_published(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    wrong = {**INSTANT, "nodes": [*INSTANT["nodes"], {"id": "magic", "type": "wizard", "config": {}}]}
    found = (await acme.admin.post("/workflows/validate", {"definition": wrong})).json()["findings"]
    assert ("/nodes/2/type", "error") in [(finding["path"], finding["severity"]) for finding in found]
    workflow = (await acme.admin.post("/workflows", {"definition": wrong})).json()
    refused = await acme.admin.post(f"/workflows/{workflow['id']}/publish")
    assert refused.status_code == 422
    assert "/definition/nodes/2/type" in [error["path"] for error in refused.json()["errors"]]
    assert (await acme.admin.get(f"/workflows/{workflow['id']}")).json()["published_version"] is None


async def test_parameters_that_are_unknown_wrong_or_given_twice(gesta: Gesta) -> None:
    acme = await prepared(gesta)
    for path, name in [
        ("/executions?statuss=running", "statuss"),
        ("/executions?status=asleep", "status"),
        ("/executions?status=running&status=failed", "status"),
        ("/executions?limit=0", "limit"),
        ("/executions?limit=201", "limit"),
        ("/executions?limit=1.0", "limit"),
        ("/executions?limit=%2B5", "limit"),
        ("/executions?order=random", "order"),
        ("/executions?cursor=AAAA", "cursor"),
        ("/executions?created_from=yesterday", "created_from"),
        ("/executions?created_from=2026-02-30T00:00:00Z", "created_from"),
        ("/executions?business_key=%00", "business_key"),
        ("/executions?attr.%00=1", "attr.\0"),
        ("/executions?at_least=here", "at_least"),
        ("/executions?consistency=strong", "consistency"),
        ("/approvals?execution_id=1", "execution_id"),
        ("/approvals?mine=yes", "mine"),
        ("/audit-logs?severity=loud", "severity"),
        ("/audit-logs?outcome=refused", "outcome"),
        ("/events?topics=nothing.happened.v1", "topics"),
        ("/me?verbose=1", "verbose"),
    ]:
        assert fault(await acme.admin.get(path)) == (422, name), path


async def test_headers_that_cannot_be_read(gesta: Gesta) -> None:
    acme = await prepared(gesta)
    before = await gesta.events()
    body = {"workflow_key": "purchase", "input": {"amount": 1}}
    for name, value in [
        ("Idempotency-Key", ""),
        ("Idempotency-Key", "x" * 256),
        ("Gesta-Correlation-Id", "1"),
        ("Gesta-Occurred-At", "yesterday"),
        ("Gesta-Occurred-At", "2999-01-01T00:00:00Z"),
        ("Gesta-On-Behalf-Of", "me"),
        ("If-Match", '"1"'),
    ]:
        response = await acme.admin.call("POST", "/executions", body, headers={name: value})
        assert fault(response) == (422, name), (name, value)
    seen = await acme.admin.call("GET", "/events", headers={"Last-Event-ID": "-1"})
    assert fault(seen) == (422, "Last-Event-ID")
    assert await gesta.events() == before


async def test_bodies_too_large_or_of_another_type(gesta: Gesta) -> None:
    acme = await prepared(gesta)
    before = await gesta.events()
    large = b'{"workflow_key": "' + b"x" * 1024 * 1024 + b'"}'
    assert (await raw(acme.admin, "/executions", large)).status_code == 413

    async def chunks() -> Any:
        for _ in range(20):
            yield b" " * 65536

    sent = await acme.admin.call("POST", "/executions", headers={"Content-Type": "application/json"}, content=chunks())
    assert sent.status_code == 413
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "application/xml", "application/a/b+json"):
        assert (await raw(acme.admin, "/executions", b"{}", content_type)).status_code == 415
    assert await gesta.events() == before


async def test_what_is_absent_and_what_is_foreign_answer_alike(gesta: Gesta) -> None:
    acme, other = await prepared(gesta), await gesta.tenant("other")
    started = (await acme.admin.post("/executions", {"workflow_key": "purchase", "input": {"amount": 1}})).json()
    workflow = (await acme.admin.get("/workflows")).json()["items"][0]["id"]
    key = (await acme.admin.post("/api-keys", {"name": "k", "permissions": []})).json()["id"]
    before = await gesta.events()

    def told(response: httpx2.Response) -> dict[str, Any]:
        return {name: value for name, value in response.json().items() if name != "request_id"}

    cases: list[tuple[str, str, str, Any]] = [
        ("GET", "/executions/{}", started["id"], None),
        ("GET", "/executions/{}/history", started["id"], None),
        ("POST", "/executions/{}/cancel", started["id"], EMPTY),
        ("GET", "/approvals/{}", started["open"][0]["id"], None),
        ("POST", "/approvals/{}/decide", started["open"][0]["id"], {"outcome": "approved"}),
        ("GET", "/workflows/{}", workflow, None),
        ("GET", "/workflows/{}/versions", workflow, None),
        ("PUT", "/workflows/{}/draft", workflow, {"definition": APPROVAL}),
        ("POST", "/workflows/{}/publish", workflow, EMPTY),
        ("GET", "/api-keys/{}", key, None),
        ("DELETE", "/api-keys/{}", key, None),
        ("PATCH", "/members/{}", key, {"role_ids": []}),
    ]
    for method, path, foreign, body in cases:
        client = (await other.member("owner")).client if "decide" in path else other.admin
        before = await gesta.events()
        answers = [await client.call(method, path.format(id_), body) for id_ in (foreign, str(uuid4()), "no-id")]
        assert [answer.status_code for answer in answers] == [404, 404, 404], (method, path, answers[0].text)
        assert told(answers[0]) == told(answers[1]) == told(answers[2])
        assert await gesta.events() == before, (method, path)


async def test_routes_and_methods_that_do_not_exist(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    assert fault(await acme.admin.get("/nothing")) == (404, None)
    assert fault(await acme.admin.get("/schedules")) == (404, None)
    wrong = await acme.admin.call("DELETE", "/executions")
    assert fault(wrong) == (405, None)
    assert "Allow" in wrong.headers


async def test_a_stale_if_match_and_a_reused_key_change_nothing(gesta: Gesta) -> None:
    acme = await prepared(gesta)
    workflow = (await acme.admin.get("/workflows")).json()["items"][0]["id"]
    started = (
        await acme.admin.post("/executions", {"workflow_key": "purchase", "input": {"amount": 1}}, Idempotency_Key="k")
    ).json()
    positions = (await acme.admin.get("/events", limit=200)).json()["items"][-1]["position"]
    stale = await acme.admin.call("PUT", f"/workflows/{workflow}/draft", {"definition": APPROVAL}, headers={"If-Match": '"1"'})
    assert fault(stale) == (412, "If-Match")
    stale = await acme.admin.post(f"/executions/{started['id']}/cancel", EMPTY, If_Match='"1"')
    assert fault(stale) == (412, "If-Match")
    reused = await acme.admin.post("/executions", {"workflow_key": "purchase", "input": {"amount": 2}}, Idempotency_Key="k")
    assert fault(reused) == (422, "Idempotency-Key")
    topics = {item["topic"] for item in (await acme.admin.get("/events", after=str(positions))).json()["items"]}
    assert topics <= {"command.refused.v1"}


async def test_a_client_that_leaves_before_its_body_has_come_is_no_error_of_ours(gesta: Gesta) -> None:
    acme = await prepared(gesta)
    reader, writer = await asyncio.open_connection(acme.admin.http.base_url.host, acme.admin.http.base_url.port)
    head = f"POST /v1/executions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {acme.admin.token}\r\nContent-Length: 100\r\n"
    writer.write(f"{head}Gesta-Tenant: acme\r\nExpect: 100-continue\r\n\r\n".encode())
    async with asyncio.timeout(10):
        assert (await reader.readline()).startswith(b"HTTP/1.1 100 ")
        writer.transport.abort()
        while True:
            counted = (await gesta.http.get("/metrics")).text
            lines = [line for line in counted.splitlines() if "/v1/executions" in line and "_total" in line]
            if any('"499"' in line for line in lines):
                break
    assert not any('"500"' in line for line in lines)
