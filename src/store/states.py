"""The states that this process decides on: its cache in front of the loader."""

from typing import Any
from uuid import UUID

from domain.facts import Aggregate
from store.cache import Kinds, Line, Lines, Owners, Tip
from store.loader import Loader


class States:
    """Lines of streams and owners of names, read from the ledger where they are not at hand."""

    def __init__(self, loader: Loader, kinds: Kinds, *, streams: int, owners: int) -> None:
        self._loader = loader
        self.kinds = kinds
        self.lines = Lines(streams)
        self.owners = Owners(owners)

    async def load(self, tenant_id: UUID, stream_id: UUID, aggregate: Aggregate[Any] | None) -> Line:
        """Have a line's tip read from the ledger, after everything under way on it is settled."""
        line = self.lines.line(tenant_id, stream_id)
        while line.pending:
            await line.pending[-1].settled()
        if line.tip is not None and line.tip.serves(aggregate):
            return line
        generation = line.generation
        tip = await self._read_from(line.base, tenant_id, stream_id, aggregate)
        if line.generation == generation and not line.pending and (line.tip is None or not line.tip.serves(aggregate)):
            line.adopt(tip)
        return line

    async def read(self, tenant_id: UUID, stream_id: UUID, aggregate: Aggregate[Any] | None) -> Tip:
        """What the ledger holds of a stream now. The line learns of it, if nothing is under way there."""
        line = self.lines.line(tenant_id, stream_id)
        tip = await self._read_from(line.base, tenant_id, stream_id, aggregate)
        if not line.pending and (line.tip is None or line.tip.version < tip.version):
            line.discard()
            line.adopt(tip)
        return tip

    async def read_after_pending(self, tenant_id: UUID, stream_id: UUID, aggregate: Aggregate[Any] | None) -> Tip:
        """The same, once the commands that are now under way on the stream are settled."""
        line = self.lines.find(tenant_id, stream_id)
        if line and line.pending:
            await line.pending[-1].settled()
        return await self.read(tenant_id, stream_id, aggregate)

    async def look_up(self, tenant_id: UUID, scope: str, name: str) -> UUID | None:
        """Who holds a name now. A holder is remembered; that nobody holds it is not."""
        owner = await self._loader.owner(tenant_id, scope, name)
        if owner is None:
            self.owners.forget(tenant_id, scope, name)
        else:
            self.owners.put(tenant_id, scope, name, owner)
        return owner

    async def _read_from(self, base: Tip | None, tenant_id: UUID, stream_id: UUID, aggregate: Aggregate[Any] | None) -> Tip:
        if base is not None and base.version > 0 and base.serves(aggregate):
            pasts = await self._loader.tail(tenant_id, stream_id, base.version)
            if pasts is not None:
                return base.after(pasts, self.kinds)
        pasts = await self._loader.tail(tenant_id, stream_id)
        return Tip(aggregate=aggregate).after(pasts or (), self.kinds)
