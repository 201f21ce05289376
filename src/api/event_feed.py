"""Those who follow the ledgers as they grow, and the hints that say which have grown."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID


class EventFeed:
    """One for a process."""

    def __init__(self) -> None:
        self._followers: dict[UUID, set[asyncio.Event]] = {}
        self.closing = False

    @contextmanager
    def following(self, tenant_id: UUID) -> Iterator[asyncio.Event]:
        """An event that is set whenever the tenant's ledger may have grown, and when the process is `closing`."""
        grown = asyncio.Event()
        self._followers.setdefault(tenant_id, set()).add(grown)
        try:
            yield grown
        finally:
            followers = self._followers[tenant_id]
            followers.discard(grown)
            if not followers:
                del self._followers[tenant_id]

    def hear(self, tenant_id: UUID) -> None:
        """A ledger has grown."""
        for grown in self._followers.get(tenant_id, ()):
            grown.set()

    def release(self) -> None:
        """Let everybody go, now and from now on: the process is about to stop."""
        self.closing = True
        self.look_everywhere()

    def look_everywhere(self) -> None:
        """Any may have."""
        for followers in self._followers.values():
            for grown in followers:
                grown.set()
