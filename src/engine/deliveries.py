"""An event that comes in, and the job that tells it to all who wait for one like it.

Who began to wait before the command in which it came is found by a name of that time. Who began to wait in the same command,
before the event, is named by the job: `to`, ids of waits and of the streams that they are recorded in.
"""

from collections.abc import Iterable
from dataclasses import replace
from uuid import UUID

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


def told_to(job: Job, waits: Iterable[tuple[UUID, UUID]]) -> Job:
    """The same job, which also tells waits of the command that it comes from."""
    to = [[str(wait_id), str(stream_id)] for wait_id, stream_id in waits]
    return replace(job, input={**job.input, "to": to}) if to else job
