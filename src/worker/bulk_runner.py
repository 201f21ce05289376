"""Steps of bulk operations: each execution by a command of its own, as whoever asked for it, whatever becomes of the others.

Whoever dies in a step leaves a job whose lease runs out; who takes the step again acts on nobody twice, for the id of each
command follows from the operation and the execution, and what it came to the first time is known.
"""

import asyncio
import logging
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal
from uuid import UUID

from domain import access
from domain.access import Caller, KeyNotValid, SuspendedTenant
from domain.bulk_operation import (
    BULK_CHUNK,
    BULK_OPERATION,
    LONGEST_MESSAGE,
    BulkFailure,
    BulkOperationRequested,
    Member,
    Tally,
    chunk_id,
    chunks_of_step,
    members_of_step,
    progress,
)
from domain.envelope import Envelope
from domain.execution import EXECUTION
from domain.facts import Decided, Fence, NotForThisRelease, PermissionDenied, Refusal, View
from domain.tenant import TENANT
from engine.bulk_operations import PERMISSIONS, NothingToDo, OperationOver, Origin, act
from engine.executions import AlreadyStarted
from runtime.failpoints import failpoint
from store import origins
from store.errors import CommandInFlight, LedgerBusy, LedgerUnavailable
from store.jobs import LeasedJob
from store.platform import NotInSnapshot, PlatformSnapshot, Stream, deciding
from worker.context import OUT_OF_REACH, WorkerContext
from worker.leases import Runner

log = logging.getLogger(__name__)

TOGETHER, FORKED_TOGETHER = 16, 4
"""Executions acted on at a time: a fork reads all that its origin has behind it."""
PAUSE = timedelta(seconds=1)
LATER = (NotForThisRelease, NotInSnapshot, LedgerBusy, LedgerUnavailable, CommandInFlight, SuspendedTenant, *OUT_OF_REACH)
"""Nothing that the execution is to blame for: the step is taken again."""

Outcome = Literal["done", "skipped", "left"] | BulkFailure


@dataclass
class Step:
    """What came of it so far. `denied`: whoever asked may not do this any more; `over`: nothing further is to be acted on."""

    job: LeasedJob
    operation_id: UUID
    asked: BulkOperationRequested
    streams: set[Stream]
    """Of the platform's ledger, that the requester's rights depend on."""
    tally: Tally = field(default_factory=Tally)
    denied: PermissionDenied | KeyNotValid | None = None
    over: bool = False

    def count(self, outcomes: list[Outcome]) -> None:
        self.tally.done += outcomes.count("done")
        self.tally.skipped += outcomes.count("skipped")
        self.tally.failures += tuple(outcome for outcome in outcomes if isinstance(outcome, BulkFailure))


def bulk_runner(context: WorkerContext) -> Runner:
    """Takes one step of a bulk operation."""

    async def run(job: LeasedJob) -> None:
        try:
            await take_step(job)
        except (SuspendedTenant, CommandInFlight) as error:
            log.info("A step of a bulk operation is put off: %s", error, extra={"action": "bulk_operation", "job": str(job.id)})
            again = Fence(job.id, job.fence, "retry", PAUSE)
            await context.do(job.tenant_id, "bulk_operation.put_off", lambda _: Decided(fences=(again,)))

    async def take_step(job: LeasedJob) -> None:
        operation_id = UUID(job.input["operation"])
        operation, _ = await context.handler.read(job.tenant_id, BULK_OPERATION, operation_id)
        step = None
        if operation.requested is not None and not operation.settled:
            chunks = [
                (begin, (await context.handler.recall(job.tenant_id, BULK_CHUNK, chunk_id(operation_id, number))).members)
                for number, begin in chunks_of_step(operation)
            ]
            step = Step(job, operation_id, operation.requested, {(TENANT, job.tenant_id)})
            await _take(context, step, members_of_step(operation, chunks))
        tally, denied = (Tally(), None) if step is None else (step.tally, step.denied)
        await context.do(job.tenant_id, "bulk_operation.progress", lambda view: progress(view, job, operation_id, tally, denied))
        failpoint("worker.bulk_step_taken")

    return Runner(run)


