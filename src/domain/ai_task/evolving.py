"""What each event makes of an AI task."""

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from hashlib import sha256
from typing import assert_never

from domain.ai_task.events import (
    AiTaskAnswered,
    AiTaskAsked,
    AiTaskAttemptFailed,
    AiTaskAttemptStarted,
    AiTaskAttemptSucceeded,
    AiTaskCancelled,
    AiTaskCompleted,
    AiTaskEvent,
    AiTaskFailed,
    AiTaskRequested,
    AiTaskToolCallDenied,
    AiTaskToolCallFailed,
    AiTaskToolCallStarted,
    AiTaskToolCallSucceeded,
    ToolCall,
    Totals,
)
from domain.ai_task.state import AiTask, Call, Faulty, Question, Turn
from domain.ai_task.steps import Over, Pause, next_step
from domain.ai_usage import Usage

INVALID_OUTPUT = "invalid_output"


def evolve(state: AiTask, event: AiTaskEvent) -> AiTask:
    after = _evolved(state, event)
    goes_on = state.status == "waiting" and after.status in ("pending", "running")
    return replace(after, parked=after.parked + 1) if goes_on else after


def _evolved(state: AiTask, event: AiTaskEvent) -> AiTask:
    match event:
        case AiTaskRequested():
            return AiTask("pending", event)
        case AiTaskAttemptStarted():
            running = replace(
                state, attempt_id=event.attempt_id, number=event.number, reserved=event.reserved or (), judging=event.guard
            )
            return running if state.closed else replace(running, status="running")
        case AiTaskAttemptSucceeded():
            return _standing(_answered(_over(state, event), event))
        case AiTaskAttemptFailed():
            return _standing(_failed(_over(state, event), event))
        case AiTaskToolCallDenied():
            denied = _with_call(
                state,
                event,
                lambda call: replace(
                    call, status="denied", message=event.message, denied=event.reason, request_id=event.request_id
                ),
            )
            return _standing(denied)
        case AiTaskToolCallStarted():
            started = _with_call(
                state,
                event,
                lambda call: replace(
                    call,
                    status="running",
                    number=event.number,
                    arguments=event.arguments,
                    edited=event.edited,
                    child_id=event.child_id,
                    reserved=event.reserved or (),
                ),
            )
            totals = replace(started.totals, tool_calls=(started.totals.tool_calls or 0) + (event.number == 1))
            return _standing(replace(started, totals=totals))
        case AiTaskToolCallSucceeded():
            return _standing(_with_call(state, event, lambda call: replace(call, status="succeeded", result=event.result)))
        case AiTaskToolCallFailed():
            return _standing(_tool_failed(state, event))
        case AiTaskAsked():
            return _standing(_asked(state, event))
        case AiTaskAnswered():
            return _standing(_told(state, event))
        case AiTaskCompleted():
            return replace(state, status="completed", output=event.output, answered=True, questions=())
        case AiTaskFailed():
            return replace(state, status="failed", error=event.error, questions=())
        case AiTaskCancelled():
            return replace(state, status="cancelled", questions=())
        case _:
            assert_never(event)


def _standing(state: AiTask) -> AiTask:
    """With the status that follows from what it needs next. What is over stays so."""
    match next_step(state):
        case Over():
            return state
        case Pause(on="attempt" | "tool"):
            return replace(state, status="running")
        case Pause():
            return replace(state, status="waiting")
        case _:
            return replace(state, status="pending")


AttemptEnded = AiTaskAttemptSucceeded | AiTaskAttemptFailed
TriedAgain = AiTaskAttemptFailed | AiTaskToolCallFailed


def _over(state: AiTask, event: AttemptEnded) -> AiTask:
    falls_back = isinstance(event, AiTaskAttemptFailed) and event.falls_back
    link = state.link + 1 if falls_back else 0
    latency, totals = state.latency_ms + (event.latency_ms or 0), add(state.totals, event)
    return replace(state, attempt_id=None, reserved=(), judging=None, link=link, totals=totals, latency_ms=latency)


def _answered(state: AiTask, event: AiTaskAttemptSucceeded) -> AiTask:
    if event.purpose == "guard":
        passed = () if event.guard is None else (event.guard,)
        return replace(state, judged=(*state.judged, *passed), failures=0)
    calls, seen = [], dict(state.seen)
    for asked in event.calls or ():
        seen[digest(asked)] = seen.get(digest(asked), 0) + 1
        calls.append(Call(asked, "asked" if asked.verdict == "ask" else "ready", asked.arguments))
    turn = Turn(state.turn, event.text, event.output, tuple(calls))
    answered = event.calls is None
    return replace(
        state,
        turns=(*state.turns, turn),
        failures=0,
        faulty=None,
        repairs=0,
        output=event.output if answered else None,
        answered=answered,
        seen=seen,
        judged=(),
    )


