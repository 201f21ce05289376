"""The moments of an approval request: when those who are asked are reminded, who is asked beside them later, what is late.

They are kept for each place that is asked: a step, the only one of a request without steps, or (step 0) the whole of one in
steps. Each has a timer of its own. One that is reckoned in working time has it set twice: at once, when it tells from which
moment on it counts, by the ledger's clock; and then for the moment that this comes to.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, TypeAlias
from uuid import UUID

from domain.facts import Due, Json, Timer, timer_id
from domain.openings import Opening, pass_back, pass_through

OWNER = "approval"
"""The aggregate that these timers belong to."""
WHOLE = 0
"""The place of what holds for the whole of a request in steps."""
RECKON = "reckon "
"""How the purpose of a timer begins whose moment is yet to be reckoned."""
MomentKind: TypeAlias = Literal["remind", "escalate", "escalate_unstarted", "due", "start"]
"""`escalate_unstarted`: only where nobody has taken it on by then."""


@dataclass(frozen=True)
class Moment:
    """`shift` after another moment (before it, where it is negative), counted within the openings where there are some."""

    due: Due
    shift: timedelta = timedelta(0)
    openings: tuple[Opening, ...] | None = None

    @property
    def span(self) -> timedelta | None:
        """How long after what it counts from; None: that follows from when that was."""
        if self.due.after is None or self.due.at is not None or self.due.openings is not None or self.openings is not None:
            return None
        return max(self.due.after + self.shift, timedelta(0))

    @property
    def is_working_time(self) -> bool:
        return self.openings is not None or self.due.openings is not None

    def after(self, asked_at: datetime) -> datetime:
        """Not before it was asked: what would have been is at once."""
        base = self.due.moment(asked_at)
        if self.openings is None:
            found = base + self.shift
        elif self.shift < timedelta(0):
            found = pass_back(self.openings, -self.shift, base)
        else:
            found = pass_through(self.openings, self.shift, base)
        return max(found, asked_at)


@dataclass(frozen=True)
class Level:
    """A level of an escalation: who is asked from a moment on (`by`, as it was written, evaluated then), or what it comes to.

    `replace`: instead of those who have not answered. `unstarted`: only where nobody has taken it on by then.
    """

    moment: Moment
    by: Json = None
    replace: bool = False
    outcome: str | None = None
    unstarted: bool = False


@dataclass(frozen=True)
class Times:
    """`start`: by when somebody is to have taken it on. `turn`: tells apart how often it was asked, by the timers' ids."""

    remind: tuple[Moment, ...] = ()
    escalate: tuple[Level, ...] = ()
    start: Due | None = None
    turn: int = 0


@dataclass(frozen=True)
class Clock:
    """Where a place stands that is asked: which of its moments have come."""

    step: int
    times: Times
    due: Due | None = None
    reminded: tuple[int, ...] = ()
    level: int = 0
    started: bool = False
    """Whether somebody has claimed it, or answered."""
    overdue: bool = False
    start_missed: bool = False

    def to_come(self) -> Iterator[tuple[MomentKind, int, Moment]]:
        """What for, its number from 1 where there may be several, and when."""
        for number, moment in enumerate(self.times.remind, 1):
            if number not in self.reminded:
                yield "remind", number, moment
        for number, level in enumerate(self.times.escalate, 1):
            if number > self.level and not (level.unstarted and self.started):
                yield "escalate_unstarted" if level.unstarted else "escalate", number, level.moment
        if self.due is not None and not self.overdue:
            yield "due", 0, Moment(self.due)
        if self.times.start is not None and not (self.started or self.start_missed):
            yield "start", 0, Moment(self.times.start)


def purpose_of(kind: MomentKind, step: int, number: int = 0) -> str:
    """`remind 1.2`: the second reminder of the first step."""
    return f"{kind} {step}.{number}" if number else f"{kind} {step}"


def timer_of(request_id: UUID, execution_id: UUID | None, clock: Clock, kind: MomentKind, number: int, moment: Moment) -> Timer:
    """`execution_id`: whose pause holds it."""
    purpose, span = purpose_of(kind, clock.step, number), moment.span
    id = timer_id(request_id, purpose, clock.times.turn)
    if span is None:
        return Timer(id, Due(timedelta(0)), RECKON + purpose, OWNER, request_id, execution_id)
    return Timer(id, Due(span), purpose, OWNER, request_id, execution_id)


def timers_of(request_id: UUID, execution_id: UUID | None, clocks: tuple[Clock, ...]) -> dict[UUID, Timer]:
    """The timers that a request has where its clocks stand so, by their ids, as they are first set."""
    timers = [timer_of(request_id, execution_id, clock, *each) for clock in clocks for each in clock.to_come()]
    return {timer.id: timer for timer in timers}


def changed(clocks: tuple[Clock, ...], *steps: int, **changes: Json) -> tuple[Clock, ...]:
    """Those of these places, where they have one."""
    return tuple(replace(each, **changes) if each.step in steps else each for each in clocks)


def without(clocks: tuple[Clock, ...], *steps: int) -> tuple[Clock, ...]:
    return tuple(each for each in clocks if each.step not in steps)
