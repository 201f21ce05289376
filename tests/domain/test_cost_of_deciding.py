"""What a decision costs by how many are asked, and in how many steps: counted in calls, so that no machine's speed matters."""

import sys
from collections.abc import Callable
from functools import reduce
from types import FrameType
from uuid import UUID

from domain.approval import (
    APPROVAL,
    Approval,
    ApprovalDecided,
    ApprovalEvent,
    ApprovalRequested,
    ApprovalStepStarted,
    Decider,
    Outcome,
    StepPlan,
    Voter,
    decide,
    evolve,
)
from domain.facts import Json

CHOICES = (Outcome("approved", "approve", roles=("everybody",)), Outcome("rejected", "reject", roles=("everybody",)))
RULES: tuple[Json, ...] = (
    {"type": "multiple", "count": 3, "members": "at_start"},
    {"type": "unanimous"},
    {"type": "weighted", "weights": {"everybody": 2}, "threshold": 5, "members": "at_start"},
    {"type": "veto", "veto": ["everybody"]},
)
LAST = UUID(int=0xDEC)


def asked(people: int, steps: int, rule: Json) -> Approval:
    """All of them in each step, the steps at the same time and kept apart; half of the people of the first have decided."""
    names = tuple(f"step{number}" for number in range(1, steps + 1))
    plans = tuple(StepPlan(name, 1, tuple(other for other in names if other != name)) for name in names)
    voters = tuple(Voter(UUID(int=number), "everybody") for number in range(1, people + 1))
    requested = ApprovalRequested(None, None, None, "?", {"type": "steps"}, (), steps=plans)
    started = [
        ApprovalStepStarted(number, name, rule, CHOICES, voters=(*voters, Voter(LAST, "everybody")))
        for number, name in enumerate(names, 1)
    ]
    decided = [
        ApprovalDecided(UUID(int=1 << 64 | number), UUID(int=number), "approved", "approve", 1, "everybody")
        for number in range(1, min(people // 2, 2) + 1)
    ]
    events: tuple[ApprovalEvent, ...] = (requested, *started, *decided)
    return reduce(evolve, events, APPROVAL.initial)


def calls(work: Callable[[], object]) -> int:
    counted = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal counted
        counted += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return counted


def cost(people: int, steps: int, rule: Json) -> int:
    state = asked(people, steps, rule)
    return calls(lambda: decide(state, Decider(LAST, {"everybody"}), "approved", UUID(int=1), step="step1"))


def test_twice_as_many_people_or_steps_cost_twice_as_much_at_most() -> None:
    for rule in RULES:
        once = cost(200, 10, rule)
        assert cost(400, 10, rule) < 2.3 * once, rule
        assert cost(200, 20, rule) < 2.3 * once, rule


def test_a_thousand_people_and_fifty_steps_cost_some_calls_for_each() -> None:
    for rule in RULES:
        assert cost(1_000, 50, rule) < 8 * 1_000 * 50, rule
