"""States of streams in this process: what is committed, and what it will be once the commands under way are.

Each stream has a line. Commands on one stream are decided in sequence, each on the tip that its predecessor will leave; what
is known to be committed (the base) moves only when the ledger has answered. A rejected command takes the tip away with it:
whoever comes next reads the stream's tail and goes on from there, and what was decided on that tip falls with its dependency.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from domain.facts import Aggregate, Event
from store.loader import Past
from store.ticket import Ticket

Kinds: TypeAlias = dict[type[Event], Aggregate[Any]]
"""Which aggregate an event belongs to."""


@dataclass(frozen=True, slots=True)
class Tip:
    """A stream up to a version. Without an aggregate its state is not known, only how far it reaches."""

    version: int = 0
    state: Any = None
    occurred_at: datetime | None = None
    """Of the last event."""
    aggregate: Aggregate[Any] | None = None

    def serves(self, aggregate: Aggregate[Any] | None) -> bool:
        """Whether this aggregate's state can be had from it."""
        return self.version == 0 or aggregate is None or self.aggregate is not None

    def state_of(self, aggregate: Aggregate[Any]) -> Any:
        """The state, or the initial one where there are no events of this aggregate: an id may name something else altogether."""
        if self.version > 0 and self.aggregate is not None and self.aggregate.name == aggregate.name:
            return self.state
        return aggregate.initial

    def after(self, pasts: Iterable[Past], kinds: Kinds) -> Tip:
        """Moved on by events, in order."""
        version, state, occurred_at, aggregate = self.version, self.state, self.occurred_at, self.aggregate
        for past in pasts:
            if version == 0:
                aggregate = kinds.get(type(past.event)) or aggregate
                state = aggregate.initial if aggregate else None
            if aggregate is not None:
                state = aggregate.evolve(state, past.event)
            version, occurred_at = past.version, past.occurred_at
        return Tip(version, state, occurred_at, aggregate)

    def left_in(self, state: Any, pasts: Sequence[Past], kinds: Kinds) -> Tip:
        """The same, by a decision's word on what the fold comes to. On a stream of something else its word does not count."""
        aggregate = kinds.get(type(pasts[0].event))
        if aggregate is None or (self.version > 0 and self.aggregate is not aggregate):
            return self.after(pasts, kinds)
        return Tip(pasts[-1].version, state, pasts[-1].occurred_at, aggregate)


@dataclass(slots=True, eq=False)
class Line:
    """One stream in this process."""

    base: Tip | None = None
    """As last known committed; others may have moved the stream on since."""
    tip: Tip | None = None
    """What the next command is decided on. None: the stream's tail has to be read first."""
    pending: deque[Ticket] = field(default_factory=deque)
    """The commands under way that write this stream, in order."""
    generation: int = 0
    """Counts how often the tip was taken away."""

    def chain(self, ticket: Ticket, tip: Tip) -> None:
        self.pending.append(ticket)
        self.tip = tip

    def adopt(self, tip: Tip) -> None:
        """What was read from the ledger."""
        self.base = self.tip = tip

    def discard(self) -> None:
        self.tip = None
        self.generation += 1

    def settle(self, ticket: Ticket, tip: Tip, generation: int, *, appended: bool) -> None:
        """A command of this line was answered; `tip` is what it left, decided in `generation`."""
        self.pending.remove(ticket)
        if generation == self.generation:
            if appended:
                self.base = tip
            else:
                self.discard()


Key: TypeAlias = tuple[UUID, UUID]


class Lines:
    """The lines of a process by (tenant, stream), at most `size` and those with commands under way."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._lines: OrderedDict[Key, Line] = OrderedDict()

    def __len__(self) -> int:
        return len(self._lines)

    def find(self, tenant_id: UUID, stream_id: UUID) -> Line | None:
        return self._lines.get((tenant_id, stream_id))

    def keep(self, tenant_id: UUID, stream_id: UUID, line: Line) -> Line:
        """Bring a line back that was dropped meanwhile. The one that took its place, if any, is the better one."""
        key = (tenant_id, stream_id)
        kept = self._lines.setdefault(key, line)
        self._lines.move_to_end(key)
        self._trim()
        return kept

    def line(self, tenant_id: UUID, stream_id: UUID) -> Line:
        """The line, made if it is not there, and now the most recently used."""
        key = (tenant_id, stream_id)
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = Line()
            self._trim()
        else:
            self._lines.move_to_end(key)
        return line

    def _trim(self) -> None:
        """Drop the least recently used, as long as nothing is under way there."""
        while len(self._lines) > self._size:
            key, line = next(iter(self._lines.items()))
            if line.pending:
                self._lines.move_to_end(key)
                return
            del self._lines[key]


class Owners:
    """Holders of names, as last known; at most `size`."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._owners: OrderedDict[tuple[UUID, str, str], UUID] = OrderedDict()

    def find(self, tenant_id: UUID, scope: str, name: str) -> UUID | None:
        return self._owners.get((tenant_id, scope, name))

    def put(self, tenant_id: UUID, scope: str, name: str, owner: UUID) -> None:
        self._owners[tenant_id, scope, name] = owner
        if len(self._owners) > self._size:
            self._owners.popitem(last=False)

    def forget(self, tenant_id: UUID, scope: str, name: str) -> None:
        self._owners.pop((tenant_id, scope, name), None)
