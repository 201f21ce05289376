"""Finished executions go to the archive, as their tenants' policies say: each by a command of its own.

One worker does it at a time, under a lease (`projections.archivable`); whoever takes over from one that died finds what is left.
Each command expects the execution's stream, and one that is archived stays as it is: so two workers at it do it once.

It goes as fast as the tables keep up: the next batch is looked for when they show the one before, and after a rest as long as
that took. So live commands and the projector have half of the time, and the busier they are the longer the rests.
"""

import asyncio
import logging
from uuid import UUID, uuid4

from domain.envelope import Envelope
from domain.facts import Decided, NotForThisRelease, View
from engine.archiving import archive
from projections import archivable
from projections.archivable import Finished
from runtime.failpoints import failpoint
from store import snapshots
from store.errors import CommandInFlight, LedgerBusy, LedgerUnavailable
from worker.context import OUT_OF_REACH, WorkerContext

log = logging.getLogger(__name__)

BATCH = 25
"""The tables show all of a batch at once, and whoever reads waits for that."""
LOOK_SECONDS = 60.0
TABLES_SECONDS = 0.02
"""Between looks whether the tables show a batch."""
PATIENCE_SECONDS = 5.0
"""After which those tenants whose tables do not are left out, until they do."""
LATER = (NotForThisRelease, CommandInFlight, LedgerBusy, LedgerUnavailable, *OUT_OF_REACH)
RETENTION = Envelope("system", "retention")


class Archiving:
    """One for a worker."""

    def __init__(self) -> None:
        self._holder = uuid4()
        self._reached: dict[UUID, int] = {}
        """By tenant: the position of what was archived last, as long as the tables may not show it."""
        self._left: set[UUID] = set()
        """Executions that are not archived before the next look: something was in the way."""
        self._next = self._began = 0.0

    async def archive_finished(self, context: WorkerContext) -> float | None:
        """Some of those whose time has come. Returns in how many seconds to look again."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._next:
            return self._next - loop.time()
        async with context.pool.connection() as connection:
            self._reached = await archivable.behind(connection, self._reached)
            if self._reached and loop.time() < self._began + PATIENCE_SECONDS:
                return TABLES_SECONDS
            if self._began:
                took, self._began = loop.time() - self._began, 0.0
                return self._in(took)
            held = await archivable.hold(connection, self._holder)
            if held is not None:
                return self._in(held)
            found = await archivable.find(connection, BATCH, self._reached, self._left)
            if not found:
                await archivable.let_go(connection, self._holder)
        if not found:
            self._left.clear()
            return self._in(LOOK_SECONDS)
        self._began = loop.time()
        await asyncio.gather(*[self._archive(context, one) for one in found])
        failpoint("worker.archived")
        async with context.pool.connection() as connection:
            await snapshots.forget(connection, [(one.tenant_id, one.id) for one in found])
        return 0

    def _in(self, seconds: float) -> float:
        self._next = asyncio.get_running_loop().time() + seconds
        return seconds

    async def _archive(self, context: WorkerContext, one: Finished) -> None:
        def decide(view: View) -> Decided:
            return archive(view, one.id, one.ended_at)

        try:
            done = await context.do(one.tenant_id, "execution.archive", decide, who=RETENTION)
        except LATER as error:
            self._left.add(one.id)
            log.warning("An execution will be archived later: %s", error, extra={"action": "archive", "execution": str(one.id)})
        else:
            self._reached[one.tenant_id] = max(self._reached.get(one.tenant_id, 0), done.position or 0)
