"""A workflow that an AI task started as a tool is over: the task is told in the same append, and goes on."""

from typing import TYPE_CHECKING
from uuid import UUID

from domain.ai_task import AI_TASK, AiTask, AiTaskToolCallFailed, AiTaskToolCallSucceeded, Call, evolve
from domain.facts import Fact
from domain.retry import Failure
from engine.ai_job import job_of
from engine.ai_results import shown
from engine.family import came_to

if TYPE_CHECKING:
    from engine.family import End
    from engine.run import Run


def tell_tasks(run: "Run") -> None:
    """Of all that ended in a command, once nothing moves any more. Who holds a task's job goes on with it, and gets no other."""
    ended = run.family.tools_ended
    while ended:
        task_id, child_id, event = ended.popleft()
        task = _as_it_is(run, task_id)
        call = next((call for call in task.calls if call.status == "running" and call.child_id == child_id), None)
        if call is None:
            continue
        end = _ended(run, task, call, event)
        after = evolve(task, end)
        run.facts.append(Fact(task_id, end))
        if task.status == "waiting" and after.status == "pending" and task_id not in run.family.held_tasks:
            run.family.work.add_job(job_of(task_id, after, asking_run_of(run, after)))


def _as_it_is(run: "Run", task_id: UUID) -> AiTask:
    """With what the command has made of it so far."""
    return AI_TASK.after(run.view.read(AI_TASK, task_id), task_id, run.facts)


def asking_run_of(run: "Run", task: AiTask) -> "Run | None":
    """That of the execution whose visit asks. `run`: any of the command's."""
    requested = task.requested
    assert requested is not None
    stream_id = requested.item_id or requested.execution_id
    if stream_id is None:
        return None
    found = run.family.run(run, stream_id)
    return found if requested.activation_id in found.state.activations else None


def _ended(run: "Run", task: AiTask, call: Call, event: "End") -> AiTaskToolCallSucceeded | AiTaskToolCallFailed:
    """What the task is told of a child's end: guarded, and cut to size, as of every tool."""
    about = call.id, call.asked.tool, call.number
    found = came_to(event)
    if isinstance(found, Failure):
        return AiTaskToolCallFailed(*about, found)
    answer = shown(task, call, found, run.evaluator)
    if isinstance(answer, Failure):
        return AiTaskToolCallFailed(*about, answer)
    return AiTaskToolCallSucceeded(*about, answer.result, cut=answer.cut)
