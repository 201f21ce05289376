"""Task handlers in the worker's own process: a type of job, and the function that does it."""

import random
from collections.abc import Awaitable, Callable
from typing import TypeAlias
from uuid import UUID

from domain.facts import Decided, Json, View
from domain.retry import Failure
from engine.children import settle_child
from engine.foreaches import move_items
from engine.jobs import complete_job, continue_run, fail_job
from runtime.failpoints import failpoint
from store.jobs import LeasedJob
from worker.context import WorkerContext
from worker.leases import Runner

Task: TypeAlias = Callable[[LeasedJob], Awaitable[Json]]
"""Takes the job (`input` is what the node gives) and returns the output. Raises TaskFailed, or anything else: a fault."""


class TaskFailed(Exception):
    """The task could not be done. Another attempt may follow, by the node's policy, where it is `retryable`."""

    def __init__(self, type: str, message: str, *, retryable: bool = True) -> None:
        super().__init__(message)
        self.failure = Failure(type, message, retryable)


def task_runner(context: WorkerContext, task: Task) -> Runner:
    """Runs a function for a job, and reports what came of it."""

    async def run(job: LeasedJob) -> None:
        try:
            output = await task(job)
        except TaskFailed as failed:
            failure = failed.failure
        except Exception as error:
            failure = Failure(type(error).__name__, str(error))
        else:
            failpoint("worker.task_done")
            await context.do(job.tenant_id, "job.complete", lambda view: complete_job(view, context.engine, job, output))
            failpoint("worker.task_reported")
            return
        jitter = random.random()
        await context.do(job.tenant_id, "job.fail", lambda view: fail_job(view, context.engine, job, failure, jitter=jitter))

    return Runner(run)


def continue_runner(context: WorkerContext) -> Runner:
    """Takes up executions where a command had done its share of steps."""

    async def run(job: LeasedJob) -> None:
        def decide(view: View) -> Decided:
            return continue_run(view, context.engine, job)

        await context.do(job.tenant_id, "execution.continue", decide)

    return Runner(run)


def child_runner(context: WorkerContext) -> Runner:
    """Tells parents of children that are over, and cancels children that nobody waits for, where a command had to leave that."""

    async def run(job: LeasedJob) -> None:
        def decide(view: View) -> Decided:
            terminate = job.input.get("terminate", False)
            return settle_child(view, context.engine, job, UUID(job.input["execution"]), terminate=terminate)

        await context.do(job.tenant_id, "execution.settle_child", decide)
        failpoint("worker.child_settled")

    return Runner(run)


def foreach_runner(context: WorkerContext) -> Runner:
    """Begins items of a foreach, lets them go on after a pause, and ends them where their foreach was given up."""

    async def run(job: LeasedJob) -> None:
        foreach_id, chunk, turn = UUID(job.input["foreach"]), job.input.get("chunk"), job.input.get("turn")

        def decide(view: View) -> Decided:
            chunk_id = None if chunk is None else UUID(chunk)
            return move_items(view, context.engine, job, foreach_id, chunk_id=chunk_id, turn=turn)

        await context.do(job.tenant_id, "execution.move_items", decide)
        failpoint("worker.items_moved")

    return Runner(run)
