"""AI agent nodes: what is asked, each attempt, and how the execution goes on."""

from datetime import timedelta
from decimal import Decimal

from domain.ai_task import (
    AI_TASK,
    AiTaskAttemptFailed,
    AiTaskAttemptStarted,
    AiTaskAttemptSucceeded,
    AiTaskCancelled,
    AiTaskCompleted,
    AiTaskFailed,
    AiTaskRequested,
    Bounds,
    Configuration,
    Totals,
    Usage,
)
from domain.execution import ActivationRetried, ExecutionArchived, NodeError
from domain.facts import Decided, Due, Fact, Fence, Job, JobLimits, Json
from domain.retry import LEASE_LOST, Failure, RetryPolicy
from domain.usage_report import UsageReport
from engine.ai_messages import AssistantMessage, UserMessage, messages_of
from engine.ai_tasks import fail_attempt, start_attempt
from engine.engine import cancel, pause, resume
from engine.validate import validate
from tests.engine.drawing import ANN, EVALUATOR, EXECUTION_ID, drawing
from tests.engine.working import Workplace, agent, check_work

SCHEMA = {"type": "object", "properties": {"kind": {"enum": ["meal", "hotel"]}}, "required": ["kind"]}
LIMITED = Failure("rate_limit", "Slow down.")


def asking(of: Json = None, **config: Json) -> Workplace:
    nodes = {
        "start": "start",
        "ai": agent(**config),
        "end": ("end", {"output": "=nodes.ai.output"}),
        "broken": ("end", {"output": "=nodes.ai.error"}),
    }
    place = Workplace(drawing(nodes, "start > ai", "ai > end", "ai.error > broken", "ai.timeout > broken"))
    place.start(of, created_by=ANN, priority=2)
    return place


def test_a_model_is_asked_by_an_ai_task_and_a_job() -> None:
    place = asking(
        {"claim": "lunch", "cold": 0.5},
        name="Classify",
        model="openai:gpt-4o",
        prompt="='Classify ' + input.claim",
        system="Be brief.",
        input="=input",
        context={"a": 1},
        output_schema=SCHEMA,
        max_output_tokens=100,
        temperature="=input.cold",
        retry={"max_attempts": 3},
    )
    visit, task_id = place.visit("ai"), place.task_id("ai")
    assert place.view.events(task_id) == [
        AiTaskRequested(
            EXECUTION_ID,
            visit.id,
            "ai",
            "Classify",
            "openai:gpt-4o",
            "Classify lunch",
            Configuration(100, 0.5),
            RetryPolicy(3),
            system_prompt="Be brief.",
            context={"a": 1},
            input={"claim": "lunch", "cold": 0.5},
            output_schema=SCHEMA,
            priority=2,
            requested_by=ANN,
            bounds=Bounds(repairs=2),
            workflow_key="test",
        )
    ]
    job = Job(
        visit.id, "gesta.ai", None, EXECUTION_ID, visit.id, task_id, max_attempts=3, priority=2, limits=JobLimits("test", "ai")
    )
    assert place.story.decided.jobs == (job,)
    assert place.open == [{"kind": "ai_task", "id": str(task_id), "node_id": "ai", "activation_id": str(visit.id)}]


def test_an_attempt_is_on_record_before_the_call_and_keeps_the_lease() -> None:
    place = asking()
    job = place.held("ai")
    attempt_id = place.attempt("ai")
    place.story.then(AiTaskAttemptStarted(attempt_id, 1, "offline", "echo", "w", 1))
    assert place.story.decided.fences == (Fence(job.id, job.fence, "keep"),)
    assert place.story.result["task"]["number"] == 1


def test_the_answer_is_the_output() -> None:
    place = asking()
    job, task_id = place.held("ai"), place.task_id("ai")
    place.answer("ai", "hello", report=UsageReport(Usage(3, 1), Decimal("0.1"), "USD"))
    place.completed("hello")
    succeeded, completed = place.view.events(task_id)[-2:]
    assert isinstance(succeeded, AiTaskAttemptSucceeded)
    assert completed == AiTaskCompleted("hello", Totals(1, 3, 1, Decimal("0.1"), "USD"))
    assert place.story.decided.fences == (Fence(job.id, job.fence, "done"),)
    assert place.story.result["task"]["status"] == "completed"
    assert place.story.result["execution"]["status"] == "completed"
    check_work(place)


