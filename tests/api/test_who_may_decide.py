"""Who is said to be eligible, held against what deciding answers: of everybody, for every outcome, in everybody's place."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest

from api.routes.approvals import decider
from domain.access import Asking, Caller, standing
from domain.approval import Approval, ApprovalRequested, Decider
from domain.approval.overriding import OVERRIDE_OWN, Overrider
from domain.delegation import DelegationGiven, delegations_of
from domain.facts import Decided, Event, Fact, Json, Refusal, View
from domain.member import MemberAdded, MemberReactivated, MemberRemoved, MemberRolesChanged, MemberSuspended
from domain.role import RoleChanged, RoleDeleted
from domain.tenant import TenantCreated
from domain.user import UserChanged, UserRegistered
from engine.delegating import DECIDE
from engine.eligible import Judged, judge
from engine.engine import (
    add_approver,
    claim_approval,
    decide_approval,
    fire,
    override_approval,
    pause,
    reassign_approval,
    return_approval,
    revoke_decision,
)
from tests.engine.drawing import EXECUTION_ID
from tests.engine.people import COMPANY, approval, employing, play_of, request_id, role_id
from tests.engine.working import Found
from tests.given import MOMENT, TENANT_ID, FactsView

PEOPLE = [*COMPANY, UUID(int=0xBB)]
"""The last one has never been a member."""
DAY = timedelta(days=1)


def config_of(random: Random) -> Json:
    steps = [part(random, f"s{number}") for number in range(random.randint(1, 3))]
    if len(steps) > 1:
        return {"title": "x", "steps": steps}
    return {
        "title": "x",
        **{name: value for name, value in steps[0].items() if name not in ("name", "distinct", "parallel_with")},
    }


def part(random: Random, name: str) -> dict[str, Json]:
    by: dict[str, Json] = {"roles": random.sample(["boss", "board", "clerk"], random.randint(1, 3))}
    if random.random() < 0.5:
        by["users"] = [str(random.choice(list(COMPANY)))]
    one: dict[str, Json] = {"name": name, "by": by, "ad_hoc": True}
    if random.random() < 0.3:
        one["escalate"] = [
            {"after": "PT4H", "by": {"users": [str(random.choice(list(COMPANY)))]}, "replace": random.random() < 0.5}
        ]
    if random.random() < 0.15:
        del one["by"]
    elif random.random() < 0.6:
        one["rule"] = random.choice([{"type": "unanimous"}, {"type": "multiple", "count": 2}, {"type": "all_answer"}])
    if random.random() < 0.5:
        one["exclude"] = [random.choice(["requester", str(random.choice(list(COMPANY)))])]
    if random.random() < 0.5:
        one["distinct"] = True
    if random.random() < 0.5 and name != "s0":
        one["parallel_with"] = "s0"
    return one


class Situation:
    """A request, and what has happened to it and to the people since."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.play = employing(play_of(config_of(self.random))).start({}, created_by=self.someone)
        self.platform = FactsView((Fact(TENANT_ID, TenantCreated("acme", "Acme", {})),))
        self.add(role_id("board"), RoleChanged("Board", (DECIDE, "approvals:override")))
        for _ in range(self.random.randint(0, 12)):
            self.happen()

    @property
    def someone(self) -> UUID:
        return self.random.choice(list(COMPANY))

    @property
    def is_asked(self) -> bool:
        return any(isinstance(fact.event, ApprovalRequested) for fact in self.play.view.facts)

    def happen(self) -> None:
        if not self.is_asked:
            return
        self.random.choice(
            [self.of_people, self.of_people, self.delegate, self.delegate, self.decide, self.decide, self.change]
        )()

    def add(self, stream: UUID, event: Event) -> None:
        view = self.play.story.view
        self.play.story = replace(self.play.story, view=replace(view, facts=(*view.facts, Fact(stream, event))))

    def of_people(self) -> None:
        one, roll = self.someone, self.random.random()
        member = self.play.view.events(one)
        last = member[-1]
        if isinstance(last, MemberSuspended):
            self.add(one, MemberReactivated(one))
        elif isinstance(last, MemberRemoved):
            self.add(one, MemberAdded(one, (role_id("boss"),), 1))
        elif roll < 0.25:
            self.add(one, MemberSuspended(one))
        elif roll < 0.4:
            self.add(one, MemberRemoved(one))
        elif roll < 0.8:
            self.add(
                one, MemberRolesChanged(one, tuple(role_id(key) for key in self.random.sample(["boss", "board", "clerk"], 1)))
            )
        elif roll < 0.85:
            self.add(role_id("clerk"), RoleChanged("Clerk", ("approvals:read",)))
        elif roll < 0.9 and not isinstance(self.play.view.events(role_id("board"))[-1], RoleDeleted):
            self.add(role_id("board"), RoleDeleted("board"))
        elif roll < 0.95:
            facts = (Fact(one, UserRegistered("a@b.example", "A")), Fact(one, UserChanged({"is_active": False})))
            self.platform = replace(self.platform, facts=self.platform.facts + facts)

    def delegate(self) -> None:
        giver, taker = self.random.sample(list(COMPANY), 2)
        starts = MOMENT + self.random.choice([-DAY, -DAY, DAY])
        ends = self.random.choice([None, MOMENT + 2 * DAY, MOMENT - timedelta(hours=1)])
        terms = [sum(isinstance(event, MemberAdded) for event in self.play.view.events(one)) for one in (giver, taker)]
        condition = self.random.choice([None, None, "request.title == 'y'"])
        id = UUID(int=self.random.getrandbits(64))
        given = DelegationGiven(id, giver, taker, "delegation", starts, ends, (), condition, None, *terms)
        self.add(delegations_of(TENANT_ID, giver), given)

    def decide(self) -> None:
        who, outcome = self.someone, self.random.choice(["approved", "approved", "rejected"])
        self.play.story = replace(self.play.story.when(lambda view: self.decision(view, who, None, outcome, None)), refusal=None)

    def change(self) -> None:
        id, engine, who, other = request_id(self.play), self.play.engine, self.someone, self.someone
        step = next((each.name or None for each in approval(self.play).open_steps), None)

        def me(view: View) -> Decider:
            return decider(view, engine, id, self.asking(view, who), None)

        changes: list[Callable[[View], Decided]] = [
            lambda view: add_approver(view, engine, id, None, other, step=step),
            lambda view: reassign_approval(view, engine, id, who, other, step=step),
            lambda view: claim_approval(view, engine, id, me(view), step=step),
            lambda view: revoke_decision(view, engine, id, who),
            lambda view: return_approval(view, engine, id, me(view), step="s0", comment="Again."),
        ]
        timer = next((each for each in self.play.story.timers.values() if each.purpose.startswith("escalate")), None)
        if timer is not None and self.random.random() < 0.5:
            due = Found(timer.id, timer.purpose, timer.owner, timer.owner_id, timer.activation_id, due_at=MOMENT)
            changes = [lambda view: fire(view, engine, due)]
        if self.random.random() < 0.05:
            changes = [lambda view: pause(view, engine, EXECUTION_ID)]
        change = self.random.choice(changes)
        self.play.story = replace(self.play.story.when(change), refusal=None)

    # What deciding answers

    def asking(self, view: Any, who: UUID) -> Asking:
        return Asking(Caller(None), standing(view, who, self.platform), self.platform)

    def decision(self, view: Any, who: UUID, person: UUID | None, outcome: str, step: str | None) -> Any:
        """As `POST /v1/approvals/{id}/decide` does."""
        asking = self.asking(view, who)
        asking.who.require(DECIDE)
        id, engine = request_id(self.play), self.play.engine
        return decide_approval(view, engine, id, decider(view, engine, id, asking, person), outcome=outcome, step=step)

    def answered(self, who: UUID, person: UUID | None, outcome: str, step: str | None) -> str:
        try:
            self.decision(replace(self.play.view), who, person, outcome, step)
        except Refusal as refusal:
            return refusal.code
        return ""

    def may_override(self, who: UUID) -> bool:
        try:
            rights = standing(self.play.view, who, self.platform)
            rights.require("approvals:override")
            overrider = Overrider(who, (), rights.allows(OVERRIDE_OWN))
            about: Any = {"outcome": "approved", "reason": "Now."}
            override_approval(replace(self.play.view), self.play.engine, request_id(self.play), overrider, **about)
        except Refusal:
            return False
        return True

    def judged(self, who: UUID) -> Judged:
        id = request_id(self.play)
        return judge(replace(self.play.view), self.play.engine, self.platform, id, who, [one for one in COMPANY if one != who])