def _failed(state: AiTask, event: AiTaskAttemptFailed) -> AiTask:
    if event.error.type == INVALID_OUTPUT and event.answered is not None:
        return replace(state, faulty=Faulty(event.answered, event.error.message), repairs=state.repairs + 1)
    return state if event.falls_back else replace(state, failures=state.failures + 1)


OfCall = AiTaskToolCallDenied | AiTaskToolCallStarted | AiTaskToolCallSucceeded | AiTaskToolCallFailed


def _with_call(state: AiTask, event: OfCall | AiTaskAsked | AiTaskAnswered, change: Callable[[Call], Call]) -> AiTask:
    if not state.turns:
        return state
    last = state.turns[-1]
    calls = tuple(change(call) if call.id == event.call_id else call for call in last.calls)
    return replace(state, turns=(*state.turns[:-1], replace(last, calls=calls)))


def _tool_failed(state: AiTask, event: AiTaskToolCallFailed) -> AiTask:
    again = event.retry is not None
    return _with_call(
        state, event, lambda call: replace(call, status="ready" if again else "failed", message=event.error.message, reserved=())
    )


def _asked(state: AiTask, event: AiTaskAsked) -> AiTask:
    question = Question(event.request_id, event.purpose, event.call_id, event.output, event.budget_id)
    asking = replace(state, questions=(*state.questions, question))
    if event.call_id is None:
        return asking
    return _with_call(asking, event, lambda call: replace(call, status="asked", request_id=event.request_id))


def _told(state: AiTask, event: AiTaskAnswered) -> AiTask:
    """A denial has an event of its own; here is what somebody allowed."""
    question = state.question(event.request_id)
    told = replace(state, questions=tuple(each for each in state.questions if each.request_id != event.request_id))
    allowed = event.outcome in ("approved", "edited")
    match event.purpose:
        case "tool" | "elicitation" if allowed and event.call_id is not None:
            return _with_call(told, event, lambda call: _allowed(call, event, question))
        case "budget" if allowed and question is not None and question.budget_id is not None:
            beyond = replace(told, beyond=(*told.beyond, question.budget_id))
            return _with_call(beyond, event, lambda call: replace(call, status="ready"))
        case "repetition" if allowed:
            return _with_call(replace(told, seen={}), event, lambda call: replace(call, status="ready"))
        case "review" if allowed and event.outcome == "edited":
            return replace(told, output=event.edited)
        case "review" if not allowed:
            return _fed_back(told, event)
    return told


def _allowed(call: Call, event: AiTaskAnswered, question: Question | None) -> Call:
    if event.purpose == "elicitation":
        answer = {"question": None if question is None else question.output, "form": event.edited}
        return replace(call, status="ready", elicited=(*call.elicited, answer))
    if event.outcome == "approved":
        return replace(call, status="ready")
    return replace(call, status="ready", arguments=event.edited, edited=True)


def _fed_back(state: AiTask, event: AiTaskAnswered) -> AiTask:
    last = replace(state.turns[-1], feedback=event.comment or "The output was rejected.")
    return replace(state, turns=(*state.turns[:-1], last), output=None, answered=False, rejections=state.rejections + 1)


def digest(call: ToolCall) -> str:
    """Of a tool and its arguments: the same for the same call, whatever the order of its fields."""
    written = json.dumps([call.tool, call.arguments], sort_keys=True, ensure_ascii=False, default=str)
    return sha256(written.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def add(totals: Totals, attempt: AttemptEnded) -> Totals:
    """The totals with one more attempt. A cost in another currency than the first known one counts as unpriced."""
    usage = attempt.usage or Usage()
    priced = attempt.cost is not None and totals.currency in (None, attempt.currency)
    return replace(
        totals,
        attempts=totals.attempts + 1,
        input_tokens=totals.input_tokens + usage.input_tokens,
        output_tokens=totals.output_tokens + usage.output_tokens,
        cost=(totals.cost or Decimal(0)) + (attempt.cost or Decimal(0)) if priced else totals.cost,
        currency=attempt.currency if priced else totals.currency,
        unpriced=totals.unpriced + (not priced),
    )
