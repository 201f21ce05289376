"""What waits for one ledger in this process, and how batches are cut from it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from store.append import AppendOutcome
from store.pending_append import PendingAppend

DOOMED = AppendOutcome("conflict", "dependency")


@dataclass(frozen=True)
class BatchLimits:
    """How much a writer takes on. Times in seconds."""

    lanes: int = 4
    waiting_lanes: int = 2
    """Further lanes that wait for heads which others hold."""
    batch_events: int = 2000
    batch_bytes: int = 4 * 1024 * 1024
    split_from: int = 64
    """Of more commands than this a batch takes half (but no fewer): the others wait for the next one, which is then ready as
    soon as the ledger has answered, while those who were answered decide what comes after it."""
    batch_ledgers: int = 64
    queue_per_ledger: int = 5_000
    queue: int = 20_000
    lock_timeout: float = 5.0
    """For a head that others hold; then LedgerBusy."""
    give_up: float = 15.0
    """For a database out of reach; then LedgerUnavailable."""


class Batch(NamedTuple):
    """Commands of one ledger that go to the database together."""

    ledger: LedgerQueue
    appends: list[PendingAppend]

    def dependencies(self) -> list[tuple[int, int]]:
        """(command, earlier command of this batch that it was decided on), counted from 1."""
        if not any(pending.dependencies for pending in self.appends):
            return []
        numbers = {pending: number for number, pending in enumerate(self.appends, 1)}
        return [
            (number, numbers[on])
            for number, pending in enumerate(self.appends, 1)
            for on in pending.dependencies
            if on in numbers
        ]


@dataclass(eq=False)
class LedgerQueue:
    """First in, first out. At most one batch of it is under way, while `active`."""

    tenant_id: UUID
    waiting: deque[PendingAppend] = field(default_factory=deque)
    active: bool = False
    busy_since: float | None = None
    """The loop's time at which somebody else was first found to hold the head."""

    def cut(self, limits: BatchLimits) -> Batch:
        """The next batch: at least one command, unless none is left. Commands that are already doomed are settled here."""
        appends: list[PendingAppend] = []
        events = size = 0
        share = max(limits.split_from, (len(self.waiting) + 1) // 2)
        while self.waiting and len(appends) < share:
            pending = self.waiting[0]
            if pending.doomed():
                self.waiting.popleft().settle(DOOMED)
                continue
            events += len(pending.entry.events)
            size += pending.entry.size
            if appends and (events > limits.batch_events or size > limits.batch_bytes):
                break
            appends.append(self.waiting.popleft())
        return Batch(self, appends)

    def put_back(self, appends: list[PendingAppend]) -> None:
        """Before all others, in their order."""
        self.waiting.extendleft(reversed(appends))
