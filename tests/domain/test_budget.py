"""Budgets: who is about to spend puts aside what a call may take; what it took counts; what would go beyond is refused."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, settings
from hypothesis import given as hypothesis_given
from hypothesis import strategies as st

from domain.ai_task import AiTaskAttemptFailed, AiTaskAttemptSucceeded, Usage
from domain.budget import (
    BUDGET_PERIOD,
    MOST_BUDGETS,
    Amounts,
    BudgetExhausted,
    BudgetPeriodAdjusted,
    BudgetPeriodOpened,
    BudgetReserved,
    BudgetSettled,
    BudgetWarned,
    Limits,
    Reserved,
    Subjects,
    Use,
    Wish,
    remove,
    reserve,
    set_budget,
    settle,
    span_of,
    used_by,
)
from domain.facts import Decided
from domain.retry import Failure
from tests.given import MOMENT, FactsView, Story, given

TASK, OTHER = UUID(int=1), UUID(int=2)
TRAVEL = Subjects(TASK, UUID(int=3), "travel", "summary")
EURO = Wish(limits=Limits(cost=Decimal(10)), currency="EUR", soft=Decimal("0.8"))
CALLS = Wish(limits=Limits(calls=2))


class Spending:
    """A story in which calls are made."""

    def __init__(self, **wishes: Wish) -> None:
        self.story: Story = given()
        self.calls = 0
        self.open: dict[UUID, tuple[Subjects, Reserved]] = {}
        self.set(**wishes)

    def set(self, **wishes: Wish) -> None:
        for key, wish in wishes.items():
            self.story = self.story.when(partial(set_budget, key=key, wish=wish))

    def remove(self, key: str) -> None:
        self.story = self.story.when(lambda view: remove(view, key))

    def at(self, moment: datetime) -> None:
        self.story = replace(self.story, view=replace(self.story.view, now=moment))

    def begin(self, wanted: Amounts, of: Subjects = TRAVEL, beyond: tuple[UUID, ...] = ()) -> tuple[UUID, Reserved]:
        self.calls += 1
        call_id, made = UUID(int=0xCA11 + self.calls), []

        def decide(view: FactsView) -> Decided:
            made.append(reserve(view, of, call_id, wanted, beyond))
            return Decided(made[-1].facts)

        self.story = self.story.when(decide)
        if made[-1].refused is None:
            self.open[call_id] = of, made[-1]
        return call_id, made[-1]

    def end(self, call_id: UUID, used: Amounts) -> None:
        of, reserved = self.open.pop(call_id)
        self.story = self.story.when(lambda view: Decided(settle(view, of.task_id, call_id, reserved.reservations, used)))

    def take(self, wanted: Amounts, used: Amounts | None = None, of: Subjects = TRAVEL) -> Reserved:
        call_id, reserved = self.begin(wanted, of)
        if reserved.refused is None:
            self.end(call_id, used or wanted)
        return reserved

    def periods(self) -> dict[tuple[str, str], Any]:
        """The states by key and subject; the last period of each."""
        streams = dict.fromkeys(f.stream_id for f in self.story.view.facts if isinstance(f.event, BudgetPeriodOpened))
        states = [self.story.view.read(BUDGET_PERIOD, each) for each in streams]
        return {(state.opened.key, state.opened.subject): state for state in states if state.opened is not None}

    def told(self, *kinds: type) -> list[Any]:
        return [fact.event for fact in self.story.view.facts if isinstance(fact.event, kinds)]


def cost(amount: str, currency: str = "EUR") -> Amounts:
    return Amounts(tokens=0, cost=Decimal(amount), currency=currency, calls=1)


def test_what_is_put_aside_goes_when_the_call_ends_and_what_it_took_counts() -> None:
    spending = Spending(monthly=EURO)
    call_id, reserved = spending.begin(cost("4"))
    [reservation] = reserved.reservations
    assert reservation.cost == 4
    assert spending.periods()["monthly", ""].reserved == Use(cost=Decimal(4))
    spending.end(call_id, cost("1.5"))
    period = spending.periods()["monthly", ""]
    assert (period.used, period.reserved, period.open) == (Use(cost=Decimal("1.5")), Use(), 0)
    assert period.opened.starts_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert period.opened.ends_at == datetime(2026, 2, 1, tzinfo=UTC)


def test_a_call_that_would_go_beyond_is_refused_with_what_is_put_aside_for_others() -> None:
    spending = Spending(monthly=EURO)
    first, _ = spending.begin(cost("6"))
    _, reserved = spending.begin(cost("4.01"))
    assert reserved.refused is not None
    assert reserved.reservations == ()
    assert reserved.refused.failure == Failure(
        "budget_exceeded",
        "The call would go beyond the limit of the cost of the budget monthly, of the tenant. "
        "It begins anew at 2026-02-01T00:00:00Z.",
        retryable=False,
    )
    assert spending.begin(cost("4.00"))[1].refused is None, "to the cent"
    spending.end(first, cost("6"))
    assert spending.begin(cost("0.01"))[1].refused is not None
    assert len(spending.told(BudgetExhausted)) == 1, "it is told once"


def test_it_is_warned_once_in_a_period_and_again_after_its_limits_were_changed() -> None:
    spending = Spending(monthly=EURO)
    spending.take(cost("7.99"))
    assert spending.told(BudgetWarned) == []
    spending.take(cost("0.01"))
    [warned] = spending.told(BudgetWarned)
    assert (warned.amount, warned.share, warned.key) == ("cost", Decimal("0.8"), "monthly")
    spending.take(cost("0.5"))
    assert spending.told(BudgetWarned) == [warned]
    spending.set(monthly=replace(EURO, limits=Limits(cost=Decimal(20))))
    spending.take(cost("1"))
    assert spending.told(BudgetPeriodAdjusted) == [BudgetPeriodAdjusted(Limits(cost=Decimal(20)), "EUR")]
    assert spending.told(BudgetWarned) == [warned]
    spending.take(cost("7"))
    assert len(spending.told(BudgetWarned)) == 2


def test_a_budget_that_is_not_hard_tells_and_refuses_nothing() -> None:
    spending = Spending(monthly=replace(EURO, hard=False))
    assert spending.take(cost("11")).refused is None
    assert spending.take(cost("11")).refused is None
    [told] = spending.told(BudgetExhausted)
    assert not told.refused


def test_each_workflow_has_its_own_use_unless_one_is_named() -> None:
    spending = Spending(each=replace(CALLS, scope="workflow"), travel=replace(CALLS, scope="workflow", subject="travel"))
    other = replace(TRAVEL, workflow_key="expense")
    spending.take(Amounts(calls=1))
    spending.take(Amounts(calls=1), of=other)
    spending.take(Amounts(calls=1), of=other)
    assert {key: period.used.calls for key, period in spending.periods().items()} == {
        ("each", "travel"): 1,
        ("travel", "travel"): 1,
        ("each", "expense"): 2,
    }
    assert spending.take(Amounts(calls=1), of=other).refused is not None
    assert spending.take(Amounts(calls=1)).refused is None


@pytest.mark.parametrize("scope", ["workflow", "prompt", "execution"])
def test_what_has_no_such_subject_is_of_no_such_budget(scope: Any) -> None:
    spending = Spending(none=replace(CALLS, scope=scope, limits=Limits(calls=0)))
    assert spending.take(Amounts(calls=1), of=Subjects(TASK)).reservations == ()
    assert spending.take(Amounts(calls=1)).refused is not None


def test_tasks_and_executions_count_by_themselves() -> None:
    spending = Spending(task=replace(CALLS, scope="task", period="total"), run=replace(CALLS, scope="execution"))
    for task_id in (TASK, OTHER):
        spending.take(Amounts(calls=1), of=replace(TRAVEL, task_id=task_id))
    refused = spending.take(Amounts(calls=1), of=replace(TRAVEL, task_id=OTHER)).refused
    assert refused is not None
    assert (refused.key, refused.subject) == ("run", str(TRAVEL.execution_id))
    assert spending.periods()["task", str(TASK)].opened.ends_at is None


def test_a_call_of_a_tool_is_counted_where_calls_of_tools_are() -> None:
    spending = Spending(tools=Wish(limits=Limits(tool_calls=1)), models=CALLS)
    reserved = spending.take(Amounts(tool_calls=1))
    assert len(reserved.reservations) == 1
    assert spending.take(Amounts(tool_calls=1)).refused is not None
    assert spending.take(Amounts(calls=1)).refused is None, "it takes nothing of what is used up"


def test_a_price_that_nobody_knows_is_refused_unless_it_is_allowed() -> None:
    unknown, dollars = Amounts(tokens=5, cost=None, calls=1), cost("0.01", "USD")
    spending = Spending(monthly=EURO)
    for wanted in (unknown, dollars):
        refused = spending.take(wanted).refused
        assert refused is not None
        assert refused.reason == "unknown"
    assert spending.take(cost("0", "USD")).refused is None, "nothing is nothing in every currency"
    spending = Spending(monthly=replace(EURO, unknown="allow"))
    assert spending.take(dollars, cost("3", "USD")).refused is None
    spending.take(unknown, cost("2"))
    [first, second] = spending.told(BudgetSettled)
    assert (first.used, first.assumed) == (Use(), ("cost",))
    assert (second.used, second.assumed) == (Use(cost=Decimal(2)), ())


def test_what_nobody_knows_counts_as_much_as_was_put_aside() -> None:
    spending = Spending(monthly=replace(EURO, limits=Limits(cost=Decimal(10), tokens=1000, calls=5)))
    call_id, _ = spending.begin(Amounts(300, Decimal(3), "EUR", calls=1))
    lost = AiTaskAttemptFailed(call_id, 1, Failure("lease_lost", "The lease expired without a heartbeat."))
    spending.end(call_id, used_by(lost))
    assert spending.periods()["monthly", ""].used == Use(300, Decimal(3), calls=1)
    [settled] = spending.told(BudgetSettled)
    assert settled.assumed == ("cost", "tokens")


def test_what_a_provider_turned_away_took_nothing_but_was_a_call() -> None:
    failed = AiTaskAttemptFailed(TASK, 1, Failure("rate_limit", "Too many requests."))
    assert used_by(failed) == Amounts(tokens=0, cost=Decimal(0), calls=1)
    paid = replace(failed, usage=Usage(7, 0), cost=Decimal(1), currency="EUR")
    assert used_by(paid) == Amounts(7, Decimal(1), "EUR", calls=1)
    answered = AiTaskAttemptSucceeded(TASK, 1, "yes", 5, "p", "m", Usage(7, 3), Decimal(1), "EUR")
    assert used_by(answered) == Amounts(10, Decimal(1), "EUR", calls=1)
    assert used_by(replace(answered, cached_from=OTHER)) == Amounts()


def test_who_was_allowed_to_goes_beyond_and_it_counts() -> None:
    spending = Spending(monthly=CALLS, tools=Wish(limits=Limits(calls=5)))
    for _ in range(2):
        spending.take(Amounts(calls=1))
    refused = spending.take(Amounts(calls=1)).refused
    assert refused is not None
    assert spending.begin(Amounts(calls=1), beyond=(refused.budget_id,))[1].refused is None
    assert spending.periods()["monthly", ""].total.calls == 3
    assert spending.take(Amounts(calls=1)).refused is not None, "nobody else"


def test_a_period_is_of_the_clock_on_the_wall() -> None:
    spending = Spending(daily=replace(CALLS, period="day", time_zone="Europe/Berlin", limits=Limits(calls=1)))
    for hour, refused in ((21, False), (22, True), (23, False)):
        spending.at(datetime(2026, 1, 5, hour, 30, tzinfo=UTC))
        assert (spending.take(Amounts(calls=1)).refused is not None) is refused
    winter, summer = datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 3, 29, 12, tzinfo=UTC)
    assert span_of("day", "Europe/Berlin", winter)[1] == span_of("day", "Europe/Berlin", summer)[0]
    assert span_of("day", "Europe/Berlin", summer)[1] == datetime(2026, 3, 29, 22, tzinfo=UTC)
    assert span_of("month", "UTC", datetime(2026, 12, 31, tzinfo=UTC))[1] == datetime(2027, 1, 1, tzinfo=UTC)


def test_a_call_over_midnight_counts_for_the_day_on_which_it_began() -> None:
    spending = Spending(daily=replace(CALLS, period="day"))
    call_id, _ = spending.begin(Amounts(calls=1))
    spending.at(MOMENT.replace(day=6))
    spending.end(call_id, Amounts(calls=1))
    [period] = spending.periods().values()
    assert (period.used.calls, period.opened.starts_at.day) == (1, 5)


def test_a_call_that_outlives_its_budget_still_settles() -> None:
    spending = Spending(monthly=CALLS)
    call_id, _ = spending.begin(Amounts(calls=1))
    spending.remove("monthly")
    spending.end(call_id, Amounts(calls=1))
    assert spending.periods()["monthly", ""].used.calls == 1
    assert spending.take(Amounts(calls=1)).reservations == ()


def test_facts_of_the_same_decision_count() -> None:
    spending = Spending(monthly=replace(CALLS, limits=Limits(calls=1)))
    call_id, reserved = spending.begin(Amounts(calls=1))

    def decide(view: FactsView) -> Decided:
        settled = settle(view, TASK, call_id, reserved.reservations, Amounts(calls=0))
        again = reserve(view, TRAVEL, OTHER, Amounts(calls=1), after=settled)
        assert again.refused is None
        return Decided((*settled, *again.facts))

    spending.story = spending.story.when(decide)
    assert [type(fact.event) for fact in spending.story.decided.facts] == [BudgetSettled, BudgetReserved]


# Setting budgets


def test_what_a_budget_is_of_stays_as_it_was_set() -> None:
    story = Spending(monthly=EURO).story
    other = [
        replace(EURO, scope="task"),
        replace(EURO, period="day"),
        replace(EURO, time_zone="Europe/Berlin"),
        replace(EURO, currency="USD"),
    ]
    for wish in other:
        story = story.when(partial(set_budget, key="monthly", wish=wish)).then_refused("budget_is_other")
    assert story.when(lambda view: set_budget(view, "monthly", EURO)).then().result["version"] == 1
    calls = replace(EURO, limits=Limits(calls=1), currency=None)
    assert story.when(lambda view: set_budget(view, "monthly", calls)).result["currency"] == "EUR"


def test_a_budget_that_is_set_anew_counts_anew() -> None:
    spending = Spending(monthly=replace(CALLS, limits=Limits(calls=1)))
    spending.take(Amounts(calls=1))
    spending.remove("monthly")
    spending.set(monthly=replace(CALLS, period="day"))
    assert spending.take(Amounts(calls=1)).refused is None


@pytest.mark.parametrize(
    ("wish", "path"),
    [
        (Wish(), "/limits"),
        (Wish(limits=Limits(tokens=-1)), "/limits/tokens"),
        (Wish(limits=Limits(cost=Decimal(1))), "/limits/cost/currency"),
        (Wish(limits=Limits(cost=Decimal(1)), currency="eur"), "/limits/cost/currency"),
        (Wish(limits=Limits(cost=Decimal("1e-11")), currency="EUR"), "/limits/cost/amount"),
        (Wish(limits=Limits(cost=Decimal("NaN")), currency="EUR"), "/limits/cost/amount"),
        (replace(CALLS, soft=Decimal(0)), "/soft"),
        (replace(CALLS, soft=Decimal("0.12345")), "/soft"),
        (replace(CALLS, time_zone="Mars/Olympus"), "/time_zone"),
        (replace(CALLS, subject="travel"), "/subject"),
        (replace(CALLS, scope="prompt", subject="No Key"), "/subject"),
    ],
)
def test_a_budget_that_makes_no_sense_is_not_set(wish: Wish, path: str) -> None:
    given().when(lambda view: set_budget(view, "monthly", wish)).then_refused("invalid", path)


def test_there_are_so_many_budgets_at_most() -> None:
    spending = Spending(**{f"b{number}": CALLS for number in range(MOST_BUDGETS)})
    story = spending.story.when(lambda view: set_budget(view, "more", CALLS)).then_refused("too_many_budgets")
    assert story.when(lambda view: set_budget(view, "b0", EURO.__class__(limits=Limits(calls=7)))).refusal is None


# The rule, against an independent reckoning

AMOUNT = st.integers(0, 50)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("begin"), st.integers(0, 1), AMOUNT, AMOUNT),
        st.tuples(st.just("end"), st.integers(0, 5), AMOUNT, st.none() | AMOUNT),
    ),
    max_size=30,
)


@example([("begin", 0, 0, 0), ("end", 0, 5, 7)], 10, 10)
@settings(max_examples=60, deadline=None)
@hypothesis_given(STEPS, st.integers(0, 100), st.integers(0, 100))
def test_use_passes_a_limit_by_what_calls_took_beyond_their_reserve_at_most(
    steps: list[tuple[str, int, int, int | None]], tokens: int, cents: int
) -> None:
    """The oracle keeps a list of calls and adds up; it knows nothing of periods or events."""
    limits = Limits(tokens=tokens, cost=Decimal(cents) / 100)
    spending = Spending(all=Wish(limits=limits, currency="EUR", period="total"))
    calls: list[dict[str, Any]] = []
    excess = {"tokens": 0, "cents": 0}
    for what, which, first, second in steps:
        running = [call for call in calls if call["used"] is None]
        if what == "begin":
            wanted = {"tokens": first, "cents": second or 0}
            held = {name: sum((call["used"] or call["wanted"])[name] for call in calls) for name in wanted}
            fits = all(
                wanted[name] == 0 or held[name] + wanted[name] <= limit for name, limit in (("tokens", tokens), ("cents", cents))
            )
            amounts = Amounts(wanted["tokens"], Decimal(wanted["cents"]) / 100, "EUR", calls=1)
            call_id, reserved = spending.begin(amounts, replace(TRAVEL, task_id=(TASK, OTHER)[which]))
            assert (reserved.refused is None) is fits
            if fits:
                calls.append({"id": call_id, "wanted": wanted, "used": None})
        elif running:
            call = running[which % len(running)]
            used = Amounts(first, None if second is None else Decimal(second) / 100, "EUR", calls=1)
            spending.end(call["id"], used)
            call["used"] = {"tokens": first, "cents": call["wanted"]["cents"] if second is None else second}
            for name in excess:
                excess[name] += max(0, call["used"][name] - call["wanted"][name])
    period = spending.periods().get(("all", ""), BUDGET_PERIOD.initial)
    took = {name: sum(call["used"][name] for call in calls if call["used"] is not None) for name in excess}
    aside = {name: sum(call["wanted"][name] for call in calls if call["used"] is None) for name in excess}
    assert (period.used.tokens, period.used.cost * 100) == (took["tokens"], took["cents"])
    assert (period.reserved.tokens, period.reserved.cost * 100) == (aside["tokens"], aside["cents"])
    assert took["tokens"] + aside["tokens"] <= tokens + excess["tokens"]
    assert took["cents"] + aside["cents"] <= cents + excess["cents"]
    assert sum(isinstance(event, BudgetExhausted) for event in spending.told(BudgetExhausted)) <= 1
