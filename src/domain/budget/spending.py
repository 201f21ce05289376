"""Before a call, what it may take at most is put aside; after it, what it took counts.

A call is refused where what is used, what is put aside and what it wants would together pass a hard limit. So as long as no call
takes more than was put aside for it, use never passes a limit, however many calls are made at a time: the period's stream is an
expectation of every command that puts something aside. Where a call takes more than that, use passes the limit by what the calls
under way took beyond theirs, and by no more: from then on every other call is refused.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Literal
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from domain.ai_task import AiTaskAttemptFailed, AiTaskAttemptSucceeded, Reservation, Usage
from domain.budget.amounts import NOTHING, AmountName, Amounts, Use
from domain.budget.budgets import BUDGET, Budget, Period, Scope, budgets_id_of, of_what
from domain.budget.periods import (
    AMOUNTS,
    BUDGET_PERIOD,
    BudgetExhausted,
    BudgetPeriod,
    BudgetPeriodAdjusted,
    BudgetPeriodEvent,
    BudgetPeriodOpened,
    BudgetReserved,
    BudgetSettled,
    BudgetWarned,
    evolve,
)
from domain.facts import Fact, View
from domain.retry import Failure
from domain.working_time import zone_of


@dataclass(frozen=True)
class Subjects:
    """Whose budgets a call is taken from. None: there is no such thing."""

    task_id: UUID
    execution_id: UUID | None = None
    workflow_key: str | None = None
    prompt_key: str | None = None

    def named(self, scope: Scope) -> str | None:
        """The subject of a budget of this scope; empty for the tenant."""
        match scope:
            case "tenant":
                return ""
            case "workflow":
                return self.workflow_key
            case "prompt":
                return self.prompt_key
            case "execution":
                return None if self.execution_id is None else str(self.execution_id)
            case "task":
                return str(self.task_id)


@dataclass(frozen=True)
class BudgetRefusal:
    """Why a call may not be made. `ends_at`: when the budget begins anew; None: it does not."""

    budget_id: UUID
    key: str
    scope: Scope
    subject: str
    amount: AmountName
    reason: Literal["limit", "unknown"]
    ends_at: datetime | None

    @property
    def message(self) -> str:
        of = f"the budget {self.key}, of {of_what(self.scope, self.subject or None)}"
        if self.reason == "unknown":
            return f"Nobody knows {AMOUNTS[self.amount]} that the call would take of {of}, which allows no such calls."
        anew = "It does not begin anew." if self.ends_at is None else f"It begins anew at {_written(self.ends_at)}."
        return f"The call would go beyond the limit of {AMOUNTS[self.amount]} of {of}. {anew}"

    @property
    def failure(self) -> Failure:
        """As a task records it that fails for it."""
        return Failure("budget_exceeded", self.message, retryable=False)


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Reserved:
    """`facts`: to be appended in any case, also with a refusal: they say that the budget is used up.

    `reservations`: of the event that the call starts with; none where it is refused. `refused`: by the first budget that does."""

    facts: tuple[Fact, ...] = ()
    reservations: tuple[Reservation, ...] = ()
    refused: BudgetRefusal | None = None


def reserve(
    view: View,
    subjects: Subjects,
    call_id: UUID,
    wanted: Amounts,
    beyond: Iterable[UUID] = (),
    *,
    after: Iterable[Fact] = (),
) -> Reserved:
    """Put aside what a call takes at most, of every budget that counts any of it.

    `call_id`: the attempt, or the call of a tool. `beyond`: ids of budgets that somebody allowed the task to go beyond; they
    count what it takes, and refuse nothing. `after`: facts of the same decision that were decided before.
    """
    allowed, before = frozenset(beyond), tuple(after)
    taken = [
        Taking(view, budget, subject, subjects.task_id, call_id, wanted, before)
        for budget, subject in applying(view, subjects)
        if _counts(budget, wanted)
    ]
    refusals = [refusal for each in taken if each.budget.id not in allowed and (refusal := each.refusal()) is not None]
    if refusals:
        refused = {refusal.budget_id: refusal for refusal in refusals}
        told = tuple(fact for each in taken if (of := refused.get(each.budget.id)) is not None for fact in each.told_of(of))
        return Reserved(told, (), refusals[0])
    for each in taken:
        each.put_aside()
    return Reserved(tuple(fact for each in taken for fact in each.facts()), tuple(each.reservation for each in taken))


def note(view: View, subjects: Subjects, call_id: UUID, used: Amounts, *, after: Iterable[Fact] = ()) -> Reserved:
    """As `reserve`, of a call that was made already, by somebody whom nobody could refuse: a limit that it passes is told of."""
    before = tuple(after)
    taken = [
        Taking(view, budget, subject, subjects.task_id, call_id, used, before)
        for budget, subject in applying(view, subjects)
        if _counts(budget, used)
    ]
    for each in taken:
        each.put_aside(made=True)
    return Reserved(tuple(fact for each in taken for fact in each.facts()), tuple(each.reservation for each in taken))


def applying(view: View, subjects: Subjects) -> Iterator[tuple[Budget, str]]:
    """The budgets that a call is taken from, each with the subject that it counts it for."""
    for budget in view.read(BUDGET, budgets_id_of(view.tenant_id)).of.values():
        subject = subjects.named(budget.scope)
        if subject is not None and budget.subject in (None, subject):
            yield budget, subject


def _counts(budget: Budget, wanted: Amounts) -> bool:
    """Whether it limits any of what is wanted. A call of a model may cost, and take tokens, whatever was reckoned."""
    return any(
        getattr(wanted, name) != 0 or (name in ("cost", "tokens") and wanted.calls > 0) for name, _ in budget.limits.named()
    )


class Taking:
    """What one call takes of one budget."""

    def __init__(
        self, view: View, budget: Budget, subject: str, task_id: UUID, call_id: UUID, wanted: Amounts, before: tuple[Fact, ...]
    ) -> None:
        self.budget = budget
        self._task_id, self._call_id = task_id, call_id
        self._events: list[BudgetPeriodEvent] = []
        starts_at, ends_at = span_of(budget.period, budget.time_zone, view.now)
        self.period_id = period_id_of(budget.id, subject, starts_at)
        self.state = _state_of(view, self.period_id, before)
        if self.state.opened is None:
            self._happened(
                BudgetPeriodOpened(
                    budget.id,
                    budget.key,
                    budget.scope,
                    subject,
                    budget.period,
                    budget.time_zone,
                    starts_at,
                    ends_at,
                    budget.limits,
                    budget.currency,
                )
            )
        elif (self.state.limits, self.state.currency) != (budget.limits, budget.currency):
            self._happened(BudgetPeriodAdjusted(budget.limits, budget.currency))
        self._cost = wanted.cost_in(budget.currency)
        self._tokens = wanted.tokens
        limits = budget.limits
        self.wanted = Use(
            0 if limits.tokens is None else wanted.tokens or 0,
            self._cost if limits.cost is not None and self._cost is not None else NOTHING.cost,
            0 if limits.calls is None else wanted.calls,
            0 if limits.tool_calls is None else wanted.tool_calls,
        )

    def _happened(self, event: BudgetPeriodEvent) -> None:
        self._events.append(event)
        self.state = evolve(self.state, event)

    @property
    def reservation(self) -> Reservation:
        wanted = self.wanted
        return Reservation(self.budget.id, self.period_id, wanted.tokens, wanted.cost, wanted.calls, wanted.tool_calls)

    def facts(self) -> tuple[Fact, ...]:
        return tuple(Fact(self.period_id, event) for event in self._events)

    def refusal(self) -> BudgetRefusal | None:
        if not self.budget.hard:
            return None
        unknown = self._unknown()
        if unknown is not None and self.budget.unknown == "refuse":
            return self._refusal(unknown, "unknown")
        beyond = self._beyond()
        return None if beyond is None else self._refusal(beyond, "limit")

    def _unknown(self) -> AmountName | None:
        """Which of what it limits nobody knows of this call."""
        known = {"cost": self._cost, "tokens": self._tokens}
        return next((name for name, _ in self.budget.limits.named() if name in known and known[name] is None), None)

    def _beyond(self) -> AmountName | None:
        """Which limit the call would pass: one of what it takes nothing of holds up nothing."""
        after = self.state.total + self.wanted
        for name, limit in self.budget.limits.named():
            if getattr(self.wanted, name) > 0 and getattr(after, name) > limit:
                return name
        return None

    def _refusal(self, amount: AmountName, reason: Literal["limit", "unknown"]) -> BudgetRefusal:
        opened = self.state.opened
        assert opened is not None
        budget = self.budget
        return BudgetRefusal(budget.id, budget.key, budget.scope, opened.subject, amount, reason, opened.ends_at)

    def told_of(self, refusal: BudgetRefusal) -> tuple[Fact, ...]:
        """That it refuses: once."""
        if self.state.exhausted:
            return ()
        self._exhausted(refusal.amount, refusal.reason, refused=True)
        return self.facts()

    def put_aside(self, *, made: bool = False) -> None:
        """`made`: it was made before anybody asked, and so not refused."""
        beyond = self._beyond()
        self._happened(BudgetReserved(self._task_id, self._call_id, self.wanted))
        warned = _warning(self.state, self.budget)
        if warned is not None:
            self._happened(warned)
        if beyond is not None and (made or not self.budget.hard) and not self.state.exhausted:
            self._exhausted(beyond, "limit", refused=False)

    def _exhausted(self, amount: AmountName, reason: Literal["limit", "unknown"], *, refused: bool) -> None:
        opened, state = self.state.opened, self.state
        assert opened is not None
        self._happened(
            BudgetExhausted(
                opened.budget_id,
                opened.key,
                opened.scope,
                opened.subject,
                amount,
                reason,
                refused,
                state.used,
                state.reserved,
                state.limits,
                state.currency,
                opened.ends_at,
            )
        )


def settle(
    view: View,
    task_id: UUID,
    call_id: UUID,
    reservations: Iterable[Reservation],
    used: Amounts,
    *,
    after: Iterable[Fact] = (),
) -> tuple[Fact, ...]:
    """What was put aside is free again, and what was used counts.

    Of what nobody knows (`used` has None, or another currency), as much counts as was put aside: it may have been used. That is
    so too where whoever made the call is gone; it is never corrected, as nobody will ever know better.
    """
    before = tuple(after)
    budgets = {budget.id: budget for budget in view.read(BUDGET, budgets_id_of(view.tenant_id)).of.values()}
    facts: list[Fact] = []
    for reservation in reservations:
        state = _state_of(view, reservation.period_id, (*before, *facts))
        settled = _settled(state, task_id, call_id, reservation, used)
        state = evolve(state, settled)
        facts.append(Fact(reservation.period_id, settled))
        budget = budgets.get(reservation.budget_id)
        warned = None if budget is None else _warning(state, budget)
        if warned is not None:
            facts.append(Fact(reservation.period_id, warned))
    return tuple(facts)


FREE = frozenset({"rate_limit", "overloaded", "quota", "auth", "bad_request", "context_length"})
"""Types of failures of calls that a provider turned away: these used nothing, even if nobody says so."""
A_TOOL_CALL = Amounts(tool_calls=1)
"""What the start of a tool's call takes, and its end has used, however it ended."""


