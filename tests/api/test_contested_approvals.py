"""Three of five: fifty who decide, take back and repeat themselves at once, at two processes, when its time is up.

Each request ends once, everybody is told what became of theirs, and what is counted is what they were told.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid5

import pytest

from domain.envelope import Envelope
from domain.facts import Decided, Refusal, View
from engine.cel import CelEvaluator
from engine.engine import Decider, Engine, decide_approval, revoke_decision
from store.command import Command
from store.handler import Handler, open_handler
from tests.api.behind import Two
from tests.api.conftest import Client, Gesta, Member, Tenant
from tests.api.racing import DUE, racing
from tests.api.test_approval_rules import OUTCOMES, opened, shown
from tests.api.working import run_sql
from tests.engine.drawing import drawing
from tests.worker.house import worker_of
from tests.worker.test_killed import started, stopped
from worker.context import WorkerContext
from worker.maintenance import fire_timers

DECIDERS, WANTED, ASKED = 50, 3, 5
ROUNDS = int(os.environ.get("GESTA_TEST_BALLOTS", "20"))
TOLD = {"", "already_decided", "approval_closed", "nothing_to_revoke", "execution_closed", "in_flight"}
"""The last two: who takes back what is just being resolved; who repeats a request that is under way."""
ENDS = """
SELECT ARRAY[count(*) FILTER (WHERE topic LIKE 'approval.requested.%'), count(DISTINCT stream_id) FILTER (WHERE over),
             count(*) FILTER (WHERE over)]
  FROM (SELECT *, topic ~ '^approval.(resolved|expired|cancelled).' AS over FROM ledger.events) AS events
