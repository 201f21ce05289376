"""Something came from outside that a trigger waits for: an event, told by the job that tells everybody."""

from uuid import UUID, uuid5

from domain.event import EVENT, event_json
from domain.facts import Decided, View
from domain.trigger import EVENT as BY_EVENT
from domain.trigger import TRIGGER, TriggerFired
from engine.context import Engine
from engine.events import NoSuchEvent
from engine.triggers.changing import changed
from engine.triggers.starting import Start, attempt, is_started, is_wanted


def start_by_event(view: View, engine: Engine, event_id: UUID, trigger_id: UUID) -> Decided:
    """result {execution}, None where it is not wanted, or was told before. An event starts one execution for each trigger."""
    event = view.read(EVENT, event_id).event
    if event is None:
        raise NoSuchEvent
    state = view.read(TRIGGER, trigger_id)
    run_id, told = uuid5(trigger_id, f"event {event_id}"), event_json(event)
    nothing = Decided(result={"execution": None})
    if not state.active or (state.type, state.config.get("event_type")) != (BY_EVENT, event.type) or is_started(view, run_id):
        return nothing
    if not is_wanted(view, engine, state, {"event": told}):
        return nothing
    tried = attempt(view, engine, Start(trigger_id, state, run_id, {"event": told}, told))
    if tried.decided is not None:
        return Decided(**{**vars(tried.decided), "result": {"execution": tried.decided.result}})
    fired = TriggerFired(run_id, tried.outcome, code=tried.code, message=tried.message)
    return changed(view, trigger_id, [fired], {"execution": None})
