"""Decisions about events: one is received, told to a visit that waits for it, and done with."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.event import EVENT, EventDelivered, EventReceived, event_json, stream_of
from domain.execution import EXECUTION
from domain.facts import Decided, Fact, Fence, Json, NotFound, View
from engine.context import Engine
from engine.deliveries import coming_in
from engine.enclosing import is_wanted
from engine.executions import answer, load_run
from engine.happenings import MessageArrived
from engine.jobs import HeldJob
from engine.nodes.kind import Passed


class NoSuchEvent(NotFound):
    """There is no such event."""


@dataclass(frozen=True)
class EventSubscription:
    """A visit that waits for events of a type. `id`: of what it waits for; `execution_id`: where the visit is recorded."""

    id: UUID
    execution_id: UUID


def receive(
    view: View,
    *,
    source: str,
    id: str,
    type: str,
    data: Json = None,
    subject: str | None = None,
    time: datetime | None = None,
    sent_by: tuple[UUID, ...] = (),
) -> Decided:
    """An event of this source and id that was received before is left as it is. result {id, source, type, status, version}."""
    stream_id = stream_of(source, id)
    known = view.read(EVENT, stream_id).event
    result = {"id": str(stream_id), "event_id": id, "source": source, "type": type, "status": "received", "version": 1}
    if known is not None:
        return Decided(result={**result, "type": known.type, "status": "duplicate", "version": view.version(stream_id)})
    fact, job = coming_in(EventReceived(source, id, type, data, subject, time, sent_by=sent_by or None))
    return Decided((fact,), result=result, jobs=(job,))


def deliver(view: View, engine: Engine, event_id: UUID, to: EventSubscription) -> Decided:
    """Tell one visit. result {execution}, None where it waits no longer, or waits on: the event is not one that it wants."""
    event = view.read(EVENT, event_id).event
    if event is None:
        raise NoSuchEvent
    state = view.read(EXECUTION, to.execution_id)
    wanted = ("event", to.id, event.type)
    visits = state.activations.values()
    activation = next((each for each in visits for wait in each.waits if (wait.kind, wait.id, wait.about) == wanted), None)
    if activation is None:
        return Decided(result={"execution": None})
    run = load_run(view, engine, to.execution_id, state)
    if not is_wanted(run):
        return Decided(result={"execution": None})
    if isinstance(run.wake(activation.id, MessageArrived(to.id, event_json(event))), Passed):
        return Decided(result={"execution": None})
    run.advance()
    return run.decided({"execution": answer(run)})


def delivered(view: View, job: HeldJob, event_id: UUID, woken: int, started: int = 0) -> Decided:
    """All who waited were told."""
    state, fence = view.read(EVENT, event_id), Fence(job.id, job.fence, "done")
    facts = (Fact(event_id, EventDelivered(woken, started)),) if state.status == "received" else ()
    return Decided(facts, fences=(fence,))
