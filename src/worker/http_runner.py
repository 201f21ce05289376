"""Requests of `http` nodes: sent once for each attempt (`worker.http_exchange`).

A request that may have been acted on is not sent again unless the definition allows it; so an attempt of which nothing can be
said, because something broke here after it was sent, is left to its lease.
"""

import random
from typing import Any, NoReturn

from domain.facts import Refusal
from domain.retry import Failure
from engine.executions import ExecutionIsPaused
from engine.jobs import complete_own, fail_own
from runtime.failpoints import failpoint
from store import jobs
from store.errors import StoreError
from store.jobs import LeasedJob
from store.vault import NotSetUp, SecretError
from worker.context import OUT_OF_REACH, WorkerContext
from worker.http_exchange import Exchange
from worker.leases import LeftToLease, Runner
from worker.not_set_up import hand_back
from worker.outbound.client import OutboundError


def http_runner(context: WorkerContext) -> Runner:
    return Runner(lambda job: Attempt(context, job).run())


class Attempt:
    """One request."""

    def __init__(self, context: WorkerContext, job: LeasedJob) -> None:
        self._context = context
        self._job = job
        self._exchange = Exchange(context, job.tenant_id, job.input, job.fence, self._not_in_a_pause)

    async def run(self) -> None:
        try:
            exchange = await self._exchange.run()
        except NotSetUp as error:
            await hand_back(
                self._context, self._job, str(error), "A request is not sent, because this worker is not set up for it: %s"
            )
        except SecretError as error:
            await self._failed(Failure(error.type, str(error), error.retryable))
        except OutboundError as error:
            failpoint("worker.http_sent")
            await self._failed(self._exchange.failed(error))
        except (Refusal, StoreError, *OUT_OF_REACH):
            raise
        except Exception as error:
            self._leave(error)
        else:
            failpoint("worker.http_sent")
            await self._do("job.complete", lambda view: complete_own(view, self._context.engine, self._job, exchange))
            failpoint("worker.http_recorded")

    async def _not_in_a_pause(self) -> None:
        """A pause that came since the job was leased: nothing is sent, and the job waits with its execution."""
        async with self._context.pool.connection() as connection:
            if await jobs.is_paused(connection, self._job.tenant_id, self._job.id):
                raise ExecutionIsPaused

    async def _failed(self, failure: Failure) -> None:
        jitter = random.random()
        await self._do("job.fail", lambda view: fail_own(view, self._context.engine, self._job, failure, jitter=jitter))

    async def _do(self, name: str, decide: Any) -> None:
        await self._context.do(self._job.tenant_id, name, decide)

    def _leave(self, error: Exception) -> NoReturn:
        """What broke is logged with its place and its words, but without what those may say of a secret."""
        told = RuntimeError(self._exchange.redaction.text(f"{type(error).__name__}: {error}"))
        raise LeftToLease from told.with_traceback(error.__traceback__)
