"""States of streams in this process: what is committed, and what it will be once the commands under way are.

Each stream has an entry. Commands on one stream are decided in sequence, each on the tip that its predecessor will leave; what
is known to be committed (the base) moves only when the ledger has answered. A rejected command takes the tip away with it:
whoever comes next reads the stream's tail and goes on from there, and what was decided on that tip falls with its dependency.

The entries of a process are bounded by the bytes of memory that their states take, not by their number.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from sys import getsizeof
from typing import Any, TypeAlias
from uuid import UUID

from domain.facts import Aggregate, Event
from store.loader import PastEvent
from store.pending_append import PendingAppend
from store.sizes import STATE_BYTES, measured_size

Kinds: TypeAlias = dict[type[Event], Aggregate[Any]]
"""Which aggregate an event belongs to."""

MEASURED_FROM = 1 << 16
ENTRY_BYTES = 1_024
"""Of an entry beside its states."""
NAME_BYTES = 384
"""Of a name's place, beside the name."""
MOST_SPARED = 8
"""Entries with commands under way that are passed over in one search for something to drop: it is to stay a short one."""


@dataclass(frozen=True, slots=True)
class StreamState:
    """A stream up to a version. Without an aggregate its state is not known, only how far it reaches."""

    version: int = 0
    state: Any = None
    occurred_at: datetime | None = None
    """Of the last event."""
    aggregate: Aggregate[Any] | None = None
    size: int = field(default=STATE_BYTES, compare=False)
    """About the bytes of memory that the state takes: those of its events, until it turns out to keep less of them."""
    measured_at: int = field(default=MEASURED_FROM, compare=False)
    """The size from which on it is measured: a stream of many events may have a small state."""
    snapshot: int = field(default=0, compare=False)
    """The version of the snapshot that it was read from, if it was."""

    def serves(self, aggregate: Aggregate[Any] | None) -> bool:
        """Whether this aggregate's state can be had from it."""
        return self.version == 0 or aggregate is None or self.aggregate is not None

    def state_of(self, aggregate: Aggregate[Any]) -> Any:
        """The state, or the initial one where there are no events of this aggregate: an id may name something else altogether."""
        if self.version > 0 and self.aggregate is not None and self.aggregate.name == aggregate.name:
            return self.state
        return aggregate.initial

    def after(self, pasts: Iterable[PastEvent], kinds: Kinds) -> StreamState:
        """Moved on by events, in order."""
        version, state, occurred_at, aggregate = self.version, self.state, self.occurred_at, self.aggregate
        size = self.size
        for past in pasts:
            if version == 0:
                aggregate = kinds.get(type(past.event)) or aggregate
                state = aggregate.initial if aggregate else None
            if aggregate is not None:
                state = aggregate.evolve(state, past.event)
            version, occurred_at, size = past.version, past.occurred_at, size + past.size
        return StreamState(version, state, occurred_at, aggregate, *_sized(state, size, self.measured_at), self.snapshot)

    def left_in(self, state: Any, pasts: Sequence[PastEvent], kinds: Kinds) -> StreamState:
        """The same, by a decision's word on what the fold comes to. On a stream of something else its word does not count."""
        aggregate = kinds.get(type(pasts[0].event))
        if aggregate is None or (self.version > 0 and self.aggregate is not aggregate):
            return self.after(pasts, kinds)
        size = self.size + sum(past.size for past in pasts)
        sized = _sized(state, size, self.measured_at)
        return StreamState(pasts[-1].version, state, pasts[-1].occurred_at, aggregate, *sized, self.snapshot)


def _sized(state: Any, size: int, measured_at: int) -> tuple[int, int]:
    """The size, and the one from which on it is measured. As it doubles in between, measuring costs little for each event."""
    if size < measured_at:
        return size, measured_at
    measured = measured_size(state)
    size = size if measured is None else min(size, STATE_BYTES + measured)
    return size, max(MEASURED_FROM, 2 * size)