def test_the_model_is_told_what_was_wrong_with_its_answer_and_asked_again_at_once() -> None:
    place = asking(output_schema=SCHEMA)
    job, task_id = place.held("ai"), place.task_id("ai")
    place.answer("ai", {"kind": "boat"})
    task = place.view.read(AI_TASK, task_id)
    assert (task.status, task.repairs, task.failures) == ("pending", 1, 0)
    assert place.story.decided.fences == (Fence(job.id, job.fence, "keep"),)
    shown, told = messages_of(task)
    assert shown == AssistantMessage('{"kind": "boat"}')
    assert isinstance(told, UserMessage)
    assert "/kind" in told.text
    place.answer("ai", {"kind": "meal"}).completed({"kind": "meal"})
    check_work(place)


def test_repairs_have_a_bound_of_their_own_beside_the_attempts() -> None:
    place = asking(output_schema=SCHEMA, bounds={"repairs": 1}, retry={"max_attempts": 2})
    place.answer("ai", "boat").err("ai", LIMITED).answer("ai", "boat")
    assert getattr(place.end, "output", {})["type"] == "invalid_output"
    check_work(place)
    never = asking(output_schema=SCHEMA, bounds={"repairs": 0}, retry={"max_attempts": 2})
    never.answer("ai", "boat").answer("ai", {"kind": "meal"}).completed({"kind": "meal"})


def test_a_failed_attempt_is_tried_again_when_the_task_says() -> None:
    place = asking(retry={"max_attempts": 2, "initial_interval": "PT1S"})
    visit, job, task_id = place.visit("ai"), place.held("ai"), place.task_id("ai")
    place.err("ai", LIMITED, retry_after=timedelta(seconds=20))
    attempt = place.view.events(task_id)[1]
    assert isinstance(attempt, AiTaskAttemptStarted)
    place.story.then(
        AiTaskAttemptFailed(attempt.attempt_id, 1, LIMITED, retry=Due(after=timedelta(seconds=20)), turn=1),
        ActivationRetried(visit.id, "ai", NodeError("rate_limit", "Slow down.", 1), 1, 20_000),
    )
    assert place.story.decided.fences == (Fence(job.id, job.fence, "retry", timedelta(seconds=20)),)
    place.err("ai", LIMITED)
    assert isinstance(place.view.events(task_id)[-1], AiTaskFailed)
    place.completed({"type": "rate_limit", "message": "Slow down.", "attempts": 2})
    check_work(place)


def test_an_error_that_is_final_fails_the_task_at_once() -> None:
    place = asking(retry={"max_attempts": 5}).err("ai", Failure("auth", "No key.", retryable=False))
    place.completed({"type": "auth", "message": "No key.", "attempts": 1})


def test_a_worker_that_dies_during_a_call_uses_up_the_attempt() -> None:
    place = asking(retry={"max_attempts": 2})
    task_id = place.task_id("ai")
    place.attempt("ai")
    place.lapse("ai")
    failed = place.view.events(task_id)[-1]
    assert isinstance(failed, AiTaskAttemptFailed)
    assert failed.error == LEASE_LOST
    assert place.story.decided.fences[0].expired
    assert place.story.decided.fences[0].then == "retry"
    place.attempt("ai")
    place.lapse("ai")
    assert getattr(place.end, "output", {})["type"] == "lease_lost"
    check_work(place)


def test_a_worker_that_dies_before_the_call_uses_up_nothing() -> None:
    place = asking()
    place.lapse("ai")
    assert place.story.decided.facts == ()
    [fence] = place.story.decided.fences
    assert (fence.then, fence.expired) == ("retry", True)
    place.answer("ai", "x").completed("x")


def test_cancelling_cancels_the_task_and_what_the_attempt_used_is_recorded_all_the_same() -> None:
    place = asking()
    job, task_id, attempt_id = place.held("ai"), place.task_id("ai"), place.attempt("ai")
    place.step(lambda view: cancel(view, place.engine, EXECUTION_ID))
    assert place.view.events(task_id)[-1] == AiTaskCancelled("execution_cancelled")
    assert list(place.story.jobs) == [job.id], "it is left to its lease"
    place.report(job, attempt_id, "late", report=UsageReport(Usage(5, 5)))
    [late] = place.story.decided.facts
    assert isinstance(late.event, AiTaskAttemptSucceeded)
    assert place.story.decided.fences == ()
    assert place.story.result["execution"] is None
    check_work(place)
    state = place.view.read(AI_TASK, task_id)
    assert (state.status, state.totals.input_tokens) == ("cancelled", 5)


