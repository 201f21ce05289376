"""The inbox: what waits for somebody to decide, and nothing else; found by its urgency without reading what others have."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest
from starlette.datastructures import QueryParams

from api.queries.inbox import inbox
from api.reads import PLANNED_EACH_TIME, SET_TENANT
from tests.api.behind import ok, two_processes
from tests.api.conftest import Client, Gesta
from tests.api.test_approval_rules import asking, mine, opened, said
from tests.api.test_approval_steps import stepped
from tests.api.test_plans import last_page, objections
from tests.api.volume import BIG, fill
from tests.conftest import Database

NOW = datetime(2026, 2, 1, tzinfo=UTC)


async def named(client: Client) -> set[str]:
    """What waits, by its workflow and its step."""
    return {item["step_name"] or item["workflow_key"] for item in (await ok(client.get("/inbox")))["items"]}


async def waiting(client: Client, **asked: Any) -> list[tuple[str, str | None]]:
    """Request and step."""
    return [(item["id"], item["step_name"]) for item in (await ok(client.get("/inbox", **asked)))["items"]]


REFUSED = ("not_eligible", "excluded", "already_decided", "kept_apart", "unknown_outcome", "no_delegation", "claimed")


async def may_choose(client: Client, request_id: str, **more: Any) -> bool:
    """Whether a decision would be let through: it is refused for what it lacks, or for who asks."""
    for outcome in ("approved", "rejected", "withdrawn"):
        refused = await said(client, request_id, outcome, reason="no such reason", **more)
        if refused.json()["code"] == "invalid_decision":
            return True
        assert refused.json()["code"] in REFUSED, refused.text
    return False


PEOPLE_ASKED: tuple[dict[str, Any], ...] = (
    {"by": {"roles": ["approver"]}, "exclude": ["requester"]},
    {"by": {"users": ["=input.ann"]}},
    {"title": "Whoever it is"},
    {"by": {"roles": ["board"], "users": ["=input.ann"]}, "rule": {"type": "multiple", "count": 2, "members": "at_start"}},
    {
        "by": {"roles": ["approver"]},
        "rule": {"type": "multiple", "count": 2},
        "outcomes": [
            {"name": "approved", "kind": "approve", "exclude": ["=input.ann"]},
            {"name": "rejected", "kind": "reject", "by": {"roles": ["board"]}, "exclude": ["requester"]},
            {"name": "withdrawn", "kind": "withdraw", "by": {"users": ["=input.ben"]}},
        ],
    },
)
STEPS: tuple[dict[str, Any], ...] = (
    {"name": "one", "by": {"roles": ["approver"]}, "rule": {"type": "multiple", "count": 2}},
    {"name": "other", "by": {"roles": ["board", "approver"]}, "parallel_with": "one", "distinct": ["one"]},
    {"name": "last", "by": {"users": ["=input.ann"]}},
)


async def test_the_inbox_has_what_a_decision_would_be_let_through_for_and_nothing_else(gesta: Gesta) -> None:
    """Whoever asks, and whatever others have decided; at two processes."""
    async with two_processes(gesta) as two:
        board = {"key": "board", "name": "Board", "permissions": ["approvals:decide", "approvals:read", "executions:start"]}
        role_id = (await ok(two.ahead.admin.post("/roles", board)))["id"]
        ann, ben, cat = two.person, await two.behind.member("approver", "operator"), await two.behind.member("approver")
        await ok(two.ahead.admin.call("PATCH", f"/members/{cat.user_id}", {"role_ids": [role_id]}))
        for number, config in enumerate(PEOPLE_ASKED):
            definition = asking(**{"rule": {"type": "single"}, "key": f"w{number}", **config})
            if "by" not in config:
                del next(node["config"] for node in definition["nodes"] if node["id"] == "ask")["by"]
            await two.ahead.publish(definition)
        await two.ahead.publish(stepped(*STEPS, key="steps"))
        for key in (*(f"w{number}" for number in range(len(PEOPLE_ASKED))), "steps"):
            await ok(ben.client.post("/executions", {"workflow_key": key, "input": {"ann": ann.user_id, "ben": ben.user_id}}))

        async def holds() -> dict[str, set[str]]:
            requests = (await ok(two.behind.admin.get("/approvals", status="pending")))["items"]
            found = {}
            for name, member in (("ann", ann), ("ben", ben), ("cat", cat)):
                here, there = two.at(two.behind, member.client), two.at(two.ahead, member.client)
                inbox = await waiting(here)
                assert {id for id, _ in inbox} == {one["id"] for one in requests if await may_choose(there, one["id"])}, name
                found[name] = await named(here)
            return found

        assert await holds() == {
            "ann": {"w0", "w1", "w2", "w3", "one", "other"},
            "ben": {"w2", "w4", "one", "other"},
            "cat": {"w2", "w3", "w4", "other"},
        }
        (steps,) = [id for id, name in await waiting(cat.client) if name == "other"]
        await ok(said(two.at(two.ahead, ann.client), steps, "approved", step="one"))
        assert (steps, "one") not in await waiting(ann.client)  # decided there; and so kept apart from the other
        assert (await holds())["ann"] == {"w0", "w1", "w2", "w3"}
        assert {name for id, name in await waiting(ben.client) if id == steps} == {"one", "other"}
        await ok(said(two.at(two.ahead, ben.client), steps, "approved", step="one"))
        await ok(said(two.at(two.ahead, cat.client), steps, "approved"))
        assert (steps, "last") in await waiting(ann.client)
        assert await holds() == {
            "ann": {"w0", "w1", "w2", "w3", "last"},
            "ben": {"w2", "w4"},
            "cat": {"w2", "w3", "w4"},
        }
        back = await two.at(two.ahead, ann.client).post(f"/approvals/{steps}/return", {"step": "one", "comment": "Again."})
        assert back.status_code == 200, back.text
        assert {name for id, name in await waiting(ann.client) if id == steps} == {"one"}
        await holds()


async def test_the_inbox_is_filtered_sorted_and_counted(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    ann = await acme.member("approver")
    for key, days in (("soon", "P1D"), ("late", "P9D"), ("whenever", None)):
        await acme.publish(asking({"type": "single"}, key, title=f"Pay {key}?", **({"due_in": days} if days else {})))
    made = {}
    for key, priority in (("late", 5), ("whenever", 9), ("soon", 0)):
        begun = await ok(acme.admin.post("/executions", {"workflow_key": key, "priority": priority}))
        made[begun["open"][0]["id"]] = key

    async def keys(**asked: Any) -> list[str]:
        return [made[id] for id, _ in await waiting(ann.client, **asked)]

    assert await keys() == ["soon", "late", "whenever"]
    assert await keys(order="-due_at") == ["whenever", "late", "soon"]
    assert await keys(order="-priority") == ["whenever", "late", "soon"]
    assert await keys(order="created_at") == ["late", "whenever", "soon"]
    assert await keys(workflow_key="late") == await keys(priority="5") == ["late"]
    assert await keys(title="PAY WHEN") == ["whenever"]
    assert await keys(overdue="true") == []
    (first,) = (await ok(ann.client.get("/inbox", workflow_key="soon")))["items"]
    assert (first["workflow_key"], first["overdue"], first["step"], first["step_name"]) == ("soon", False, 1, None)
    assert await keys(due_before="9000-01-01T00:00:00Z") == ["soon", "late"]
    assert await keys(due_before=first["due_at"]) == []
    for order in ("due_at", "-due_at", "priority", "-priority", "created_at", "-created_at"):
        pages, cursor = [], None
        while True:
            page = await ok(ann.client.get("/inbox", limit=1, order=order, **({"cursor": cursor} if cursor else {})))
            pages += [made[item["id"]] for item in page["items"]]
            if (cursor := page["next_cursor"]) is None:
                break
        assert pages == await keys(order=order), order
    ben, (claimed, _) = await acme.member("approver"), (await waiting(ann.client))[0]
    await ok(ann.client.post(f"/approvals/{claimed}/claim"))
    assert (await keys(claimed_by="me"), await keys(claimed_by="nobody")) == (["soon"], ["late", "whenever"])
    assert [made[id] for id, _ in await waiting(ben.client)] == ["late", "whenever"]
    (others,) = (await ok(ben.client.get("/inbox", claimed_by="others")))["items"]
    assert (made[others["id"]], others["claimed_by"]) == ("soon", ann.user_id)
    counts = await ok(ann.client.get("/inbox/counts"))
    assert counts == {
        "total": 3,
        "overdue": 0,
        "claimed": 1,
        "by_priority": {"0": 1, "5": 1, "9": 1},
        "by_workflow": {"soon": 1, "late": 1, "whenever": 1},
        "by_step": {},
        "by_requester": {},
        "standing_in_for": {},
        "more": False,
    }
    assert (await ok(ann.client.get("/inbox/counts", workflow_key="late", due_before="9000-01-01T00:00:00Z")))["total"] == 1
    assert (await ok(ben.client.get("/inbox/counts", claimed_by="others")))["total"] == 1


async def test_it_is_filtered_by_who_asks_for_what_and_filters_are_kept(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    ann, ben = await acme.member("approver"), await acme.member("approver", "operator")
    await acme.publish(stepped({"name": "one", "by": {"roles": ["approver"]}}, key="steps"))
    await acme.publish(asking({"type": "single"}, "plain"))
    for by, body in (
        (acme.admin, {"workflow_key": "plain", "business_key": "P-1"}),
        (ben.client, {"workflow_key": "plain", "business_key": "P-2"}),
        (ben.client, {"workflow_key": "steps", "business_key": "S-1"}),
    ):
        await ok(by.post("/executions", body))

    async def found(**asked: Any) -> list[str]:
        items = (await ok(ann.client.get("/inbox", order="created_at", **asked)))["items"]
        counted = await ok(ann.client.get("/inbox/counts", **asked))
        assert counted["total"] == len(items)
        return [item["workflow_key"] for item in items]

    assert await found() == ["plain", "plain", "steps"]
    assert await found(business_key="P-2") == ["plain"]
    assert await found(step="one") == ["steps"]
    assert await found(requested_by=ben.user_id) == ["plain", "steps"]
    assert await found(requested_by=ben.user_id, workflow_key="steps") == ["steps"]
    counts = await ok(ann.client.get("/inbox/counts"))
    assert (counts["by_step"], counts["by_requester"]) == ({"one": 1}, {ben.user_id: 2})
    assert (await ok(ann.client.get("/inbox/filters"))) == {"items": []}
    mine: list[dict[str, Any]] = [
        {"name": "Ben's", "filter": {"requested_by": ben.user_id, "overdue": "true"}, "order": "-priority"}
    ]
    mine += [{"name": "All", "filter": {}, "order": None}]
    assert (await ok(ann.client.call("PUT", "/inbox/filters", {"items": mine}))) == {"items": mine}
    assert (await ok(ann.client.get("/inbox/filters"))) == {"items": mine}
    assert (await ok(ben.client.get("/inbox/filters"))) == {"items": []}, "they are one's own"
    for wrong, path in (
        ({"name": "a", "filter": {"nothing": "x"}}, "/items/0/filter/nothing"),
        ({"name": "a", "filter": {"priority": "high"}}, "/items/0/filter/priority"),
        ({"name": "a", "filter": {}, "order": "title"}, "/items/0/order"),
        ({"name": "", "filter": {}}, "/items/0/name"),
    ):
        refused = await ann.client.call("PUT", "/inbox/filters", {"items": [wrong]})
        assert refused.status_code == 422, refused.text
        assert refused.json()["errors"][0]["path"] == path
    twice = await ann.client.call("PUT", "/inbox/filters", {"items": [mine[1], mine[1]]})
    assert (twice.status_code, twice.json()["errors"][0]["path"]) == (422, "/items/1/name")
    await ok(ann.client.call("PUT", "/inbox/filters", {"items": []}))
    assert (await ok(ann.client.get("/inbox/filters"))) == {"items": []}


async def test_the_inbox_has_what_one_decides_in_the_place_of_others(gesta: Gesta) -> None:
    """As a decision would be let through: by conditions, by whoever else is asked, excluded or has decided; at two processes."""
    async with two_processes(gesta) as two:
        ann, ben = two.person, await two.behind.member("approver")
        cat, dan = await two.behind.member("approver", "operator"), await two.behind.member("approver")
        requests: dict[str, dict[str, Any]] = {
            "of ann": {"by": {"users": [ann.user_id]}, "context": {"amount": 10}},
            "of ann, large": {"by": {"users": [ann.user_id]}, "context": {"amount": 1000}},
            "of ann and ben": {"by": {"users": [ann.user_id, ben.user_id]}, "context": {"amount": 10}},
            "of operators": {"by": {"roles": ["operator"]}, "context": {"amount": 10}},
            "of anybody": {"context": {"amount": 10}},
            "of ann, not by ben": {"by": {"users": [ann.user_id, dan.user_id]}, "exclude": [ben.user_id]},
            "of ann, not by cat": {"by": {"users": [ann.user_id]}, "exclude": [cat.user_id], "context": {"amount": 10}},
            "of both": {"by": {"users": [ann.user_id, ben.user_id]}, "rule": {"type": "unanimous"}, "context": {"amount": 10}},
        }
        made = {}
        for title, fields in requests.items():
            body = {"title": title, "outcomes": [{**each, "reasons": ["x"]} for each in CHOICES], **fields}
            made[title] = (await ok(two.ahead.admin.post("/approvals", body)))["id"]
        small = {"condition": "request.context.amount <= 100"}
        given = await ok(two.at(two.ahead, ann.client).post("/delegations", {"to_user_id": ben.user_id, **small}))
        await ok(two.at(two.ahead, cat.client).post("/delegations", {"to_user_id": ann.user_id, "kind": "absence"}))

        async def holds(**asked: Any) -> dict[str, str | None]:
            """What ben has, and in whose place; and that it is what decisions say."""
            items = (await ok(ben.client.get("/inbox", **asked)))["items"]
            people = {ann.user_id: "ann", cat.user_id: "cat", None: None}
            found = {item["title"]: people[item["standing_in_for"]] for item in items}
            there = two.at(two.ahead, ben.client)
            for title, id in made.items() if not asked else ():
                own = await may_choose(there, id)
                others = [
                    name for name, one in (("ann", ann), ("cat", cat)) if await may_choose(there, id, on_behalf_of=one.user_id)
                ]
                allowed = [None] if own else others
                assert ([found[title]] if title in found else []) == allowed[:1], (title, allowed)
            pages = [item["title"] for item in await paged(ben.client, **asked)]
            assert sorted(pages) == sorted(found)
            counts = await ok(ben.client.get("/inbox/counts", **asked))
            assert counts["total"] == len(found)
            assert sum(counts["standing_in_for"].values()) == len([one for one in found.values() if one is not None])
            return found

        assert await holds() == {
            "of ann": "ann",
            "of ann and ben": None,
            "of operators": "cat",
            "of anybody": None,
            "of ann, not by cat": "ann",
            "of both": None,
        }
        assert await holds(standing_in_for="nobody") == {"of ann and ben": None, "of anybody": None, "of both": None}
        assert (await holds(standing_in_for=cat.user_id)) == {"of operators": "cat", "of anybody": "cat"}
        assert (await holds(role="operator"), await holds(role="nobody")) == ({"of operators": "cat"}, {})
        assert await holds(standing_in_for=dan.user_id) == {}
        await ok(said(two.at(two.ahead, ann.client), made["of both"], "approved", reason="x"))
        await ok(two.at(two.ahead, ann.client).post(f"/approvals/{made['of anybody']}/claim"))
        assert await holds() == {
            "of ann": "ann",
            "of ann and ben": None,
            "of operators": "cat",
            "of anybody": "ann",
            "of ann, not by cat": "ann",
            "of both": None,
        }
        assert set(await mine(ben.client)) == {made["of ann and ben"], made["of both"]}, "in one's own name"
        await ok(two.at(two.ahead, ann.client).call("DELETE", f"/delegations/{given['id']}"))
        assert await holds() == {"of ann and ben": None, "of both": None}


CHOICES = [{"name": "approved", "kind": "approve"}, {"name": "rejected", "kind": "reject"}]


async def paged(client: Client, **asked: Any) -> list[dict[str, Any]]:
    """All pages of one item."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, Any] = {}
    while True:
        page = await ok(client.get("/inbox", limit=1, **asked, **cursor))
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


