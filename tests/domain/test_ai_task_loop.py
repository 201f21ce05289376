"""Tasks that go on as chance has it: their state is that of a fresh fold, they are never stuck, and their totals add up."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from functools import reduce
from itertools import count
from typing import Literal, TypeVar
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from domain import ai_task
from domain.ai_task import (
    AiTask,
    AiTaskAnswered,
    AiTaskAsked,
    AiTaskAttemptFailed,
    AiTaskAttemptSucceeded,
    AiTaskCancelled,
    AiTaskEvent,
    AiTaskRequested,
    AiTaskToolCallStarted,
    Bounds,
    Configuration,
    Progress,
    ToolCall,
    Totals,
    Usage,
    evolve,
)
from domain.ai_task.steps import CallModel, CallTool, Conclude, Judge, Over, Pause, next_step
from domain.retry import LEASE_LOST, Failure, RetryPolicy
from domain.usage_report import UsageReport

TASK = UUID(int=1)
REQUESTED = AiTaskRequested(
    None,
    None,
    None,
    "A task",
    "offline/script",
    "Go.",
    Configuration(),
    RetryPolicy(max_attempts=2),
    bounds=Bounds(turns=6, tool_calls=5, repeats=2, repairs=2, tokens=2_000),
)
JUDGED = replace(REQUESTED, guards={"input": [{"type": "model"}], "output": [{"type": "regex"}, {"type": "model"}]})
FAULTY = Failure("invalid_output", "It does not fit.")
BUSY = Failure("rate_limit", "Slowly.")
NEVER_STEPS = 200
T = TypeVar("T")
Verdict = Literal["allow", "deny", "ask"]


@dataclass
class Course:
    """A task that is gone on with as `next_step` says; chance says what comes of each step."""

    draw: st.DataObject
    task: Progress
    ids: Iterable[int]

    @classmethod
    def of(cls, draw: st.DataObject) -> Iterator[Progress]:
        """A task from its request to its end: as it stands after each step."""
        course = cls(draw, Progress(TASK, AiTask()), count(1_000))
        course.task.record(course.chance(REQUESTED, JUDGED))
        yield course.task
        for _ in range(NEVER_STEPS):
            if isinstance(next_step(course.task.state), Over):
                return
            course.step()
            yield course.task
        raise AssertionError("it comes to no end")

    def chance(self, *of: T) -> T:
        return self.draw.draw(st.sampled_from(of))

    def step(self) -> None:
        match step := next_step(self.task.state):
            case CallModel() | Judge():
                self.model()
            case CallTool():
                self.tool(step.call_id)
            case Conclude():
                if self.chance("complete", "review") == "review":
                    self.task.record(AiTaskAsked(self.id(), "review", output=self.task.state.output))
                else:
                    ai_task.conclude(self.task, self.task.state.output)
            case Pause(on="people"):
                self.people()
            case Pause(on="child"):
                call = next(call for call in self.task.state.calls if call.status == "running")
                ai_task.succeed_call(self.task, call.id, call.number, "child")
            case other:
                raise AssertionError(f"stuck: {other}")

    def id(self) -> UUID:
        return UUID(int=next(iter(self.ids)))

    def model(self) -> None:
        beyond = ai_task.exceeded(self.task.state)
        if beyond is not None:
            ai_task.fail(self.task, beyond)
            return
        attempt_id = self.id()
        ai_task.start_attempt(self.task, attempt_id, provider="p", model="m", worker_id="w")
        assert next_step(self.task.state) == Pause("attempt")
        report = UsageReport(Usage(self.draw.draw(st.integers(0, 300)), 7), Decimal(self.draw.draw(st.integers(0, 9))) / 7, "EUR")
        if self.task.state.judging is not None:
            said = self.chance("answers", "answers", "busy")
        else:
            said = self.chance("calls", "calls", "calls", "answers", "faulty", "busy", "lost", "too late")
        match said:
            case "calls":
                self.called(attempt_id, report)
            case "answers":
                self.succeeded(attempt_id, "output", report, None)
            case "faulty":
                self.failed(attempt_id, FAULTY, report, "nonsense")
            case "busy":
                self.failed(attempt_id, BUSY, report, None)
            case "lost":
                self.failed(attempt_id, LEASE_LOST, UsageReport(), None)
            case "too late":
                self.task.record(AiTaskCancelled("No more."))
                self.succeeded(attempt_id, None, report, self.asked_for())

    def called(self, attempt_id: UUID, report: UsageReport) -> None:
        asked = self.asked_for()
        self.succeeded(attempt_id, None, report, asked)
        for each in asked:
            call = self.task.state.call(each.id)
            assert call is not None
            if each.verdict == "deny":
                ai_task.deny_call(self.task, call, "policy", "No.")
            elif each.verdict == "ask":
                self.task.record(AiTaskAsked(self.id(), "tool", each.id))
        if self.chance("within", "within", "within", "beyond") == "beyond":
            self.task.record(AiTaskAsked(self.id(), "budget", budget_id=UUID(int=7)))

    def asked_for(self) -> tuple[ToolCall, ...]:
        turn, places = self.task.state.turn, range(self.draw.draw(st.integers(1, 3)))
        verdicts: list[Verdict] = [self.chance("allow", "allow", "ask", "deny") for _ in places]
        return tuple(
            ToolCall(ai_task.call_id(TASK, turn, place), "tool", {"n": self.draw.draw(st.integers(0, 2))}, f"c{place}", verdict)
            for place, verdict in enumerate(verdicts)
        )

    def succeeded(self, attempt_id: UUID, output: str | None, report: UsageReport, calls: tuple[ToolCall, ...] | None) -> None:
        ai_task.succeed(self.task, attempt_id, output, latency_ms=1, provider="p", model="m", report=report, calls=calls)

    def failed(self, attempt_id: UUID, error: Failure, report: UsageReport, answered: str | None) -> None:
        ai_task.fail_attempt(self.task, attempt_id, error, jitter=0.5, report=report, answered=answered)

    def tool(self, call_id: UUID) -> None:
        if self.chance("here", "here", "child") == "child":
            ai_task.start_call(self.task, call_id, child_id=self.id())
            return
        ai_task.start_call(self.task, call_id, worker_id="w")
        assert next_step(self.task.state) == Pause("tool")
        call = self.task.state.call(call_id)
        assert call is not None
        match self.chance("succeeds", "fails", "again", "too late"):
            case "too late":
                self.task.record(AiTaskCancelled("No more."))
                ai_task.succeed_call(self.task, call_id, call.number, {"a": 1})
            case "succeeds":
                ai_task.succeed_call(self.task, call_id, call.number, {"a": 1})
            case "fails":
                ai_task.fail_call(self.task, call_id, call.number, BUSY)
            case "again":
                retry = timedelta(seconds=1) if call.number < 3 else None
                ai_task.fail_call(self.task, call_id, call.number, LEASE_LOST, retry=retry)

    def people(self) -> None:
        question = self.task.state.questions[0]
        outcome: Literal["approved", "edited", "rejected"] = self.chance("approved", "edited", "rejected")
        edited = {"n": 9} if outcome == "edited" else None
        answered = AiTaskAnswered(question.request_id, question.purpose, outcome, question.call_id, edited=edited)
        self.task.record(answered)
        if question.purpose == "review":
            if outcome != "rejected":
                ai_task.conclude(self.task, self.task.state.output)
            elif self.task.state.rejections > 2:
                ai_task.fail(self.task, Failure("review_rejected", "No."))
        elif question.call_id is None:
            if outcome == "rejected":
                ai_task.fail(self.task, Failure("budget_exceeded", "No."))
        elif outcome == "rejected":
            call = self.task.state.call(question.call_id)
            assert call is not None
            ai_task.deny_call(self.task, call, "rejected", "No.")


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_a_task_goes_on_until_it_is_over_and_its_state_is_that_of_its_events(draw: st.DataObject) -> None:
    for task in Course.of(draw):
        assert task.state == reduce(evolve, task.events, AiTask())
        assert task.state.status == status_of(task.state)
    totals = task.state.totals
    assert totals == summed(task.events)
    assert totals.input_tokens + totals.output_tokens < 2_000 + 307, "beyond by one call at most"
    started = [event for event in task.events if isinstance(event, AiTaskToolCallStarted)]
    assert len({(event.call_id, event.number) for event in started}) == len(started)
    assert len(task.state.turns) <= 6


def status_of(task: AiTask) -> str:
    match next_step(task):
        case Over():
            return task.status
        case Pause(on="attempt" | "tool"):
            return "running"
        case Pause():
            return "waiting"
        case _:
            return "pending"


def summed(events: Iterable[AiTaskEvent]) -> Totals:
    """By itself: what is told by the ends of attempts."""
    ends = [event for event in events if isinstance(event, AiTaskAttemptSucceeded | AiTaskAttemptFailed)]
    costs = [event.cost for event in ends if event.cost is not None]
    first = {event.call_id for event in events if isinstance(event, AiTaskToolCallStarted)}
    used = [event.usage or Usage() for event in ends]
    return replace(
        Totals(),
        attempts=len(ends),
        input_tokens=sum(usage.input_tokens for usage in used),
        output_tokens=sum(usage.output_tokens for usage in used),
        cost=sum(costs, Decimal(0)) if costs else None,
        currency="EUR" if costs else None,
        unpriced=len(ends) - len(costs),
        tool_calls=len(first) or None,
    )
