"""Decisions about a child and the visit that waits for it, where a command had to leave them out of step."""

from uuid import UUID

from domain.ai_task import AI_TASK
from domain.execution import EXECUTION, Execution
from domain.facts import Decided, View
from engine.context import Engine
from engine.enclosing import is_wanted
from engine.executions import load_run
from engine.family import GIVEN_UP, waits_for
from engine.happenings import ChildEnded
from engine.jobs import HeldJob, discarded, put_off, reported


def settle_child(view: View, engine: Engine, job: HeldJob, child_id: UUID, *, terminate: bool = False) -> Decided:
    """Tell the visit of a child that is over, or cancel a child that nobody waits for. Who comes too late has nothing to do.

    `terminate`: its parent was terminated, and so it is.
    """
    child = view.read(EXECUTION, child_id)
    started = child.started
    if started is not None and started.parent_task_id is not None:
        return _settle_tool(view, engine, job, child_id, child, started.parent_task_id, terminate=terminate)
    if started is None or started.parent_stream_id is None or started.parent_activation_id is None:
        return discarded(job)
    parent = view.read(EXECUTION, started.parent_stream_id)
    waited_for = waits_for(parent, started.parent_activation_id, child_id)
    if child.live == waited_for:
        return discarded(job)
    if child.live:
        if child.compensation is not None and not terminate:
            return discarded(job)
        run = load_run(view, engine, child_id, child)
        run.family.terminating = terminate
        run.give_up(GIVEN_UP)
    else:
        assert child.ended is not None
        run = load_run(view, engine, started.parent_stream_id, parent)
        if not is_wanted(run):
            return put_off(job)
        run.wake(started.parent_activation_id, ChildEnded(child_id, (child.ended,)))
        run.advance()
    return reported(run, job, None)


def _settle_tool(
    view: View, engine: Engine, job: HeldJob, child_id: UUID, child: Execution, task_id: UUID, *, terminate: bool
) -> Decided:
    """Cancel one that was an AI task's tool, and which that waits for no longer. The end of one is always told at once."""
    if not child.live or child_id in view.read(AI_TASK, task_id).waits_for or (child.compensation is not None and not terminate):
        return discarded(job)
    run = load_run(view, engine, child_id, child)
    run.family.terminating = terminate
    run.give_up(GIVEN_UP)
    return reported(run, job, None)
