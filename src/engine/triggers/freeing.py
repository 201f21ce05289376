"""An execution that a schedule started is over: what waits for it can be started."""

from uuid import UUID

from domain.execution import Execution
from domain.facts import Decided, View
from domain.trigger import TRIGGER, TriggerFreed
from engine.triggers.changing import changed


def freed_by(view: View, execution_id: UUID, execution: Execution) -> Decided | None:
    """None, unless it is over and something waits."""
    started = execution.started
    if execution.live or started is None or started.trigger_id is None or started.scheduled_at is None:
        return None
    state = view.read(TRIGGER, started.trigger_id)
    if state.running != execution_id or not state.waiting:
        return None
    return changed(view, started.trigger_id, [TriggerFreed(execution_id)])
