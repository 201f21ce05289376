"""What a budget has counted for one subject in one period: what was used, and what is put aside for calls under way.

Sums only, so that the state stays small however many calls there are. What is put aside for a call stands in the call's own
event, and goes with the call's end, in the same append: so it goes once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Literal, assert_never
from uuid import UUID

from domain.budget.amounts import NO_LIMITS, NOTHING, AmountName, Limits, Use
from domain.budget.budgets import Period, Scope, of_what
from domain.facts import Aggregate, Event, EventType, Subject


@dataclass(frozen=True)
class BudgetPeriodOpened(Event):
    """With the first call that it counts. `subject`: the key or the id; empty for the tenant. `ends_at`: None: it does not."""

    budget_id: UUID
    key: str
    scope: Scope
    subject: str
    period: Period
    time_zone: str
    starts_at: datetime | None
    ends_at: datetime | None
    limits: Limits
    currency: str | None


@dataclass(frozen=True)
class BudgetPeriodAdjusted(Event):
    """The budget's limits have changed: these hold from this call on."""

    limits: Limits
    currency: str | None


@dataclass(frozen=True)
class BudgetReserved(Event):
    """Put aside before a call. `call_id`: the attempt, or the call of a tool."""

    task_id: UUID
    call_id: UUID
    amounts: Use


@dataclass(frozen=True)
class BudgetSettled(Event):
    """What was put aside is free again, and what was used counts. `assumed`: the amounts of which nobody knows what was used:
    as much counts as was put aside."""

    task_id: UUID
    call_id: UUID
    released: Use
    used: Use
    assumed: tuple[AmountName, ...] = ()


@dataclass(frozen=True)
class BudgetWarned(Event):
    """Used and put aside together have come to `share` of the limit of `amount`."""

    budget_id: UUID
    key: str
    scope: Scope
    subject: str
    amount: AmountName
    share: Decimal
    used: Use
    reserved: Use
    limits: Limits
    currency: str | None
    ends_at: datetime | None


@dataclass(frozen=True)
class BudgetExhausted(Event):
    """A call would go beyond the limit of `amount`. `refused`: it was not made; else the budget only tells.

    `reason`: limit; or unknown: nobody knows what it would cost."""

    budget_id: UUID
    key: str
    scope: Scope
    subject: str
    amount: AmountName
    reason: Literal["limit", "unknown"]
    refused: bool
    used: Use
    reserved: Use
    limits: Limits
    currency: str | None
    ends_at: datetime | None


BudgetPeriodEvent = BudgetPeriodOpened | BudgetPeriodAdjusted | BudgetReserved | BudgetSettled | BudgetWarned | BudgetExhausted


@dataclass(frozen=True)
class BudgetPeriod:
    """`open`: how many calls under way have something put aside."""

    opened: BudgetPeriodOpened | None = None
    limits: Limits = NO_LIMITS
    currency: str | None = None
    used: Use = NOTHING
    reserved: Use = NOTHING
    open: int = 0
    warned: bool = False
    exhausted: bool = False

    @property
    def total(self) -> Use:
        return self.used + self.reserved


def evolve(state: BudgetPeriod, event: BudgetPeriodEvent) -> BudgetPeriod:
    match event:
        case BudgetPeriodOpened():
            return BudgetPeriod(event, event.limits, event.currency)
        case BudgetPeriodAdjusted():
            return replace(state, limits=event.limits, currency=event.currency, warned=False, exhausted=False)
        case BudgetReserved():
            return replace(state, reserved=state.reserved + event.amounts, open=state.open + 1)
        case BudgetSettled():
            reserved, used = state.reserved - event.released, state.used + event.used
            return replace(state, reserved=reserved, used=used, open=state.open - 1)
        case BudgetWarned():
            return replace(state, warned=True)
        case BudgetExhausted():
            return replace(state, exhausted=True)
        case _:
            assert_never(event)


Noticed = BudgetPeriodOpened | BudgetWarned | BudgetExhausted


def _of(event: Noticed) -> str:
    """As people name it: `ai-monthly` of the workflow travel."""
    return f"{event.key}, of {of_what(event.scope, event.subject or None)}"


def _tagged(event: Noticed, _subject: Subject) -> tuple[str, ...]:
    return (event.key,)


AMOUNTS: Mapping[AmountName, str] = {
    "cost": "the cost",
    "tokens": "tokens",
    "calls": "calls of models",
    "tool_calls": "calls of tools",
}


def _exhausted(event: BudgetExhausted) -> str:
    if event.reason == "unknown":
        return f"A call was refused: nobody knows {AMOUNTS[event.amount]} that it would take of the budget {_of(event)}."
    what = "A call was refused that would go" if event.refused else "A call goes"
    return f"{what} beyond the limit of {AMOUNTS[event.amount]} of the budget {_of(event)}."


def _said(use: Use) -> str:
    """`2000 tokens, 1 calls of models`."""
    return ", ".join(f"{getattr(use, name)} of {AMOUNTS[name]}" for name in AMOUNTS if getattr(use, name)) or "nothing"


BUDGET_PERIOD: Aggregate[BudgetPeriod] = Aggregate(
    "budget_period",
    BudgetPeriod(),
    evolve,
    (
        EventType(
            BudgetPeriodOpened,
            "budget.period_opened.v1",
            lambda e, _: f"A period of the budget {_of(e)}, began to count.",
            severity="debug",
            tags=_tagged,
            note="With the first call that it counts. A stream for each budget, subject and period.",
        ),
        EventType(
            BudgetPeriodAdjusted,
            "budget.period_adjusted.v1",
            lambda _e, _: "The limits of the budget have changed within the period.",
            severity="debug",
            note="From the first call on after the change.",
        ),
        EventType(
            BudgetReserved,
            "budget.reserved.v1",
            lambda e, _: f"Of a budget, {_said(e.amounts)}: put aside for a call.",
            severity="debug",
            note="In the same append as the start of the attempt or call that `call_id` names.",
        ),
        EventType(
            BudgetSettled,
            "budget.settled.v1",
            lambda e, _: f"Of a budget, {_said(e.used)}: used by a call.",
            severity="debug",
            note="In the same append as the end of the attempt or call. `assumed` names what nobody knows: there, as much counts "
            "as was put aside.",
        ),
        EventType(
            BudgetWarned,
            "budget.warned.v1",
            lambda e, _: f"{e.share * 100:.4g} % of {AMOUNTS[e.amount]} of the budget {_of(e)}, are used or put aside.",
            severity="warning",
            tags=_tagged,
            note="Once in a period, and again after its limits were changed.",
        ),
        EventType(
            BudgetExhausted,
            "budget.exhausted.v1",
            lambda e, _: _exhausted(e),
            severity="error",
            tags=_tagged,
            note="With the first call that is refused, and again after the limits were changed. A budget that is not hard "
            "refuses none, and tells of the first that goes beyond. `reason`: limit, or unknown where nobody knows the price.",
        ),
    ),
    "ai",
)