def used_by(ended: AiTaskAttemptSucceeded | AiTaskAttemptFailed) -> Amounts:
    """What an attempt has used, by its end on record. It is a call of a model unless its answer came from the cache."""
    if isinstance(ended, AiTaskAttemptSucceeded):
        return Amounts() if ended.cached_from is not None else used_in(ended.usage, ended.cost, ended.currency)
    return used_in(ended.usage, ended.cost, ended.currency, ended.error)


def used_in(usage: Usage | None, cost: Decimal | None, currency: str | None, error: Failure | None = None) -> Amounts:
    """What a call of a model has used, by what is believed of it. `error`: that it came to."""
    if usage is None and cost is None and error is not None and error.type in FREE:
        return Amounts(calls=1)
    return Amounts(None if usage is None else usage.input_tokens + usage.output_tokens, cost, currency, calls=1)


def _settled(state: BudgetPeriod, task_id: UUID, call_id: UUID, reservation: Reservation, used: Amounts) -> BudgetSettled:
    released = Use(reservation.tokens, reservation.cost, reservation.calls, reservation.tool_calls)
    limits, cost = state.limits, used.cost_in(state.currency)
    counted = Use(
        _counted(limits.tokens, used.tokens, released.tokens),
        released.cost if cost is None else cost if limits.cost is not None or released.cost else NOTHING.cost,
        _counted(limits.calls, used.calls, released.calls),
        _counted(limits.tool_calls, used.tool_calls, released.tool_calls),
    )
    unknown = {"cost": cost, "tokens": used.tokens}
    assumed = tuple(name for name, _ in limits.named() if name in unknown and unknown[name] is None)
    return BudgetSettled(task_id, call_id, released, counted, assumed)


