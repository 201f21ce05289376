"""Where a request stands in its steps: which come to an end, which are to be asked next, and what it comes to in all."""

from collections.abc import Collection
from uuid import UUID

from domain.approval.events import (
    ApprovalEvent,
    ApprovalResolved,
    ApprovalReturned,
    ApprovalStepCompleted,
    Outcome,
    OutcomeKind,
)
from domain.approval.evolving import evolve
from domain.approval.rules import outcome_of
from domain.approval.state import Approval, Step
from domain.facts import FieldError, Invalid, Json, RuleViolation

GOES_ON: tuple[OutcomeKind, ...] = ("approve", "submit")
"""Kinds of outcome of a step after which the next one is asked. Any other is the request's."""


class UnknownStep(Invalid):
    """The approval request has no such step."""

    code = "unknown_step"


class StepNotPassed(RuleViolation):
    """The approval request has not passed this step."""

    code = "step_not_passed"


def kept_apart(state: Approval, step: Step) -> frozenset[UUID]:
    """Who may not decide in a step because of what they decided in others."""
    apart = (other for other in state.steps if other.decisions and other.number != step.number and _are_apart(step, other))
    return frozenset().union(*(decision.people for other in apart for decision in other.decisions))


def _are_apart(one: Step, other: Step) -> bool:
    return other.name in one.distinct or one.name in other.distinct


def settled(state: Approval, number: int, form: Json = None) -> tuple[ApprovalEvent, ...]:
    """What a decision ends, made in the step of this number: steps whose outcome is certain by now, and the request where one of
    these ends it. A step that is not kept apart from it stands as it stood."""
    events: list[ApprovalEvent] = []
    decided = state.steps[number - 1]
    for step in state.open_steps:
        if step.number != number and not _are_apart(step, decided):
            continue
        found = _resolution(state, step)
        if found is None:
            continue
        outcome, decided_by = found
        if not state.in_steps:
            return (ApprovalResolved(outcome.name, outcome.kind, decided_by, form),)
        completed = ApprovalStepCompleted(step.number, step.name, outcome.name, outcome.kind, decided_by)
        state = evolve(state, completed)
        events.append(completed)
        if outcome.kind not in GOES_ON:
            return (*events, ApprovalResolved(outcome.name, outcome.kind, all_deciders(state), form))
    return tuple(events)


def _resolution(state: Approval, step: Step) -> tuple[Outcome, tuple[UUID, ...]] | None:
    """The outcome of a step, and whose decisions brought it about."""
    voters = step.voters
    if voters is not None and (gone := kept_apart(state, step) | step.stood_in):
        voters = tuple(voter for voter in voters if voter.user_id not in gone)
    name = outcome_of(step.rule, step.outcomes, step.votes, voters)
    if name is None:
        return None
    outcome = next(each for each in step.outcomes if each.name == name)
    last = step.decisions[-1:]
    before = (each for each in step.decisions[:-1] if each.kind == outcome.kind)
    return outcome, tuple(each.user_id for each in (*before, *last))


def all_deciders(state: Approval) -> tuple[UUID, ...]:
    """Of the steps that were completed: whose decisions brought that about, each once, the last of them last."""
    results = sorted((step for step in state.steps if step.result is not None), key=lambda step: (step.stage, step.number))
    whose = [one for step in results if step.result is not None for one in step.result.decided_by]
    return tuple(reversed(dict.fromkeys(reversed(whose))))


def to_begin(state: Approval) -> tuple[Step, ...]:
    """The steps that are to be asked now: those of the first stage that is not done, which wait yet."""
    undone = [step for step in state.steps if step.status in ("waiting", "open")]
    stage = min((step.stage for step in undone), default=0)
    return tuple(step for step in undone if step.stage == stage and step.status == "waiting")


def concluded(state: Approval, all_skipped: Outcome, form: Json = None) -> ApprovalResolved | None:
    """What a request comes to all of whose steps are done. `all_skipped`: where none was asked."""
    if any(step.status in ("waiting", "open") for step in state.steps):
        return None
    asked = [step for step in state.steps if step.result is not None]
    if not asked:
        return ApprovalResolved(all_skipped.name, all_skipped.kind)
    last = max(asked, key=lambda step: (step.stage, step.number)).result
    assert last is not None
    return ApprovalResolved(last.outcome, last.kind, all_deciders(state), form)


def sent_back(state: Approval, user_id: UUID, to: str, comment: str) -> ApprovalReturned:
    """To a step that the request has passed: that one and those of later stages are asked again."""
    step = named(state, to)
    if step.status not in ("completed", "skipped"):
        raise StepNotPassed(f"The approval request has not passed the step {to}.", "/step")
    again = [
        each.number
        for each in state.steps
        if each.number == step.number or (each.stage > step.stage and each.status != "waiting")
    ]
    return ApprovalReturned(step.number, step.name, user_id, comment, tuple(again))


def named(state: Approval, name: str, among: Collection[Step] | None = None) -> Step:
    """A step by its name. Raises UnknownStep."""
    for step in state.steps if among is None else among:
        if state.in_steps and step.name == name:
            return step
    detail = f"The approval request has no step {name}." if among is None else f"The step {name} is not asked now."
    raise UnknownStep(detail, "/step", (FieldError("/step", "unknown_step", detail),))


def only_step(state: Approval, name: str | None) -> Step:
    """The step that is named, of those that are asked now, or the only one of these."""
    if name is not None:
        return named(state, name, state.open_steps)
    if len(state.open_steps) == 1:
        return state.open_steps[0]
    raise Invalid("Several steps are open: say which.", "/step", (FieldError("/step", "required", "Several steps are open."),))
