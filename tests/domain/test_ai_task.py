"""AI tasks: attempts, their ends, and what they cost in all."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from domain import ai_task
from domain.ai_task import (
    AI_TASK,
    AiTaskAttemptFailed,
    AiTaskAttemptStarted,
    AiTaskAttemptSucceeded,
    AiTaskCancelled,
    AiTaskCompleted,
    AiTaskFailed,
    AiTaskRequested,
    Configuration,
    Progress,
    Totals,
    Usage,
)
from domain.facts import Decided, Due, Event, Fact, View
from domain.retry import LEASE_LOST, Failure, RetryPolicy
from domain.usage_report import MOST_PAID, MOST_TOKENS, UsageReport
from store.codec import from_bytes, to_bytes
from tests.given import given

TASK, FIRST, SECOND = UUID(int=1), UUID(int=11), UUID(int=12)
REQUESTED = AiTaskRequested(
    UUID(int=2),
    UUID(int=3),
    "classify",
    "Classify the claim",
    "openai:gpt-4o-mini",
    "Which kind of expense is this?",
    Configuration(max_output_tokens=200, temperature=0),
    RetryPolicy(max_attempts=2, initial_interval=timedelta(seconds=10), jitter=0.2),
    output_schema={"type": "object"},
)
STARTED = AiTaskAttemptStarted(FIRST, 1, "openai", "gpt-4o-mini", "worker-1", 1)
BUSY = Failure("rate_limit", "Too many requests.")
WRONG_KEY = Failure("auth", "The key is not accepted.", retryable=False)
USAGE = Usage(100, 20)
CENT = Decimal("0.01")
OUTPUT = {"kind": "travel"}
ANSWERED_BY = "gpt-4o-mini-2024-07-18"
REPORT = UsageReport(USAGE, CENT, "USD", "stop")
SUCCEEDED = AiTaskAttemptSucceeded(FIRST, 1, OUTPUT, 850, "openai", ANSWERED_BY, USAGE, CENT, "USD", "stop", 1)
AGAIN = Due(after=timedelta(seconds=10))
FAILED = AiTaskAttemptFailed(FIRST, 1, BUSY, 30, retry=AGAIN, turn=1)


def facts(*events: Event) -> list[Fact]:
    return [Fact(TASK, event) for event in events]


def start(view: View, attempt_id: UUID = FIRST) -> Decided:
    task = Progress.of(view, TASK)
    ai_task.start_attempt(task, attempt_id, provider="openai", model="gpt-4o-mini", worker_id="worker-1")
    return task.decided()


def succeed(view: View, attempt_id: UUID = FIRST, report: UsageReport = REPORT, model: str = ANSWERED_BY) -> Decided:
    task = Progress.of(view, TASK)
    ai_task.succeed(task, attempt_id, OUTPUT, latency_ms=850, provider="openai", model=model, report=report)
    ai_task.conclude(task, OUTPUT)
    return task.decided()


def fail(view: View, attempt_id: UUID = FIRST, error: Failure = BUSY, **more: Any) -> Decided:
    task = Progress.of(view, TASK)
    ai_task.fail_attempt(task, attempt_id, error, **{"jitter": 0.5, "latency_ms": 30, **more})
    return task.decided()


def test_a_task_is_requested_once() -> None:
    story = given().when(lambda view: ai_task.request(view, TASK, REQUESTED)).then(REQUESTED)
    assert story.result["status"] == "pending"
    story.when(lambda view: ai_task.request(view, TASK, REQUESTED)).then_refused("ai_task_exists")


def test_a_task_without_model_prompt_or_attempts_is_refused() -> None:
    given().when(lambda v: ai_task.request(v, TASK, replace(REQUESTED, model=" "))).then_refused("invalid", "/model")
    given().when(lambda v: ai_task.request(v, TASK, replace(REQUESTED, prompt="\n"))).then_refused("invalid", "/prompt")
    none = replace(REQUESTED, retry=RetryPolicy(max_attempts=0))
    given().when(lambda v: ai_task.request(v, TASK, none)).then_refused("invalid", "/retry/max_attempts")


def test_an_attempt_is_on_record_before_the_provider_is_called() -> None:
    story = given(facts(REQUESTED)).when(start).then(STARTED)
    assert story.result == {
        "id": str(TASK),
        "status": "running",
        "version": 2,
        "attempt_id": str(FIRST),
        "number": 1,
        "delay_ms": None,
    }


def test_a_second_attempt_may_not_start_while_one_runs_not_even_the_same_again() -> None:
    story = given(facts(REQUESTED, STARTED))
    story.when(lambda view: start(view, SECOND)).then_refused("attempt_running")
    story.when(start).then_refused("attempt_running")


def test_an_answer_completes_the_task_and_adds_up_its_cost() -> None:
    totals = Totals(1, 100, 20, CENT, "USD")
    story = given(facts(REQUESTED, STARTED)).when(succeed).then(SUCCEEDED, AiTaskCompleted(OUTPUT, totals))
    assert story.result["status"] == "completed"
    assert story.view.read(AI_TASK, TASK).totals == totals


def test_an_attempt_ends_on_record_whatever_the_provider_says_of_it() -> None:
    def end(view: View) -> Decided:
        return succeed(view, report=UsageReport(Usage(10**40), Decimal("1e30"), "USD", "\ud800"), model="gpt\0")

    def failed(view: View) -> Decided:
        report = UsageReport(Usage(-1), Decimal("NaN"), "USD", "\0")
        return fail(view, error=WRONG_KEY, report=report, latency_ms=None)

    unpriced = Totals(1, unpriced=1)
    most: Any = {"usage": Usage(MOST_TOKENS), "cost": MOST_PAID, "currency": "USD"}
    ended = AiTaskAttemptSucceeded(FIRST, 1, OUTPUT, 850, "openai", "gpt\ufffd", **most, finish_reason="\ufffd", turn=1)
    given(facts(REQUESTED, STARTED)).when(end).then(ended, AiTaskCompleted(OUTPUT, Totals(1, MOST_TOKENS, 0, MOST_PAID, "USD")))
    gone = AiTaskAttemptFailed(FIRST, 1, WRONG_KEY, finish_reason="\ufffd", turn=1)
    given(facts(REQUESTED, STARTED)).when(failed).then(gone, AiTaskFailed(WRONG_KEY, unpriced))


def test_a_failure_that_may_be_retried_makes_another_attempt_due() -> None:
    story = given(facts(REQUESTED, STARTED)).when(fail).then(FAILED)
    assert story.result["status"] == "pending"
    assert story.result["delay_ms"] == 10_000
    story.when(lambda view: start(view, SECOND)).then(replace(STARTED, attempt_id=SECOND, number=2))


def test_the_provider_may_ask_for_a_longer_pause() -> None:
    patient = timedelta(seconds=45)
    story = given(facts(REQUESTED, STARTED)).when(lambda view: fail(view, retry_after=patient, latency_ms=None))
    story.then(AiTaskAttemptFailed(FIRST, 1, BUSY, retry=Due(after=patient), turn=1))


def test_a_failure_that_is_final_fails_the_task_at_once() -> None:
    story = given(facts(REQUESTED, STARTED)).when(lambda view: fail(view, error=WRONG_KEY))
    story.then(AiTaskAttemptFailed(FIRST, 1, WRONG_KEY, 30, turn=1), AiTaskFailed(WRONG_KEY, Totals(1, unpriced=1)))
    assert story.result["status"] == "failed"


def test_the_last_failure_fails_the_task_with_what_all_attempts_used() -> None:
    costly = AiTaskAttemptFailed(FIRST, 1, BUSY, 30, USAGE, CENT, "USD", "stop", AGAIN, 1)
    story = given(facts(REQUESTED, STARTED, costly, replace(STARTED, attempt_id=SECOND, number=2)))
    story.when(lambda view: fail(view, SECOND)).then(
        AiTaskAttemptFailed(SECOND, 2, BUSY, 30, turn=1), AiTaskFailed(BUSY, Totals(2, 100, 20, CENT, "USD", unpriced=1))
    )


def test_a_worker_that_is_gone_uses_up_an_attempt_and_its_answer_comes_too_late() -> None:
    story = given(facts(REQUESTED, STARTED)).when(lambda view: fail(view, error=LEASE_LOST))
    story.then(AiTaskAttemptFailed(FIRST, 1, LEASE_LOST, 30, retry=AGAIN, turn=1))
    story.when(succeed).then_refused("attempt_over")
    story = story.when(lambda view: start(view, SECOND))
    story.when(succeed).then_refused("attempt_over")
    story.when(fail).then_refused("attempt_over")


def test_nothing_is_attempted_after_the_end() -> None:
    story = given(facts(REQUESTED, STARTED)).when(succeed)
    story.when(start).then_refused("ai_task_closed")
    story.when(succeed).then_refused("attempt_over")
    story.when(lambda view: ai_task.cancel(view, TASK)).then_refused("ai_task_closed")


def test_a_task_is_cancelled_and_a_running_attempt_still_says_what_it_used() -> None:
    story = given(facts(REQUESTED, STARTED)).when(lambda view: ai_task.cancel(view, TASK, "not needed"))
    story.then(AiTaskCancelled("not needed"))
    answered = story.when(succeed).then(SUCCEEDED)
    assert answered.result["status"] == "cancelled"
    assert answered.view.read(AI_TASK, TASK).totals == Totals(1, 100, 20, CENT, "USD")
    answered.when(fail).then_refused("attempt_over")
    story.when(fail).then(replace(FAILED, retry=None))
    story.when(lambda view: start(view, SECOND)).then_refused("ai_task_closed")


def test_of_a_task_that_is_not_there_nothing_can_be_done() -> None:
    for decision in (start, succeed, fail, lambda view: ai_task.cancel(view, TASK)):
        given().when(decision).then_refused("not_found")


def test_costs_in_another_currency_are_not_added_up() -> None:
    totals = ai_task.add(Totals(1, 1, 1, CENT, "USD"), replace(SUCCEEDED, currency="EUR"))
    assert totals == Totals(2, 101, 21, CENT, "USD", unpriced=1)


def test_a_price_of_nothing_is_known() -> None:
    assert ai_task.add(Totals(), replace(SUCCEEDED, cost=Decimal(0))).cost == Decimal(0)


def test_what_is_stored_comes_back_equal() -> None:
    totals = Totals(2, 100, 20, CENT, "USD", 1)
    detailed = replace(SUCCEEDED, usage=Usage(100, 20, 5, 1, {"reasoning_tokens": 7}), cost=Decimal("0.0000012345"))
    for event in (REQUESTED, STARTED, detailed, FAILED, AiTaskCompleted(OUTPUT, totals), AiTaskFailed(BUSY, totals)):
        assert from_bytes(type(event), to_bytes(event)) == event
