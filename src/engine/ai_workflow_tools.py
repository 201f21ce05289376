"""A workflow as a tool: an AI task starts an execution, as a node of the type `workflow` does, and waits for its end."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from domain import ai_task
from domain.ai_task import Call, Progress
from domain.execution import EXECUTION, FIRST_TOKEN, evolve
from domain.facts import Decided, Fact, Fence, View
from domain.retry import Failure
from engine.ai_asking import requesters_of_task
from engine.ai_policies import tool_of, variables
from engine.child_start import Child, NoChild, child_of
from engine.context import Engine
from engine.expressions import Budgeted, ExpressionError, resolve
from engine.invalid import InvalidValue
from engine.jobs import HeldJob, job_json
from engine.run import Run


def start_workflow_tool(view: View, engine: Engine, job: HeldJob, task: Progress, call_id: UUID, *, worker_id: str) -> Decided:
    """Make the call that is due: start the execution. Where it cannot begin, the call has failed, and the model is told.

    result as of `engine.ai_tasks`. Where the task then waits for it, its job is done with; otherwise its holder goes on.
    """
    task.require_open()
    call = task.state.call(call_id)
    if call is None or call.status != "ready":
        raise ai_task.CallNotReady
    try:
        child_id, beginning = _child(view, engine, task, call, tool_of(task.state, call.asked.tool))
    except (NoChild, InvalidValue, ExpressionError) as error:
        ai_task.start_call(task, call_id, worker_id=worker_id)
        ai_task.fail_call(task, call_id, call.number + 1, _failure(error))
        return _decided(job, task, Decided(task.facts))
    ai_task.start_call(task, call_id, worker_id=worker_id, child_id=child_id)
    facts = [*task.facts, Fact(child_id, beginning)]
    plan = engine.plan(view, beginning.workflow_id, beginning.workflow_version)
    run = Run(view, engine, plan, child_id, evolve(EXECUTION.initial, beginning), facts, new=True)
    run.family.held_tasks.add(task.task_id)
    run.pending.append(FIRST_TOKEN)
    run.advance()
    decided = run.decided(None)
    known = len(task.events)
    for event in ai_task.events_of(task.task_id, decided.facts)[known:]:
        task.record(event)
    return _decided(job, task, decided)


def _failure(error: NoChild | InvalidValue | ExpressionError) -> Failure:
    match error:
        case NoChild():
            return Failure(error.problem.type, error.problem.message, retryable=False)
        case InvalidValue():
            return Failure("invalid_value", str(error), retryable=False)
        case _:
            return Failure("expression_error", str(error), retryable=False)


def _child(view: View, engine: Engine, task: Progress, call: Call, tool: Mapping[str, Any]) -> Child:
    requested, evaluator = task.requested, Budgeted(engine.evaluator, view.effort)
    around = None if requested.execution_id is None else view.read(EXECUTION, requested.execution_id).started
    input = call.arguments
    if "input" in tool:
        input = resolve(tool["input"], evaluator, variables(task.state, call.arguments))
    about = {"execution_id": requested.execution_id, "ai_task_id": task.task_id, "call_id": call.id}
    behind = tuple(one for one in requesters_of_task(view, requested) if one != requested.requested_by)
    return child_of(
        view,
        evaluator,
        lambda workflow_id, number: engine.plan(view, workflow_id, number).definition,
        key=tool["workflow_key"],
        version=tool.get("version"),
        input=input,
        depth=1 if around is None else (around.depth or 0) + 1,
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
        event_depth=None if around is None else around.event_depth,
        parent_task_id=task.task_id,
    )


def _decided(job: HeldJob, task: Progress, decided: Decided) -> Decided:
    waits = task.state.status == "waiting"
    told = job_json(job, task.state.number, None)
    return replace(
        decided,
        fences=(*decided.fences, Fence(job.id, job.fence, "done" if waits else "keep")),
        result={
            "task": task.decided().result,
            "job": told if waits else {**told, "state": "leased"},
            "execution": None,
        },
        correlation_id=task.requested.correlation_id,
    )
