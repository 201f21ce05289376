"""The writer of a process: commands of all ledgers, in batches, over a few connections.

A ledger's commands keep their order, and at most one batch of a ledger is under way. A lane (a task, and a connection while it
works) takes what is ready: the batch of one ledger as one statement, batches of several ledgers as one transaction. Of the
connections that are free it takes the one used last: its plans are made, and where one is enough the others are never opened.
It never waits for a head that somebody else holds: such a ledger goes on to a waiting lane, and where those are all taken it is
tried again a moment later. So a held head stalls its own ledger only.

A batch whose answer was lost is sent again under the same command ids, and the ledger knows what it has already done. A
batch that the database refuses is sent again one command at a time, so that only the faulty one fails.
"""

import asyncio
import logging
from collections.abc import Sequence
from functools import partial
from uuid import UUID

import psycopg
from psycopg.errors import LockNotAvailable

from runtime import connecting
from runtime.failpoints import failpoint
from runtime.supervision import stop, supervise
from store.append import AppendOutcome, Entry, read_outcomes, send_append
from store.errors import AppendFailed, LedgerBusy, LedgerUnavailable, StoreError
from store.pending_append import PendingAppend, Settled
from store.queue import Batch, BatchLimits, LedgerQueue
from store.reconnecting import ReconnectingConnection

log = logging.getLogger(__name__)

BUSY_PAUSE = 0.02
ONE = BatchLimits(batch_bytes=0)
SET_LOCK_TIMEOUT = "SELECT set_config('lock_timeout', %s, true)"
RECONNECT_PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8)


