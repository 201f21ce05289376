"""Rules of several people over HTTP: two processes, fifty at once, and members of a moment ago."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Any
from uuid import UUID

import httpx2

from domain.envelope import Envelope
from domain.facts import Refusal
from engine.cel import CelEvaluator
from engine.engine import Decider, Engine, decide_approval
from store.command import Command
from store.handler import Handler, open_handler
from tests.api.behind import Two, ok, two_processes
from tests.api.conftest import Client, Gesta, Member, Tenant
from tests.api.racing import racing
from tests.engine.drawing import drawing

OUTCOMES: list[dict[str, Any]] = [
    {"name": "approved", "kind": "approve"},
    {"name": "rejected", "kind": "reject", "comment": "required", "reasons": ["price", "date"]},
    {"name": "withdrawn", "kind": "withdraw"},
]


def asking(rule: dict[str, Any], key: str = "several", **config: Any) -> dict[str, Any]:
    """A workflow that asks the approvers."""
    node = {"title": "Pay?", "by": {"roles": ["approver"]}, "rule": rule, "outcomes": OUTCOMES, **config}
    edges = ("start > ask", *(f"ask.{outcome['name']} > end" for outcome in OUTCOMES))
    return {**drawing({"start": "start", "ask": ("approval", node), "end": "end"}, *edges), "key": key, "name": key}


async def opened(process: Tenant, key: str = "several") -> str:
    """The id of the request that an execution opens."""
    return str((await ok(process.admin.post("/executions", {"workflow_key": key})))["open"][0]["id"])


async def said(client: Client, request_id: str, outcome: str, **more: Any) -> httpx2.Response:
    return await client.post(f"/approvals/{request_id}/decide", {"outcome": outcome, **more})


async def shown(process: Tenant, request_id: str) -> dict[str, Any]:
    return dict(await ok(process.admin.get(f"/approvals/{request_id}")))


async def mine(client: Client) -> list[str]:
    return [row["id"] for row in (await ok(client.get("/approvals", mine="true")))["items"]]


async def test_two_of_three_who_were_members_a_moment_ago_decide_at_two_processes(gesta: Gesta) -> None:
    async with two_processes(gesta) as two:
        await two.ahead.publish(asking({"type": "multiple", "count": 2, "members": "at_start"}))
        ben, cat = await two.ahead.member("approver"), await two.behind.member("approver")
        request_id = await opened(two.ahead)
        late = await two.behind.member("approver")
        assert (await mine(cat.client), await mine(late.client)) == ([request_id], [])
        refused = await said(late.client, request_id, "approved")
        assert (refused.status_code, refused.json()["code"]) == (403, "not_eligible")
        first = await ok(said(two.at(two.ahead, ben.client), request_id, "approved"))
        assert (first["approval"]["status"], first["execution"]["status"]) == ("pending", "running")
        again = await said(two.at(two.behind, ben.client), request_id, "approved")
        assert (again.status_code, again.json()["code"]) == (409, "already_decided")
        faults = (await said(two.at(two.behind, cat.client), request_id, "rejected", reason="weather")).json()
        assert {(fault["path"], fault["code"]) for fault in faults["errors"]} == {
            ("/comment", "required"),
            ("/reason", "unknown_reason"),
        }
        await ok(said(two.at(two.behind, cat.client), request_id, "rejected", reason="price", comment="Too dear."))
        row = await shown(two.ahead, request_id)
        assert (row["status"], row["approval_type"], row["required_approvals"]) == ("pending", "multiple", 2)
        assert (row["received_approvals"], row["received_rejections"]) == (1, 1)
        last = await ok(said(two.at(two.ahead, two.person.client), request_id, "approved"))
        assert (last["approval"]["outcome"], last["execution"]["status"]) == ("approved", "completed")
        row = await shown(two.behind, request_id)
        assert (row["status"], row["decided_by"], row["received_approvals"]) == ("resolved", two.person.user_id, 2)
        assert [(each["outcome"], each["reason"]) for each in row["decisions"]] == [
            ("approved", None),
            ("rejected", "price"),
            ("approved", None),
        ]


async def test_who_was_asked_may_decide_without_the_role_and_not_without_being_a_member(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    await acme.publish(asking({"type": "unanimous"}))
    ann, ben = await acme.member("approver", "operator"), await acme.member("approver")
    request_id = await opened(acme)
    deciding = (await ok(acme.admin.post("/roles", {"key": "decider", "name": "D", "permissions": ["approvals:decide"]})))["id"]
    await ok(acme.admin.call("PATCH", f"/members/{ann.user_id}", {"role_ids": [deciding]}))
    await ok(acme.admin.call("DELETE", f"/members/{ben.user_id}"))
    assert (await said(ben.client, request_id, "approved")).status_code in (401, 403)
    assert (await ok(said(ann.client, request_id, "approved")))["approval"]["status"] == "pending"


async def test_a_request_for_which_too_few_are_members_is_the_nodes_error(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    await acme.publish(asking({"type": "multiple", "count": 2, "members": "at_start"}))
    await acme.member("approver")
    started = await ok(acme.admin.post("/executions", {"workflow_key": "several"}))
    assert started["status"] == "failed"


# Fifty at once ---------------------------------------------------------------------------------------------------------

DECIDERS, WANTED = 50, 3
ROUNDS = int(os.environ.get("GESTA_TEST_BALLOTS", "20"))
Answer = tuple[str, dict[str, Any]]
"""The code of a refusal, or nothing, and what was answered."""
Decides = Callable[[str, Member, str, str], Awaitable[Answer]]


async def company(two: Two) -> list[Member]:
    await two.ahead.publish(asking({"type": "multiple", "count": WANTED, "members": "at_start"}))
    return [two.person, *[await two.behind.member("approver") for _ in range(4)]]


async def one_round(two: Two, people: list[Member], random: Random, decides: list[Decides]) -> None:
    """Fifty decisions at once behind a barrier, mixed, each by one of these ways: one resolution, and all are told."""
    request_id, barrier = await opened(two.ahead), asyncio.Barrier(DECIDERS)
    kinds = ["approved"] * 3 + ["rejected"] * 3 + ["withdrawn"] * (random.random() < 0.3)

    async def decided(number: int, outcome: str) -> Answer:
        await barrier.wait()
        reason = "price" if outcome == "rejected" else ""
        return await decides[number % len(decides)](request_id, people[random.randrange(len(people))], outcome, reason)

    answers = await asyncio.gather(*(decided(number, random.choice(kinds)) for number in range(DECIDERS)))
    assert {code for code, _ in answers} <= {"", "already_decided", "approval_closed"}, answers
    accepted = [answer["approval"] for code, answer in answers if not code]
    (resolved,) = [each for each in accepted if each["status"] == "resolved"]
    row = await shown(two.ahead, request_id)
    outcomes, deciders = zip(*((each["outcome"], each["user_id"]) for each in row["decisions"]), strict=True)
    assert len(deciders) == len(set(deciders)) == len(accepted)
    assert row["outcome"] == resolved["outcome"] == expected(outcomes)


def expected(outcomes: Sequence[str]) -> str:
    """By counting."""
    if "withdrawn" in outcomes:
        return "withdrawn"
    return "approved" if outcomes.count("approved") == WANTED else "rejected"


def by_http(process: Tenant) -> Decides:
    async def decides(request_id: str, person: Member, outcome: str, reason: str) -> Answer:
        client = Client(process.gesta.http, person.client.token)
        more = {"reason": reason, "comment": "No."} if reason else {}
        answer = await said(client, request_id, outcome, **more)
        return answer.json().get("code", ""), answer.json()

    return decides


def by_handler(handler: Handler, tenant_id: UUID) -> Decides:
    """A process without HTTP."""
    engine = Engine(CelEvaluator())

    async def decides(request_id: str, person: Member, outcome: str, reason: str) -> Answer:
        decider, comment = Decider(UUID(person.user_id), ("approver",)), "No." if reason else None
        command = Command(tenant_id, "approval.decide", Envelope("user", person.user_id, UUID(person.user_id)))
        try:
            done = await handler.handle(
                command,
                lambda view: decide_approval(
                    view, engine, UUID(request_id), decider, outcome=outcome, reason=reason or None, comment=comment
                ),
            )
        except Refusal as refusal:
            return refusal.code, {}
        return "", done.result

    return decides


async def test_of_fifty_who_decide_at_two_processes_one_resolves_it_and_everybody_is_told(gesta: Gesta) -> None:
    async with racing(gesta) as two:
        await one_round(two, await company(two), Random(0), [by_http(two.ahead), by_http(two.behind)])


async def test_so_it_is_every_time(gesta: Gesta) -> None:
    url = gesta.database.system_url
    async with racing(gesta) as two, open_handler(url) as one, open_handler(url) as other:
        people = await company(two)
        for seed in range(ROUNDS):
            await one_round(two, people, Random(seed), [by_handler(each, two.ahead.id) for each in (one, other)])