@dataclass(slots=True, eq=False)
class StreamEntry:
    """One stream in this process."""

    base: StreamState | None = None
    """As last known committed; others may have moved the stream on since."""
    tip: StreamState | None = None
    """What the next command is decided on. None: the stream's tail has to be read first."""
    pending: deque[PendingAppend] = field(default_factory=deque)
    """The commands under way that write this stream, in order."""
    generation: int = 0
    """Counts how often the tip was taken away."""
    snapshot: int = 0
    """The version up to which its next snapshot is not due: where the last one was taken."""
    entries: StreamEntries | None = None
    """Those that it counts among, while it does."""
    size: int = 0
    """For how many bytes it counts there."""

    @property
    def committed(self) -> bool:
        """Whether the tip is known to be in the ledger."""
        return self.tip is self.base

    def chain(self, append: PendingAppend, tip: StreamState) -> None:
        self.pending.append(append)
        self.tip = tip
        self._resized()

    def adopt(self, tip: StreamState) -> None:
        """What was read from the ledger."""
        self.base = self.tip = tip
        self.snapshot = max(self.snapshot, tip.snapshot)
        self._resized()

    def discard(self) -> None:
        self.tip = None
        self.generation += 1

    def settle(self, append: PendingAppend, tip: StreamState, generation: int, *, appended: bool) -> None:
        """A command of this entry was answered; `tip` is what it left, decided in `generation`."""
        self.pending.remove(append)
        if generation == self.generation:
            if appended:
                self.base = tip
            else:
                self.discard()
        self._resized()

    def _resized(self) -> None:
        if self.entries is not None:
            self.entries.count(self)


Key: TypeAlias = tuple[int, int]
"""A tenant's and a stream's id as numbers: those are hashed and compared at a quarter of the price of UUIDs."""


class StreamEntries:
    """The entries of a process by (tenant, stream): at most `most_bytes` of them, and those with commands under way.

    What the least recently used take is given up first. The one used last stays, whatever it takes.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._entries: OrderedDict[Key, StreamEntry] = OrderedDict()
        self.size = 0
        """About the bytes of memory that they take."""

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, tenant_id: UUID, stream_id: UUID) -> StreamEntry | None:
        return self._entries.get((tenant_id.int, stream_id.int))

    def keep(self, tenant_id: UUID, stream_id: UUID, entry: StreamEntry) -> StreamEntry:
        """Bring an entry back that was dropped meanwhile. The one that took its place, if any, is the better one."""
        key = tenant_id.int, stream_id.int
        kept = self._entries.get(key)
        if kept is None:
            self._put(key, entry)
            return entry
        self._entries.move_to_end(key)
        return kept

    def entry(self, tenant_id: UUID, stream_id: UUID) -> StreamEntry:
        """The entry, made if it is not there, and now the most recently used."""
        key = tenant_id.int, stream_id.int
        entry = self._entries.get(key)
        if entry is None:
            entry = StreamEntry()
            self._put(key, entry)
        else:
            self._entries.move_to_end(key)
        return entry

    def count(self, entry: StreamEntry) -> None:
        """One of them has another size now."""
        base, tip = entry.base, entry.tip  # which share most of what they are made of
        size = ENTRY_BYTES + max(0 if base is None else base.size, 0 if tip is None else tip.size)
        self.size += size - entry.size
        entry.size = size
        if self.size > self._most:
            self._trim()

    def _put(self, key: Key, entry: StreamEntry) -> None:
        self._entries[key] = entry
        entry.entries = self
        self.count(entry)

    def _trim(self) -> None:
        """Drop the least recently used, as long as nothing is under way there."""
        spared = 0
        while self.size > self._most and len(self._entries) > 1 and spared < MOST_SPARED:
            key, entry = next(iter(self._entries.items()))
            if entry.pending:
                self._entries.move_to_end(key)
                spared += 1
                continue
            del self._entries[key]
            self.size -= entry.size
            entry.entries, entry.size = None, 0


class Owners:
    """Holders of names, as last known; at most `most_bytes` of them."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._owners: OrderedDict[tuple[UUID, str, str], UUID] = OrderedDict()
        self.size = 0

    def find(self, tenant_id: UUID, scope: str, name: str) -> UUID | None:
        return self._owners.get((tenant_id, scope, name))

    def put(self, tenant_id: UUID, scope: str, name: str, owner: UUID) -> None:
        self.forget(tenant_id, scope, name)
        self._owners[tenant_id, scope, name] = owner
        self.size += _name_size(scope, name)
        while self.size > self._most and len(self._owners) > 1:
            self.forget(*next(iter(self._owners)))

    def forget(self, tenant_id: UUID, scope: str, name: str) -> None:
        if self._owners.pop((tenant_id, scope, name), None) is not None:
            self.size -= _name_size(scope, name)


def _name_size(scope: str, name: str) -> int:
    return NAME_BYTES + getsizeof(scope) + getsizeof(name)
