"""What can come to a visit that waits. Its node type has one hook for each kind."""

from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from domain.facts import Event, Json
from domain.retry import Failure


@dataclass(frozen=True)
class JobDone:
    """A worker reports what its job came to."""

    id: UUID
    output: Json


@dataclass(frozen=True)
class JobFailed:
    """An attempt failed, its lease ran out included. `jitter`: random, from 0 to 1, for the pause before another attempt."""

    id: UUID
    failure: Failure
    jitter: float


JobReport: TypeAlias = JobDone | JobFailed


@dataclass(frozen=True)
class ChildEnded:
    """A stream that the visit opened is closed: an approval request, an AI task. `events`: those that say how.

    `output`: what it came to, where no event of its own says it.
    """

    id: UUID
    events: tuple[Event, ...]
    output: Json = None


@dataclass(frozen=True)
class TimerFired:
    """A moment has come. `purpose`: what the visit set the timer for; its timeout is not told, it ends every visit alike."""

    id: UUID
    purpose: str


@dataclass(frozen=True)
class MessageArrived:
    """An event from outside that matches a subscription of the visit."""

    id: UUID
    payload: Json


Happening: TypeAlias = JobDone | JobFailed | ChildEnded | TimerFired | MessageArrived
