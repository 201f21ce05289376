"""What the writer hands out for a command that was submitted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from store.append import AppendOutcome, Entry

Settled = Callable[["PendingAppend"], None]


class PendingAppend:
    """A command's place in its ledger's queue, and later its outcome.

    `dependencies`: earlier commands of the same ledger on whose outcome, not yet known, it was decided.
    """

    __slots__ = ("_on_settled", "_waiters", "dependencies", "entry", "outcome", "resent")

    def __init__(self, entry: Entry, dependencies: Sequence[PendingAppend] = (), on_settled: Settled | None = None) -> None:
        self.entry = entry
        self.dependencies = dependencies
        self.outcome: AppendOutcome | None = None
        self.resent = False
        """Whether it was sent again after its answer was lost."""
        self._on_settled = on_settled
        self._waiters: list[asyncio.Future[AppendOutcome]] = []

    async def settled(self) -> AppendOutcome:
        """Waits for the outcome. Any number may wait; one that is cancelled disturbs nobody."""
        if self.outcome is not None:
            return self.outcome
        waiter: asyncio.Future[AppendOutcome] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        return await waiter

    def settle(self, outcome: AppendOutcome) -> None:
        """First the bookkeeping, then whoever waits."""
        self.outcome = outcome
        self.dependencies = ()
        try:
            if self._on_settled is not None:
                self._on_settled(self)
        finally:
            waiters, self._waiters = self._waiters, []
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(outcome)

    def doomed(self) -> bool:
        """Whether something that it was decided on is known not to have been appended."""
        return any(on.outcome is not None and on.outcome.verdict != "appended" for on in self.dependencies)
