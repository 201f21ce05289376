"""What becomes of an approval request that an AI task asked: the task is told in the same append.

By `ai_task.answered`, with the denial of a call that was not allowed, or the task's end; and where it can go on, its job.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from domain.ai_task import (
    AI_TASK,
    AiTask,
    AiTaskAnswered,
    AiTaskCompleted,
    AiTaskEvent,
    AiTaskFailed,
    AiTaskToolCallDenied,
    Call,
    DenialReason,
    Question,
    evolve,
)
from domain.approval import APPROVAL, Approval, ApprovalDecided, ApprovalOverridden
from domain.facts import Decided, Event, Fact, Json
from domain.retry import Failure
from engine.ai_asking import TaskAsker, requested_of
from engine.ai_follow import follow
from engine.ai_forms import OUTPUT, edited_of, is_form
from engine.ai_guards import Guarded, guard_arguments, guard_output
from engine.ai_policies import by_policy, tool_of, variables
from engine.expressions import Budgeted
from engine.schema import faults

DENIED = {
    "rejected": "A person did not allow this call.",
    "expired": "Nobody allowed this call in time.",
    "cancelled": "Whether this call may be made was not decided: the request was taken back.",
}
REASONS: Mapping[str, DenialReason] = {"rejected": "rejected", "expired": "expired", "cancelled": "cancelled"}


def told(asker: TaskAsker, request_id: UUID, before: Approval, decided: Decided) -> Decided:
    """What happened to a request, with what follows for the task that waits for it. The result is that of a decision."""
    events = [fact.event for fact in decided.facts if fact.stream_id == request_id]
    after = APPROVAL.after(before, request_id, decided.facts)
    task = asker.view.read(AI_TASK, asker.task_id)
    question = task.question(request_id)
    if after.open or task.closed or question is None:
        return decided
    answered = _answer(asker, task, question, after, events)
    facts = (*decided.facts, *(Fact(asker.task_id, event) for event in answered))
    return follow(asker.view, asker.engine, asker.task_id, decided, facts, (request_id,))


def _answer(asker: TaskAsker, task: AiTask, question: Question, after: Approval, events: list[Event]) -> tuple[AiTaskEvent, ...]:
    said = next((each for each in reversed(events) if isinstance(each, ApprovalDecided | ApprovalOverridden)), None)
    by = None if said is None else said.user_id
    comment = None
    match said:
        case ApprovalDecided():
            comment = said.comment
        case ApprovalOverridden():
            comment = said.reason
        case _:
            pass
    outcome, form = _outcome(after)
    answered = AiTaskAnswered(question.request_id, question.purpose, outcome, question.call_id, by, comment)
    call = None if question.call_id is None else task.call(question.call_id)
    if outcome != "approved":
        return refused(task, answered, call)
    match question.purpose:
        case "tool" if call is not None:
            return _allowed(asker, task, answered, call, form)
        case "elicitation":
            return (_with(answered, "edited", form),)
        case "review":
            return _accepted(asker, task, answered, question.output, form)
        case _:
            return (answered,)


def _outcome(after: Approval) -> tuple[Any, Json]:
    resolution = after.resolution
    if resolution is None:
        return ("expired" if after.status == "expired" else "cancelled"), None
    if resolution.kind in ("approve", "submit"):
        return "approved", resolution.form
    return ("cancelled" if resolution.kind == "withdraw" else "rejected"), None


def _with(answered: AiTaskAnswered, outcome: Any, edited: Json) -> AiTaskAnswered:
    return AiTaskAnswered(answered.request_id, answered.purpose, outcome, answered.call_id, answered.by, answered.comment, edited)


def _allowed(asker: TaskAsker, task: AiTask, answered: AiTaskAnswered, call: Call, form: Json) -> tuple[AiTaskEvent, ...]:
    """Arguments that do not fit never pass, whoever wrote them."""
    schema = tool_of(task, call.asked.tool)["parameters"]
    edited = edited_of(form, call.arguments, schema)
    if edited is None:
        return (answered,)
    wrong = faults(schema, edited, "", asker.view.effort)
    if wrong:
        message = f"A person replaced the arguments by some that do not fit: {wrong[0].path}: {wrong[0].message}"
        denied = AiTaskToolCallDenied(call.id, call.asked.tool, "malformed", message, answered.by, answered.request_id)
        return (_with(answered, "rejected", None), denied)
    let_in = barred(task, call, edited, Budgeted(asker.engine.evaluator, asker.view.effort))
    if isinstance(let_in, AiTaskToolCallDenied):
        return (_with(answered, "rejected", None), replace(let_in, by=answered.by, request_id=answered.request_id))
    return (_with(answered, "edited", let_in.value),)


def barred(task: AiTask, call: Call, edited: Json, evaluator: Budgeted) -> AiTaskToolCallDenied | Guarded:
    """What the policy denies nobody allows, nor what a guard forbids: also of arguments that a person wrote. What passes is
    without what guards take out."""
    tool = tool_of(task, call.asked.tool)
    guarded = guard_arguments(task, tool, edited, evaluator)
    if guarded.kind == "block":
        return AiTaskToolCallDenied(call.id, call.asked.tool, "guard", guarded.why or "These arguments are not let through.")
    verdict, why = by_policy(tool.get("policy"), variables(task, guarded.value, _before(task, call)), evaluator)
    if verdict == "deny":
        message = f"A person replaced the arguments by some that are denied. {why or ''}".strip()
        return AiTaskToolCallDenied(call.id, call.asked.tool, "policy", message)
    return guarded


def _before(task: AiTask, call: Call) -> int:
    """The calls that were begun, and those asked for before this one that still may be."""
    ahead = task.calls[: [each.id for each in task.calls].index(call.id)]
    return (task.totals.tool_calls or 0) + sum(each.number == 0 and not each.settled for each in ahead)


def _accepted(asker: TaskAsker, task: AiTask, answered: AiTaskAnswered, output: Json, form: Json) -> tuple[AiTaskEvent, ...]:
    """The output counts, and the task is done. One that a person wrote passes the guards as one of the model does."""
    schema = requested_of(task).output_schema
    edited = None
    if form is not None and is_form(schema):
        edited = edited_of(form, output, schema)
    elif form is not None and form[OUTPUT] != output:
        edited = form[OUTPUT]
    if edited is not None:
        let_out = guard_output(task, edited, Budgeted(asker.engine.evaluator, asker.view.effort))
        if let_out.kind == "block":
            return _sent_back(task, answered, let_out.why or "This output is not let through.")
        edited = let_out.value
    if edited is not None and schema is not None and (wrong := faults(schema, edited, "/output", asker.view.effort)):
        return _sent_back(task, answered, f"{wrong[0].path}: {wrong[0].message}")
    done = answered if edited is None else _with(answered, "edited", edited)
    return (done, AiTaskCompleted(output if edited is None else edited, evolve(task, done).totals))


def _sent_back(task: AiTask, answered: AiTaskAnswered, why: str) -> tuple[AiTaskEvent, ...]:
    """What a person made of an output cannot be taken: that is a rejection, of which the model is told why."""
    return refused(task, replace(answered, outcome="rejected", comment=why), None)


def refused(task: AiTask, answered: AiTaskAnswered, call: Call | None) -> tuple[AiTaskEvent, ...]:
    """A call is denied, and the model is told; an output is sent back, as often as that may be; without a budget it fails."""
    outcome = answered.outcome
    if call is not None:
        message = answered.comment or DENIED[outcome]
        reason: DenialReason = "budget" if answered.purpose == "budget" else REASONS[outcome]
        return (answered, AiTaskToolCallDenied(call.id, call.asked.tool, reason, message, answered.by, answered.request_id))
    if answered.purpose != "review":
        return (answered, _failed(task, answered, "budget_exceeded", "A budget is used up, and nobody allowed to go beyond it."))
    bounds = requested_of(task).bounds
    most = 0 if bounds is None else bounds.rejections or 0
    if outcome == "rejected" and task.rejections < most:
        return (answered,)
    message = {
        "rejected": f"The output was rejected: {answered.comment or 'without a comment'}",
        "expired": "Nobody reviewed the output in time.",
        "cancelled": "The review of the output was taken back.",
    }[outcome]
    return (answered, _failed(task, answered, f"review_{outcome}", message))


def _failed(task: AiTask, answered: AiTaskAnswered, type: str, message: str) -> AiTaskFailed:
    return AiTaskFailed(Failure(type, message, retryable=False), evolve(task, answered).totals)
