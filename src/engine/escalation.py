"""A moment of an approval request has come: who is asked is reminded, others are asked, or it comes to an outcome by default."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from domain.approval import (
    APPROVAL,
    Approval,
    ApprovalCancelled,
    ApprovalEscalated,
    ApprovalEvent,
    ApprovalExpired,
    ApprovalOverdue,
    ApprovalRequested,
    Step,
    Voter,
)
from domain.approval.escalating import Asked, asked_now, barred, by_default, deciding, places, reminded
from domain.approval.rules import RULES
from domain.approval.times import RECKON, WHOLE, Clock, Level, Moment, MomentKind, timer_of, timers_of
from domain.facts import Decided, Due, Fact, Json, Timer, View
from domain.member import may
from engine.asking import is_asked, named_by, roles_of_people, voter_of
from engine.expressions import ExpressionError
from engine.invalid import InvalidValue
from engine.moments import ASKED
from engine.stepping import request_json, results

if TYPE_CHECKING:
    from engine.asking import Asker

DECIDE = "approvals:decide"
MOST_ASKED = 100
"""People whose managers one level asks."""
TOLD = frozenset(APPROVAL.events)


class DueTimer(Protocol):
    @property
    def id(self) -> UUID: ...
    @property
    def purpose(self) -> str: ...
    @property
    def due_at(self) -> datetime: ...


@dataclass(frozen=True)
class Come:
    """A moment that has come: of which place, what for, which of these, and its timer."""

    clock: Clock
    kind: MomentKind
    number: int
    moment: Moment
    timer: Timer


def come(request_id: UUID, approval: Approval, timer_id: UUID) -> Come | None:
    """None: it is waited for no longer."""
    for clock in approval.clocks:
        for kind, number, moment in clock.to_come():
            timer = timer_of(request_id, approval.execution_id, clock, kind, number, moment)
            if timer.id == timer_id:
                return Come(clock, kind, number, moment, timer)
    return None


def reckoned(found: Come, timer: DueTimer) -> Decided | None:
    """The timer that told from when on it counts is set again, for the moment that this comes to; None: that is now."""
    if not timer.purpose.startswith(RECKON):
        return None
    at = found.moment.after(timer.due_at)
    if at <= timer.due_at:
        return None
    again = replace(found.timer, due=Due(at=at), purpose=found.timer.purpose.removeprefix(RECKON))
    return Decided(timers=(again,), dropped_timers=(timer.id,), result={"execution": {}})


def brought_about(asker: "Asker", approval: Approval, found: Come) -> tuple[ApprovalEvent, ...]:
    """What happens to the request; what follows from that is the caller's."""
    step = found.clock.step
    match found.kind:
        case "remind":
            return (reminded(approval, step, found.number),)
        case "due" | "start":
            return (ApprovalOverdue(step, found.kind),)
        case "escalate" | "escalate_unstarted":
            return _escalated(asker, approval, found.clock, found.number)


def _escalated(asker: "Asker", approval: Approval, clock: Clock, number: int) -> tuple[ApprovalEvent, ...]:
    """Where nobody is there to ask, the next level that asks somebody is reached; an outcome by default waits for its moment."""
    whole, problem, over = clock.step == WHOLE, None, list[int]()
    for level_number, level in enumerate(clock.times.escalate[number - 1 :], number):
        if level.outcome is not None:
            if level_number > number:
                break
            return by_default(approval, ApprovalEscalated(clock.step, number, outcome=level.outcome, whole=whole), level.outcome)
        if level.unstarted and clock.started:
            continue
        try:
            asking = [_asking(asker, approval, step, level) for step in places(approval, clock.step)]
        except (InvalidValue, ExpressionError) as error:
            asking, problem = [], str(error)
        events = tuple(
            replace(each, level=level_number, passed_over=tuple(over), whole=whole) for each in asking if each is not None
        )
        if events:
            return events
        over.append(level_number)
    return (ApprovalEscalated(clock.step, over[-1], passed_over=tuple(over), whole=whole, problem=problem),)


