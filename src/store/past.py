"""A ledger as it was: what decisions would have read after an earlier event, folded from what was recorded up to there.

The tables say nothing of that. They may say of whom there is something to be read.
"""

from bisect import bisect_right
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Protocol, TypeVar, cast
from uuid import UUID

from domain.aggregates import AGGREGATES
from domain.delegation import delegations_of
from domain.effort import Effort
from domain.envelope import RecordedEvent
from domain.facts import Aggregate, Event, Holders, View
from domain.member import MemberAdded, MemberRolesChanged
from domain.role import ROLE, ROLE_KEY
from runtime.ids import new_id
from runtime.pools import Connection
from store.cache import Kinds, StreamState
from store.loader import PastEvent
from store.reading import read_streams
from store.topics import topics_of
from store.view import DecisionView, NeedHolders, NeedStream

S = TypeVar("S")
T = TypeVar("T")
MOST_EVENTS = 20_000
"""Of one stream."""
AT_ONCE = 500
"""Streams that are read together."""
KINDS: Kinds = {event: aggregate for aggregate in AGGREGATES for event in aggregate.events}


class TooLong(Exception):
    """A stream is longer than what is folded here."""

    def __init__(self, stream_id: UUID) -> None:
        super().__init__(stream_id)
        self.stream_id = stream_id


class Ask(Protocol):
    """Asks the ledger, as `api.reads.Reads.of_ledger`."""

    def __call__(self, ask: Callable[[Connection], Awaitable[T]], /) -> Awaitable[T]: ...


class Compute(Protocol):
    """Does what is heavy elsewhere, as `store.handler.Handler.compute`."""

    def __call__(self, tenant_id: UUID, what: Callable[[Effort], T], /) -> Awaitable[T]: ...


@dataclass
class Past:
    """A tenant's ledger up to a position, as far as it has been asked for. `people`: all who ever were members, once known."""

    tenant_id: UUID
    up_to: int
    ask: Ask
    people: Collection[UUID] | None = field(default=None, init=False)
    roles: Collection[UUID] = field(default=(), init=False)
    """Those that somebody has had: of the names of others it makes no difference whose they are."""
    _events: dict[UUID, Sequence[RecordedEvent]] = field(default_factory=dict)
    _tips: dict[UUID, tuple[int, StreamState]] = field(default_factory=dict)
    """What streams were folded to last, by how many of their events."""

    async def know(self, streams: Iterable[UUID], only: Sequence[type[Event]] | None = None) -> None:
        """Read them, where they are not known. `only`: no other events of theirs. Raises TooLong."""
        new = [stream for stream in dict.fromkeys(streams) if stream not in self._events]
        topics = None if only is None else topics_of(*only)
        for begin in range(0, len(new), AT_ONCE):
            some = new[begin : begin + AT_ONCE]
            found = await self.ask(partial(self._read, streams=some, topics=topics))
            events: dict[UUID, list[RecordedEvent]] = {stream: [] for stream in some}
            for record in found:
                events[record.stream_id].append(record)
            for stream, records in events.items():
                if len(records) > MOST_EVENTS:
                    raise TooLong(stream)
            self._events.update(events)

    async def _read(self, conn: Connection, streams: Sequence[UUID], topics: Sequence[str] | None) -> list[RecordedEvent]:
        return await read_streams(conn, self.tenant_id, streams, self.up_to, MOST_EVENTS + 1, topics)

    async def know_all(self, people: Collection[UUID]) -> None:
        """All who ever were members, the roles that they have had, so that it can be told who had a role, and whom they had stand
        in for them."""
        await self.know([*people, *(delegations_of(self.tenant_id, one) for one in people)])
        events = (record.event for one in people for record in self._events[one])
        given = {role for event in events if isinstance(event, MemberAdded | MemberRolesChanged) for role in event.role_ids}
        await self.know(given)
        self.people, self.roles = people, given

    def forget(self, stream: UUID) -> None:
        """What is not asked about any more."""
        self._events.pop(stream, None)
        self._tips.pop(stream, None)

    def events(self, stream: UUID) -> Sequence[RecordedEvent]:
        return self._events[stream]

    def state(self, aggregate: Aggregate[S], stream: UUID, position: int | None = None) -> S:
        """Of a stream that is known."""
        state: S = self._tip(stream, self.up_to if position is None else position).state_of(aggregate)
        return state

    async def compute(self, compute: Compute, what: Callable[[View], T], now: datetime, position: int | None = None) -> T:
        """What a decision would have come to after an event, at a moment. What it reads is fetched as it turns out. Raises
        TooLong."""
        while True:
            try:
                return await compute(self.tenant_id, lambda effort: what(self.view(effort, now, position)))
            except NeedStream as need:
                await self.know([need.stream_id])

    def view(self, effort: Effort, now: datetime, position: int | None = None) -> DecisionView:
        """What a decision would have read after an event, at a moment. It raises Need where something is not known."""
        at = self.up_to if position is None else position
        tips: dict[UUID, StreamState] = {}

        def tip_of(stream: UUID) -> StreamState | None:
            if stream not in tips and stream in self._events:
                tips[stream] = self._tip(stream, at)
            return tips.get(stream)

        def owner_of(scope: str, name: str) -> tuple[bool, UUID | None]:
            assert scope == ROLE_KEY, "no other names are asked for here"
            for role_id in sorted(self.roles):
                tip = tip_of(role_id)
                if tip is None:
                    raise NeedStream(role_id, cast("Aggregate[object]", ROLE))
                if tip.state_of(ROLE).exists and tip.state_of(ROLE).key == name:
                    return True, role_id
            return True, None

        def holders_of(role_ids: frozenset[UUID]) -> Holders:
            if self.people is None:
                raise NeedHolders(role_ids)
            return Holders(changed=frozenset(self.people))

        view = DecisionView(self.tenant_id, now, new_id, tip_of, owner_of, holders_of=holders_of)
        view.effort = effort
        return view

    def _tip(self, stream: UUID, at: int) -> StreamState:
        """It is asked for again and again after one event and the next: few streams have moved in between."""
        events = self._events[stream]
        count = bisect_right(events, at, key=lambda each: each.position)
        known = self._tips.get(stream)
        if known is None or known[0] != count:
            pasts = (PastEvent(each.version, each.occurred_at, each.event) for each in events[:count])
            known = self._tips[stream] = count, StreamState().after(pasts, KINDS)
        return known[1]
