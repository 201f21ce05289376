"""Handing back what this process was not set up to do: the operator has to do something, or another worker can."""

import logging
from datetime import timedelta

from domain.facts import Decided, Fence
from store.jobs import LeasedJob
from worker.context import WorkerContext

log = logging.getLogger(__name__)

PAUSE = timedelta(seconds=30)


async def hand_back(context: WorkerContext, job: LeasedJob, reason: str, message: str) -> None:
    """Nothing was called, and no attempt is on record. `message`: for the log, with a place for the reason."""
    log.error(message, reason, extra={"action": "not_set_up", "job_type": job.type})
    fence = Fence(job.id, job.fence, "retry", PAUSE, {"type": "not_set_up", "message": reason})
    await context.do(job.tenant_id, "job.hand_back", lambda _: Decided(fences=(fence,)))