async def test_who_acts_for_a_user_sees_their_inbox(gesta: Gesta) -> None:
    """But not what the service's owner is excluded from, as is refused them."""
    acme = await gesta.tenant()
    ann = await acme.member("approver")
    await acme.publish(asking({"type": "single"}, exclude=["requester"]))
    request_id = await opened(acme)
    service = await acme.service("users:act_as", "approvals:decide", "approvals:read")
    acting = service.with_headers(Gesta_On_Behalf_Of=ann.user_id)
    assert [id for id, _ in await waiting(acting)] == [request_id]
    nobody = await service.get("/inbox")
    assert (nobody.status_code, nobody.json()["code"]) == (403, "nobody_decides")


FILL = """
INSERT INTO projections.approval_requests (tenant_id, id, execution_id, activation_id, node_id, title, priority, status,
       approval_type, required_approvals, received_approvals, received_rejections, request_data, escalation_level, assigned_to,
       due_at, workflow_key, version, created_at, updated_at)
SELECT '7e570000-0000-0000-0000-000000000001', (lpad(to_hex(n), 8, '0') || '-0000-7000-8000-000000000001')::uuid,
       gen_random_uuid(), gen_random_uuid(), 'ask', 'T' || n, n % 5, 'pending', 'single', 1, 0, 0, '{}', 0, '{}',
       CASE WHEN n % 3 > 0 THEN moment + n * 31 % 1000 * interval '1 hour' END, 'flow-' || n % 4, 1, moment, moment
  FROM generate_series(1, 100000) n CROSS JOIN LATERAL (SELECT timestamptz '2026-01-01' + n * interval '7 seconds') t (moment);
INSERT INTO projections.approval_assignees
       (tenant_id, request_id, kind, value, status, due_by, rank, version, created_at, updated_at)
SELECT r.tenant_id, r.id, kind, value, 'pending', coalesce(r.due_at, '9999-12-31 00:00:00Z'), -r.priority, 1,
       r.created_at, r.created_at
  FROM projections.approval_requests r
 CROSS JOIN LATERAL (
       VALUES ('role', 'approver'), ('role', 'clerk'), ('user', '00000000-0000-0000-0000-00000000000a')) a (kind, value)
 WHERE a.value = 'approver' AND r.priority <> 2 OR a.value = 'clerk' AND r.priority = 1
    OR a.kind = 'user' AND r.priority IN (2, 3);
INSERT INTO projections.approval_decisions
       (tenant_id, id, request_id, step, user_id, outcome, kind, decided_at, version, created_at, updated_at)
SELECT r.tenant_id, gen_random_uuid(), r.id, 1, gen_random_uuid(), 'approved', 'approve', r.created_at, 2,
       r.created_at, r.created_at
  FROM projections.approval_requests r CROSS JOIN generate_series(1, 5) WHERE r.priority = 3;
"""
NAMES = {
    "a user": ["user"],
    "an approver": ["user", "anyone", "role approver"],
    "one of many roles": ["user", "anyone", *(f"role r{number}" for number in range(20)), "role approver", "role clerk"],
}