async def _take(context: WorkerContext, step: Step, members: tuple[Member, ...]) -> None:
    """Act on all of them, some at a time.

    Once the operation was cancelled, or its requester has lost the right, it is only looked up what this step had done before,
    where it was cut short.
    """
    together = FORKED_TOGETHER if step.asked.action == "fork" else TOGETHER
    for some in (members[start : start + together] for start in range(0, len(members), together)):

        async def act_on(platform: PlatformSnapshot, some: tuple[Member, ...] = some) -> list[Outcome]:
            return await _together(context, step, some, platform)

        step.count(await deciding(context.handler, step.streams, act_on))
        failpoint("worker.bulk_acted")


async def _together(context: WorkerContext, step: Step, members: tuple[Member, ...], platform: PlatformSnapshot) -> list[Outcome]:
    outcomes = await asyncio.gather(*(_one(context, step, one, platform) for one in members), return_exceptions=True)
    failed = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    if failed:
        raise failed[0]
    return [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]


async def _one(context: WorkerContext, step: Step, member: Member, platform: PlatformSnapshot) -> Outcome:
    """One execution, by a command of its own. Raises what is nobody's fault."""
    try:
        await _command(context, step, member, platform)
    except LATER:
        raise
    except (NothingToDo, AlreadyStarted) as nothing:
        return "done" if isinstance(nothing, AlreadyStarted) else "skipped"
    except OperationOver:
        step.over = True
        return "left"
    except (PermissionDenied, KeyNotValid) as denied:
        step.denied = denied
        return "left"
    except Refusal as refusal:
        return _failure(member, refusal.code, refusal.message)
    except Exception as error:
        details = {"action": "bulk_operation", "tenant_id": str(step.job.tenant_id), "execution": str(member.execution_id)}
        log.exception("A bulk operation could not act on an execution", extra=details)
        return _failure(member, "unexpected", f"{type(error).__name__}: {error}")
    return "done"


async def _command(context: WorkerContext, step: Step, member: Member, platform: PlatformSnapshot) -> None:
    asked, who_asked, tenant_id = step.asked, step.asked.requester, step.job.tenant_id
    caller = Caller(who_asked.key_id, who_asked.platform, who_asked.on_behalf_of)
    origin = await _origin(context, step, member)

    def decide(view: View) -> Decided:
        if step.denied is not None:
            raise OperationOver
        who = access.rights(view, caller, platform)
        who.require_command(PERMISSIONS[asked.action])
        return act(view, context.engine, step.operation_id, member, origin, who)

    envelope = Envelope(
        who_asked.actor_type,
        str(who_asked.key_id),
        who_asked.user_id,
        who_asked.on_behalf_of,
        correlation_id=asked.correlation_id,
        causation_id=step.operation_id,
    )
    await context.do(
        tenant_id,
        f"execution.{asked.action}",
        decide,
        command_id=member.command_id(step.operation_id),
        who=envelope,
        # with it, what the command came to is known before it is refused
        request_hash=step.operation_id.bytes,
        resource="execution",
        resource_id=None if member.execution_id is None else str(member.execution_id),
    )


async def _origin(context: WorkerContext, step: Step, member: Member) -> Origin:
    """What the ledger holds of the execution, where another one is started from it."""
    tenant_id, id = step.job.tenant_id, member.execution_id
    if id is None or step.asked.action not in ("fork", "start") or step.over or step.denied is not None:
        return Origin()
    if step.asked.action == "start":
        return await context.pool.read(lambda connection: origins.start_of(connection, tenant_id, id))
    node_id = (step.asked.options or {}).get("node_id")
    known = await context.handler.read(tenant_id, EXECUTION, id)
    return await context.pool.read(lambda connection: origins.fork_of(connection, tenant_id, id, node_id, known))


def _failure(member: Member, code: str, message: str) -> BulkFailure:
    return BulkFailure(member.index, code, message[:LONGEST_MESSAGE], member.execution_id)
