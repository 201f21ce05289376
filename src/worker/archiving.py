"""Finished executions go to the archive, as their tenants' policies say: each by a command of its own.

Each command expects the execution's stream, and one that is archived stays as it is: so two workers at it do it once.
"""

import asyncio
import logging

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

BATCH = 100
LOOK_SECONDS = 600.0
AGAIN_SECONDS = 5.0
LATER = (NotForThisRelease, CommandInFlight, LedgerBusy, LedgerUnavailable, *OUT_OF_REACH)


async def archive_finished(context: WorkerContext) -> float | None:
    """Some of those whose time has come. A moment later the tables no longer have them, and the next are found."""
    async with context.pool.connection() as connection:
        found = await archivable.find(connection, BATCH)
    if not found:
        return LOOK_SECONDS
    await asyncio.gather(*[_archive(context, one) for one in found])
    failpoint("worker.archived")
    async with context.pool.connection() as connection:
        await snapshots.forget(connection, [(one.tenant_id, one.id) for one in found])
    return AGAIN_SECONDS if len(found) == BATCH else LOOK_SECONDS


async def _archive(context: WorkerContext, one: Finished) -> None:
    def decide(view: View) -> Decided:
        return archive(view, one.id, one.ended_at)

    who = Envelope("system", "retention")
    try:
        await context.do(one.tenant_id, "execution.archive", decide, who=who)
    except LATER as error:
        log.warning("An execution will be archived later: %s", error, extra={"action": "archive", "execution": str(one.id)})
