"""The budgets of a tenant: one stream holds them all, so that who is about to spend finds those that apply by one read.

A budget counts, for each subject in its scope, what AI tasks use in a period. What it counts, for whom and by which periods stays
as it was set: what has been counted so far would mean something else. Its limits may change, and hold from the next call on.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, assert_never
from uuid import UUID, uuid5

from domain.budget.amounts import NO_LIMITS, Limits
from domain.facts import Aggregate, Decided, Event, EventType, Fact, FieldError, Invalid, Json, NotFound, RuleViolation, View
from domain.names import ROLE_KEY, SLUG
from domain.usage_report import CURRENCY, SMALLEST
from domain.wording import because
from domain.working_time import NoSuchZone, zone_of

Scope = Literal["tenant", "workflow", "prompt", "execution", "task"]
Period = Literal["day", "month", "total"]
Unknown = Literal["refuse", "allow"]

MOST_BUDGETS = 200
"""Of a tenant."""
MOST_COUNTED = 10**15
MOST_COST = Decimal(10**9)


@dataclass(frozen=True)
class BudgetSet(Event):
    """In whole, whether it is new or was changed. `subject`: the key of the one workflow or prompt that it is for; None: for each
    by itself. `soft`: the share of a limit that is warned of. `hard`: whether calls beyond a limit are refused.
    `unknown`: what becomes of a call of which nobody knows what it would cost."""

    budget_id: UUID
    key: str
    scope: Scope
    subject: str | None
    period: Period
    time_zone: str
    limits: Limits
    currency: str | None
    soft: Decimal | None
    hard: bool
    unknown: Unknown


@dataclass(frozen=True)
class BudgetRemoved(Event):
    budget_id: UUID
    key: str
    reason: str | None = None


BudgetEvent = BudgetSet | BudgetRemoved


@dataclass(frozen=True)
class Budget:
    """`version`: of the stream, when it was last set."""

    id: UUID
    key: str
    scope: Scope
    subject: str | None
    period: Period
    time_zone: str
    limits: Limits
    currency: str | None
    soft: Decimal | None
    hard: bool
    unknown: Unknown
    version: int

    @property
    def lasting(self) -> tuple[object, ...]:
        """What stays as it was set."""
        return self.scope, self.subject, self.period, self.time_zone


@dataclass(frozen=True)
class Budgets:
    """By key. `version`: of the stream."""

    of: dict[str, Budget] = field(default_factory=dict)
    version: int = 0


def evolve(state: Budgets, event: BudgetEvent) -> Budgets:
    version = state.version + 1
    match event:
        case BudgetSet():
            return Budgets({**state.of, event.key: _as_set(event, version)}, version)
        case BudgetRemoved():
            return Budgets({key: budget for key, budget in state.of.items() if key != event.key}, version)
        case _:
            assert_never(event)


def _as_set(event: BudgetSet, version: int) -> Budget:
    return Budget(
        event.budget_id,
        event.key,
        event.scope,
        event.subject,
        event.period,
        event.time_zone,
        event.limits,
        event.currency,
        event.soft,
        event.hard,
        event.unknown,
        version,
    )


def of_what(scope: str, subject: str | None) -> str:
    """For people: `the workflow travel`, `each execution`."""
    if scope == "tenant":
        return "the tenant"
    return f"the {scope} {subject}" if subject else f"each {scope}"


BUDGET: Aggregate[Budgets] = Aggregate(
    "budget",
    Budgets(),
    evolve,
    (
        EventType(
            BudgetSet,
            "budget.set.v1",
            lambda e, _: f"The budget {e.key} was set, of {of_what(e.scope, e.subject)}.",
            tags=lambda e, _: (e.key,),
            note="In whole. A tenant's budgets are one stream. `soft`: the share of a limit that is warned of; `hard`: whether "
            "calls beyond a limit are refused; `unknown`: refuse or allow, for calls of which nobody knows the price.",
        ),
        EventType(
            BudgetRemoved,
            "budget.removed.v1",
            lambda e, _: f"The budget {e.key} was removed{because(e.reason)}.",
            severity="warning",
            tags=lambda e, _: (e.key,),
            note="Nothing is counted for it any more. What it counted stays on record.",
        ),
    ),
    "ai",
)


class BudgetIsOther(RuleViolation):
    """What a budget is of, its period, time zone and currency stay as they were set. Remove it, and set another one."""

    code = "budget_is_other"


class TooManyBudgets(RuleViolation):
    """A tenant has 200 budgets at most."""

    code = "too_many_budgets"


@dataclass(frozen=True)
class Wish:
    """A budget as somebody wants it."""

    scope: Scope = "tenant"
    subject: str | None = None
    period: Period = "month"
    time_zone: str = "UTC"
    limits: Limits = NO_LIMITS
    currency: str | None = None
    soft: Decimal | None = None
    hard: bool = True
    unknown: Unknown = "refuse"


def budgets_id_of(tenant_id: UUID) -> UUID:
    """The stream of a tenant's budgets."""
    return uuid5(tenant_id, "budgets")


