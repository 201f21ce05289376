"""Nobody approves what they asked for: every path that leads to a decision is walked, and one that is not listed is a failure.

A new route that changes something about approvals has its line in `PATHS` or `NO_DECISION`, so has an address that is its own
key, and whatever makes a decision in the code is in `DECIDING`.
"""

import ast
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from fastapi.routing import APIRoute

import api
from api.app import create_app
from api.routing import AddressRoute
from engine.ai_guards import VERDICT
from runtime.addresses import Addresses
from tests.api.conftest import Client, Gesta, Member, Tenant
from tests.api.definitions import APPROVAL
from tests.api.receiving import until
from tests.api.rights import ROWS
from tests.api.test_agents_asking import payout
from tests.worker.house import at_work, worker_of
from tests.worker.test_ai_loop import Offline
from worker.ai.provider import AiAnswer, AiCall

SRC = Path(api.__file__).parent.parent
YES = {"outcome": "approved"}

NO_DECISION = {
    "POST /approvals/preview": "It asks nobody.",
    "POST /approvals/preview-past": "It asks nobody.",
    "POST /approvals/{id}/release": "It gives back what was claimed.",
    "POST /approvals/{id}/revoke": "It takes a decision back.",
    "POST /approvals/{id}/recall": "It takes a request back, and nobody decides until it is submitted again.",
    "POST /approvals/{id}/ask": "It is said about a request, and decides nothing.",
    "POST /approvals/{id}/answer": "Likewise.",
    "POST /approvals/{id}/comments": "Likewise.",
    "PATCH /approvals/{id}/comments/{comment_id}": "Likewise.",
    "DELETE /approvals/{id}/comments/{comment_id}": "Likewise.",
    "PUT /approvals/{id}/draft": "It keeps an answer that was not given yet.",
    "DELETE /approvals/{id}/draft": "Likewise.",
    "POST /approvals/{id}/watch": "It is how one is told of a request.",
    "POST /approvals/{id}/unwatch": "Likewise.",
    "POST /approvals/{id}/withdraw": "Who asked may take that back: it comes to `withdraw`, or is cancelled, and never approved.",
    "DELETE /approval-links/{id}": "It takes a link away.",
    "DELETE /delegations/{id}": "It takes a right away.",
    "PUT /inbox/filters": "It keeps what one looks for.",
    "POST /totp": "It is how one proves who one is, and decides nothing.",
    "POST /totp/confirm": "Likewise.",
    "DELETE /totp": "Likewise.",
}
"""Routes about approvals that lead to no decision, and why."""

ADDRESSES = {
    "/hooks/{token}": "It starts executions.",
    "/approve/{token}": "By a link, which nobody makes for their own request.",
    "/unsubscribe/{token}": "It ends mails.",
    "/approvals/{token}": "It is no key: it says how to decide.",
}
"""Addresses that are their own key."""

DECIDING = {
    "domain/approval/deciding.py:decide": "By who decides.",
    "domain/approval/overriding.py:override": "By who overrides.",
    "domain/approval/steps.py:settled": "What a decision comes to.",
    "domain/approval/steps.py:concluded": "Likewise.",
    "domain/approval/escalating.py:by_default": "By a moment, and by nobody.",
    "domain/approval/changing.py:withdraw": "By who asked: to `withdraw`.",
    "engine/approval_links.py:use_link": "By a link.",
    "engine/previewing.py:_supposing": "It is only supposed.",
    "engine/what_if/requests.py:_overridden": "Played again; nothing is recorded.",
    "api/routes/approvals.py:choose": "One by one, and many at once.",
    "api/routes/approvals.py:overrides": "One by one.",
    "testkit/playing.py:decide": "In tests of definitions.",
}
"""What makes a decision or a resolution, or calls what decides: by file and function."""
MAKES = {"ApprovalDecided", "ApprovalOverridden", "ApprovalResolved", "decide_approval", "override_approval"}


def test_every_route_about_approvals_is_walked_or_leads_to_no_decision() -> None:
    about = {
        f"{method} {path}"
        for (method, path), row in ROWS.items()
        if method != "GET"
        and (path.startswith(("/approval", "/delegation", "/inbox")) or (row.permission or "").startswith("approvals:"))
    }
    assert about == PATHS.keys() | NO_DECISION.keys(), "a path that is new is walked below, or leads to no decision"


