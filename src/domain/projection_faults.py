"""What operators do about events that hold up a ledger's tables: tried again, left out, or taken in after all. For the audit log.

There is one stream for each ledger, the platform's too. What is skipped is told to the projector by runtime.projection_skips:
the event that says so lies behind the one that it is about.
"""

from dataclasses import dataclass, replace
from typing import assert_never
from uuid import UUID, uuid5

from domain.facts import Aggregate, Event, EventType


@dataclass(frozen=True)
class ProjectionEventSkipped(Event):
    """`topic`: of the event; None where there is none: a gap, up to `up_to`. `error`: why it could not be applied."""

    position: int
    up_to: int
    reason: str
    error: str
    topic: str | None = None


@dataclass(frozen=True)
class ProjectionRetried(Event):
    """`topic`: of the event that held the tables up, where there is one."""

    position: int
    error: str
    topic: str | None = None


@dataclass(frozen=True)
class ProjectionEventUnskipped(Event):
    """The tables were built anew with the event in them. `topic`: of it."""

    position: int
    reason: str
    topic: str


ProjectionFaultEvent = ProjectionEventSkipped | ProjectionRetried | ProjectionEventUnskipped


@dataclass(frozen=True)
class ProjectionFaults:
    """How often it was done."""

    skipped: int = 0
    retried: int = 0
    unskipped: int = 0


def evolve(state: ProjectionFaults, event: ProjectionFaultEvent) -> ProjectionFaults:
    match event:
        case ProjectionEventSkipped():
            return replace(state, skipped=state.skipped + 1)
        case ProjectionRetried():
            return replace(state, retried=state.retried + 1)
        case ProjectionEventUnskipped():
            return replace(state, unskipped=state.unskipped + 1)
        case _:
            assert_never(event)


def _skipped(event: ProjectionEventSkipped) -> str:
    meant = f"Event {event.position}" if event.up_to == event.position else f"Events {event.position} to {event.up_to}"
    return f"{meant} left out of the tables: {event.reason}"


PROJECTION_FAULTS: Aggregate[ProjectionFaults] = Aggregate(
    "projection",
    ProjectionFaults(),
    evolve,
    (
        EventType(
            ProjectionEventSkipped,
            "projection.event_skipped.v1",
            lambda e, _: _skipped(e),
            severity="warning",
            tags=lambda e, _: () if e.topic is None else (e.topic,),
            note="An operator left out what could not be applied. `up_to`: `position`, or the end of a gap. `topic`: of it.",
        ),
        EventType(
            ProjectionRetried,
            "projection.retried.v1",
            lambda e, _: f"Event {e.position}, which holds up the tables, was tried again.",
            tags=lambda e, _: () if e.topic is None else (e.topic,),
            note="An operator had it tried again before its time. `position`, `topic`: of the event that could not be applied.",
        ),
        EventType(
            ProjectionEventUnskipped,
            "projection.event_unskipped.v1",
            lambda e, _: f"Event {e.position} is in the tables after all: {e.reason}",
            tags=lambda e, _: (e.topic,),
            note="An operator took a skip back: the tables were built anew with the event. `position`, `topic`: of it.",
        ),
    ),
    "system",
)


def projection_faults_id_of(tenant_id: UUID) -> UUID:
    return uuid5(tenant_id, "projection faults")
