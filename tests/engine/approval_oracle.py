"""What becomes of an approval request, counted by brute force: it shares no code with the domain, only its reference.

People are numbers. A step is resolved when all ways of going on, person by person and answer by answer, come to the same.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

ANSWERS = {"yes": "approve", "no": "reject", "pass": "other", "redo": "changes"}
"""What is offered, and of which kind it is."""
LONGEST_WAY = 3


@dataclass
class Person:
    roles: set[str]
    status: str = "active"
    term: int = 1

    @property
    def may(self) -> bool:
        """Every role of the company lets its members decide."""
        return self.status == "active" and bool(self.roles)


@dataclass(frozen=True)
class Lending:
    """A delegation. Moments are hours."""

    giver: int
    taker: int
    starts: int
    ends: int | None
    terms: tuple[int, int]


@dataclass(frozen=True)
class Vote:
    who: int
    voter: int
    answer: str
    weight: int


@dataclass
class Asked:
    """A step, as it was written and as it stands. `electorate`: where it is fixed, the weight and the veto of each."""

    rule: dict[str, Any]
    stage: int
    users: frozenset[int]
    roles: tuple[str, ...]
    distinct: frozenset[int] = frozenset()
    ad_hoc: bool = False
    skip: bool = False
    beside: int | None = None
    """Who is asked, too, at the first level of its escalation. At the second one it comes to yes."""
    level: int = 0
    status: str = "waiting"
    named: set[int] = field(default_factory=set)
    electorate: dict[int, tuple[int, bool]] | None = None
    votes: list[Vote] = field(default_factory=list)
    claimed: int | None = None
    outcome: str = ""

    @property
    def fixed(self) -> bool:
        kind = self.rule["type"]
        return self.rule.get("members") == "at_start" or kind in ("unanimous", "majority", "veto", "all_answer")

    @property
    def heard(self) -> set[int]:
        """Who has had their say, for themselves or by somebody."""
        return {one for vote in self.votes for one in (vote.who, vote.voter)}

    def weight(self, person: int, role: str | None) -> int:
        weights = self.rule.get("weights", {})
        return int(weights.get(person, weights.get(role, 1)))


@dataclass
class Oracle:
    people: dict[int, Person]
    steps: list[Asked]
    excluded: frozenset[int] = frozenset()
    lent: list[Lending] = field(default_factory=list)
    now: int = 0
    status: str = "pending"
    outcome: str = ""

    # What there is ---------------------------------------------------------------------------------------------------

    @property
    def open(self) -> list[int]:
        return [n for n, step in enumerate(self.steps) if step.status == "open" and self.status == "pending"]

    def apart(self, n: int) -> set[int]:
        """Who has had their say where the same person may not have it in this step."""
        others = [m for m in range(len(self.steps)) if m != n and (m in self.steps[n].distinct or n in self.steps[m].distinct)]
        return set().union(*(self.steps[m].heard for m in others))

    def holders(self, roles: Iterable[str]) -> set[int]:
        return {one for one, person in self.people.items() if person.status == "active" and person.roles & set(roles)}

    def ways(self, giver: int, taker: int) -> list[tuple[int, ...]]:
        """The shortest ways by which one stands in for the other now, each with those between."""
        if not self.people[giver].may:
            return []
        found = [way for way in self._ways((giver,), taker) if not set(way[1:-1]) & self.excluded]
        return [way for way in found if len(way) == min(map(len, found))]

    def _ways(self, way: tuple[int, ...], taker: int) -> Iterator[tuple[int, ...]]:
        if way[-1] == taker:
            yield way
        elif len(way) <= LONGEST_WAY:
            for one in self.lent:
                if one.giver == way[-1] and one.taker not in way and self._in_force(one):
                    yield from self._ways((*way, one.taker), taker)

    def _in_force(self, one: Lending) -> bool:
        both = self.people[one.giver], self.people[one.taker]
        in_time = one.starts <= self.now and (one.ends is None or self.now < one.ends)
        return in_time and all(each.status == "active" for each in both) and (both[0].term, both[1].term) == one.terms

    def may(self, n: int, voter: int, others: Iterable[int] = (), role: str | None = None) -> bool:
        """Whether somebody may choose in a step at all; `others`: by whom it comes to them."""
        step, people = self.steps[n], {voter, *others}
        if people & (self.excluded | self.apart(n)) or (role is not None and role not in self.people[voter].roles):
            return False
        if step.electorate is not None:
            return voter in step.electorate
        return voter in step.named or bool(self.people[voter].roles & ({*step.roles} if role is None else {*step.roles} & {role}))

    # What people do: whether they may --------------------------------------------------------------------------------

    def decide(self, who: int, answer: str, person: int | None, role: str | None, at: int | None) -> bool | None:
        """None: whether they may depends on who passed it on, of several who did."""
        voter = who if person is None else person
        ways: list[tuple[int, ...]] = [(who,)] if voter == who else self.ways(voter, who)
        if self.status != "pending" or not self.people[who].may or not ways:
            return False
        places = {self._place(who, voter, way, role, at) for way in ways}
        if len(places) > 1:
            return None
        [place] = places
        if place is None:
            return False
        step = self.steps[place]
        if step.electorate is None:
            acting = next((key for key in sorted(step.roles) if key in self.people[voter].roles and role in (None, key)), None)
            weight = step.weight(voter, role if voter in step.named else acting)
        else:
            weight = step.electorate[voter][0]
        step.votes.append(Vote(who, voter, answer, weight))
        self.settle()
        return True

    def _place(self, who: int, voter: int, way: tuple[int, ...], role: str | None, at: int | None) -> int | None:
        for n in self.open if at is None else [n for n in self.open if n == at]:
            step = self.steps[n]
            if self.may(n, voter, (who, *way), role) and step.claimed in (None, voter) and not {who, voter} & step.heard:
                return n
        return None

    def chooses_in(self, who: int) -> set[int]:
        """The steps in which somebody would be let decide for themselves now."""
        return {n for n in self.open if self.people[who].may and self._place(who, who, (who,), None, n) == n}

    def escalate(self, n: int) -> None:
        step = self.steps[n]
        step.level += 1
        if step.level == 2:
            step.status, step.outcome = "completed", "yes"
            self.settle()
        elif step.beside is not None and step.beside not in self.holders(step.roles) and self._may_come(step.beside, n):
            step.claimed = None
            step.named.add(step.beside)
            if step.electorate is not None:
                step.electorate[step.beside] = step.weight(step.beside, None), step.beside in step.rule.get("veto", ())

    def override(self, answer: str) -> bool:
        """Whomever it asks; everybody else was asked for nothing."""
        if self.status != "pending":
            return False
        self.status, self.outcome = "resolved", answer
        return True

    def revoke(self, who: int) -> bool:
        for n in self.open:
            for vote in self.steps[n].votes:
                if vote.who == who:
                    self.steps[n].votes.remove(vote)
                    return True
        return False

    def claim(self, who: int, at: int, *, override: bool) -> bool:
        step = self.steps[at]
        if at not in self.open or not self.may(at, who) or step.rule["type"] not in ("single", "first"):
            return False
        if step.claimed not in (None, who) and not override:
            return False
        step.claimed = who
        return True

    def release(self, who: int | None, at: int) -> bool:
        step = self.steps[at]
        if at not in self.open or step.claimed is None or who not in (None, step.claimed):
            return False
        step.claimed = None
        return True

    def _may_come(self, one: int, at: int) -> bool:
        step = self.steps[at]
        there = one in step.named or one in (step.electorate or {})
        return self.people[one].may and not there and one not in self.excluded | self.apart(at) | step.heard

    def add(self, one: int, at: int) -> bool:
        step = self.steps[at]
        if at not in self.open or not step.ad_hoc or not self._may_come(one, at):
            return False
        step.named.add(one)
        if step.electorate is not None:
            step.electorate[one] = (1, False)
        return True

    def reassign(self, one: int, other: int, at: int) -> bool:
        step = self.steps[at]
        asked = one in step.named or one in (step.electorate or {})
        if at not in self.open or not asked or one in step.heard or not self._may_come(other, at):
            return False
        if one in step.named:
            step.named = (step.named - {one}) | {other}
        if step.electorate is not None:
            step.electorate = {other if each == one else each: what for each, what in step.electorate.items()}
        step.claimed = None if step.claimed == one else step.claimed
        return True

    def send_back(self, who: int, to: int) -> bool:
        if not any(self.may(n, who) for n in self.open) or self.steps[to].status not in ("completed", "skipped"):
            return False
        for n, step in enumerate(self.steps):
            if n == to or (step.stage > self.steps[to].stage and step.status != "waiting"):
                step.status, step.votes, step.claimed, step.electorate = "waiting", [], None, None
        self.settle()
        return True

    # What follows ----------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Steps that are certain end, and the next ones begin."""
        while self.status == "pending":
            for n in self.open:
                self.steps[n].outcome = self.certain(n) or ""
                if self.steps[n].outcome:
                    self.steps[n].status = "completed"
                    if self.steps[n].outcome != "yes":
                        self.status, self.outcome = "resolved", self.steps[n].outcome
                        return
            left = [step for step in self.steps if step.status in ("waiting", "open")]
            if not left:
                asked = [step for step in self.steps if step.status == "completed"]
                last = max(asked, key=lambda step: step.stage).outcome if asked else "yes"
                self.status, self.outcome = "resolved", last
                return
            stage = min(step.stage for step in left)
            waiting = [n for n, step in enumerate(self.steps) if step.status == "waiting" and step.stage == stage]
            if not waiting:
                return
            for n in waiting:
                if not self._begin(n):
                    self.status = "cancelled"
                    return

    def _begin(self, n: int) -> bool:
        """Whether the step can be asked at all."""
        step = self.steps[n]
        if step.skip:
            step.status = "skipped"
            return True
        step.status, step.named, step.level = "open", set(step.users), 0
        if not step.roles and step.named <= self.excluded:
            return False
        if not step.fixed:
            return bool(step.roles) or not step.named <= self.excluded | self.apart(n)
        people = (self.holders(step.roles) | step.named) - self.excluded - self.apart(n)
        step.electorate = {one: self._counts(step, one) for one in people}
        most = sum(weight for weight, _ in step.electorate.values()) if "weights" in step.rule else len(people)
        wanted = step.rule.get("threshold", step.rule.get("count", 1))
        return bool(people) and wanted <= most

    def _counts(self, step: Asked, one: int) -> tuple[int, bool]:
        roles = self.people[one].roles & {*step.roles} if self.people[one].status == "active" else set()
        veto = bool(({one} | roles) & {*step.rule.get("veto", ())})
        return max((step.weight(one, role) for role in roles), default=step.weight(one, None)), veto

    def certain(self, n: int) -> str | None:
        """What a step comes to however it goes on; None while there are several ends."""
        step, votes = self.steps[n], self.steps[n].votes
        cast = tuple((vote.voter, vote.answer, vote.weight) for vote in votes)
        ending = next((vote.answer for vote in votes if ANSWERS[vote.answer] == "changes"), None)
        if ending is not None or step.rule["type"] in ("single", "first"):
            return ending or (votes[0].answer if votes else None)
        if step.electorate is None:
            return self._of_whoever_comes(step)
        gone = self.apart(n) | {vote.who for vote in votes if vote.who != vote.voter}
        people = {one: what for one, what in step.electorate.items() if one not in gone}
        answered = {vote.voter for vote in votes}
        waiting = tuple(sorted((one, weight) for one, (weight, _) in people.items() if one not in answered))
        if step.rule["type"] == "all_answer" and waiting:
            return None
        rule = tuple(sorted((name, value) for name, value in step.rule.items() if isinstance(value, str | int)))
        stopping = frozenset(one for one, (_, veto) in people.items() if veto)
        ends = _ends(rule, len(people), stopping, cast, waiting)
        return next(iter(ends)) if len(ends) == 1 else None

    def _of_whoever_comes(self, step: Asked) -> str | None:
        """Where anybody may come yet, enough for it are always possible; one who is against it ends it, or as many as it says."""
        by_weight = step.rule["type"] == "weighted"
        for_it, against = (
            sum(vote.weight if by_weight else 1 for vote in step.votes if vote.answer == answer) for answer in ("yes", "no")
        )
        if for_it >= step.rule.get("threshold", step.rule.get("count", 1)):
            return "yes"
        return "no" if against >= step.rule.get("rejections", 1) else None


