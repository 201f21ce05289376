"""Any order of decisions, revocations, delegations, claims, reassignments, returns, additions, of people who come, go and change
roles, and an expiry: what becomes of the request is what `approval_oracle` counts, and nobody counts who may not, or twice."""

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.access import Rights, standing
from domain.approval import ApprovalDecided, Decider
from domain.approval.overriding import Overrider
from domain.delegation import DELEGATION, delegations_of, end, give
from domain.facts import Decided, Event, Fact, Json, View
from domain.member import MemberAdded, MemberReactivated, MemberRemoved, MemberRolesChanged, MemberSuspended
from engine.delegating import standing_in
from engine.eligible import judge
from engine.engine import (
    add_approver,
    claim_approval,
    decide_approval,
    fire,
    override_approval,
    reassign_approval,
    release_approval,
    return_approval,
    revoke_decision,
)
from tests.engine.approval_oracle import ANSWERS, Asked, Lending, Oracle, Person
from tests.engine.drawing import Play
from tests.engine.people import COMPANY, NobodyKnown, approval, employing, play_of, request_id, role_id
from tests.engine.test_escalation import found
from tests.given import TENANT_ID

WHO = list(COMPANY)
PEOPLE = range(len(WHO))
ROLES = ("board", "boss", "clerk")
HOUR = timedelta(hours=1)
ROUNDS = 8 * int(os.environ.get("GESTA_TEST_BALLOTS", "20"))
OUTCOMES: Json = [{"name": name, "kind": kind} for name, kind in ANSWERS.items()]


# What is asked --------------------------------------------------------------------------------------------------------


def a_rule(random: Random) -> dict[str, Any]:
    """With the numbers of people where JSON has their ids."""
    kind = random.choice(["single", "first", "multiple", "multiple", "unanimous", "majority", "weighted", "veto", "all_answer"])
    rule: dict[str, Any] = {"type": kind}
    if kind in ("single", "multiple", "weighted") and random.random() < 0.5:
        rule["members"] = "at_start"
    if kind in ("multiple", "weighted") and random.random() < 0.4:
        rule["rejections"] = random.randint(1, 3)
    if kind == "multiple" or (kind == "veto" and random.random() < 0.5):
        rule["count"] = random.randint(1, 3)
    if kind == "weighted":
        rule |= {
            "weights": {"boss": 1, "board": random.randint(0, 3), random.choice(PEOPLE): 2},
            "threshold": random.randint(1, 5),
        }
    if kind == "veto":
        rule["veto"] = random.choice([["board"], [random.choice(PEOPLE)], ["clerk", 0]])
    return rule


def a_step(random: Random, number: int, stage: int) -> Asked:
    roles = tuple(sorted(random.sample(ROLES, random.choice([0, 1, 1, 2]))))
    users = frozenset(random.sample(PEOPLE, random.choice([0, 1, 2, 3] if roles else [1, 2, 3])))
    distinct = frozenset(range(number)) if random.random() < 0.4 else frozenset[int]()
    beside = random.choice(PEOPLE) if random.random() < 0.4 else None
    return Asked(a_rule(random), stage, users, roles, distinct, random.random() < 0.4, random.random() < 0.1, beside)


def some_steps(random: Random) -> list[Asked]:
    steps, stage = list[Asked](), 0
    for number in range(random.choice([1, 1, 2, 3])):
        stage += not number or random.random() < 0.5
        steps.append(a_step(random, number, stage))
    return steps


def as_json(value: Any) -> Json:
    match value:
        case dict():
            return {as_json(key) if isinstance(key, int) else key: each for key, each in value.items()}
        case list():
            return [as_json(each) if isinstance(each, int) else each for each in value]
    return str(WHO[value])


def written(steps: list[Asked], excluded: frozenset[int]) -> Json:
    found = []
    for number, step in enumerate(steps):
        rule = {name: as_json(each) if name in ("weights", "veto") else each for name, each in step.rule.items()}
        one: dict[str, Any] = {"name": f"s{number}", "rule": rule}
        one["by"] = {"users": [as_json(each) for each in sorted(step.users)], "roles": list(step.roles)}
        one |= {"distinct": [f"s{each}" for each in sorted(step.distinct)]} if step.distinct else {}
        one |= {"ad_hoc": True} if step.ad_hoc else {}
        one |= {"skip_when": "true"} if step.skip else {}
        levels = [{"after": "PT1H", "by": {"users": [as_json(step.beside or 0)]}}, {"after": "PT2H", "outcome": "yes"}]
        one |= {"escalate": levels} if step.beside is not None else {}
        if number and step.stage == steps[number - 1].stage:
            one["parallel_with"] = f"s{number - 1}"
        found.append(one)
    whole: dict[str, Any] = {"title": "Please", "outcomes": OUTCOMES, "exclude": [as_json(each) for each in sorted(excluded)]}
    if len(steps) == 1 and not steps[0].skip:
        return whole | {name: value for name, value in found[0].items() if name not in ("name", "distinct")}
    return whole | {"steps": found}


