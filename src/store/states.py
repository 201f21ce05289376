"""The states that this process decides on: its cache in front of the loader."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

from domain.facts import Aggregate
from store.cache import Kinds, Owners, StreamEntries, StreamEntry, StreamState
from store.loader import NO_SNAPSHOT, Loader
from store.snapshots import Snapshots

Wanted: TypeAlias = Mapping[UUID, Aggregate[Any] | None]
"""Streams, each with what it is to be read as; None: only how far it reaches is asked."""


class Snapshot(NamedTuple):
    """What the ledger held at one moment. Streams and names that belong together do so in here."""

    tips: dict[UUID, StreamState]
    owners: dict[tuple[str, str], UUID | None]
    read: dict[UUID, int]
    """How many events of each stream were read for it."""


NOTHING_READ = Snapshot({}, {}, {})


class States:
    """Cached streams and owners of names, read from the ledger where they are not at hand."""

    def __init__(
        self, loader: Loader, kinds: Kinds, *, stream_bytes: int, owner_bytes: int, snapshots: Snapshots | None = None
    ) -> None:
        self._loader = loader
        self._snapshots = snapshots
        self.kinds = kinds
        self.entries = StreamEntries(stream_bytes)
        self.owners = Owners(owner_bytes)

    async def load(self, tenant_id: UUID, stream_id: UUID, aggregate: Aggregate[Any] | None) -> StreamEntry:
        """Have an entry's tip read from the ledger, after everything under way on it is settled."""
        entry = self.entries.entry(tenant_id, stream_id)
        while entry.pending:
            await entry.pending[-1].settled()
        if entry.tip is not None and entry.tip.serves(aggregate):
            return entry
        generation = entry.generation
        found = await self._read(tenant_id, {stream_id: (entry.base, aggregate)}, ())
        if entry.generation == generation and not entry.pending and (entry.tip is None or not entry.tip.serves(aggregate)):
            entry.adopt(found.tips[stream_id])
            self.note(tenant_id, stream_id, entry, found.read[stream_id])
        return entry

    async def read(self, tenant_id: UUID, stream_id: UUID, aggregate: Aggregate[Any] | None) -> StreamState:
        """What the ledger holds of a stream now. The entry learns of it, if nothing is under way there."""
        return (await self.read_together(tenant_id, {stream_id: aggregate})).tips[stream_id]

    async def read_together(
        self, tenant_id: UUID, wanted: Wanted, names: Collection[tuple[str, str]] = (), earlier: Snapshot = NOTHING_READ
    ) -> Snapshot:
        """The same of streams and names, as of one moment. `earlier`: what was read before is read on from there."""
        entries = {stream_id: self.entries.entry(tenant_id, stream_id) for stream_id in wanted}
        seen = {stream_id: entry.tip for stream_id, entry in entries.items()}
        bases = {stream_id: (earlier.tips.get(stream_id, entries[stream_id].base), each) for stream_id, each in wanted.items()}
        snapshot = await self._read(tenant_id, bases, names)
        for stream_id, tip in snapshot.tips.items():
            _learn(entries[stream_id], seen[stream_id], tip)
            self.note(tenant_id, stream_id, entries[stream_id], snapshot.read[stream_id])
        for (scope, name), owner in snapshot.owners.items():
            self._remember(tenant_id, scope, name, owner)
        return snapshot

    def note(self, tenant_id: UUID, stream_id: UUID, entry: StreamEntry, read: int = 0) -> None:
        """What is known to be committed of a stream has moved on. `read`: how many of its events were just read."""
        if self._snapshots is not None:
            self._snapshots.note(tenant_id, stream_id, entry, read)

    async def settled(self, tenant_id: UUID, streams: Collection[UUID]) -> None:
        """Until the commands that are now under way on these streams are settled."""
        entries = [self.entries.find(tenant_id, stream_id) for stream_id in streams]
        for last in [entry.pending[-1] for entry in entries if entry and entry.pending]:
            await last.settled()

    async def look_up(self, tenant_id: UUID, scope: str, name: str) -> UUID | None:
        """Who holds a name now. A holder is remembered; that nobody holds it is not."""
        owner = await self._loader.owner(tenant_id, scope, name)
        self._remember(tenant_id, scope, name, owner)
        return owner

    def _remember(self, tenant_id: UUID, scope: str, name: str, owner: UUID | None) -> None:
        if owner is None:
            self.owners.forget(tenant_id, scope, name)
        else:
            self.owners.put(tenant_id, scope, name, owner)

    async def _read(
        self,
        tenant_id: UUID,
        bases: Mapping[UUID, tuple[StreamState | None, Aggregate[Any] | None]],
        names: Collection[tuple[str, str]],
    ) -> Snapshot:
        """From these tips on, where there are any that serve; from the beginning where the ledger does not know them."""
        start = {
            stream_id: base
            if base is not None and base.version > 0 and base.serves(aggregate)
            else StreamState(aggregate=aggregate)
            for stream_id, (base, aggregate) in bases.items()
        }
        asked, since = list(names), {stream_id: tip.version for stream_id, tip in start.items()}
        while True:
            found = await self._loader.together(tenant_id, list(since.items()), asked)
            again = False
            for stream_id, pasts, stored in zip(start, found.tails, found.snapshots, strict=True):
                if pasts is None:
                    start[stream_id], since[stream_id], again = StreamState(aggregate=bases[stream_id][1]), 0, True
                elif stored is not None:
                    state = self._snapshots.opened(stream_id, stored) if self._snapshots else None
                    if state is None:
                        since[stream_id], again = NO_SNAPSHOT, True
                    else:
                        start[stream_id] = state
            if not again:
                break
        tips, read = dict[UUID, StreamState](), dict[UUID, int]()
        for (stream_id, tip), pasts in zip(start.items(), found.tails, strict=True):
            tips[stream_id], read[stream_id] = tip.after(pasts or (), self.kinds), len(pasts or ())
        return Snapshot(tips, dict(zip(asked, found.owners, strict=True)), read)


def _learn(entry: StreamEntry, seen: StreamState | None, tip: StreamState) -> None:
    """An entry's tip was read, and nothing is under way there. `seen`: the tip that it had when it was asked for; what took
    that one's place meanwhile gives way to something newer only. The ledger's word counts also where it is shorter."""
    if entry.pending or entry.tip is tip:
        return
    known = entry.tip
    if known is None or known.version < tip.version or (known is seen and known.version != tip.version):
        entry.discard()
        entry.adopt(tip)
