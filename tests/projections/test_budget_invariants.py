"""What `gesta verify` finds of budgets: what is put aside without a call, or stays, and what is counted otherwise than it was."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from domain.ai_task import (
    AiTaskAttemptFailed,
    AiTaskAttemptStarted,
    AiTaskAttemptSucceeded,
    AiTaskToolCallStarted,
    AiTaskToolCallSucceeded,
    Reservation,
    Usage,
)
from domain.budget import BudgetPeriodOpened, BudgetReserved, BudgetSettled, Limits, Use
from domain.envelope import Envelope, RecordedEvent
from domain.facts import Event
from domain.retry import LEASE_LOST, Failure
from projections.ai_invariants import AiInvariants
from store.topics import topic_of

TASK, PERIOD, CALL, BUDGET = (UUID(int=number) for number in range(1, 5))
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
Step = tuple[UUID, Event]

ASIDE, TOOL = Use(100, Decimal("0.50"), 1), Use(tool_calls=1)
OPENED: Step = (
    PERIOD,
    BudgetPeriodOpened(BUDGET, "all", "tenant", "", "total", "UTC", None, None, Limits(Decimal(9), 999, 9, 9), "EUR"),
)
PUT: Step = (PERIOD, BudgetReserved(TASK, CALL, ASIDE))
STARTED: Step = (
    TASK,
    AiTaskAttemptStarted(CALL, 1, "p", "m", "w", reserved=(Reservation(BUDGET, PERIOD, 100, Decimal("0.50"), 1),)),
)
ANSWERED = AiTaskAttemptSucceeded(CALL, 1, "yes", 1, "p", "m", Usage(60, 20), Decimal("0.30"), "EUR")
LOST = AiTaskAttemptFailed(CALL, 1, LEASE_LOST)
LIMITED = AiTaskAttemptFailed(CALL, 1, Failure("rate_limit", "Later."))
TOOL_STARTED = AiTaskToolCallStarted(CALL, "t", 1, {}, "k", reserved=(Reservation(BUDGET, PERIOD, tool_calls=1),))


def settled(used: Use, released: Use = ASIDE) -> Step:
    return PERIOD, BudgetSettled(TASK, CALL, released, used)


def found(*steps: Step) -> list[str]:
    invariants, said = AiInvariants(), list[str]()
    for position, (stream, event) in enumerate(steps, 1):
        who = Envelope("system")
        about = UUID(int=9), position, stream, position, topic_of(type(event))
        record = RecordedEvent(*about, event, NOON, NOON, UUID(int=8), who, b"{}")
        said += invariants.of_budgets(record)
    return [*said, *invariants.budgets.left()]


@pytest.mark.parametrize(
    "steps",
    [
        (OPENED, PUT, STARTED),
        (OPENED, STARTED, PUT, (TASK, ANSWERED), settled(Use(80, Decimal("0.30"), 1))),
        (OPENED, PUT, STARTED, settled(ASIDE), (TASK, LOST)),
        (OPENED, PUT, STARTED, (TASK, LIMITED), settled(Use(calls=1))),
        (OPENED, PUT, STARTED, (TASK, replace(ANSWERED, currency="USD")), settled(Use(80, Decimal("0.50"), 1))),
        (OPENED, PUT, STARTED, (TASK, replace(ANSWERED, cached_from=TASK)), settled(Use())),
        (
            OPENED,
            (TASK, TOOL_STARTED),
            (PERIOD, BudgetReserved(TASK, CALL, TOOL)),
            (TASK, AiTaskToolCallSucceeded(CALL, "t", 1, {})),
            settled(TOOL, TOOL),
        ),
        (
            OPENED,
            (TASK, replace(TOOL_STARTED, reserved=None, child_id=UUID(int=7))),
            (PERIOD, BudgetReserved(TASK, CALL, TOOL)),
            settled(TOOL, TOOL),
        ),
    ],
)
def test_what_is_sound_is_not_found(steps: tuple[Step, ...]) -> None:
    assert found(*steps) == []


@pytest.mark.parametrize(
    ("steps", "what"),
    [
        ((OPENED, PUT), "takes None"),
        ((OPENED, STARTED), "None is put aside"),
        ((OPENED, PUT, PUT, STARTED), "twice"),
        ((OPENED, PUT, STARTED, (TASK, ANSWERED)), "has ended, and something is put aside for it still"),
        ((OPENED, PUT, STARTED, settled(ASIDE)), "it has not ended"),
        ((OPENED, settled(ASIDE)), "was not put aside"),
        ((OPENED, PUT, settled(ASIDE)), "no call under way"),
        ((OPENED, PUT, STARTED, (TASK, ANSWERED), settled(Use(79, Decimal("0.30"), 1))), "counts 79 as the tokens"),
        ((OPENED, PUT, STARTED, (TASK, ANSWERED), settled(Use(80, Decimal("0.29"), 1))), "counts 0.29 as the cost"),
        ((OPENED, PUT, STARTED, (TASK, LIMITED), settled(Use())), "counts 0 as the calls"),
        ((OPENED, PUT, STARTED, (TASK, ANSWERED), settled(Use(80, Decimal("0.30"), 1), replace(ASIDE, calls=0))), "frees"),
    ],
)
def test_what_is_not_is(steps: tuple[Step, ...], what: str) -> None:
    assert any(what in sentence for sentence in found(*steps)), found(*steps)