def test_every_address_that_is_its_own_key_is_known() -> None:
    routes = [route for route in create_app(Addresses("", "", "", "")).routes if isinstance(route, APIRoute)]
    assert {route.path for route in routes if isinstance(route, AddressRoute)} == ADDRESSES.keys()


def test_whatever_decides_is_listed() -> None:
    found = {place for path in SRC.rglob("*.py") for place in _deciding_in(path)}
    assert found == DECIDING.keys(), "what decides anew is listed, and walked below"


def _deciding_in(path: Path) -> Iterator[str]:
    for function in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and _makes(function):
            yield f"{path.relative_to(SRC).as_posix()}:{function.name}"


def _makes(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Itself, and not by a function within it."""
    ahead: list[ast.AST] = [*function.body]
    while ahead:
        one = ahead.pop()
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(one, ast.Call) and _name(one.func) in MAKES:
            return True
        ahead += ast.iter_child_nodes(one)
    return False


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""


# The paths ---------------------------------------------------------------------------------------------------------------


@dataclass
class World:
    """`ann` asks, and has every right there is but that to override her own; `ben` and `cat` are asked as she would be."""

    acme: Tenant
    ann: Member
    ben: Member
    cat: Member
    boss: Client

    async def asked(self, **headers: str) -> str:
        """A request of an execution that Ann starts."""
        started = await self.ann.client.post("/executions", {"workflow_key": "purchase", "input": {"amount": 1}}, **headers)
        assert started.status_code == 201, started.text
        return str(started.json()["open"][0]["id"])

    async def given(self, giver: Member, taker: Member, kind: str) -> Callable[[], Awaitable[Any]]:
        made = await giver.client.post("/delegations", {"to_user_id": taker.user_id, "kind": kind})
        assert made.status_code == 201, made.text
        return lambda: giver.client.call("DELETE", f"/delegations/{made.json()['id']}")

    def as_another(self, other: Member) -> Client:
        """Ann's key, on behalf of somebody else."""
        return self.ann.client.with_headers(Gesta_On_Behalf_Of=other.user_id)

    async def refused(self, asking: Awaitable[httpx2.Response], *codes: str) -> None:
        answer = await asking
        assert answer.status_code in (403, 409), answer.text
        assert answer.json()["code"] in codes, answer.text


def definition() -> dict[str, Any]:
    made = deepcopy(APPROVAL)
    config = made["nodes"][1]["config"]
    for outcome in config["outcomes"]:
        del outcome["by"]
    config |= {"by": {"roles": ["approver"]}, "exclude": ["requester"], "ad_hoc": True}
    return made


async def approval_decide(world: World) -> None:
    await world.refused(world.ann.client.post(f"/approvals/{await world.asked()}/decide", YES), "excluded")


async def on_behalf_of_another(world: World) -> None:
    """Also where it was asked for on behalf of another."""
    on_behalf = world.as_another(world.ben)
    for id in (await world.asked(), await world.asked(Gesta_On_Behalf_Of=world.ben.user_id)):
        await world.refused(on_behalf.post(f"/approvals/{id}/decide", YES), "excluded")
        await world.refused(world.ann.client.post(f"/approvals/{id}/decide", YES), "excluded")


async def by_a_service_of_hers(world: World) -> None:
    made = await world.ann.client.post("/api-keys", {"name": "robot", "permissions": ["approvals:decide", "users:act_as"]})
    robot = Client(world.acme.gesta.http, made.json()["token"]).with_headers(Gesta_On_Behalf_Of=world.ben.user_id)
    await world.refused(robot.post(f"/approvals/{await world.asked()}/decide", YES), "excluded")


async def asked_by_a_service_of_hers(world: World) -> None:
    """In its own name, with an execution and without: what her service asks for she asks for."""
    made = await world.ann.client.post("/api-keys", {"name": "robot", "permissions": ["approvals:request", "executions:start"]})
    robot = Client(world.acme.gesta.http, made.json()["token"])
    body = {"title": "A press?", "by": {"roles": ["approver"]}, "exclude": ["requester"]}
    begun = (await robot.post("/executions", {"workflow_key": "purchase", "input": {"amount": 1}})).json()
    for id in (begun["open"][0]["id"], (await robot.post("/approvals", body)).json()["id"]):
        await world.refused(world.ann.client.post(f"/approvals/{id}/decide", YES), "excluded")
        await world.refused(world.ann.client.post(f"/approvals/{id}/override", {**YES, "reason": "Now."}), "own_request")
        assert (await world.ann.client.get(f"/approvals/{id}")).json()["requested_by"] is None


async def delegation_give(world: World) -> None:
    """As who stands in, be it by a delegation or an absence, and by who stands in for her."""
    for kind in ("delegation", "absence"):
        id = await world.asked()
        taken_back = await world.given(world.ben, world.ann, kind)
        on_behalf = {**YES, "on_behalf_of": world.ben.user_id}
        await world.refused(world.ann.client.post(f"/approvals/{id}/decide", on_behalf), "excluded")
        await taken_back()
        taken_back = await world.given(world.ann, world.ben, kind)
        on_behalf = {**YES, "on_behalf_of": world.ann.user_id}
        await world.refused(world.ben.client.post(f"/approvals/{id}/decide", on_behalf), "excluded")
        await taken_back()


async def approval_request(world: World) -> None:
    """Of one that no execution asks for, also in steps."""
    for more in ({}, {"steps": [{"name": "one"}, {"name": "two"}]}):
        body = {"title": "A press?", "by": {"roles": ["approver"]}, "exclude": ["requester"], **more}
        id = (await world.ann.client.post("/approvals", body)).json()["id"]
        await world.refused(world.ann.client.post(f"/approvals/{id}/decide", YES), "excluded")
        if more:
            assert (await world.ben.client.post(f"/approvals/{id}/decide", YES)).status_code == 200
            await world.refused(world.ann.client.post(f"/approvals/{id}/decide", YES), "excluded")


async def approval_override(world: World) -> None:
    body = {**YES, "reason": "It is urgent."}
    own = (await world.ann.client.post("/approvals", {"title": "A press?", "by": {"roles": ["approver"]}})).json()["id"]
    for id in (await world.asked(), await world.asked(Gesta_On_Behalf_Of=world.ben.user_id), own):
        await world.refused(world.ann.client.post(f"/approvals/{id}/override", body), "own_request")
        await world.refused(world.as_another(world.cat).post(f"/approvals/{id}/override", body), "own_request")


async def approval_reassign(world: World) -> None:
    """To herself, by her who manages approvals and by another."""
    body = {"title": "A press?", "by": {"users": [world.ben.user_id]}, "exclude": ["requester"]}
    id = (await world.ann.client.post("/approvals", body)).json()["id"]
    to_her = {"from_user_id": world.ben.user_id, "to_user_id": world.ann.user_id}
    for client in (world.ann.client, world.boss):
        await world.refused(client.post(f"/approvals/{id}/reassign", to_her), "excluded")
    await world.refused(world.ann.client.post(f"/approvals/{id}/decide", YES), "excluded")


async def approval_add_approver(world: World) -> None:
    id = await world.asked()
    for client in (world.ann.client, world.ben.client):
        await world.refused(client.post(f"/approvals/{id}/add-approver", {"user_id": world.ann.user_id}), "not_eligible")
    await world.refused(world.ann.client.post(f"/approvals/{id}/decide", YES), "excluded")


async def many_at_once(world: World) -> None:
    """Each of them: by herself, on behalf of another, and in the place of one who has delegated to her."""
    taken_back = await world.given(world.ben, world.ann, "delegation")
    own = [await world.asked(), await world.asked(Gesta_On_Behalf_Of=world.ben.user_id)]
    in_bens_place = {"on_behalf_of": world.ben.user_id}
    for client, more in ((world.ann.client, {}), (world.ann.client, in_bens_place), (world.as_another(world.cat), {})):
        for action, said in (("decide", {**YES, **more}), ("claim", {})):
            body = {"action": action, "items": [{"id": id, **said} for id in own]}
            answer = await client.post("/approvals/bulk", body)
            assert [item["problem"]["code"] for item in answer.json()["items"]] == ["excluded"] * 2, answer.text
    await taken_back()


async def approval_claim(world: World) -> None:
    id = await world.asked()
    for body in ({}, {"override": True}):
        await world.refused(world.ann.client.post(f"/approvals/{id}/claim", body), "excluded")
        await world.refused(world.as_another(world.ben).post(f"/approvals/{id}/claim", body), "excluded")


async def approval_return(world: World) -> None:
    steps = [{"name": "one"}, {"name": "two"}]
    body = {"title": "A press?", "by": {"roles": ["approver"]}, "exclude": ["requester"], "steps": steps}
    id = (await world.ann.client.post("/approvals", body)).json()["id"]
    assert (await world.ben.client.post(f"/approvals/{id}/decide", YES)).status_code == 200
    await world.refused(world.ann.client.post(f"/approvals/{id}/return", {"step": "one", "comment": "x"}), "excluded")


async def approval_link_make(world: World) -> None:
    """Neither for herself, nor for who is asked: by that she would decide in fact, be it as herself or on their behalf."""
    path = f"/approvals/{await world.asked()}/links"
    await world.refused(world.ann.client.post(path, YES), "excluded")
    await world.refused(world.ann.client.post(path, {**YES, "user_id": world.ben.user_id}), "excluded")
    await world.refused(world.as_another(world.ben).post(path, YES), "excluded")


async def approval_resubmit(world: World) -> None:
    """What others asked for, made into something of hers: by her who manages approvals, on their behalf, or by her service."""
    made = await world.ann.client.post("/api-keys", {"name": "robot", "permissions": ["approvals:request", "users:act_as"]})
    robot = Client(world.acme.gesta.http, made.json()["token"]).with_headers(Gesta_On_Behalf_Of=world.ben.user_id)
    changed = {"context": {"pay_to": "Ann"}}
    body = {"title": "A press?", "context": {"pay_to": "shop"}, "by": {"roles": ["approver"]}, "exclude": ["requester"]}
    id = (await world.ben.client.post("/approvals", body)).json()["id"]
    for client in (world.ann.client, world.as_another(world.ben), robot):
        assert (await client.post(f"/approvals/{id}/recall")).status_code == 200
        await world.refused(client.post(f"/approvals/{id}/resubmit", changed), "not_requester")
    assert (await world.ann.client.post(f"/approvals/{id}/resubmit")).status_code == 200, "as it was"
    hers = (await world.as_another(world.ben).post("/approvals", body)).json()["id"]
    for act, said in (("recall", {}), ("resubmit", changed)):
        assert (await robot.post(f"/approvals/{hers}/{act}", said)).status_code == 200, "as she asked"
    await world.refused(world.ann.client.post(f"/approvals/{hers}/decide", YES), "excluded")


async def bulk(world: World) -> None:
    """Many at once: each is judged like one."""
    id = await world.asked()
    taken_back = await world.given(world.ben, world.ann, "absence")
    for body in (
        {"action": "decide", "items": [{"id": id, **YES}]},
        {"action": "decide", "items": [{"id": id, **YES, "on_behalf_of": world.ben.user_id}]},
        {"action": "claim", "items": [{"id": id, "override": True}]},
    ):
        for client in (world.ann.client, world.as_another(world.cat)):
            (item,) = (await client.post("/approvals/bulk", body)).json()["items"]
            assert item["problem"]["code"] in ("excluded", "no_delegation"), item
    await taken_back()


class Judging(Offline):
    """Plays what the task's input says; and judges what is said, as the model of a guard."""

    async def call(self, call: AiCall) -> AiAnswer:
        if call.output_schema != VERDICT:
            return await super().call(call)
        allowed = "fool" not in json.dumps(call.input)
        return AiAnswer({"allowed": allowed}, "offline", call.model, self.report)


POLITE = "Is it polite?"
BY = {"by": {"roles": ["approver"]}, "exclude": ["requester"]}


def of_an_agent(said: str) -> dict[str, Any]:
    """A task that asks about a tool, about the budget, and about its output, which another model judges first."""
    pay = {"name": "pay", "type": "workflow", "workflow_key": "payout", "parameters": {"type": "object"}}
    return {
        "model": "offline/script",
        "prompt": "Go.",
        "input": {"answers": [{"calls": [{"tool": "pay", "arguments": {}}]}, {"text": said}]},
        "tools": [{**pay, "policy": {"ask": True, **BY}}],
        "guards": {"output": [{"type": "model", "model": "offline/judge", "prompt": POLITE, "message": "It is rude."}]},
        "review": {"when": "always", **BY},
        "on_budget": "ask",
        "budget_by": BY,
    }


async def asked_by_an_agent_of_hers(world: World) -> None:
    """What she asks an agent for, and what her service does: every question of it is others' to answer."""
    await world.acme.publish(payout())
    once = {"scope": "task", "period": "total", "limits": {"calls": 1}}
    assert (await world.acme.admin.call("PUT", "/budgets/once", once)).status_code == 200
    made = await world.ann.client.post("/api-keys", {"name": "robot", "permissions": ["ai_tasks:run"]})
    robot = Client(world.acme.gesta.http, made.json()["token"])
    async with worker_of(world.acme.gesta.database, provider=Judging()) as worker, at_work(worker):
        for client, said, comes_to, asks in (
            (world.ann.client, "Done.", ("completed", None), ["tool", "budget", "review"]),
            (robot, "You fool.", ("failed", "It is rude."), ["tool", "budget"]),
        ):
            asked = await client.post("/ai-tasks", of_an_agent(said))
            assert asked.status_code == 201, asked.text
            assert [purpose async for purpose in others_answer(world, asked.json()["id"])] == asks
            done = (await world.acme.admin.get(f"/ai-tasks/{asked.json()['id']}", wait=30)).json()
            assert (done["status"], done["error"]) == comes_to
            assert [each["purpose"] for each in done["attempts"]] == ["turn", "turn", "guard"]
    assert (await world.acme.admin.call("DELETE", "/budgets/once")).status_code == 200


async def others_answer(world: World, task_id: str) -> AsyncIterator[str]:
    """What is asked, one question after the other: she may not answer, in no way; and then Ben does."""
    while True:
        found = await asked_next(world, task_id)
        if found is None:
            return
        yield found["request_data"]["ai"]["purpose"]
        path, override = f"/approvals/{found['id']}", {**YES, "reason": "It is urgent."}
        for client in (world.ann.client, world.as_another(world.ben)):
            await world.refused(client.post(f"{path}/decide", YES), "excluded")
            await world.refused(client.post(f"{path}/claim", {}), "excluded")
            await world.refused(client.post(f"{path}/links", YES), "excluded")
            await world.refused(client.post(f"{path}/override", override), "own_request")
        many = {"action": "decide", "items": [{"id": found["id"], **YES}]}
        (item,) = (await world.ann.client.post("/approvals/bulk", many)).json()["items"]
        assert item["problem"]["code"] == "excluded", item
        answer = await world.ben.client.post(f"{path}/decide", YES)
        assert answer.status_code == 200, answer.text


async def asked_next(world: World, task_id: str) -> dict[str, Any] | None:
    """None: the task is over."""
    found = list[dict[str, Any] | None]()

    async def there() -> bool:
        task = (await world.acme.admin.get(f"/ai-tasks/{task_id}")).json()
        listed = (await world.acme.admin.get("/approvals", status="pending", limit=200)).json()["items"]
        asked = [
            (await world.acme.admin.get(f"/approvals/{each['id']}")).json() for each in listed if each["ai_task_id"] == task_id
        ]
        found[:] = [*asked, *([None] if task["completed_at"] is not None else [])]
        return bool(found)

    await until(there)
    return found[0]


PATHS: Mapping[str, tuple[Callable[[World], Awaitable[None]], ...]] = {
    "POST /approvals": (approval_request, asked_by_a_service_of_hers),
    "POST /approvals/bulk": (bulk,),
    "POST /approvals/{id}/decide": (approval_decide, on_behalf_of_another, by_a_service_of_hers, asked_by_an_agent_of_hers),
    "POST /approvals/{id}/override": (approval_override,),
    "POST /approvals/{id}/reassign": (approval_reassign,),
    "POST /approvals/{id}/add-approver": (approval_add_approver,),
    "POST /approvals/{id}/claim": (approval_claim,),
    "POST /approvals/{id}/return": (approval_return,),
    "POST /approvals/{id}/links": (approval_link_make,),
    "POST /approvals/{id}/resubmit": (approval_resubmit,),
    "POST /delegations": (delegation_give,),
}
"""By route."""


async def test_self_approval_is_refused_on_every_path(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    await acme.publish(definition())
    ann = await acme.member("owner", "approver")
    ben, cat = [await acme.member("owner", "approver") for _ in range(2)]
    world = World(acme, ann, ben, cat, await acme.service("approvals:manage"))
    for paths in PATHS.values():
        for path in paths:
            await path(world)
    decided = (await acme.admin.get("/events", topics="approval.decided.v1,approval.overridden.v1")).json()["items"]
    assert {each["actor"]["user_id"] for each in decided} == {ben.user_id}, "nothing was decided by her, in whose place ever"
    id = await world.asked()
    assert (await ben.client.post(f"/approvals/{id}/decide", YES)).status_code == 200, "others may"
