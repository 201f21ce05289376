"""An event from outside, or emitted by an execution: recorded once, and told to every visit that waits for one like it."""

from dataclasses import dataclass, replace
from datetime import datetime
from json import dumps
from typing import Literal, assert_never
from uuid import UUID, uuid5

from domain.facts import Aggregate, Event, EventType, Json
from domain.wording import plural

SPACE = UUID("5f8f7c1e-6a0e-5b1b-9d51-6d3a1f9c0e77")


@dataclass(frozen=True)
class EventReceived(Event):
    """As CloudEvents 1.0 has it: `source` and `id` name it, once and for all."""

    source: str
    id: str
    type: str
    data: Json = None
    subject: str | None = None
    time: datetime | None = None
    emitted_by: UUID | None = None
    """The execution whose node emitted it."""
    depth: int | None = None
    """How many events there are, itself included, of which each started the execution that emitted the next. None: it came from
    outside."""
    sent_by: tuple[UUID, ...] | None = None
    """Who sent it, or had asked for what emitted it: they have asked for what it starts."""


@dataclass(frozen=True)
class EventDelivered(Event):
    """All who waited for it were told, and so many went on; and so many executions were started by triggers."""

    woken: int
    started: int = 0


EventEvent = EventReceived | EventDelivered


@dataclass(frozen=True)
class Received:
    status: Literal["absent", "received", "delivered"] = "absent"
    event: EventReceived | None = None


def evolve(state: Received, event: EventEvent) -> Received:
    match event:
        case EventReceived():
            return Received("received", event)
        case EventDelivered():
            return replace(state, status="delivered")
        case _:
            assert_never(event)


EVENT: Aggregate[Received] = Aggregate(
    "event",
    Received(),
    evolve,
    (
        EventType(
            EventReceived,
            "event.received.v1",
            lambda e, _: f"The event {e.type} came from {e.source}.",
            tags=lambda e, _: (e.type,),
            note="By `POST /v1/events`, or from a node `emit`. `source` and `id` name it: another of that name does nothing.",
        ),
        EventType(
            EventDelivered,
            "event.delivered.v1",
            lambda e, _: f"The event was told to all who waited for it, and {plural(e.woken, 'visit')} went on.",
            severity="debug",
            note="`woken`: how many visits of nodes went on; `started`: how many executions triggers started.",
        ),
    ),
    "workflow",
)


def stream_of(source: str, id: str) -> UUID:
    """The stream of an event follows from its name, so that the same event twice is one."""
    return uuid5(SPACE, dumps([source, id]))


def delivery_of(stream_id: UUID) -> UUID:
    """The job that tells everybody who waits."""
    return uuid5(stream_id, "delivery")


def event_json(event: EventReceived) -> Json:
    """As expressions see it, and as a `wait_event` puts it out."""
    time = None if event.time is None else event.time.isoformat().replace("+00:00", "Z")
    return {
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "subject": event.subject,
        "time": time,
        "data": event.data,
    }
