"""Who would be asked, before anybody is: what an approval node or a request of its own would come to, step by step.

What it finds is what `engine.asking` and `engine.stepping` find when they ask. Of a step that comes after another one it is
supposed that those before were approved, by the first of the people whom they ask; so it says whom it supposed.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID, uuid5

from domain.approval import (
    APPROVAL,
    Approval,
    ApprovalDecided,
    ApprovalEvent,
    ApprovalRequested,
    ApprovalStepCompleted,
    ApprovalStepSkipped,
    ApprovalStepStarted,
    Decider,
    NotEligible,
    Outcome,
    Step,
    acting_role,
    evolve,
)
from domain.approval.events import asks_voters
from domain.approval.rules import are_fixed
from domain.approval.steps import GOES_ON, kept_apart
from domain.delegation import Delegation, substitutes_of
from domain.facts import Json, View
from domain.member import MEMBER, permissions_of
from domain.role import ROLE
from engine.asking import quota_of, roles_of_people
from engine.eligible import asked_through
from engine.expressions import ExpressionError, resolve
from engine.invalid import InvalidValue
from engine.stepping import begin, content_of, plans_of, request_json, what_is_asked
from engine.variables import problem_of

if TYPE_CHECKING:
    from engine.asking import Asker

Applies: TypeAlias = Callable[[Approval], Callable[[Delegation], bool]]
"""Given the request, whether a delegation is for it."""
DECIDE = "approvals:decide"
MOST_SHOWN = 200
"""People of a step who are told of one by one."""


@dataclass
class Asked:
    """What a step came to, or is supposed to come to. `step`: as it was asked; None: it is skipped."""

    number: int
    name: str
    stage: int
    step: Step | None
    why: str | None = None
    people: list[Json] = field(default_factory=list)
    people_total: int = 0
    supposed: list[UUID] = field(default_factory=list)

    @property
    def answerable(self) -> bool:
        """Whether somebody could decide, as far as that is known."""
        return bool(self.names["anyone"]) or any(one["may_decide"] for one in self.people) or self.people_total > MOST_SHOWN

    @property
    def names(self) -> Json:
        """{users, roles, anyone}: whom it asks, by name."""
        outcomes = () if self.step is None else self.step.outcomes
        users = dict.fromkeys(str(one) for outcome in outcomes for one in outcome.users)
        roles = dict.fromkeys(role for outcome in outcomes for role in outcome.roles)
        return {
            "users": list(users),
            "roles": list(roles),
            "anyone": any(not outcome.users and not outcome.roles for outcome in outcomes),
        }


@dataclass(frozen=True)
class Preview:
    steps: list[Asked]
    problem: Json = None
    """{step, code, message}: where asking would fail, and why."""

    @property
    def everybody(self) -> set[str]:
        """Who is asked in any of the steps and could decide, as far as they are told of one by one."""
        return {one["user_id"] for asked in self.steps for one in asked.people if one["may_decide"]}


def preview(visit: "Asker", applies: Applies) -> Preview:
    """`visit`: as the node would see it, or as a request of its own. It asks nobody."""
    steps, problem = list[Asked](), None
    state = APPROVAL.initial
    try:
        state = evolve(APPROVAL.initial, _requested(visit))
        if not state.in_steps:
            steps.append(asked_in(visit.view, state, state.steps[0], applies))
        while state.in_steps:
            events = begin(visit, state)
            found = [event for event in events if isinstance(event, ApprovalStepStarted | ApprovalStepSkipped)]
            if not found:
                break
            before, state = state, reduce(evolve, found, state)
            steps += [_told(visit, before, state, event, applies) for event in found]
            after = _supposing(state, steps)
            if after is None:
                break
            state = after
    except ExpressionError as error:
        found_problem = problem_of(error)
        problem = {"code": found_problem.type, "message": found_problem.message}
    except InvalidValue as error:
        problem = {"code": "invalid_value", "message": str(error)}
    return Preview(steps, problem)


def _requested(visit: "Asker") -> ApprovalRequested:
    config = visit.node.config
    shown = {name: config[name] for name in ("title", "description", "context", "priority", "attachments") if name in config}
    shown = resolve(shown, visit.evaluator, visit.variables)
    asked, priority = content_of(shown), shown.get("priority")
    seeing = replace(visit, variables={**visit.variables, "request": request_json(1, asked)})
    rule, offered, voters = what_is_asked(seeing)
    return ApprovalRequested(
        None,
        None,
        visit.node.id or None,
        asked.title,
        rule,
        offered,
        description=asked.description,
        context=asked.context,
        attachments=asked.attachments,
        priority=priority if isinstance(priority, int) else 0,
        requested_by=visit.requested_by,
        voters=voters,
        steps=plans_of(list(config.get("steps") or [])),
        definition=config,
    )


def _told(
    visit: "Asker", before: Approval, state: Approval, event: ApprovalStepStarted | ApprovalStepSkipped, applies: Applies
) -> Asked:
    step = state.steps[event.step - 1]
    if isinstance(event, ApprovalStepSkipped):
        return Asked(step.number, step.name, step.stage, None, event.why)
    return asked_in(visit.view, before, step, applies)


def asked_in(view: View, state: Approval, step: Step, applies: Applies) -> Asked:
    """Whom a step asks, one by one."""
    asked = Asked(step.number, step.name, step.stage, step)
    people, is_for = _people(view, step), applies(state)
    asked.people_total = len(people)
    apart = kept_apart(state, step)
    for number, (one, roles) in enumerate(sorted(people.items())):
        if number == MOST_SHOWN:
            break
        asked.people.append(_person(view, step, one, roles, apart, is_for))
    return asked


def _people(view: View, step: Step) -> Mapping[UUID, list[str]]:
    """Who is asked, by name or by a role, and by which of the roles."""
    roles = roles_of_people(view, dict.fromkeys(role for outcome in step.outcomes for role in outcome.roles))
    named: dict[UUID, list[str]] = {one: [] for outcome in step.outcomes for one in outcome.users}
    return {**named, **roles}


def _person(
    view: View, step: Step, one: UUID, roles: list[str], apart: Iterable[UUID], is_for: Callable[[Delegation], bool]
) -> Json:
    member = view.read(MEMBER, one)
    held = frozenset(view.read(ROLE, role_id).key for role_id in member.role_ids if view.read(ROLE, role_id).exists)
    chosen, refused, through = list[str](), dict[str, str](), dict[str, None]()
    for outcome in step.outcomes:
        voters = step.voters if asks_voters(outcome, step.outcomes) else None
        try:
            acting_role(outcome, Decider(one, held), None, voters, frozenset(apart))
        except NotEligible as refusal:
            refused[outcome.name] = refusal.code
        else:
            chosen.append(outcome.name)
            through[asked_through(step, outcome, one)] = None
    active = member.active and DECIDE in permissions_of(view, member)
    return {
        "user_id": str(one),
        "through": list(through),
        "roles": roles,
        "outcomes": chosen,
        "refused": refused,
        "active": member.active,
        "may_decide": bool(chosen) and active,
        "substitutes": [_substitute(each) for each in substitutes_of(view, one, is_for)],
    }


def _substitute(one: Delegation) -> Json:
    return {
        "user_id": str(one.to),
        "kind": one.kind,
        "delegation_id": str(one.id),
        "ends_at": None if one.ends_at is None else one.ends_at.isoformat().replace("+00:00", "Z"),
    }


def _supposing(state: Approval, asked: list[Asked]) -> Approval | None:
    """The request once all that is open was approved by the first who may; None where that is not how it goes on."""
    for step in state.open_steps:
        outcome = next((each for each in step.outcomes if each.kind in GOES_ON), None)
        one = next(each for each in asked if each.number == step.number)
        if outcome is None or not one.answerable:
            return None
        wanted = max(1, quota_of(step.rule, step.voters))
        one.supposed = [UUID(each["user_id"]) for each in one.people if outcome.name in each["outcomes"]][:wanted]
        decided = (ApprovalDecided(uuid5(who, step.name), who, outcome.name, outcome.kind, step.number) for who in one.supposed)
        completed = ApprovalStepCompleted(step.number, step.name, outcome.name, outcome.kind, tuple(one.supposed))
        events: tuple[ApprovalEvent, ...] = (*decided, completed)
        state = reduce(evolve, events, state)
    return state


# As it is told ---------------------------------------------------------------------------------------------------------


def told(found: Preview, requested_by: UUID | None, config: Mapping[str, Any]) -> Json:
    """`config`: by which it would be asked."""
    policy = _policies_of(config)
    first = min((each.stage for each in found.steps if each.step is not None), default=0)
    return {
        "requested_by": None if requested_by is None else str(requested_by),
        "visibility": config.get("visibility", "names"),
        "steps": [_step(each, first, policy(each.number)) for each in found.steps],
        "problem": found.problem,
    }


def _step(asked: Asked, first: int, policy: Any) -> Json:
    step = asked.step
    status = "skipped" if step is None else "asked" if asked.stage <= first else "later"
    rule = None if step is None else step.rule
    return {
        "step": asked.number,
        "name": asked.name or None,
        "stage": asked.stage,
        "status": status,
        "why_skipped": asked.why,
        "requester": policy,
        "rule": rule,
        "members": None if rule is None else "at_start" if are_fixed(rule) else "at_decision",
        "required_approvals": None if step is None else quota_of(rule, step.voters),
        "outcomes": [] if step is None else [_outcome(each) for each in step.outcomes],
        "anyone": asked.names["anyone"],
        "answerable": step is None or asked.answerable,
        "people": asked.people,
        "people_total": asked.people_total,
        "supposed": [str(one) for one in asked.supposed],
    }


def _outcome(outcome: Outcome) -> Json:
    return {
        "name": outcome.name,
        "kind": outcome.kind,
        "by": {"users": [str(one) for one in outcome.users], "roles": list(outcome.roles)},
        "exclude": [str(one) for one in outcome.exclude],
        "fallback": bool(outcome.fallback),
    }


def _policies_of(config: Mapping[str, Any]) -> Callable[[int], Any]:
    """What becomes of the requester, by the number of a step."""
    steps = list(config.get("steps") or [])
    return lambda number: (steps[number - 1] if steps else config).get("requester", config.get("requester"))


def both(then: Iterable[str], now: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """Who is asked in the one and not in the other."""
    before, after = set(then), set(now)
    yield "added", sorted(after - before)[:MOST_SHOWN]
    yield "dropped", sorted(before - after)[:MOST_SHOWN]