class Writer:
    """Made and used in one event loop. `url`: of a login as gesta_system. Its connections open when first needed."""

    def __init__(self, url: str, limits: BatchLimits | None = None) -> None:
        self.limits = limits or BatchLimits()
        self._ledgers: dict[UUID, LedgerQueue] = {}
        self._ready: asyncio.Queue[LedgerQueue] = asyncio.Queue()
        self._held: asyncio.Queue[LedgerQueue] = asyncio.Queue()
        self._holding = 0  # ledgers in _held or on a waiting lane
        self._idle_lanes = 0
        self._unsettled = 0
        self._all_settled = asyncio.Event()
        self._closing = False
        self._tasks: list[asyncio.Task[None]] = []
        self._lanes = [ReconnectingConnection(url, f"gesta writer {n}", appends=True) for n in range(self.limits.lanes)]
        self._free = self._lanes[::-1]
        """Connections that no lane is using, the one used last at the end. There is one for each lane."""
        self._waiting_lanes = [
            ReconnectingConnection(url, f"gesta writer waiting {n}", appends=True) for n in range(self.limits.waiting_lanes)
        ]

    @property
    def unsettled(self) -> int:
        """Commands submitted whose outcome is not known yet."""
        return self._unsettled

    def submit(
        self, tenant_id: UUID, entry: Entry, dependencies: Sequence[PendingAppend] = (), on_settled: Settled | None = None
    ) -> PendingAppend:
        """Put a command in its ledger's queue. Does not wait. Raises LedgerBusy when too much is waiting."""
        if self._closing:
            raise LedgerUnavailable("this process is shutting down")
        ledger = self._ledgers.setdefault(tenant_id, LedgerQueue(tenant_id))
        if self._unsettled >= self.limits.queue or len(ledger.waiting) >= self.limits.queue_per_ledger:
            raise LedgerBusy(f"{len(ledger.waiting)} commands are waiting for this ledger, {self._unsettled} in all")
        if not self._tasks:
            self._tasks = [supervise("writer", self._serve) for _ in self._lanes]
            self._tasks += [
                supervise("waiting writer", partial(self._serve_held, connection)) for connection in self._waiting_lanes
            ]

        def settled(pending: PendingAppend) -> None:
            self._unsettled -= 1
            if self._unsettled == 0:
                self._all_settled.set()
            if on_settled is not None:
                on_settled(pending)

        pending = PendingAppend(entry, dependencies, settled)
        self._unsettled += 1
        self._all_settled.clear()
        ledger.waiting.append(pending)
        if not ledger.active:
            self._make_ready(ledger)
        return pending

    async def aclose(self) -> None:
        """Take nothing more, settle what there is, let the connections go."""
        self._closing = True
        if self._unsettled:
            await self._all_settled.wait()
        await stop(*self._tasks)
        for connection in self._lanes + self._waiting_lanes:
            await connection.close()

    # Which ledger is served when

    def _make_ready(self, ledger: LedgerQueue) -> None:
        ledger.active = True
        self._ready.put_nowait(ledger)

    async def _serve(self) -> None:
        while True:
            failpoint("writer.serves")
            self._idle_lanes += 1
            try:
                ledgers = [await self._ready.get()]
            finally:
                self._idle_lanes -= 1
            share = self._ready.qsize() // (self._idle_lanes + 1)  # leave the other idle lanes theirs
            ledgers += [self._ready.get_nowait() for _ in range(min(share, self.limits.batch_ledgers - 1))]
            connection = self._free.pop()
            try:
                await self._carry(connection, sorted(ledgers, key=lambda ledger: ledger.tenant_id), no_wait=True)
            finally:
                self._free.append(connection)

    async def _serve_held(self, connection: ReconnectingConnection) -> None:
        while True:
            ledger = await self._held.get()
            try:
                await self._carry(connection, [ledger], no_wait=False)
            finally:
                self._holding -= 1

    async def _carry(self, connection: ReconnectingConnection, ledgers: list[LedgerQueue], *, no_wait: bool) -> None:
        batches = [batch for ledger in ledgers if (batch := ledger.cut(self.limits)).appends]
        try:
            await self._deliver(connection, batches, no_wait=no_wait)
        except Exception as error:
            log.exception("A batch could not be carried", extra={"action": "append"})
            _fail(batches, AppendFailed, error)
        finally:
            for ledger in ledgers:
                self._go_on(ledger)

    def _go_on(self, ledger: LedgerQueue) -> None:
        """After a batch: what comes next for this ledger."""
        ledger.active = False
        if not ledger.waiting:
            del self._ledgers[ledger.tenant_id]
        elif ledger.busy_since is None:
            self._make_ready(ledger)
        elif self._holding < self.limits.waiting_lanes:
            ledger.active = True
            self._holding += 1
            self._held.put_nowait(ledger)
        else:
            ledger.active = True
            asyncio.get_running_loop().call_later(BUSY_PAUSE, self._ready.put_nowait, ledger)

    # How batches reach the database

    async def _deliver(self, connection: ReconnectingConnection, batches: list[Batch], *, no_wait: bool) -> None:
        """Settles every command of the batches, or puts them back where the head is held."""
        if not batches:
            return
        try:
            answers = await self._send(connection, batches, no_wait=no_wait)
        except LedgerUnavailable as error:
            _fail(batches, LedgerUnavailable, error)
        except Exception as error:  # the database's, or a value that cannot even be sent
            await self._separate(connection, batches, error, no_wait=no_wait)
        else:
            for batch, outcomes in zip(batches, answers, strict=True):
                self._answer(batch, outcomes)

    async def _separate(
        self, connection: ReconnectingConnection, batches: list[Batch], error: Exception, *, no_wait: bool
    ) -> None:
        """An error met these batches: find the one, and in it the command, that it is about."""
        if len(batches) > 1:
            for batch in batches:
                await self._deliver(connection, [batch], no_wait=no_wait)
            return
        ((ledger, appends),) = batches
        if isinstance(error, LockNotAvailable):
            ledger.busy_since = None
            _fail(batches, LedgerBusy, error)
        elif len(appends) == 1:
            log.error("The database refuses a command: %s", error, extra={"action": "append"})
            _fail(batches, AppendFailed, error)
        else:
            ledger.put_back(appends)
            for _ in appends:
                single = ledger.cut(ONE)
                await self._deliver(connection, [single] if single.appends else [], no_wait=no_wait)
                if ledger.busy_since is not None:
                    return

    async def _send(
        self, connection: ReconnectingConnection, batches: list[Batch], *, no_wait: bool
    ) -> list[list[AppendOutcome]]:
        """The answers. Sends again, under the same command ids, while the connection is being lost."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + self.limits.give_up
        attempt = 0
        while True:
            try:
                wait_for_lock = None if no_wait else self.limits.lock_timeout
                return await _send_once(await connection.open(), batches, wait_for_lock)
            except psycopg.Error as error:
                if connecting.is_unable(error):
                    raise LedgerUnavailable(" ".join(str(error).split())) from error
                if not (await connection.lost(error) or await _knows_better(connection)):
                    raise
                pause = RECONNECT_PAUSES[min(attempt, len(RECONNECT_PAUSES) - 1)]
                if loop.time() + pause > give_up:
                    raise LedgerUnavailable(" ".join(str(error).split())) from error
                log.warning("Sending again: %s", error, extra={"action": "append"})
            attempt += 1
            for batch in batches:
                for pending in batch.appends:
                    pending.resent = True
            await asyncio.sleep(pause)

    def _answer(self, batch: Batch, outcomes: list[AppendOutcome]) -> None:
        ledger, appends = batch
        if outcomes[0].verdict != "busy":
            ledger.busy_since = None
            for pending, outcome in zip(appends, outcomes, strict=True):
                pending.settle(outcome)
            return
        now = asyncio.get_running_loop().time()
        ledger.busy_since = ledger.busy_since or now
        if now - ledger.busy_since < self.limits.lock_timeout:
            ledger.put_back(appends)
        else:
            ledger.busy_since = None
            _fail([batch], LedgerBusy, "somebody else holds this ledger")


async def _knows_better(connection: ReconnectingConnection) -> bool:
    """Whether the types that an append sends have other numbers than this connection knew: then it is as good as lost. It may be
    lost while it asks."""
    try:
        return await connection.learn_anew()
    except psycopg.Error as error:
        return await connection.lost(error)


async def _send_once(
    connection: psycopg.AsyncConnection[tuple[object, ...]], batches: list[Batch], wait_for_lock: float | None
) -> list[list[AppendOutcome]]:
    """`wait_for_lock`: for so many seconds at most; None: not at all."""
    if len(batches) == 1 and wait_for_lock is None:
        return [await read_outcomes(await _send_batch(connection, batches[0], no_wait=True))]
    async with connection.pipeline(), connection.transaction():
        if wait_for_lock is not None:
            await connection.execute(SET_LOCK_TIMEOUT, [f"{int(wait_for_lock * 1000)}ms"])
        cursors = [await _send_batch(connection, batch, no_wait=wait_for_lock is None) for batch in batches]
    return [await read_outcomes(cursor) for cursor in cursors]


async def _send_batch(
    connection: psycopg.AsyncConnection[tuple[object, ...]], batch: Batch, *, no_wait: bool
) -> psycopg.AsyncCursor[tuple[object, ...]]:
    entries = [pending.entry for pending in batch.appends]
    return await send_append(connection, batch.ledger.tenant_id, entries, batch.dependencies(), no_wait=no_wait)


def _fail(batches: Sequence[Batch], kind: type[StoreError], cause: Exception | str) -> None:
    """Settle what is left of these batches. Each command gets an exception of its own: they are raised in different tasks."""
    for batch in batches:
        for pending in batch.appends:
            if pending.outcome is None and pending not in batch.ledger.waiting:
                error = kind(" ".join(str(cause).split()))
                error.__cause__ = cause if isinstance(cause, Exception) else None
                pending.settle(AppendOutcome("failed", error=error))