# What happens ---------------------------------------------------------------------------------------------------------


@dataclass
class Contest:
    """One request in the engine and in the oracle, to which the same happens."""

    play: Play
    oracle: Oracle
    random: Random
    seen: Counter[str]
    log: list[str]

    def happens(self) -> None:
        what = self.random.choices(
            [
                "decide",
                "stand in",
                "revoke",
                "claim",
                "release",
                "reassign",
                "add",
                "return",
                "lend",
                "end",
                "people",
                "time",
                "escalate",
                "override",
            ],
            [18, 14, 6, 4, 4, 6, 6, 6, 14, 2, 6, 2, 4, 1],
        )[0]
        getattr(self, what.replace(" ", "_").replace("return", "send_back"))()

    def one(self) -> int:
        """Mostly one of those who may decide somewhere."""
        oracle = self.oracle
        may = [one for one in PEOPLE if oracle.people[one].may and any(oracle.may(n, one) for n in oracle.open)]
        return self.random.choice(may if may and self.random.random() < 0.6 else PEOPLE)

    def somewhere(self, rather: Callable[[Asked], bool] = lambda _: False) -> tuple[int, str | None]:
        """A step, and its name as a command says it."""
        open_ones = [n for n in self.oracle.open if rather(self.oracle.steps[n])]
        number = self.random.choice(open_ones or range(len(self.oracle.steps)))
        named = approval(self.play).in_steps
        return number, f"s{number}" if named else None

    def tried(self, told: str, expected: bool | None, decision: Callable[[View], Decided]) -> bool:
        """Whether it was let through, as it should be; and it stands as it should."""
        self.log.append(told)
        self.play.step(decision)
        refusal = self.play.story.refusal
        self.play.story = replace(self.play.story, refusal=None)
        assert expected is None or (refusal is None) == expected, f"{refusal!r} {self.told}"
        self.seen[f"{told.split()[0]} {'refused' if refusal else 'done'}"] += 1
        self.stands()
        return refusal is None

    @property
    def told(self) -> str:
        return f"after {self.log}: {self.oracle}"

    def decide(self, who: int | None = None, person: int | None = None) -> None:
        [answer], who = self.random.choices(list(ANSWERS), [80, 10, 18, 1]), self.one() if who is None else who
        if person == who:
            return
        principal = self.oracle.people[who if person is None else person]
        role = self.random.choice([*sorted(principal.roles), "boss"]) if self.random.random() < 0.2 else None
        number, name = self.somewhere() if self.random.random() < 0.2 else (None, None)
        expected = self.oracle.decide(who, answer, person, role, None if name is None else number)
        if expected is None:
            self.seen["left open"] += 1
            return

        def decision(view: View) -> Decided:
            decider = self.decider(view, who, person)
            return decide_approval(view, self.play.engine, request_id(self.play), decider, outcome=answer, role=role, step=name)

        if self.tried(f"decide {answer} by {who} for {person} as {role} in {name}", expected, decision) and person is not None:
            [decided] = [fact.event for fact in self.play.story.decided.facts if isinstance(fact.event, ApprovalDecided)]
            self.seen["passed on" if decided.through else "stood in"] += 1

    def stand_in(self) -> None:
        """Mostly by a delegation that there is."""
        pairs = [(who, person) for who in PEOPLE for person in PEOPLE if who != person and self.oracle.ways(person, who)]
        asked = [pair for pair in pairs if any(self.oracle.may(n, pair[1], pair[:1]) for n in self.oracle.open)]
        if asked and self.random.random() < 0.8:
            self.decide(*self.random.choice(asked))
        else:
            self.decide(None, self.one())

    def decider(self, view: View, who: int, person: int | None = None) -> Decider:
        """As the API finds it."""
        rights = self.rights(view, who)
        rights.require("approvals:decide")
        themselves = Decider(WHO[who], rights.roles)
        if person is None:
            return themselves
        return standing_in(view, self.play.engine, request_id(self.play), themselves, self.rights(view, person))

    def rights(self, view: View, who: int) -> Rights:
        return standing(view, WHO[who], NobodyKnown())

    def revoke(self) -> None:
        who = self.one()
        may = self.oracle.people[who].may and self.oracle.revoke(who)

        def decision(view: View) -> Decided:
            return revoke_decision(view, self.play.engine, request_id(self.play), self.decider(view, who).user_id)

        self.tried(f"revoke by {who}", may, decision)

    def claim(self) -> None:
        who, override = self.one(), self.random.random() < 0.3
        number, name = self.somewhere(lambda step: step.rule["type"] in ("single", "first"))
        may = self.oracle.people[who].may and self.oracle.claim(who, number, override=override)

        def decision(view: View) -> Decided:
            decider = self.decider(view, who)
            return claim_approval(view, self.play.engine, request_id(self.play), decider, step=name, override=override)

        self.tried(f"claim {number} by {who} {override}", may, decision)

    def release(self) -> None:
        number, name = self.somewhere(lambda step: step.claimed is not None)
        who = self.random.choice([None, self.oracle.steps[number].claimed, *PEOPLE])
        id = None if who is None else WHO[who]
        self.tried(
            f"release {number} by {who}",
            self.oracle.release(who, number),
            lambda view: release_approval(view, self.play.engine, request_id(self.play), id, step=name),
        )

    def reassign(self) -> None:
        one, other, (number, name) = self.one(), self.one(), self.somewhere()
        self.tried(
            f"reassign {number} from {one} to {other}",
            self.oracle.reassign(one, other, number),
            lambda view: reassign_approval(view, self.play.engine, request_id(self.play), WHO[one], WHO[other], step=name),
        )

    def add(self) -> None:
        one, (number, name) = self.one(), self.somewhere()
        self.tried(
            f"add {one} to {number}",
            self.oracle.add(one, number),
            lambda view: add_approver(view, self.play.engine, request_id(self.play), None, WHO[one], step=name),
        )

    def send_back(self) -> None:
        who, (number, name) = self.one(), self.somewhere()
        if name is None:
            return
        may = self.oracle.people[who].may and self.oracle.send_back(who, number)

        def decision(view: View) -> Decided:
            decider = self.decider(view, who)
            return return_approval(view, self.play.engine, request_id(self.play), decider, step=name, comment="Again.")

        self.tried(f"return to {number} by {who}", may, decision)

    def escalate(self) -> None:
        timers = {each.purpose: each for each in self.play.story.timers.values() if each.purpose.startswith("escalate")}
        for purpose in self.random.sample(sorted(timers), min(len(timers), 1)):
            number, level = map(int, purpose.removeprefix("escalate ").split("."))
            if f"escalate {number}.{level - 1}" in timers:
                return
            self.oracle.escalate(number - 1)
            self.tried(purpose, True, lambda view: fire(view, self.play.engine, found(timers[purpose])))  # noqa: B023

    def override(self) -> None:
        who, answer = self.one(), self.random.choice(list(ANSWERS))
        overrider = Overrider(WHO[who])
        self.tried(
            f"override {answer} by {who}",
            self.oracle.override(answer),
            lambda view: override_approval(
                view, self.play.engine, request_id(self.play), overrider, outcome=answer, reason="It burns."
            ),
        )

    def lend(self) -> None:
        """Who may lend to whom, and that nobody does in a circle, is said elsewhere (tests/domain/test_delegation.py)."""
        giver, taker, begins = self.one(), self.one(), self.oracle.now + self.random.choice([0, 0, 0, 1])
        ends = self.random.choice([None, None, begins + 1, begins + 3])
        moment, people = self.play.view.now - self.oracle.now * HOUR, self.oracle.people
        times = moment + begins * HOUR, None if ends is None else moment + ends * HOUR
        terms = people[giver].term, people[taker].term
        if self.tried(f"lend {giver} to {taker}", None, lambda view: give(view, WHO[giver], WHO[taker], "delegation", *times)):
            self.oracle.lent.append(Lending(giver, taker, begins, ends, terms))

    def end(self) -> None:
        for one in [*self.oracle.lent][: self.random.randint(0, 1)]:
            held = self.play.view.read(DELEGATION, delegations_of(TENANT_ID, WHO[one.giver])).given
            starts = self.play.view.now + (one.starts - self.oracle.now) * HOUR
            for each in held:
                if (each.to, each.starts_at) == (WHO[one.taker], starts):
                    self.oracle.lent.remove(one)
                    self.tried("end", True, lambda view: end(view, WHO[one.giver], each.id, None))  # noqa: B023
                    return

    def time(self) -> None:
        self.log.append("an hour passes")
        self.oracle.now += 1
        self.play.later(HOUR)

    def people(self) -> None:
        away = [one for one in PEOPLE if self.oracle.people[one].status == "suspended" and self.random.random() < 0.5]
        who, roles = self.random.choice(away or [self.one()]), self.random.sample(ROLES, self.random.choice([0, 1, 1, 2]))
        person, id, ids = self.oracle.people[who], WHO[who], tuple(role_id(key) for key in roles)
        event: Event
        match person.status, self.random.choice(["roles", "leave", "back"]):
            case "active", "leave" if self.random.random() < 0.5:
                event, person.status = MemberSuspended(id), "suspended"
            case (("active" | "suspended"), "leave"):
                event, person.status, person.roles = MemberRemoved(id), "gone", set()
            case "suspended", "back":
                event, person.status = MemberReactivated(id), "active"
            case (("active" | "suspended"), "roles"):
                event, person.roles = MemberRolesChanged(id, ids), set(roles)
            case "gone", _:
                event, person.status, person.roles = MemberAdded(id, ids, 1), "active", set(roles)
                person.term += 1
            case _:
                return
        self.log.append(f"{type(event).__name__} {who} {roles}")
        view = self.play.story.view
        self.play.story = replace(self.play.story, view=replace(view, facts=(*view.facts, Fact(id, event))))
        self.seen[type(event).__name__] += 1

    def expire(self) -> None:
        [timer] = [each for each in self.play.story.timers.values() if each.purpose == "timeout"]
        self.oracle.status = "expired"
        self.tried("expire", True, lambda view: fire(view, self.play.engine, found(timer)))

    # How it stands ------------------------------------------------------------------------------------------------

    def stands(self) -> None:
        state, oracle = approval(self.play), self.oracle
        who = self.one()
        judged = judge(self.play.view, self.play.engine, NobodyKnown(), request_id(self.play), WHO[who])
        told = {(way.step - 1, way.outcome) for way in judged.ways}
        assert told == {(step, answer) for step in oracle.chooses_in(who) for answer in ANSWERS}, f"of {who} {self.told}"
        outcome = "" if state.resolution is None else state.resolution.outcome
        assert (state.status, outcome) == (oracle.status, oracle.outcome), self.told
        assert (self.play.end is None) == (oracle.status == "pending"), self.told
        for step, own in zip(state.steps, oracle.steps, strict=True):
            counted = [(WHO.index(each.user_id), WHO.index(each.voter), each.outcome, each.weight) for each in step.decisions]
            assert counted == [(each.who, each.voter, each.answer, each.weight) for each in own.votes], self.told
            heard = [one for each in step.decisions for one in each.people]
            assert len(heard) == len(set(heard)), f"somebody counts twice {self.told}"
            if oracle.status == "pending":
                # of one without steps it is told when it was resolved
                assert step.status == own.status, self.told
                assert step.claimed_by == (None if own.claimed is None else WHO[own.claimed]), self.told
            for number in own.distinct:
                others = {one for each in state.steps[number].decisions for one in each.people}
                assert not others & set(heard), f"somebody counts in two steps that are kept apart {self.told}"