def _asking(asker: "Asker", approval: Approval, step: Step, level: Level) -> ApprovalEscalated | None:
    """Whom a level asks in a step, its number apart; None: nobody who is there, may decide and is not asked already.

    Raises InvalidValue and ExpressionError.
    """
    view, outcomes, not_they = asker.view, deciding(step), barred(approval, step)
    users, roles = named_by(_seeing(asker, approval), _written(view, approval, step, level.by))
    users = frozenset(one for one in users - not_they if _may_decide(view, one))
    members = roles_of_people(view, sorted(roles))
    roles &= {role for one, theirs in members.items() if one not in not_they for role in theirs}
    if not level.replace:
        named = {user for outcome in outcomes for user in outcome.users}, {role for each in outcomes for role in each.roles}
        if step.voters is None and not any(named):
            return None
        roles -= named[1] if step.voters is None else frozenset()
        users = frozenset(one for one in users if one not in named[0] and not is_asked(view, one, (), named[1]))
    if not users and not roles:
        return None
    voters = None
    if step.voters is not None:
        everybody = {*users, *(one for one, theirs in members.items() if not roles.isdisjoint(theirs))} - not_they
        voters = _voters(step, members, everybody, instead=level.replace)
        if voters is None:
            return None
    names = tuple(outcome.name for outcome in outcomes)
    return ApprovalEscalated(step.number, 0, tuple(sorted(users)), tuple(sorted(roles)), voters, names, level.replace)


def _seeing(asker: "Asker", approval: Approval) -> "Asker":
    seen = {"request": request_json(approval.number, approval.content)}
    if approval.in_steps:
        seen["steps"] = results(approval)
    return replace(asker, variables={**asker.variables, **seen})


def _written(view: View, approval: Approval, step: Step, by: Json) -> Json:
    """With the people in the place of the word for them whose managers are asked."""
    below = by.get("manager_of", [])
    if below != ASKED and not (isinstance(below, list) and ASKED in below):
        return by
    people = _people(view, asked_now(approval, step)) - barred(approval, step)
    if len(people) > MOST_ASKED:
        raise InvalidValue(f"{len(people):,} people are asked, whose managers are as many; the most are {MOST_ASKED}")
    others = [name for name in below if name != ASKED] if isinstance(below, list) else []
    return {**by, "manager_of": [*others, *map(str, sorted(people))]}


def _people(view: View, asked: Asked) -> frozenset[UUID]:
    return frozenset((*asked.users, *roles_of_people(view, asked.roles)))


def _may_decide(view: View, one: UUID) -> bool:
    return may(view, one, DECIDE)


def _voters(step: Step, members: Mapping[UUID, list[str]], people: Iterable[UUID], *, instead: bool) -> tuple[Voter, ...] | None:
    """Of people who are counted; None: there are none, or too few for the rule to be fulfilled by them."""
    known = {each.user_id: each for each in step.voters or ()}
    found = tuple(voter_of(step.rule, one, members.get(one, ())) for one in sorted(people) if instead or one not in known)
    if not found:
        return None
    if instead:
        said = [known[decision.voter] for decision in step.decisions if decision.kind == "approve" and decision.voter in known]
        counted = (*said, *found)
        reach = sum(each.weight for each in counted) if "weights" in step.rule else len(counted)
        answered = sum(1 for each in step.decisions if each.voter in known)
        if reach < RULES[step.rule["type"]].quota(step.rule, answered + len(found)):
            return None
    return found


# Which timers follow ----------------------------------------------------------------------------------------------------


def timers_after(view: View, facts: Iterable[Fact], ended: Callable[[UUID], bool]) -> tuple[dict[UUID, Timer], tuple[UUID, ...]]:
    """The timers that requests get by these facts, and those that they lose, wherever the facts come from.

    `ended`: whether a request that is only ended has moments; the others are not read for it.
    """
    given, dropped = dict[UUID, Timer](), list[UUID]()
    told = [fact for fact in facts if type(fact.event) in TOLD]
    if not told:
        return {}, ()
    for request_id, group in groupby(sorted(told, key=lambda fact: fact.stream_id.int), key=lambda fact: fact.stream_id):
        told_of = list(group)
        events = [fact.event for fact in told_of]
        if len(events) == 1 and isinstance(events[0], ApprovalCancelled | ApprovalExpired) and not ended(request_id):
            continue
        new = isinstance(events[0], ApprovalRequested)
        before = APPROVAL.initial if new else view.read(APPROVAL, request_id)
        after = APPROVAL.after(before, request_id, told_of)
        had = timers_of(request_id, before.execution_id, before.clocks)
        has = timers_of(request_id, after.execution_id, after.clocks)
        given |= {id: timer for id, timer in has.items() if id not in had}
        dropped += [id for id in had if id not in has]
    return given, tuple(dropped)


def with_timers(view: View, decided: Decided) -> Decided:
    """With those that follow, of requests whose states are at hand."""
    given, dropped = timers_after(view, decided.facts, lambda _: True)
    return replace(decided, timers=(*decided.timers, *given.values()), dropped_timers=(*decided.dropped_timers, *dropped))