def test_a_late_failure_is_recorded_too() -> None:
    place = asking(retry={"max_attempts": 2})
    job, attempt_id = place.held("ai"), place.attempt("ai")
    place.step(lambda view: cancel(view, place.engine, EXECUTION_ID))
    place.step(lambda view: fail_attempt(view, place.engine, job, attempt_id, LIMITED, jitter=0.5))
    [late] = place.story.decided.facts
    assert isinstance(late.event, AiTaskAttemptFailed)
    assert late.event.retry is None


def test_what_comes_of_an_attempt_when_its_execution_is_in_the_archive_is_refused() -> None:
    """The rows that it would change are not there any more."""
    place = asking()
    job, attempt_id = place.held("ai"), place.attempt("ai")
    place.step(lambda view: cancel(view, place.engine, EXECUTION_ID))
    place.step(lambda _view: Decided((Fact(EXECUTION_ID, ExecutionArchived(30)),)))
    place.report(job, attempt_id, "much too late").refused("archived")
    place.step(lambda view: fail_attempt(view, place.engine, job, attempt_id, LIMITED, jitter=0.5)).refused("archived")
    place.lapse_held(job)
    assert (place.story.decided.facts, place.story.jobs) == ((), {}), "its lease ends all the same"


def test_a_timeout_cancels_the_task() -> None:
    place = asking(timeout="PT5M", retry={"max_attempts": 3})
    job, task_id = place.held("ai"), place.task_id("ai")
    place.attempt("ai")
    place.expire("ai")
    assert place.view.events(task_id)[-1] == AiTaskCancelled("timeout")
    assert getattr(place.end, "output", {})["type"] == "timeout"
    assert list(place.story.jobs) == [job.id]
    place.lapse_held(job)
    lost = place.view.events(task_id)[-1]
    assert isinstance(lost, AiTaskAttemptFailed)
    assert (lost.error.type, lost.retry) == ("lease_lost", None)
    check_work(place)


def test_an_answer_during_a_pause_goes_on_afterwards() -> None:
    place = asking()
    job, attempt_id = place.held("ai"), place.attempt("ai")
    place.step(lambda view: pause(view, place.engine, EXECUTION_ID))
    place.report(job, attempt_id, "x")
    assert place.end is None
    check_work(place)
    place.step(lambda view: resume(view, place.engine, EXECUTION_ID))
    place.completed("x")


def test_no_attempt_begins_during_a_pause() -> None:
    place = asking()
    place.step(lambda view: pause(view, place.engine, EXECUTION_ID))
    job, attempt_id = place.held("ai"), place.view.new_id()
    place.step(
        lambda view: start_attempt(view, place.engine, job, attempt_id, provider="offline", model="echo", worker_id="w")
    ).refused("execution_paused")
    place.step(lambda view: resume(view, place.engine, EXECUTION_ID))
    place.answer("ai", "x").completed("x")


def test_a_value_that_a_model_cannot_be_asked_with_takes_the_error_handle() -> None:
    for config in (
        {"prompt": "=input.n"},
        {"prompt": "=input.blank"},
        {"model": "=input.blank"},
        {"temperature": "=input.text"},
        {"max_output_tokens": "=input.n + 0.5"},
        {"seed": "=input.text"},
    ):
        place = asking({"n": 1, "blank": " ", "text": "x"}, **config)
        assert getattr(place.end, "output", {})["type"] == "invalid_value", config
        assert place.story.decided.jobs == ()


def test_an_author_is_told_what_an_agent_cannot_be() -> None:
    def codes(then: Json, **config: Json) -> set[tuple[str, str]]:
        nodes = {"start": "start", "ai": agent(**config), "end": ("end", {"output": then}), "broken": "end"}
        found = validate(drawing(nodes, "start > ai", "ai > end", "ai.error > broken"), EVALUATOR)
        return {(finding.code, finding.path) for finding in found}

    assert codes("=nodes.ai.output.kind", output_schema=SCHEMA) == set()
    assert codes("=nodes.ai.output.nope", output_schema={**SCHEMA, "additionalProperties": False}) == {
        ("unknown_field", "/nodes/2/config/output")
    }
    assert codes("=nodes.ai.output", output_schema={"type": "nope"}) == {("invalid_schema", "/nodes/1/config/output_schema/type")}
    assert ("anyOf", "/nodes/1/config/temperature") in codes("x", temperature="hot")
    assert ("unknown_field", "/nodes/1/config/toools") in codes("x", toools=[])
