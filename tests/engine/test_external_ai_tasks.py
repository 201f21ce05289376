"""What agents elsewhere report: as the same events as what our workers do, within bounds, and reviewed where that is wanted."""

from dataclasses import replace
from decimal import Decimal

import pytest

from domain.ai_task import AI_TASK, AiTaskCompleted, AiTaskFailed, Usage
from domain.budget import (
    BUDGET_PERIOD,
    BudgetExhausted,
    BudgetPeriodOpened,
    BudgetReserved,
    BudgetSettled,
    BudgetWarned,
    Limits,
    Use,
    Wish,
    set_budget,
)
from domain.facts import Json
from domain.retry import Failure
from domain.usage_report import UsageReport
from engine.ai_task_commands import AiTaskExternal, AiTaskWaits, cancel_ai_task, waiting_attempt
from engine.external_ai_tasks import Finish, ReportedCall, ReportedTurn, report
from tests.engine.agents import Agency, tool
from tests.engine.test_own_ai_tasks import asking, nobody_asked, wanted
from tests.projections.test_budget_invariants import found as broken

CALL = ReportedCall("lookup", {"id": 7}, {"price": 12})
REVIEW = {"when": "always", "by": {"roles": ["approver"]}}


def elsewhere(**config: Json) -> Agency:
    return asking(nobody_asked(), wanted(config, external=True))


def reported(place: Agency, *turns: ReportedTurn, finish: Finish | None = None) -> Agency:
    place.step(lambda view: report(view, place.engine, place.id, turns, finish))
    return place


def turn(**more: Json) -> ReportedTurn:
    return ReportedTurn("ours", "large-1", **more)


def test_it_has_no_job_and_is_completed_by_the_last_turns_output() -> None:
    place = reported(elsewhere(), turn(calls=(CALL,)), turn(text="It costs 12."), finish=Finish())
    assert (place.job, place.story.jobs, place.story.timers) == (None, {}, {})
    assert place.task.output == "It costs 12."
    assert isinstance(place.told[-1], AiTaskCompleted)
    assert place.story.result == {"id": str(place.id), "status": "completed", "version": place.view.version(place.id), "turns": 2}
    assert [each.result for each in place.task.turns[0].calls] == [{"price": 12}]


@pytest.mark.parametrize(
    ("bounds", "type"), [({"turns": 1}, "too_many_turns"), ({"turns": 5, "tool_calls": 1}, "too_many_tool_calls")]
)
def test_what_goes_beyond_its_bounds_is_on_record_and_fails(bounds: Json, type: str) -> None:
    place = reported(elsewhere(bounds=bounds), turn(calls=(CALL, CALL)), turn(text="12"), finish=Finish())
    failed = place.told[-1]
    assert isinstance(failed, AiTaskFailed)
    assert (failed.error.type, len(place.task.turns)) == (type, 2)


def test_budgets_count_what_it_took_and_tell_of_it_and_refuse_nothing() -> None:
    place = elsewhere()
    limits = Limits(tokens=100, cost=Decimal("1.00"), calls=2, tool_calls=1)
    wish = Wish(period="total", limits=limits, currency="EUR", soft=Decimal("0.5"))
    place.step(lambda view: set_budget(view, "all", wish))
    paid = UsageReport(Usage(40, 20), Decimal("0.80"), "EUR")
    free, unknown = Failure("rate_limit", "Later."), ReportedTurn("ours", "large-1")
    turns = turn(error=free), turn(calls=(CALL, replace(CALL, denied="No.")), report=paid), turn(text="12", report=paid), unknown
    reported(place, *turns, finish=Finish())
    assert place.task.status == "completed"
    (opened,) = {fact.stream_id for fact in place.view.facts if isinstance(fact.event, BudgetPeriodOpened)}
    period = place.view.read(BUDGET_PERIOD, opened)
    assert (period.used, period.reserved, period.open) == (Use(120, Decimal("1.60"), 4, 1), Use(), 0)
    told = [fact.event for fact in place.view.facts if isinstance(fact.event, BudgetWarned | BudgetExhausted)]
    assert [(type(each), each.amount) for each in told] == [(BudgetWarned, "calls"), (BudgetExhausted, "cost")]
    assert [each.refused for each in told if isinstance(each, BudgetExhausted)] == [False]
    about = (BudgetPeriodOpened, BudgetReserved, BudgetSettled, *AI_TASK.events)
    assert broken(*((fact.stream_id, fact.event) for fact in place.view.facts if isinstance(fact.event, about))) == []


def test_its_end_may_be_an_error_and_a_failed_turn_is_none() -> None:
    place = reported(elsewhere(), turn(error=Failure("overloaded", "Later.")))
    assert (place.task.status, place.task.totals.attempts) == ("pending", 1)
    reported(place, finish=Finish(error=Failure("given_up", "It does not work.")))
    assert (place.task.status, place.task.error) == ("failed", Failure("given_up", "It does not work."))


def test_its_output_is_reviewed_and_sent_back_without_a_job_for_ours() -> None:
    place = reported(elsewhere(review=REVIEW), turn(text="Dear Ann"), finish=Finish())
    assert (place.task.status, len(place.requests)) == ("waiting", 1)
    with pytest.raises(AiTaskWaits):
        report(place.view, place.engine, place.id, (turn(text="Hm"),), None)
    place.decides("rejected", comment="Kinder.")
    assert (place.task.status, place.job, place.task.turns[-1].feedback) == ("pending", None, "Kinder.")
    reported(place, turn(text="Dearest Ann"), finish=Finish())
    place.decides("approved")
    assert (place.task.status, place.task.output) == ("completed", "Dearest Ann")


def test_only_its_agent_tries_again_and_anybody_may_cancel_it() -> None:
    place = elsewhere()
    with pytest.raises(AiTaskExternal):
        waiting_attempt(place.view, place.id)
    place.step(lambda view: cancel_ai_task(view, place.engine, place.id))
    assert place.task.status == "cancelled"


def test_what_only_ours_go_by_is_refused() -> None:
    for config, path in (
        ({"guards": {"input": []}}, "/guards"),
        ({"tools": [tool(policy={"deny": True})]}, "/tools/0/policy"),
    ):
        asking(nobody_asked(), wanted(config, external=True)).refused("invalid", path)