Cast = tuple[tuple[int, str, int], ...]


@cache
def _ends(
    rule: tuple[tuple[str, Any], ...], size: int, stopping: frozenset[int], cast: Cast, waiting: tuple[tuple[int, int], ...]
) -> frozenset[str]:
    """All that can come of it. Only where it ends before everybody has answered does it matter who comes first."""
    found = _end(dict(rule), size, stopping, cast, everybody=not waiting)
    if found is not None:
        return frozenset([found])
    ends: frozenset[str] = frozenset()
    in_turn = any(name == "rejections" for name, _ in rule)
    for number, (one, weight) in enumerate(waiting if in_turn else waiting[:1]):
        for answer in ("yes", "no", "pass"):
            left = waiting[:number] + waiting[number + 1 :]
            ends |= _ends(rule, size, stopping, (*cast, (one, answer, weight)), left)
            if len(ends) > 1:
                return ends
    return ends


def _end(rule: dict[str, Any], size: int, stopping: frozenset[int], cast: Cast, *, everybody: bool) -> str | None:
    """What the answers come to, taken by themselves; None where more of them are needed to say so."""
    yes, no = ([(one, weight) for one, each, weight in cast if each == answer] for answer in ("yes", "no"))
    kind = rule["type"]
    if kind in ("multiple", "weighted"):
        for_it, against = (sum(weight if kind == "weighted" else 1 for _, weight in some) for some in (yes, no))
        if for_it >= rule.get("threshold", rule.get("count", 1)):
            return "yes"
        if everybody or against >= rule.get("rejections", against + 1):
            return "no"
        return None
    if not everybody:
        return None
    passed = {
        "unanimous": len(yes) == size > 0,
        "majority": 2 * len(yes) > size,
        "all_answer": bool(yes),
        "veto": not stopping & {one for one, _ in no} and len(yes) >= rule.get("count", 1),
    }
    return "yes" if passed[kind] else "no"
