"""Visits of a play that wait, and what may come to them next."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from domain.envelope import RecordedEvent
from domain.facts import Due, Json
from engine.definition import Node
from engine.what_if.record import Key, PastVisit

SIMULATED = 1 << 62
"""In the place of the position of what is not on record: it comes after what is, at the same moment."""


class Next(NamedTuple):
    """Something that comes to the execution or one of its visits. `now`: the moment at which it then occurs."""

    at: datetime
    position: int
    now: datetime
    act: Callable[[], None]


@dataclass
class OpenVisit:
    """A visit of the play that waits. `node`: as it is now; `before`: as it was. `why`: it cannot be said what comes to it."""

    id: UUID
    key: Key
    node: Node
    before: Node | None
    past: PastVisit | None
    begun_at: datetime
    leaves_alike: bool
    """Whether the same edges leave its node."""
    waits_until: Due | None = None
    """Of a wait: the moment."""
    input: Json = None
    """What it would hand out."""
    told: int = 0
    """How much of what is on record has come to it."""
    shift: timedelta = timedelta(0)
    """How much later it began than the one on record."""
    paused: timedelta = timedelta(0)
    why: str | None = None
    given_up_at: datetime | None = None
    by_votes: bool = False
    """Whether its request is decided anew, decision by decision."""
    firsts: tuple[RecordedEvent, ...] = ()
    """Of that: what happened to the request on record, without what followed from it."""
    postponed: list[RecordedEvent] = field(default_factory=list)
    """Decisions that were made where nothing is asked yet."""

    @property
    def times_are_equal(self) -> bool:
        return self.past is not None and self.before is not None and self.before.timeout == self.node.timeout

    @property
    def ended_at(self) -> datetime | None:
        """When the one on record ended, reckoned from when this one began."""
        ended = None if self.past is None else self.past.ended
        return None if ended is None else ended.recorded_at + self.shift


class Note(NamedTuple):
    """Something that was taken for granted, or left out."""

    key: Key
    message: str
