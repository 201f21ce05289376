"""Decisions about a child and the visit that waits for it, where a command had to leave them out of step."""

from uuid import UUID

from domain.execution import EXECUTION
from domain.facts import Decided, View
from engine.context import Engine
from engine.executions import load_run
from engine.family import GIVEN_UP, waits_for
from engine.happenings import ChildEnded
from engine.jobs import HeldJob, discarded, reported


def settle_child(view: View, engine: Engine, job: HeldJob, child_id: UUID, *, terminate: bool = False) -> Decided:
    """Tell the visit of a child that is over, or cancel a child that nobody waits for. Who comes too late has nothing to do.

    `terminate`: its parent was terminated, and so it is.
    """
    child = view.read(EXECUTION, child_id)
    started = child.started
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
        run.wake(started.parent_activation_id, ChildEnded(child_id, (child.ended,)))
        run.advance()
    return reported(run, job, None)
