"""Those who follow the ledgers as they grow, and the hints that say which have grown."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from uuid import UUID

from store.hints import EVENTS

CHANNEL = EVENTS


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

    def hear(self, payload: str) -> None:
        """Hints on `CHANNEL`. The payload lists tenants; an empty one stands for many."""
        if not payload:
            self._wake_all()
            return
        for name in payload.split(","):
            with suppress(ValueError):
                for grown in self._followers.get(UUID(name), ()):
                    grown.set()

    def release(self) -> None:
        """Let everybody go, now and from now on: the process is about to stop."""
        self.closing = True
        self._wake_all()

    def _wake_all(self) -> None:
        for followers in self._followers.values():
            for grown in followers:
                grown.set()
