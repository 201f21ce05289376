"""An event that comes in, and the job that tells it to all who wait for one like it."""

from domain.event import EventReceived, delivery_of, stream_of
from domain.facts import Fact, Job

DELIVER = "gesta.event"
"""The type of those jobs."""


def scope_of(event_type: str) -> str:
    """The scope of the names under which those stand who wait for events of a type: each by the id of its wait."""
    return f"event.wait:{event_type}"


def coming_in(event: EventReceived) -> tuple[Fact, Job]:
    stream_id = stream_of(event.source, event.id)
    return Fact(stream_id, event), Job(delivery_of(stream_id), DELIVER, {"event": str(stream_id)})