@pytest.mark.parametrize("seed", range(40))
def test_who_is_said_to_be_eligible_is_who_is_let_decide(seed: int) -> None:
    hold(seed)


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(40, 640))
def test_the_same_of_many_more(seed: int) -> None:
    hold(seed)


def hold(seed: int) -> None:
    situation = Situation(seed)
    if not situation.is_asked:
        return
    state = approval(situation.play)
    for who in PEOPLE:
        judged = situation.judged(who)
        said = {(way.step, way.outcome, way.on_behalf_of) for way in judged.ways}
        really, codes = really_may(situation, state, who)
        assert said == really, f"{seed}: {who}"
        assert (judged.why_not is None) == bool(really)
        if judged.why_not is not None and codes:
            assert judged.why_not.code in codes | {"removed"}, f"{seed}: {who}: {judged.why_not}, {codes}"
        assert judged.may_override == situation.may_override(who), f"{seed}: {who}"


def really_may(situation: Situation, state: Approval, who: UUID) -> tuple[set[Any], set[str]]:
    found, codes = set[Any](), set[str]()
    offered = [(step, outcome.name) for step in state.open_steps for outcome in step.outcomes]
    for step, outcome in offered or [(state.steps[0], "approved")]:
        for person in (None, *(one for one in COMPANY if one != who)):
            code = situation.answered(who, person, outcome, step.name or None)
            if code:
                codes.add(code)
            else:
                found.add((step.number, outcome, person))
    return found, codes


def test_the_situations_are_of_all_kinds() -> None:
    """So that what is held is not held of nothing."""
    seen, through, overriders = set[str](), set[str](), set[bool]()
    for seed in range(160):
        situation = Situation(seed)
        if not situation.is_asked:
            continue
        for who in PEOPLE:
            judged = situation.judged(who)
            through |= {way.through if way.on_behalf_of is None else "delegation" for way in judged.ways}
            overriders.add(judged.may_override)
            if judged.why_not is not None:
                seen.add(judged.why_not.code)
    assert overriders == {True, False}
    assert through >= {"user", "role", "anyone", "delegation", "ad_hoc", "escalation"}
    wanted = {"removed", "not_a_member", "member_suspended", "user_deactivated", "permission_denied", "not_eligible", "excluded"}
    assert seen >= wanted | {"already_decided", "approval_closed"}, seen
