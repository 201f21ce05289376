"""Something came from outside that a trigger waits for: an event, told by the job that tells everybody, or a request."""

from collections.abc import Mapping
from uuid import UUID, uuid5

from domain.event import EVENT, event_json
from domain.facts import Decided, Json, View
from domain.trigger import EVENT as BY_EVENT
from domain.trigger import TRIGGER, WEBHOOK, Trigger, TriggerFired
from engine.context import Engine
from engine.events import NoSuchEvent
from engine.triggers.changing import changed
from engine.triggers.commands import NoSuchTrigger, TriggerIsPaused
from engine.triggers.starting import Attempt, Start, attempt, is_started, is_wanted

MOST_DEPTH = 100
"""Executions that start each other by events, one after another: workflows that do so in a circle would never end."""
TOO_DEEP = f"More than {MOST_DEPTH} executions have started each other by events, one after another."


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
    if (event.depth or 0) > MOST_DEPTH:
        tried = Attempt("failed", code="too_deep", message=TOO_DEEP)
    else:
        start = Start(trigger_id, state, run_id, {"event": told}, told, behind=event.sent_by or (), event_depth=event.depth)
        tried = attempt(view, engine, start)
    if tried.decided is not None:
        return Decided(**{**vars(tried.decided), "result": {"execution": tried.decided.result}})
    fired = TriggerFired(run_id, tried.outcome, code=tried.code, message=tried.message)
    return changed(view, trigger_id, [fired], {"execution": None})


def start_by_request(
    view: View, engine: Engine, trigger_id: UUID, secret_hash: str, request_id: str | None, given: Mapping[str, Json]
) -> Decided:
    """A request to the address with this secret. `request_id`: the sender's name for it, by which it starts something once.

    result {outcome: started | duplicate | ignored | skipped | failed, execution_id, code, message}. Raises NoSuchTrigger where
    there is no such address, and TriggerIsPaused.
    """
    state = view.read(TRIGGER, trigger_id)
    if not is_address_of(state, secret_hash):
        raise NoSuchTrigger
    if state.paused:
        raise TriggerIsPaused
    run_id = view.new_id() if request_id is None else uuid5(trigger_id, f"request {request_id}")
    if request_id is not None and is_started(view, run_id):
        return Decided(result=_said("duplicate", run_id))
    if not is_wanted(view, engine, state, given):
        return Decided(result=_said("ignored"))
    about = {"id": request_id, "headers": given["headers"], "query": given["query"]}
    tried = attempt(view, engine, Start(trigger_id, state, run_id, given, about))
    if tried.decided is not None:
        return Decided(**{**vars(tried.decided), "result": _said("started", run_id)})
    fired = TriggerFired(run_id, tried.outcome, code=tried.code, message=tried.message)
    return changed(view, trigger_id, [fired], _said(tried.outcome, None, tried.code, tried.message))


def is_address_of(state: Trigger, secret_hash: str) -> bool:
    """Whether a live webhook is found under the address with this secret."""
    return state.live and state.type == WEBHOOK and state.secret_hash == secret_hash


def _said(outcome: str, execution_id: UUID | None = None, code: str | None = None, message: str | None = None) -> Json:
    return {
        "outcome": outcome,
        "execution_id": None if execution_id is None else str(execution_id),
        "code": code,
        "message": message,
    }