def contest(seed: int, length: int, seen: Counter[str]) -> Play:
    """What was played."""
    random = Random(seed)
    steps, excluded = some_steps(random), frozenset(random.sample(PEOPLE, random.choice([0, 0, 1])))
    oracle = Oracle({n: Person(set(COMPANY[one])) for n, one in enumerate(WHO)}, steps, excluded)
    oracle.settle()
    play = employing(play_of(written(steps, excluded), timeout="P30D")).start()
    asks = any(fact.stream_id == play_request(play) for fact in play.view.facts)
    if not asks:
        assert oracle.status == "cancelled", (seed, play.end, oracle)
        return play
    one = Contest(play, oracle, random, seen, [f"seed {seed}", str(written(steps, excluded))])
    one.stands()
    for _ in range(length):
        if oracle.status != "pending":
            break
        one.happens()
    if oracle.status == "pending" and random.random() < 0.3:
        one.expire()
    seen[oracle.status] += 1
    for _ in range(4):
        one.happens()
    return play


def play_request(play: Play) -> UUID | None:
    try:
        return request_id(play)
    except StopIteration:
        return None


@settings(max_examples=ROUNDS, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 40))
def test_whatever_happens_it_comes_to_what_counting_says(seed: int, length: int) -> None:
    contest(seed, length, Counter())


def test_all_of_it_happens_and_most_of_it_both_ways() -> None:
    seen = Counter[str]()
    commands = ("decide", "revoke", "claim", "release", "reassign", "add", "return", "lend")
    wanted = {f"{each} {how}" for each in commands for how in ("done", "refused")}
    wanted |= {
        "stood in",
        "passed on",
        "escalate done",
        "override done",
        "resolved",
        "expired",
        "pending",
        "MemberSuspended",
        "MemberReactivated",
        "MemberRemoved",
        "MemberRolesChanged",
    }
    for seed in range(500):
        contest(seed, 30, seen)
        if not wanted - seen.keys():
            return
    raise AssertionError(wanted - seen.keys())
