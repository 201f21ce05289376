"""AI tasks of agents elsewhere: what they did is recorded as the same events as what our workers do, in one append.

It has happened by then, so nothing of it is denied here: a policy has no say, budgets count it and refuse nothing, and a task
that went beyond one of its bounds fails after what was reported. An output is held to the task's schema, and reviewed where the
task wants that.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Literal
from uuid import UUID

from domain import ai_task
from domain.ai_task import AiTaskAttemptFailed, Progress, ToolCall, bounds_of, call_id
from domain.budget import A_TOOL_CALL, Amounts, used_in
from domain.facts import Decided, Due, Invalid, Json, RuleViolation, View
from domain.retry import Failure
from domain.storable import storable_text
from domain.usage_report import UsageReport, believed_name
from engine.ai_follow import follow
from engine.ai_questions import ask_for_review
from engine.ai_results import told
from engine.ai_spending import Noted
from engine.ai_task_commands import AiTaskWaits
from engine.ai_tasks import MOST_ANSWERED
from engine.context import Engine
from engine.outputs import recordable, unacceptable
from engine.triggers.changing import joined

ELSEWHERE = "elsewhere"
"""In the place of the worker's name."""
AT_ONCE = Due(after=timedelta(0))


class AiTaskNotExternal(RuleViolation):
    """A worker of Gesta does this AI task: nobody else reports what is done for it."""

    code = "ai_task_not_external"


class NoOutput(Invalid):
    """The task has no output yet: it takes an `output`, or a turn before that has one."""

    code = "no_output"


class NoTurn(Invalid):
    """The output of this task is reviewed: it takes a turn that came to it, which a reviewer may send back."""

    code = "no_turn"


@dataclass(frozen=True)
class ReportedCall:
    """A call of a tool, and what came of it: `denied` (why it was not made), `error`, or else its `result`."""

    tool: str
    arguments: Json
    result: Json = None
    error: Failure | None = None
    denied: str | None = None
    latency_ms: int | None = None
    id: str | None = None
    """By which the model knows it."""


@dataclass(frozen=True)
class ReportedTurn:
    """One call of a model. With `error` it failed; with `calls` it asked for tools; else `output`, or `text`, is its answer."""

    provider: str
    model: str
    report: UsageReport = field(default_factory=UsageReport)
    latency_ms: int = 0
    text: str | None = None
    output: Json = None
    calls: tuple[ReportedCall, ...] = ()
    error: Failure | None = None


@dataclass(frozen=True)
class Finish:
    """The end. Without `error` the task comes to `output`; where that is not `given`, to the last turn's."""

    given: bool = False
    output: Json = None
    error: Failure | None = None


def report(view: View, engine: Engine, task_id: UUID, turns: Sequence[ReportedTurn], finish: Finish | None) -> Decided:
    """Record it. result {id, status, version, turns}: `turns` that were answered in all."""
    task = Progress.of(view, task_id)
    if not task.requested.external:
        raise AiTaskNotExternal
    task.require_open()
    if task.state.questions:
        raise AiTaskWaits
    noted, beyond = Noted(view, task), None
    for place, turn in enumerate(turns):
        beyond = beyond or ai_task.exceeded(task.state)
        _turn(view, engine, task, noted, turn, f"/turns/{place}")
        beyond = beyond or _too_many_calls(task)
    asked = None
    if beyond is not None:
        ai_task.fail(task, beyond)
    elif finish is not None:
        asked = _finish(view, engine, task, finish)
    decided = task.decided()
    result = {**{name: decided.result[name] for name in ("id", "status", "version")}, "turns": len(task.state.turns)}
    followed = replace(follow(view, engine, task_id, decided, decided.facts), result=result)
    return joined(followed, Decided(noted.facts), *(() if asked is None else (asked,)))


