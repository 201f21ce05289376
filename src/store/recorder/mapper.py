"""Our events, states and decisions in the terms of the `eventsourcing` library.

An Application whose `construct_mapper` answers a LedgerMapper saves `pending(decided, versions)` and folds a stream by
`repository.get(stream_id, projector_func=folding(ROLE)).state`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import JSONTranscoder, Mapper, StoredEvent

from domain.facts import Aggregate, Decided, Event
from store.codec import JSON, Codec
from store.topics import topic_of

S = TypeVar("S")


@dataclass(frozen=True)
class LedgerEvent:
    """One of our events with the place in its stream that the library wants every event to know."""

    originator_id: UUID
    originator_version: int
    event: Event


@dataclass(frozen=True)
class Folded(Generic[S]):
    """What the library calls an aggregate: a stream's state, and up to which version it was folded."""

    id: UUID
    version: int
    state: S


class LedgerMapper(Mapper[UUID]):
    """Maps by our topics and our codec, where the library would write module paths and type tags."""

    def __init__(self, codec: Codec = JSON) -> None:
        super().__init__(JSONTranscoder())
        self.codec = codec

    def to_stored_event(self, domain_event: DomainEventProtocol[UUID]) -> StoredEvent:
        assert isinstance(domain_event, LedgerEvent)
        event = domain_event.event
        return StoredEvent(
            domain_event.originator_id, domain_event.originator_version, topic_of(type(event)), self.codec.encode(event)
        )

    def to_domain_event(self, stored_event: StoredEvent) -> LedgerEvent:
        assert isinstance(stored_event.originator_id, UUID)
        event = self.codec.decode(stored_event.topic, stored_event.state)
        return LedgerEvent(stored_event.originator_id, stored_event.originator_version, event)


def folding(aggregate: Aggregate[S]) -> Callable[[Folded[S] | None, Iterable[Any]], Folded[S] | None]:
    """The library's projector function for our aggregate: None where a stream has no events."""

    def project(folded: Folded[S] | None, events: Iterable[LedgerEvent]) -> Folded[S] | None:
        for each in events:
            state = aggregate.initial if folded is None else folded.state
            folded = Folded(each.originator_id, each.originator_version, aggregate.evolve(state, each.event))
        return folded

    return project


def pending(decided: Decided, versions: Mapping[UUID, int]) -> list[LedgerEvent]:
    """A decision's facts as events to save, each following on the version at which its stream was read (0: it was new)."""
    reached = dict(versions)
    events = []
    for fact in decided.facts:
        reached[fact.stream_id] = reached.get(fact.stream_id, 0) + 1
        events.append(LedgerEvent(fact.stream_id, reached[fact.stream_id], fact.event))
    return events