def _counted(limit: int | None, used: int | None, released: int) -> int:
    """None is not known; and what was neither limited nor put aside is not counted."""
    if used is None:
        return released
    return used if limit is not None or released else 0


def _warning(state: BudgetPeriod, budget: Budget) -> BudgetWarned | None:
    """Once: when what is used and put aside has come to the share that is warned of."""
    opened = state.opened
    if state.warned or budget.soft is None or opened is None:
        return None
    amount = state.total.reaching(state.limits, budget.soft)
    if amount is None:
        return None
    return BudgetWarned(
        opened.budget_id,
        opened.key,
        opened.scope,
        opened.subject,
        amount,
        budget.soft,
        state.used,
        state.reserved,
        state.limits,
        state.currency,
        opened.ends_at,
    )


def _state_of(view: View, period_id: UUID, before: tuple[Fact, ...]) -> BudgetPeriod:
    """As it is after what the decision has come to so far."""
    return BUDGET_PERIOD.after(view.read(BUDGET_PERIOD, period_id), period_id, before)


def span_of(period: Period, time_zone: str, moment: datetime) -> tuple[datetime | None, datetime | None]:
    """From when to when the period lasts that a moment is in, by the clock of the zone. None: without beginning, without end."""
    zone = zone_of(time_zone)
    day = moment.astimezone(zone).date()
    match period:
        case "total":
            return None, None
        case "day":
            return _midnight(day, zone), _midnight(day + timedelta(days=1), zone)
        case "month":
            first = day.replace(day=1)
            return _midnight(first, zone), _midnight((first + timedelta(days=31)).replace(day=1), zone)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def period_id_of(budget_id: UUID, subject: str, starts_at: datetime | None) -> UUID:
    return uuid5(budget_id, f"{subject}/{'' if starts_at is None else _written(starts_at)}")