def _turn(view: View, engine: Engine, task: Progress, noted: Noted, turn: ReportedTurn, path: str) -> None:
    attempt_id = view.new_id()
    provider, model = believed_name(turn.provider), believed_name(turn.model)
    reserved = noted.began(attempt_id, took := _took(turn))
    ai_task.start_attempt(task, attempt_id, provider=provider, model=model, worker_id=ELSEWHERE, reserved=reserved)
    noted.ended(attempt_id, reserved, took)
    if turn.error is not None:
        _failed(task, attempt_id, turn, turn.error)
        return
    number = task.state.turn
    output = None if turn.calls else _or(turn.output, turn.text)
    if output is not None:
        _require_fit(view, engine, task, output, f"{path}/output")
    ai_task.succeed(
        task,
        attempt_id,
        output,
        latency_ms=turn.latency_ms,
        provider=provider,
        model=model,
        report=turn.report,
        text=None if turn.text is None else storable_text(turn.text)[:MOST_ANSWERED],
        calls=tuple(_asked(task, number, place, call) for place, call in enumerate(turn.calls)) or None,
    )
    for call, standing in zip(turn.calls, task.state.calls, strict=True):
        _called(task, noted, standing.id, call)


def _asked(task: Progress, number: int, place: int, call: ReportedCall) -> ToolCall:
    id = call_id(task.task_id, number, place)
    verdict: Literal["allow", "deny"] = "allow" if call.denied is None else "deny"
    return ToolCall(id, call.tool, call.arguments, call.id or f"call-{number}-{place + 1}", verdict, call.denied)


def _took(turn: ReportedTurn) -> Amounts:
    """As the end of its attempt has it."""
    said = turn.report.believed()
    return used_in(said.usage, said.cost, said.currency, turn.error)


def _called(task: Progress, noted: Noted, id: UUID, call: ReportedCall) -> None:
    if call.denied is not None:
        standing = task.state.call(id)
        assert standing is not None
        ai_task.deny_call(task, standing, "policy", call.denied)
        return
    reserved = noted.began(id, A_TOOL_CALL)
    number = ai_task.start_call(task, id, worker_id=ELSEWHERE, reserved=reserved).number + 1
    noted.ended(id, reserved, A_TOOL_CALL)
    if call.error is not None:
        ai_task.fail_call(task, id, number, recordable(call.error), latency_ms=call.latency_ms)
    else:
        shown, cut = told(call.result, None)
        ai_task.succeed_call(task, id, number, shown, latency_ms=call.latency_ms, cut=cut)


def _failed(task: Progress, attempt_id: UUID, turn: ReportedTurn, error: Failure) -> None:
    """Whether another attempt follows is the agent's business: the task goes on until it says otherwise."""
    believed, state = turn.report.believed(), task.state
    used = (believed.usage, believed.cost, believed.currency, believed.finish_reason)
    task.record(
        AiTaskAttemptFailed(attempt_id, state.number, recordable(error), turn.latency_ms, *used, retry=AT_ONCE, turn=state.turn)
    )


def _finish(view: View, engine: Engine, task: Progress, finish: Finish) -> Decided | None:
    if finish.error is not None:
        ai_task.fail(task, recordable(finish.error))
        return None
    if not finish.given and not task.state.answered:
        raise NoOutput(NoOutput.__doc__ or "", "/finish/output")
    if task.requested.review is not None and not task.state.turns:
        raise NoTurn(NoTurn.__doc__ or "", "/turns")
    if finish.given:
        _require_fit(view, engine, task, finish.output, "/finish/output")
        task.state = replace(task.state, output=finish.output, answered=True)
    asked = ask_for_review(view, engine, task)
    if asked is None:
        ai_task.conclude(task, task.state.output)
    return asked


def _require_fit(view: View, engine: Engine, task: Progress, output: Json, path: str) -> None:
    refused = unacceptable(output, task.requested.output_schema, engine.limits.output_bytes, view.effort)
    if refused is not None:
        raise Invalid(refused, path)


def _too_many_calls(task: Progress) -> Failure | None:
    most = bounds_of(task.state).tool_calls
    if most is None or (task.state.totals.tool_calls or 0) <= most:
        return None
    return Failure("too_many_tool_calls", f"It has made more than the {most} calls of tools that it may.", retryable=False)


def _or(output: Json, text: str | None) -> Json:
    return text if output is None else output