"""
"""How many there were, how many of them have ended, and how often."""


@dataclass(frozen=True)
class Act:
    """What one of the fifty does. `outcome`: none, where they take their decision back. `key`: two have the same who are one."""

    person: Member
    outcome: str | None
    key: str


Answer = tuple[str, dict[str, Any]]
"""The code of a refusal, or nothing, and what was answered."""
Way = Callable[[str, Act], Awaitable[Answer]]


def by_http(process: Tenant) -> Way:
    async def acts(request_id: str, act: Act) -> Answer:
        client, verb, body = Client(process.gesta.http, act.person.client.token), "revoke", dict[str, Any]()
        if act.outcome is not None:
            verb, body = "decide", {"outcome": act.outcome, **more(act)}
        answer = await client.post(f"/approvals/{request_id}/{verb}", body, Idempotency_Key=f"{request_id} {act.key}")
        assert answer.status_code in (200, 409), answer.text
        return answer.json().get("code", ""), answer.json()

    return acts


def by_handler(handler: Handler, tenant_id: UUID) -> Way:
    """A process without HTTP."""
    engine = Engine(CelEvaluator())

    async def acts(request_id: str, act: Act) -> Answer:
        person, id = UUID(act.person.user_id), UUID(request_id)

        def decision(view: View) -> Decided:
            if act.outcome is None:
                return revoke_decision(view, engine, id, person)
            return decide_approval(view, engine, id, Decider(person, ("approver",)), outcome=act.outcome, **more(act))

        who, said = Envelope("user", act.person.user_id, person), sha256(repr(act).encode()).digest()
        command = Command(tenant_id, "approval.act", who, uuid5(id, act.key), said)
        try:
            done = await handler.handle(command, decision)
        except Refusal as refusal:
            return refusal.code, {}
        return "", done.result

    return acts


def more(act: Act) -> dict[str, Any]:
    return {"reason": "price", "comment": "No."} if act.outcome == "rejected" else {}


def some_acts(people: Sequence[Member], random: Random) -> list[Act]:
    """Mixed; some of them are repeated, word for word, at the other process."""
    kinds = ["approved"] * 3 + ["rejected"] * 3 + ["withdrawn"] * (random.random() < 0.3) + [None] * (random.random() < 0.6)
    acts = [Act(random.choice(people), random.choice(kinds), str(number)) for number in range(DECIDERS)]
    for number in range(0, DECIDERS - 1, 9):
        acts[number + 1] = acts[number]
    return acts


async def one_round(two: Two, request_id: str, acts: list[Act], ways: Sequence[Way], also: Sequence[Awaitable[Any]] = ()) -> None:
    """All at once behind a barrier, each by one of these ways."""
    barrier = asyncio.Barrier(len(acts) + len(also))

    async def acted(number: int, act: Act) -> Answer:
        await barrier.wait()
        return await ways[number % len(ways)](request_id, act)

    async def done(other: Awaitable[Any]) -> None:
        await barrier.wait()
        await other

    others = asyncio.gather(*map(done, also))
    answers = await asyncio.gather(*(acted(*each) for each in enumerate(acts)))
    await others
    assert {code for code, _ in answers} <= TOLD, answers
    told = dict[str, tuple[Act, Any]]()
    for act, (code, answer) in zip(acts, answers, strict=True):
        if not code:
            _, before = told.setdefault(act.key, (act, answer["approval"]))
            assert before == answer["approval"], "what is repeated is answered as it was the first time"
    row = await shown(two.ahead, request_id)
    _is_what_they_were_told(row, [act for act, _ in told.values()], [answer for _, answer in told.values()])


def _is_what_they_were_told(row: dict[str, Any], acts: list[Act], answers: list[Any]) -> None:
    resolved = [answer for answer in answers if answer["status"] == "resolved"]
    counted = [each for each in row["decisions"] if each["revoked_at"] is None]
    deciders = [each["user_id"] for each in counted]
    assert len(deciders) == len(set(deciders)), "nobody counts twice"
    assert Counter((each["user_id"], each["outcome"]) for each in row["decisions"]) == Counter(
        (act.person.user_id, act.outcome) for act in acts if act.outcome is not None
    )
    assert len(row["decisions"]) - len(counted) == sum(act.outcome is None for act in acts)
    outcome = expected([each["outcome"] for each in counted])
    assert (row["outcome"], [answer["outcome"] for answer in resolved]) == (outcome, [] if outcome is None else [outcome])
    assert row["status"] == "resolved" if outcome else row["status"] in ("expired", "pending")


def expected(outcomes: Sequence[str]) -> str | None:
    """By counting."""
    if "withdrawn" in outcomes:
        return "withdrawn"
    if outcomes.count("approved") == WANTED:
        return "approved"
    return "rejected" if outcomes.count("rejected") > ASKED - WANTED else None


async def company(two: Two, within: str = "PT1H") -> list[Member]:
    rule = {"type": "multiple", "count": WANTED, "members": "at_start"}
    node = {"title": "Pay?", "by": {"roles": ["approver"]}, "rule": rule, "outcomes": OUTCOMES}
    edges = ("start > ask", *(f"ask.{outcome['name']} > end" for outcome in OUTCOMES), "ask.timeout > end")
    drawn = drawing({"start": "start", "ask": ("approval", node, {"timeout": within}), "end": "end"}, *edges)
    await two.ahead.publish({**drawn, "key": "several", "name": "several"})
    return [two.person, *[await two.behind.member("approver") for _ in range(ASKED - 1)]]


async def until_ended(two: Two, context: WorkerContext) -> None:
    """Those that nobody has resolved expire; each has ended once. `racing` compares the tables with the ledger."""
    await run_sql(two.behind.gesta.database, DUE)
    await fire_timers(context)
    begun, *ended = await run_sql(two.behind.gesta.database, ENDS)
    assert ended == [begun, begun]


async def test_of_fifty_at_once_and_a_timer_one_ends_it_and_everybody_is_told(gesta: Gesta) -> None:
    """Over HTTP, and then again and again by processes without it."""
    url = gesta.database.system_url
    async with racing(gesta) as two, worker_of(gesta.database) as gestas, open_handler(url) as one, open_handler(url) as other:
        people = await company(two)
        over_http = [by_http(two.ahead), by_http(two.behind)]
        directly = [by_handler(each, two.ahead.id) for each in (one, other)]
        for seed in range(ROUNDS + 1):
            random, request_id = Random(seed), await opened(two.ahead)
            fires = seed % 2 == 0
            if fires:
                await run_sql(gesta.database, DUE)
            also = [fire_timers(gestas.context)] if fires else []
            await one_round(two, request_id, some_acts(people, random), directly if seed else over_http, also)
        await until_ended(two, gestas.context)


@pytest.mark.nightly
async def test_so_it_is_at_two_processes_and_a_worker_of_their_own(gesta: Gesta, tmp_path: Path) -> None:
    """As an operator runs them. The worker fires when the moment has come, about when everybody decides."""
    async with racing(gesta, "apart") as two, worker_of(gesta.database) as gestas:
        worker = await started(gesta.database, tmp_path / "calls")
        people = await company(two, "PT0.2S")
        for seed in range(ROUNDS):
            ways = [by_http(two.ahead), by_http(two.behind)]
            await one_round(two, await opened(two.ahead), some_acts(people, Random(seed)), ways)
        assert await stopped(worker) == 0
        await until_ended(two, gestas.context)
