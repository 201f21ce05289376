"""One run of a decision, from beginning to end, on what is at hand: read, decided, encoded."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeAlias
from uuid import UUID

from pydantic_core import to_json

from domain.aggregates import OF_PLATFORM
from domain.envelope import PLATFORM, Envelope
from domain.facts import Decided, Invalid, RuleViolation, View
from runtime.clock import Clock
from store.append import Entry, NewEvent
from store.cache import Kinds, StreamState
from store.codec import Codec, encode_envelope, to_bytes
from store.command import Command
from store.errors import NotOfPlatform, OccurredBeforeLast, VersionMismatch
from store.loader import PastEvent
from store.sizes import decoded_size
from store.topics import topic_of
from store.view import CommittedOf, DecisionView, HoldersOf, OwnerOf, StateOf

Decide: TypeAlias = Callable[[View], Decided]


@dataclass(frozen=True, slots=True)
class DecisionRun:
    """What a run read, and what it came to: something to append (which may be no facts), or an error.

    An error is whatever was raised: on states that are behind, or that do not belong together, that can be anything.
    """

    view: DecisionView
    decided: Decided = field(default_factory=Decided)
    entry: Entry | None = None
    left: dict[UUID, StreamState] = field(default_factory=dict)
    """The streams that it writes, as it leaves them."""
    error: Exception | None = None

    @property
    def appends(self) -> bool:
        """Whether there is anything to append."""
        decided = self.decided
        names = decided.claims or decided.releases
        work = decided.jobs or decided.fences or decided.dropped_jobs or decided.timers or decided.dropped_timers
        return bool(decided.facts or names or work)


@dataclass(frozen=True)
class Runs:
    """Runs decisions; what they are made with is the process's."""

    clock: Clock
    new_id: Callable[[], UUID]
    codec: Codec
    kinds: Kinds

    def run(
        self,
        command: Command,
        command_id: UUID,
        decide: Decide,
        tip_of: StateOf,
        owner_of: OwnerOf,
        committed_of: CommittedOf = lambda _: True,
        holders_of: HoldersOf = lambda _: None,
    ) -> DecisionRun:
        """Raises Need where something is not at hand, and nothing else."""
        now = command.occurred_at or self.clock.now()
        while True:
            view = DecisionView(command.tenant_id, now, self.new_id, tip_of, owner_of, committed_of, holders_of)
            try:
                decided = _decided(command, decide, view)
                if command.tenant_id == PLATFORM:
                    self._require_of_platform(decided)
                last = _last_occurred(view, decided)
                if last is not None and last > now and command.occurred_at is not None:
                    raise OccurredBeforeLast(path="Gesta-Occurred-At")
                if last is None or last <= now:
                    return self._encoded(command, command_id, view, decided)
            except Exception as error:
                return DecisionRun(view, error=error)
            now = last  # the clock is behind the stream: time does not run backwards there

    def _require_of_platform(self, decided: Decided) -> None:
        kinds = {kind.name for fact in decided.facts if (kind := self.kinds.get(type(fact.event))) is not None}
        if not kinds <= OF_PLATFORM:
            raise NotOfPlatform

    def _encoded(self, command: Command, command_id: UUID, view: DecisionView, decided: Decided) -> DecisionRun:
        """Encoding is a part of the decision: what cannot be stored may come of states that are behind, like any error."""
        events: list[NewEvent] = []
        pasts: dict[UUID, list[PastEvent]] = {}
        now, stream_id, version, past = view.now, None, 0, list[PastEvent]()
        for fact in decided.facts:
            if fact.stream_id is not stream_id:  # most follow one another in one stream
                stream_id = fact.stream_id
                past = pasts.setdefault(stream_id, [])
                version = view.touched[stream_id].version + len(past)
            event = fact.event
            plain = to_bytes(event)
            topic = topic_of(type(event))
            version += 1
            events.append(NewEvent(stream_id, topic, now, self.codec.closed(plain)))
            past.append(PastEvent(version, now, event, decoded_size(plain)))
        left = {stream_id: self._left(view, decided, stream_id, past) for stream_id, past in pasts.items()}
        entry = Entry(
            command_id,
            _envelope(_correlated(command.envelope, decided.correlation_id)),
            events,
            [(stream_id, tip.version) for stream_id, tip in view.touched.items()],
            decided.claims,
            decided.releases,
            command.request_hash,
            to_json(decided.result) if command.command_id is not None and decided.result is not None else None,
            [(job, _to_bytes(job.input)) for job in decided.jobs],
            [(fence, _to_bytes(fence.error)) for fence in decided.fences],
            decided.dropped_jobs,
            decided.timers,
            decided.dropped_timers,
        )
        return DecisionRun(view, decided, entry, left)

    def _left(self, view: DecisionView, decided: Decided, stream_id: UUID, pasts: list[PastEvent]) -> StreamState:
        tip, left = view.touched[stream_id], decided.left
        return tip.left_in(left[stream_id], pasts, self.kinds) if stream_id in left else tip.after(pasts, self.kinds)


def _decided(command: Command, decide: Decide, view: DecisionView) -> Decided:
    """What is absent is absent, and who may not may not, whichever version they saw; everything else needs the one expected."""
    expected = all(view.version(stream_id) == version for stream_id, version in command.expect.items())
    try:
        decided = decide(view)
    except (RuleViolation, Invalid):
        if expected:
            raise
    else:
        if expected:
            return decided
    raise VersionMismatch(path="If-Match")


def _last_occurred(view: DecisionView, decided: Decided) -> datetime | None:
    """The latest event of the streams that the decision writes."""
    last, looked_at = None, None
    for fact in decided.facts:
        if fact.stream_id is looked_at:  # most follow one another in one stream
            continue
        looked_at = fact.stream_id
        moment = view.at_hand(looked_at).occurred_at  # written without having been read: an expectation all the same
        if moment is not None and (last is None or moment > last):
            last = moment
    return last


def _correlated(envelope: Envelope, correlation_id: UUID | None) -> Envelope:
    """The caller's own word on what belongs together goes before the decision's."""
    if correlation_id is None or envelope.correlation_id is not None:
        return envelope
    return replace(envelope, correlation_id=correlation_id)


def _envelope(envelope: Envelope) -> bytes:
    """A worker's are few; those of requests are all different."""
    return encode_envelope(envelope) if envelope.request_id is not None else _known_envelope(envelope)


_known_envelope = lru_cache(maxsize=256)(encode_envelope)


def _to_bytes(value: Any) -> bytes | None:
    return None if value is None else to_json(value)
