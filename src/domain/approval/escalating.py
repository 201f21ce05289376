"""Whom a reminder is for, whom a level of an escalation is beside, and what it comes to by default."""

from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from domain.approval.events import (
    ApprovalEscalated,
    ApprovalEvent,
    ApprovalReminded,
    ApprovalResolved,
    ApprovalStepCompleted,
    Outcome,
    asks_voters,
)
from domain.approval.evolving import evolve
from domain.approval.state import Approval, Step
from domain.approval.steps import GOES_ON, all_deciders, kept_apart
from domain.approval.times import WHOLE


class Asked(NamedTuple):
    """Who is asked and has not answered; with neither, every member who may decide approvals."""

    users: tuple[UUID, ...] = ()
    roles: tuple[str, ...] = ()


def places(state: Approval, step: int) -> tuple[Step, ...]:
    """What is asked now at a place: the step, or all that are open of the whole."""
    return tuple(each for each in state.open_steps if step in (WHOLE, each.number))


def deciding(step: Step) -> tuple[Outcome, ...]:
    """The outcomes that those are asked for whose decisions count; where none counts, all."""
    return tuple(each for each in step.outcomes if asks_voters(each, step.outcomes)) or step.outcomes


def barred(state: Approval, step: Step) -> frozenset[UUID]:
    """Who may not decide in a step, whoever they are: excluded from all that it is about, kept apart, or done already."""
    excluded = [frozenset(outcome.exclude) for outcome in deciding(step)]
    return frozenset.intersection(*excluded) | kept_apart(state, step) | step.answered


def asked_now(state: Approval, step: Step) -> Asked:
    """Who has claimed it stands for all."""
    if step.claimed_by is not None:
        return Asked((step.claimed_by,))
    not_they, outcomes = barred(state, step), deciding(step)
    if step.voters is not None:
        return Asked(_each(one.user_id for one in step.voters if one.user_id not in not_they))
    users = _each(user for outcome in outcomes for user in outcome.users if user not in not_they)
    return Asked(users, tuple(dict.fromkeys(role for outcome in outcomes for role in outcome.roles)))


def reminded(state: Approval, step: int, number: int) -> ApprovalReminded:
    asked = [asked_now(state, each) for each in places(state, step)]
    if any(not (one.users or one.roles) for one in asked):
        return ApprovalReminded(step, number)
    users = _each(user for one in asked for user in one.users)
    return ApprovalReminded(step, number, users, tuple(dict.fromkeys(role for one in asked for role in one.roles)))


def by_default(state: Approval, reached: ApprovalEscalated, outcome: str) -> tuple[ApprovalEvent, ...]:
    """What it comes to where nobody has answered: the request, or a step of it. Nobody's decisions brought that about."""
    state = evolve(state, reached)
    offered = [each for step in places(state, reached.step) for each in step.outcomes if each.name == outcome]
    if not offered:
        return (reached,)
    kind = offered[0].kind
    if not state.in_steps or reached.step == WHOLE:
        return (reached, ApprovalResolved(outcome, kind))
    step = next(each for each in state.open_steps if each.number == reached.step)
    completed = ApprovalStepCompleted(step.number, step.name, outcome, kind)
    if kind in GOES_ON:
        return (reached, completed)
    return (reached, completed, ApprovalResolved(outcome, kind, all_deciders(evolve(state, completed))))


def _each(users: Iterable[UUID]) -> tuple[UUID, ...]:
    return tuple(dict.fromkeys(users))