@pytest.fixture
def filled(database: Database) -> Iterator[psycopg.Connection[Any]]:
    fill(database, FILL)
    with psycopg.connect(database.api_url) as conn:
        yield conn


def test_a_page_reads_three_times_its_rows_at_most(filled: psycopg.Connection[Any]) -> None:
    """Of somebody for whom everything waits that is open in the tenant, by all of their names; from either end.

    `for others`: by the names of others as well, for whom they stand in, and who have some of the same roles.
    """
    me, others = UUID(int=10), [UUID(int=number) for number in (11, 12, 13)]
    with filled.transaction():
        filled.execute(SET_TENANT, {"tenant_id": str(BIG), "plans": PLANNED_EACH_TIME})
        for told_as, names in NAMES.items():
            for substituting in (False, True):
                by_name = {name: [me, *(others if name[0] != "user" else [])] for name in map(kind_and_value, names)}
                by_name |= {("user", str(one)): [one] for one in others} if substituting else {}
                fixed = {
                    "me": me,
                    "my_kinds": [kind for kind, _ in by_name],
                    "my_values": [value for _, value in by_name],
                    "my_people": [",".join(map(str, people)) for people in by_name.values()],
                    "my_ids": [str(me)],
                    "my_voices": [str(one) for one in (me, *others)],
                    "of_others": False,
                    "now": NOW,
                }
                listing = inbox(len(by_name), substituting=substituting)
                for order in listing.orders:
                    first = listing.parse(QueryParams({"order": order}), BIG, fixed)
                    for page in (first, last_page(filled, first)):
                        told = [*objections(filled, page.question())]
                        assert not told, (told_as, substituting, order, page.last, told)


def kind_and_value(name: str) -> tuple[str, str]:
    kind, _, value = name.partition(" ")
    return kind, str(UUID(int=10)) if kind == "user" else value