def set_budget(view: View, key: str, wish: Wish) -> Decided:
    """Set a budget, or change the limits of the one that there is."""
    _require(key, wish)
    stream_id = budgets_id_of(view.tenant_id)
    state = view.read(BUDGET, stream_id)
    known = state.of.get(key)
    currency = wish.currency
    if known is None:
        if len(state.of) >= MOST_BUDGETS:
            raise TooManyBudgets
    else:
        currency = currency or known.currency
        if known.lasting != (wish.scope, wish.subject, wish.period, wish.time_zone):
            raise BudgetIsOther
        if known.currency not in (None, currency):
            raise BudgetIsOther(path="/limits/cost/currency")
    event = BudgetSet(
        view.new_id() if known is None else known.id,
        key,
        wish.scope,
        wish.subject,
        wish.period,
        wish.time_zone,
        wish.limits,
        currency,
        wish.soft,
        wish.hard,
        wish.unknown,
    )
    same = known is not None and _as_set(event, known.version) == known
    after = state if same else evolve(state, event)
    return Decided(() if same else (Fact(stream_id, event),), result=shown(after.of[key]))


def remove(view: View, key: str, reason: str | None = None) -> Decided:
    """Nothing is counted for it any more, and nothing refused."""
    stream_id = budgets_id_of(view.tenant_id)
    known = view.read(BUDGET, stream_id).of.get(key)
    if known is None:
        raise NotFound
    event = BudgetRemoved(known.id, key, reason)
    return Decided((Fact(stream_id, event),), result={"id": str(known.id), "key": key, "version": view.version(stream_id) + 1})


def shown(budget: Budget) -> Json:
    """As it is answered. Money is text: it is exact."""
    limits = budget.limits
    return {
        "id": str(budget.id),
        "key": budget.key,
        "scope": budget.scope,
        "subject": budget.subject,
        "period": budget.period,
        "time_zone": budget.time_zone,
        "limit_cost": None if limits.cost is None else str(limits.cost),
        "currency": budget.currency,
        "limit_tokens": limits.tokens,
        "limit_calls": limits.calls,
        "limit_tool_calls": limits.tool_calls,
        "soft": None if budget.soft is None else str(budget.soft),
        "hard": budget.hard,
        "unknown": budget.unknown,
        "version": budget.version,
    }


def _require(key: str, wish: Wish) -> None:
    faults = [*_faults_of_what(key, wish), *_faults_of_limits(wish)]
    if faults:
        raise Invalid("The budget is not valid.", faults[0].path, tuple(faults))


def _faults_of_what(key: str, wish: Wish) -> list[FieldError]:
    faults = []
    if not ROLE_KEY.fullmatch(key):
        told = "A budget's key starts with a lower-case letter; letters, digits, - and _ follow; at most 63 characters."
        faults.append(FieldError("/key", "invalid_key", told))
    named = {"workflow": SLUG, "prompt": ROLE_KEY}.get(wish.scope)
    if wish.subject is not None and named is None:
        told = "Only a budget of workflows or prompts names one of them."
        faults.append(FieldError("/subject", "unexpected", told))
    elif wish.subject is not None and named is not None and not named.fullmatch(wish.subject):
        faults.append(FieldError("/subject", "invalid_key", f"This is no key of a {wish.scope}."))
    try:
        zone_of(wish.time_zone)
    except NoSuchZone:
        faults.append(FieldError("/time_zone", "unknown_zone", "There is no such time zone, as Europe/Berlin."))
    if wish.soft is not None and not (wish.soft.is_finite() and 0 < wish.soft <= 1 and wish.soft == round(wish.soft, 4)):
        faults.append(FieldError("/soft", "out_of_range", "A share is above 0 and at most 1, with four decimals at most."))
    return faults


def _faults_of_limits(wish: Wish) -> list[FieldError]:
    faults = []
    limits = wish.limits
    if not any(True for _ in limits.named()):
        faults.append(FieldError("/limits", "empty", "A budget limits the cost, tokens, calls or tool_calls."))
    for name in ("tokens", "calls", "tool_calls"):
        limit = getattr(limits, name)
        if limit is not None and not 0 <= limit <= MOST_COUNTED:
            faults.append(FieldError(f"/limits/{name}", "out_of_range", "A limit is a whole number from 0 to 10^15."))
    if limits.cost is not None and not _is_amount(limits.cost):
        told = "An amount is from 0 to 1,000,000,000, with ten decimals at most."
        faults.append(FieldError("/limits/cost/amount", "out_of_range", told))
    if (limits.cost is not None and wish.currency is None) or (wish.currency and not CURRENCY.fullmatch(wish.currency)):
        faults.append(FieldError("/limits/cost/currency", "invalid_currency", "A currency is named as by ISO 4217: EUR."))
    return faults


def _is_amount(cost: Decimal) -> bool:
    return cost.is_finite() and 0 <= cost <= MOST_COST and cost == cost.quantize(SMALLEST)
