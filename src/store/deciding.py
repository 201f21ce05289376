"""One run of a decision, from beginning to end, on what is at hand."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple, TypeAlias
from uuid import UUID

from domain.facts import Decided, Refusal, View
from runtime.clock import Clock
from store.command import Command
from store.errors import OccurredBeforeLast, VersionMismatch
from store.view import DecisionView, OwnerOf, TipOf

Decide: TypeAlias = Callable[[View], Decided]


class Decision(NamedTuple):
    """What a run read, and what it came to: facts (which may be none) or a refusal."""

    view: DecisionView
    decided: Decided
    refusal: Refusal | None

    @property
    def appends(self) -> bool:
        """Whether there is anything to append."""
        decided = self.decided
        names = decided.claims or decided.releases
        work = decided.jobs or decided.fences or decided.dropped_jobs or decided.timers or decided.dropped_timers
        return bool(decided.facts or names or work)


def run(command: Command, decide: Decide, clock: Clock, new_id: Callable[[], UUID], tip_of: TipOf, owner_of: OwnerOf) -> Decision:
    """Raises Need where something is not at hand."""
    now = command.occurred_at or clock.now()
    while True:
        view = DecisionView(command.tenant_id, now, new_id, tip_of, owner_of)
        try:
            for stream_id, version in command.expect.items():
                if view.version(stream_id) != version:
                    raise VersionMismatch(path="If-Match")
            decided = decide(view)
            last = _last_occurred(view, decided)
            if last is not None and last > now and command.occurred_at is not None:
                raise OccurredBeforeLast(path="Gesta-Occurred-At")
        except Refusal as refusal:
            return Decision(view, Decided(), refusal)
        if last is None or last <= now:
            return Decision(view, decided, None)
        now = last  # the clock is behind the stream: time does not run backwards there


def _last_occurred(view: DecisionView, decided: Decided) -> datetime | None:
    """The latest event of the streams that the decision writes."""
    written = {fact.stream_id for fact in decided.facts}
    for stream_id in written:
        view.version(stream_id)  # written without having been read: an expectation all the same
    times = [view.touched[stream_id].occurred_at for stream_id in written]
    return max((moment for moment in times if moment is not None), default=None)
