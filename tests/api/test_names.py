"""What people choose has a form that holds, is named where it is wrong or taken, and a change of nothing changes nothing."""

import asyncio
from typing import Any

from tests.api.behind import ok
from tests.api.conftest import Gesta
from tests.api.definitions import APPROVAL, INSTANT
from tests.api.test_bad_input import fault
from tests.in_turn import in_turn

NO_ADDRESS = [
    *(
        "ada",
        "ada@",
        "@example.org",
        "a b@example.org",
        "a@b@example.org",
        "a..b@example.org",
        ".a@example.org",
        "a.@example.org",
    ),
    *("a@example..org", "a@-example.org", "a@example-.org", "a@.example.org", "a@example.org.", "a@example", "a@localhost"),
    *(
        "a@exa_mple.org",
        "a@[127.0.0.1]",
        "Ada <ada@example.org>",
        "a@example.org\n",
        "a@example.org\u202e",
        "a" * 65 + "@example.org",
    ),
]
NO_WEB_ADDRESS = [
    *("javascript:alert(1)", "JavaScript:alert(1)", "java\nscript:alert(1)", " javascript:alert(1)", "data:text/html,x"),
    *("//example.org/a.png", "/a.png", "ftp://example.org/a.png", "https://", "https:///a.png", "https:/example.org", "a.png"),
    *("https://user:word@example.org/a.png", "https://example.org/a b.png", "https://example.org\\@evil.example/", "vbscript:x"),
]
NO_DOMAIN = [
    "javascript:alert(1)",
    "https://acme.example",
    "acme",
    "acme..example",
    "-acme.example",
    "a b.example",
    "x@acme.example",
    "",
]


async def test_an_address_that_cannot_be_one_is_refused(gesta: Gesta) -> None:
    before = await gesta.events()
    for email in NO_ADDRESS:
        answer = await gesta.platform.post("/users", {"email": email, "display_name": "Ada"})
        assert fault(answer) == (422, "/email"), email
    assert await gesta.events() == before
    for email in ("ada+lists@example.org", "o'neill@example.co.uk", "ada@xn--mnchen-3ya.example", "ädä@münchen.example"):
        answer = await gesta.platform.post("/users", {"email": email, "display_name": "Ada"})
        assert answer.status_code in (201, 409), (email, answer.text)


async def test_one_address_written_in_two_ways_is_one(gesta: Gesta) -> None:
    made = await gesta.platform.post("/users", {"email": "Ada@EXAMPLE.org", "display_name": "Ada"})
    assert made.json()["email"] == "Ada@example.org"
    for email in ("ada@example.org", "ADA@example.ORG"):
        again = await gesta.platform.post("/users", {"email": email, "display_name": "Ada"})
        assert (fault(again), again.json()["code"]) == ((409, "/email"), "name_taken"), email
    await ok(gesta.platform.post("/users", {"email": "u@münchen.example", "display_name": "Ada"}))
    again = await gesta.platform.post("/users", {"email": "u@xn--mnchen-3ya.example", "display_name": "Ada"})
    assert fault(again) == (409, "/email")


