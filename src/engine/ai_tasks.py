"""What a worker reports of an AI task that it does; and what moves on from it, as one decision for each step.

Everything is on record before the provider, or a tool, is called, and what came of it after it. Each is appended under the fence
of the task's job, which stays leased while there is something to do. What ends after its task was over is recorded all the same,
and moves nothing: its job goes with it, if it is not gone by then, so no fence is asked for. Where nobody says how it ended, the
end of the lease does. Only where its execution is in the archive, and so the task's rows are gone, too, it is refused.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from uuid import UUID

from domain import ai_task
from domain.ai_task import AI_TASK, AiTask, Progress, Reservation
from domain.ai_task.evolving import AttemptEnded
from domain.ai_task.steps import CallModel, Conclude, Judge, Pause, next_step
from domain.budget import A_TOOL_CALL, Amounts, used_by
from domain.execution import EXECUTION, Activation
from domain.facts import Decided, Fence, Json, View
from domain.retry import LEASE_LOST, Failure, RetryPolicy, retry_in, saying_that_it_is_capped
from domain.storable import require_storable, storable_text
from domain.usage_report import NOT_KNOWN, UsageReport
from engine.ai_follow import follow
from engine.ai_guards import GUARD, VERDICT, Guarded, guard_output, guard_result, redacted_answer, refusal_of
from engine.ai_messages import CallMessage
from engine.ai_policies import MOST_CALLS, Judged, judged, tool_of
from engine.ai_questions import ask_about_call, ask_about_repetition, ask_for_review
from engine.ai_results import shown
from engine.ai_spending import NOT_RECKONED, a_workflow_tool, asked_instead, counted, put_aside
from engine.ai_tools.workflow import WORKFLOW_TOOL
from engine.ai_workflow_tools import start_workflow_tool
from engine.archiving import require_in_the_tables
from engine.context import Engine
from engine.executions import ExecutionIsPaused, answer
from engine.expressions import Budgeted
from engine.happenings import ChildEnded
from engine.jobs import HeldJob, discarded, held_run, job_json, visit_of
from engine.jobs import fence as fence_of
from engine.outputs import recordable, unacceptable
from engine.policies import read_retry
from engine.run import Run
from engine.triggers.changing import joined

MOST_ANSWERED = 1 << 16
"""Characters of an answer that did not fit which the model is shown again."""
LOST_CALLS = 3
"""How often a call of a tool is started at least, of which nobody knows what became of it, where that does no harm."""


@dataclass
class Held:
    """One decision on a task, by whoever holds its job. `beside`: what was decided of other things."""

    view: View
    engine: Engine
    job: HeldJob
    task: Progress
    expired: bool = False
    beside: list[Decided] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.late = self.task.state.closed

    @classmethod
    def of(cls, view: View, engine: Engine, job: HeldJob, *, expired: bool = False) -> "Held":
        return cls(view, engine, job, Progress.of(view, _task_id(job)), expired)

    @property
    def evaluator(self) -> Budgeted:
        return Budgeted(self.engine.evaluator, self.view.effort)

    def decided(self, delay: timedelta | None = None, failure: Failure | None = None) -> Decided:
        """What becomes of the job and of whoever waits for the task. `delay`: until it goes on; `failure`: that it goes on after.

        result {task: as `domain.ai_task`, job, execution: as `engine.jobs`; both None where the task was over before}.
        """
        return joined(self._own(delay, failure), *self.beside)

    def _own(self, delay: timedelta | None, failure: Failure | None) -> Decided:
        told, state = self.task.decided(), self.task.state
        if self.late:
            require_in_the_tables(self.view, None if state.requested is None else state.requested.execution_id)
            if self.expired:
                told = replace(told, fences=(fence_of(self.job, None, expired=True),))
            else:
                told = replace(told, dropped_jobs=(self.job.id,))
            return self._with(told, {"task": told.result, "job": None, "execution": None})
        fence = self._fence(delay)
        over, stream_id = state.closed, stream_of(state, self.job)
        if stream_id is None or not (over or failure is not None):
            job = self._job_json(fence, state.number)
            moved = self._with(replace(told, fences=(fence,)), {"task": told.result, "job": job, "execution": None})
            return follow(self.view, self.engine, self.task.task_id, moved, moved.facts) if over else moved
        run, activation = held_run(self.view, self.engine, self.job, stream_id)
        run.facts.extend(told.facts)
        if over:
            run.wake(activation.id, ChildEnded(self.task.task_id, tuple(self.task.events)))
            run.advance()
        elif failure is not None:
            run.retry(activation.id, failure, delay or timedelta(0))
        return self._of_run(run, activation, fence, told.result)

    def _of_run(self, run: Run, activation: Activation, fence: Fence, told: Json) -> Decided:
        result = {"task": told, "job": self._job_json(fence, activation.attempt), "execution": answer(run)}
        return run.decided(result, fence=fence)

    def _fence(self, delay: timedelta | None) -> Fence:
        """done: it is over, or waits for others. keep: there is something to do at once."""
        waits = isinstance(step := next_step(self.task.state), Pause) and step.on in ("people", "child")
        if self.task.state.closed or waits:
            return fence_of(self.job, None, expired=self.expired)
        if self.expired or delay:
            return fence_of(self.job, delay or timedelta(0), expired=self.expired)
        return Fence(self.job.id, self.job.fence, "keep")

    def _job_json(self, fence: Fence, attempt: int | None) -> Json:
        if fence.then == "keep":
            return {**job_json(self.job, attempt, None), "state": "leased"}
        return job_json(self.job, attempt, None if fence.then == "done" else fence.delay)

    def _with(self, decided: Decided, result: Json) -> Decided:
        return replace(decided, result=result, correlation_id=_correlation(self.task.state))


# Models


def start_attempt(
    view: View,
    engine: Engine,
    job: HeldJob,
    attempt_id: UUID,
    *,
    provider: str,
    model: str,
    worker_id: str,
    wanted: Amounts = NOT_RECKONED,
) -> Decided:
    """The provider is about to be called; the job stays leased. A task that has come to one of its bounds fails instead, and one
    without a budget fails or asks. `wanted`: what the call may take at most.

    Refused while the execution is paused: a call begins before a pause or after it.
    """
    _require_running(view, job)
    held = Held.of(view, engine, job)
    held.task.require_open()
    if held.task.state.attempt_id is not None:
        raise ai_task.AttemptRunning
    step = next_step(held.task.state)
    bounded = isinstance(step, CallModel | Judge) and not held.task.state.answered
    beyond = ai_task.exceeded(held.task.state) if bounded else None
    if beyond is not None:
        ai_task.fail(held.task, beyond)
        return held.decided()
    reserved = put_aside(view, held.task, attempt_id, wanted)
    held.beside.append(Decided(reserved.facts))
    if reserved.refused is None:
        about = {"provider": provider, "model": model, "worker_id": worker_id}
        ai_task.start_attempt(held.task, attempt_id, **about, reserved=reserved.reservations)
    elif (asked := asked_instead(view, engine, held.task, reserved.refused)) is not None:
        held.beside.append(asked)
    else:
        ai_task.fail(held.task, reserved.refused.failure)
    return held.decided()


def succeed_attempt(
    view: View,
    engine: Engine,
    job: HeldJob,
    attempt_id: UUID,
    output: Json,
    *,
    jitter: float,
    latency_ms: int,
    provider: str,
    model: str,
    report: UsageReport = NOT_KNOWN,
    calls: Sequence[CallMessage] = (),
    text: str | None = None,
    stream_digest: str | None = None,
    cached_from: UUID | None = None,
) -> Decided:
    """The model has answered: by an output, to which the task comes, or by calls of tools, on each of which is decided here.

    An output that cannot be taken is a failed attempt of type `invalid_output`, which may be tried again; hence `jitter`.
    """
    held = Held.of(view, engine, job)
    judging = held.task.state.judging
    let_out = Guarded("pass", output) if judging or calls else guard_output(held.task.state, output, held.evaluator)
    output, text = let_out.value, redacted_answer(held.task.state, text)
    schema = _schema(held.task) if judging is None else VERDICT
    refused = _unfit_calls(calls, judging) if calls else unacceptable(output, schema, engine.limits.output_bytes, view.effort)
    if refused is not None:
        return fail_attempt(
            view,
            engine,
            job,
            attempt_id,
            Failure("invalid_output", refused),
            jitter=jitter,
            latency_ms=latency_ms,
            report=report,
            answered=text or _as_text(output),
        )
    found, reserved = judged(held.task.task_id, held.task.state, calls, held.evaluator), held.task.state.reserved
    ai_task.succeed(
        held.task,
        attempt_id,
        None if calls else output,
        latency_ms=latency_ms,
        provider=provider,
        model=model,
        report=report,
        text=None if text is None else storable_text(text)[:MOST_ANSWERED],
        calls=tuple(each.call for each in found) or None,
        stream_digest=stream_digest,
        cached_from=cached_from,
    )
    _attempt_counted(held, attempt_id, reserved)
    if held.late:
        return held.decided()
    if let_out.kind == "block":
        ai_task.fail(held.task, Failure(GUARD, let_out.why or "A guard blocks the output.", retryable=False))
    if judging is not None:
        refusal = refusal_of(held.task.state, judging, output)
        if refusal is not None:
            ai_task.fail(held.task, Failure(GUARD, refusal, retryable=False))
    for each in found:
        _denied(held, each)
    insists = ai_task.refused_again(held.task.state)
    if insists is not None:
        ai_task.fail(held.task, insists)
    elif isinstance(next_step(held.task.state), Conclude):
        _conclude(held)
    else:
        for each in found:
            _asked(held, each)
    return held.decided()


def _denied(held: Held, one: Judged) -> None:
    call = held.task.state.call(one.call.id)
    assert call is not None, "the answer is recorded with it"
    if one.denial is not None:
        ai_task.deny_call(held.task, call, one.denial.reason, one.denial.message)


def _asked(held: Held, one: Judged) -> None:
    """People, whether this call may be made."""
    view, engine, task = held.view, held.engine, held.task
    if one.repeated:
        people = task.requested.repetition_by
        held.beside.append(task.taking(ask_about_repetition(view, engine, task.task_id, task.state, one.call, people)))
    elif one.call.verdict == "ask":
        held.beside.append(task.taking(ask_about_call(view, engine, task.task_id, task.state, one.call)))


def _attempt_counted(held: Held, attempt_id: UUID, reserved: tuple[Reservation, ...]) -> None:
    ended = next(event for event in held.task.events if isinstance(event, AttemptEnded))
    held.beside.append(counted(held.view, held.task.task_id, attempt_id, reserved, used_by(ended)))


def fail_attempt(
    view: View,
    engine: Engine,
    job: HeldJob,
    attempt_id: UUID,
    error: Failure,
    *,
    jitter: float,
    retry_after: timedelta | None = None,
    latency_ms: int | None = None,
    report: UsageReport = NOT_KNOWN,
    answered: str | None = None,
    falls_back: bool = False,
    expired: bool = False,
) -> Decided:
    """The attempt failed: by the task's policy another one is due, or the task fails and the error leaves the node.

    `answered`: what the model said, where that did not fit. `falls_back`: another model is asked at once.
    """
    held, error = Held.of(view, engine, job, expired=expired), recordable(error)
    answered = redacted_answer(held.task.state, answered)
    if not held.late:
        error = saying_that_it_is_capped(error, held.task.requested.retry, retry_after)
    reserved = held.task.state.reserved
    ai_task.fail_attempt(
        held.task,
        attempt_id,
        error,
        jitter=jitter,
        retry_after=retry_after,
        latency_ms=latency_ms,
        report=report,
        answered=None if answered is None else storable_text(answered[:MOST_ANSWERED]),
        falls_back=falls_back,
    )
    _attempt_counted(held, attempt_id, reserved)
    return held.decided(held.task.delay, error)


def conclude(view: View, engine: Engine, job: HeldJob) -> Decided:
    """There is an output that nobody has looked at yet."""
    held = Held.of(view, engine, job)
    held.task.require_open()
    _conclude(held)
    return held.decided()


def _conclude(held: Held) -> None:
    asked = ask_for_review(held.view, held.engine, held.task)
    if asked is not None:
        held.beside.append(asked)
    else:
        ai_task.conclude(held.task, held.task.state.output)


def _unfit_calls(calls: Sequence[CallMessage], judging: str | None) -> str | None:
    if judging is not None:
        return "Who judges has no tools."
    return f"The answer asks for more than {MOST_CALLS} calls of tools." if len(calls) > MOST_CALLS else None


# Tools


def start_call(view: View, engine: Engine, job: HeldJob, call_id: UUID, *, worker_id: str) -> Decided:
    """The tool is about to be called; the job stays leased. Refused while the execution is paused."""
    _require_running(view, job)
    held = Held.of(view, engine, job)
    held.task.require_open()
    call = held.task.state.call(call_id)
    if call is None or call.status != "ready":
        raise ai_task.CallNotReady
    is_workflow = tool_of(held.task.state, call.asked.tool)["type"] == WORKFLOW_TOOL.name
    reserved = a_workflow_tool(view, held.task, call_id) if is_workflow else put_aside(view, held.task, call_id, A_TOOL_CALL)
    if reserved.refused is None and is_workflow:
        started = start_workflow_tool(view, engine, job, held.task, call_id, worker_id=worker_id)
        return joined(started, Decided(reserved.facts))
    held.beside.append(Decided(reserved.facts))
    if reserved.refused is None:
        ai_task.start_call(held.task, call_id, worker_id=worker_id, reserved=reserved.reservations)
    elif (asked := asked_instead(view, engine, held.task, reserved.refused, call.asked)) is not None:
        held.beside.append(asked)
    else:
        ai_task.deny_call(held.task, call, "budget", reserved.refused.message)
    return held.decided()


def succeed_call(
    view: View, engine: Engine, job: HeldJob, call_id: UUID, number: int, result: Json, *, latency_ms: int | None = None
) -> Decided:
    """The tool has answered. What the model is told of it is what is recorded: guarded, and cut to size."""
    held = Held.of(view, engine, job)
    call = ai_task.running_call(held.task, call_id, number)
    found = shown(held.task.state, call, _storable(result), held.evaluator)
    if isinstance(found, Failure):
        ai_task.fail_call(held.task, call_id, number, found, latency_ms=latency_ms)
    else:
        ai_task.succeed_call(held.task, call_id, number, found.result, latency_ms=latency_ms, cut=found.cut)
    held.beside.append(counted(view, held.task.task_id, call_id, call.reserved, A_TOOL_CALL))
    return held.decided()


def fail_call(
    view: View,
    engine: Engine,
    job: HeldJob,
    call_id: UUID,
    number: int,
    error: Failure,
    *,
    jitter: float,
    retry_after: timedelta | None = None,
    latency_ms: int | None = None,
    again: timedelta | None = None,
    expired: bool = False,
) -> Decided:
    """The tool failed: by its own policy it is called again, or the model is told.

    `again`: it was not called at all, and is to be after so long, whatever the policy says.
    """
    held, error = Held.of(view, engine, job, expired=expired), recordable(error)
    call = ai_task.running_call(held.task, call_id, number)
    tool = tool_of(held.task.state, call.asked.tool)
    tries = number - len(call.elicited)  # a call that ended in a question did not fail
    delay = again or retry_in(_policy(tool, error), tries, error, jitter, retry_after)
    guarded = guard_result(held.task.state, tool, error.message, held.evaluator)
    if isinstance(guarded.value, str):
        error = replace(error, message=guarded.value)
    ai_task.fail_call(held.task, call_id, number, error, retry=delay, latency_ms=latency_ms)
    held.beside.append(counted(view, held.task.task_id, call_id, call.reserved, A_TOOL_CALL))
    return held.decided(held.task.delay)


def _policy(tool: Json, error: Failure) -> RetryPolicy:
    policy = read_retry(tool) or RetryPolicy()
    lost = error.type == LEASE_LOST.type
    return replace(policy, max_attempts=max(policy.max_attempts, LOST_CALLS)) if lost else policy


def _storable(result: Json) -> Json:
    """A service may answer what the ledger cannot hold: then it is told as a text without that."""
    try:
        require_storable(result)
    except ValueError:
        return storable_text(json.dumps(result, ensure_ascii=False))
    return result


# Leases


def expire_ai_lease(view: View, engine: Engine, job: HeldJob, *, jitter: float) -> Decided:
    """The lease expired. What became of a call that is on record is not known; where none was, none was made. So it is of a task
    that was over meanwhile: what was put aside for the call counts.

    A lease that ends between two calls uses up no attempt.
    """
    task = view.read(AI_TASK, _task_id(job))
    if task.closed and job.execution_id is not None and view.read(EXECUTION, job.execution_id).archived:
        return discarded(job, expired=True)  # nothing comes to what is in the archive
    if task.attempt_id is not None:
        return fail_attempt(view, engine, job, task.attempt_id, LEASE_LOST, jitter=jitter, expired=True)
    call = next((each for each in task.calls if each.status == "running" and each.child_id is None), None)
    if call is not None:
        lost = _lost(tool_of(task, call.asked.tool))
        return fail_call(view, engine, job, call.id, call.number, lost, jitter=jitter, expired=True)
    stream_id = stream_of(task, job)
    if task.closed or (stream_id is not None and visit_of(view.read(EXECUTION, stream_id), job) is None):
        return discarded(job, expired=True)
    again = Fence(job.id, job.fence, "retry", expired=True)
    return Decided(fences=(again,), result={"job": job_json(job, task.number, timedelta(0)), "execution": None})


def _lost(tool: Json) -> Failure:
    if tool is not None and tool.get("idempotent"):
        return LEASE_LOST
    message = f"{LEASE_LOST.message} It is not known what became of the call, so it is not made again."
    return replace(LEASE_LOST, message=message, retryable=False)


def stream_of(task: AiTask, job: HeldJob) -> UUID | None:
    """Where the visit is recorded that waits for the task; None: none does."""
    return job.execution_id if task.requested is None else task.requested.item_id or job.execution_id


def _require_running(view: View, job: HeldJob) -> None:
    if job.execution_id is not None and view.read(EXECUTION, job.execution_id).status == "paused":
        raise ExecutionIsPaused


def _task_id(job: HeldJob) -> UUID:
    assert job.task_id is not None, "a job of an AI task names it"
    return job.task_id


def _schema(task: Progress) -> Json:
    return task.requested.output_schema


def _correlation(task: AiTask) -> UUID | None:
    return None if task.requested is None else task.requested.correlation_id


def _as_text(output: Json) -> str:
    return output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)
