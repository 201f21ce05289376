"""A workflow as a tool: an AI task starts an execution, as a node of the type `workflow` does, and waits for its end.

The tool is {name, type: "workflow", workflow_key, version?, input?}; `input` is a value with expressions over `arguments` and
`input`, the task's; without it the arguments are the input.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from domain.ai_task import (
    AI_TASK,
    AiTask,
    AiTaskClosed,
    AiTaskToolCallFailed,
    AiTaskToolCallStarted,
    AttemptOver,
    Call,
    evolve,
)
from domain.ai_task.steps import CallTool, next_step
from domain.execution import EXECUTION, FIRST_TOKEN, Execution, ExecutionStarted
from domain.execution import evolve as evolve_execution
from domain.facts import Decided, Event, Fact, Fence, Json, View
from domain.retry import Failure
from engine.ai_asking import is_paused, requested_of, requesters_of_task
from engine.ai_questions import tool_of
from engine.child_start import NoChild, child_of
from engine.context import Engine
from engine.executions import ExecutionIsPaused
from engine.expressions import Budgeted, ExpressionError, is_expression, resolve
from engine.invalid import InvalidValue
from engine.jobs import HeldJob
from engine.nodes.kind import Fault
from engine.run import Run

TYPE = "workflow"
FIELDS: Mapping[str, Json] = {
    "workflow_key": {"type": "string", "minLength": 1},
    "version": {"type": "integer", "minimum": 1, "maximum": 2**31 - 1},
    "input": True,
}
"""JSON Schemas of the fields that such a tool has beside those of every tool; `workflow_key` is needed."""


def start_workflow_tool(view: View, engine: Engine, job: HeldJob, call_id: UUID, *, worker_id: str) -> Decided:
    """Make the call that is due: start the execution. Where it cannot begin, the call has failed, and the model is told.

    result {task: {id, status, version}}. Where the task then waits for it, its job is done with; otherwise its holder goes on.
    """
    assert job.task_id is not None
    task = view.read(AI_TASK, job.task_id)
    if task.closed:
        raise AiTaskClosed(f"The AI task is {task.status}.")
    requested = requested_of(task)
    if is_paused(view, requested):
        raise ExecutionIsPaused
    step, call = next_step(task), task.call(call_id)
    if not isinstance(step, CallTool) or step.call_id != call_id or call is None:
        raise AttemptOver("This call of a tool is not the one that is due.")
    tool = tool_of(task, call.asked.tool)
    started = AiTaskToolCallStarted(
        call.id, call.asked.tool, call.number + 1, call.arguments, str(call.id), worker_id, call.edited
    )
    try:
        child_id, beginning = _child(view, engine, job.task_id, task, call, tool)
    except (NoChild, InvalidValue, ExpressionError) as error:
        failure = _failure(error)
        failed = AiTaskToolCallFailed(call.id, call.asked.tool, call.number + 1, failure)
        return _without_child(view, job, task, (started, failed))
    return _with_child(view, engine, job, task, replace(started, child_id=child_id), beginning)


def _failure(error: NoChild | InvalidValue | ExpressionError) -> Failure:
    match error:
        case NoChild():
            return Failure(error.problem.type, error.problem.message, retryable=False)
        case InvalidValue():
            return Failure("invalid_value", str(error), retryable=False)
        case _:
            return Failure("expression_error", str(error), retryable=False)


def _child(
    view: View, engine: Engine, task_id: UUID, task: AiTask, call: Call, tool: Mapping[str, Any]
) -> tuple[UUID, ExecutionStarted]:
    requested, evaluator = requested_of(task), Budgeted(engine.evaluator, view.effort)
    around: Execution = EXECUTION.initial
    if requested.execution_id is not None:
        around = view.read(EXECUTION, requested.execution_id)
    parent, people = around.started, requesters_of_task(view, requested)
    input = call.arguments
    if "input" in tool:
        input = resolve(tool["input"], evaluator, {"arguments": call.arguments, "input": requested.input})
    about = {"execution_id": requested.execution_id, "ai_task_id": task_id, "call_id": call.id}
    behind = tuple(one for one in people if one != requested.requested_by)
    return child_of(
        view,
        evaluator,
        lambda workflow_id, number: engine.plan(view, workflow_id, number).definition,
        key=tool["workflow_key"],
        version=tool.get("version"),
        input=input,
        depth=1 if parent is None else (parent.depth or 0) + 1,
        priority=requested.priority,
        trigger_data={
            **{name: None if id is None else str(id) for name, id in about.items()},
            "node_id": requested.node_id,
            "tool": call.asked.tool,
        },
        parent_execution_id=requested.execution_id,
        correlation_id=requested.correlation_id,
        created_by=requested.requested_by,
        behind=behind or None,
        event_depth=None if parent is None else parent.event_depth,
        parent_task_id=task_id,
    )


def _without_child(view: View, job: HeldJob, task: AiTask, events: tuple[Event, ...]) -> Decided:
    assert job.task_id is not None
    facts = tuple(Fact(job.task_id, event) for event in events)
    after = task
    for event in events:
        after = evolve(after, event)  # type: ignore[arg-type]
    return Decided(
        facts,
        fences=(_fence(job, after),),
        result={"task": _summary(view, job.task_id, after, len(events))},
        correlation_id=requested_of(task).correlation_id,
    )


def _with_child(
    view: View, engine: Engine, job: HeldJob, task: AiTask, started: AiTaskToolCallStarted, beginning: ExecutionStarted
) -> Decided:
    """It runs until it waits or is over, in this very command."""
    task_id, child_id = job.task_id, started.child_id
    assert task_id is not None
    assert child_id is not None
    plan = engine.plan(view, beginning.workflow_id, beginning.workflow_version)
    facts = [Fact(task_id, started), Fact(child_id, beginning)]
    run = Run(view, engine, plan, child_id, evolve_execution(EXECUTION.initial, beginning), facts, new=True)
    run.family.held_tasks.add(task_id)
    run.pending.append(FIRST_TOKEN)
    run.advance()
    decided = run.decided(None)
    events = [fact.event for fact in decided.facts if fact.stream_id == task_id]
    after = task
    for event in events:
        after = evolve(after, event)  # type: ignore[arg-type]
    return replace(
        decided,
        fences=(*decided.fences, _fence(job, after)),
        result={"task": _summary(view, task_id, after, len(events))},
        correlation_id=requested_of(task).correlation_id,
    )


def _fence(job: HeldJob, after: AiTask) -> Fence:
    return Fence(job.id, job.fence, "done" if after.status == "waiting" else "keep")


def _summary(view: View, task_id: UUID, after: AiTask, more: int) -> Json:
    return {"id": str(task_id), "status": after.status, "version": view.version(task_id) + more}


def lint_tool(tool: Mapping[str, Any], pointer: str) -> Iterator[Fault]:
    """Of one whose shape is sound. `pointer`: where it is in the configuration."""
    input = tool.get("input", {})
    if not isinstance(input, dict) and not is_expression(input):
        yield Fault(f"{pointer}/input", "invalid_value", "input must be an object, or an expression that gives one.")