async def test_what_browsers_would_run_is_no_web_address(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    user = (await ok(gesta.platform.post("/users", {"email": "ada@example.org", "display_name": "Ada"})))["id"]
    before = await gesta.events()
    for url in NO_WEB_ADDRESS:
        body = {"email": "bob@example.org", "display_name": "Bob", "avatar_url": url}
        assert fault(await gesta.platform.post("/users", body)) == (422, "/avatar_url"), url
        changed = await gesta.platform.call("PATCH", f"/users/{user}", {"avatar_url": url})
        assert fault(changed) == (422, "/avatar_url"), url
    for domain in NO_DOMAIN:
        body = {"slug": "other", "name": "Other", "domain": domain}
        assert fault(await gesta.platform.post("/tenants", body)) == (422, "/domain"), domain
        assert fault(await acme.admin.call("PATCH", "/tenant", {"domain": domain})) == (422, "/domain"), domain
    assert await gesta.events() == before
    for url in ("https://example.org/a.png?size=2#x", "HTTP://[::1]:8080/a.png", "https://例え.example/ü.png"):
        await ok(gesta.platform.call("PATCH", f"/users/{user}", {"avatar_url": url}))
    for domain in ("acme.example", "mail.acme.example", "münchen.example"):
        await ok(acme.admin.call("PATCH", "/tenant", {"domain": domain}))
    await ok(acme.admin.call("PATCH", "/tenant", {"domain": None}))
    await ok(gesta.platform.call("PATCH", f"/users/{user}", {"avatar_url": None}))


@in_turn(
    "slug",
    ["platform", "abcdef01-2345-6789-abcd-ef0123456789", "abcdef0123456789abcdef0123456789", "Acme", "a_b"],
)
async def test_a_slug_that_would_be_taken_for_something_else_is_refused(gesta: Gesta, slug: str) -> None:
    assert fault(await gesta.platform.post("/tenants", {"slug": slug, "name": "Acme"})) == (422, "/slug")


async def test_a_roles_key_may_have_underscores_and_does_not_read_as_an_id(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    body = {"key": "head_of-2_things", "name": "Head", "permissions": []}
    assert (await ok(acme.admin.post("/roles", body)))["key"] == "head_of-2_things"
    for key in ("_head", "2head", "Head", "a b", "a" * 64, "abcdef01-2345-6789-abcd-ef0123456789"):
        assert fault(await acme.admin.post("/roles", {**body, "key": key})) == (422, "/key"), key
    review = APPROVAL["nodes"][1]
    outcomes = [{**outcome, "by": {"roles": ["head_of-2_things"]}} for outcome in review["config"]["outcomes"]]
    nodes = [
        {**node, "config": {**node["config"], "outcomes": outcomes}} if node is review else node for node in APPROVAL["nodes"]
    ]
    await acme.publish({**APPROVAL, "nodes": nodes})
    await ok(acme.admin.post("/executions", {"workflow_key": "purchase", "input": {"amount": 1}}))
    head = await acme.member("approver", "head_of-2_things")
    (request,) = (await ok(head.client.get("/approvals", mine="true")))["items"]
    await ok(head.client.post(f"/approvals/{request['id']}/decide", {"outcome": "approved"}))


async def test_a_name_that_is_taken_is_named(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    await acme.publish(APPROVAL)
    started = {"workflow_key": "purchase", "business_key": "P-1", "input": {"amount": 1}}
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("/tenants", {"slug": "twice", "name": "Twice"}, "/slug"),
        ("/users", {"email": "ada@example.org", "display_name": "Ada"}, "/email"),
        ("/roles", {"key": "clerk", "name": "Clerk", "permissions": []}, "/key"),
        ("/workflows", {"definition": INSTANT}, "/definition/key"),
        ("/executions", started, "/business_key"),
    ]
    for path, body, field in cases:
        client = gesta.platform if path in ("/tenants", "/users") else acme.admin
        await ok(client.post(path, body))
        for _again in range(2):
            answer = await client.post(path, body)
            assert (fault(answer), answer.json()["code"]) == ((409, field), "name_taken"), path
    items = {"workflow_key": "purchase", "items": [{"business_key": "P-1", "input": {"amount": 1}}]}
    (item,) = (await ok(acme.admin.post("/executions/bulk", items)))["items"]
    assert item["problem"]["errors"][0]["path"] == "/business_key"


async def test_of_those_who_take_a_name_at_once_one_has_it(gesta: Gesta) -> None:
    body = {"email": "ada@example.org", "display_name": "Ada"}
    answers = await asyncio.gather(*(gesta.platform.post("/users", body) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7


async def test_an_archived_workflow_is_restored_under_its_key(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    workflow = await acme.publish(INSTANT)
    start = {"workflow_key": "instant"}
    await ok(acme.admin.post(f"/workflows/{workflow}/archive", {"reason": "unused"}))
    assert (await acme.admin.post("/executions", start)).json()["code"] == "workflow_archived"
    assert fault(await acme.admin.post("/workflows", {"definition": INSTANT})) == (409, "/definition/key")
    restored = await ok(acme.admin.post(f"/workflows/{workflow}/restore", {"reason": "needed after all"}))
    assert (restored["status"], restored["published_version"]) == ("active", 1)
    again = await acme.admin.post(f"/workflows/{workflow}/restore")
    assert (again.status_code, again.json()["code"]) == (409, "workflow_not_archived")
    await ok(acme.admin.post("/executions", start))
    assert (await acme.admin.get("/workflows", status="active")).json()["items"][0]["id"] == workflow
    (logged,) = (await acme.admin.get("/audit-logs", action="workflow.restored")).json()["items"]
    assert logged["description"] == "The workflow instant was restored (needed after all)."


async def test_a_change_of_nothing_changes_nothing(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    person = await acme.member("viewer")
    role = await ok(acme.admin.post("/roles", {"key": "clerk", "name": "Clerk", "permissions": ["users:read"]}))
    viewer = await acme.role_id("viewer")
    before = await gesta.events()
    cases: list[tuple[str, dict[str, Any]]] = [
        ("/tenant", {}),
        (f"/users/{person.user_id}", {}),
        (f"/roles/{role['id']}", {}),
        (f"/roles/{role['id']}", {"name": "Clerk", "permissions": ["users:read", "users:read"], "description": None}),
        (f"/members/{person.user_id}", {"role_ids": [viewer, viewer]}),
    ]
    for path, body in cases:
        seen = (await acme.admin.get(path)).headers["ETag"]
        version = seen.strip('"').partition(".")[0]
        for headers in ({}, {"If-Match": seen}, {"Idempotency-Key": f"{path} {body}"}):
            changed = await acme.admin.call("PATCH", path, body, headers=headers)
            assert (changed.status_code, changed.headers["ETag"]) == (200, f'"{version}"'), (path, changed.text)
            assert changed.json()["version"] == int(version)
        stale = await acme.admin.call("PATCH", path, body, headers={"If-Match": '"77"'})
        assert fault(stale) == (412, "If-Match"), path
    assert await gesta.events() == before
    changed = await acme.admin.call("PATCH", f"/roles/{role['id']}", {"description": "Looks."})
    assert changed.json()["version"] == role["version"] + 1
