"""Jobs: external workers lease them, keep them alive, and report what became of them; operators look at those given up.

Those of their own are enqueued in `api.routes.queue`.
"""

import logging
import random
from collections.abc import Awaitable, Sequence
from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field
from starlette.responses import Response

from api import answers, commands
from api.call import RequestContext
from api.documented import Calling, documented
from api.job_dispatcher import LeaseRequest
from api.leaving import leaving
from api.models import Body, Id, Name
from api.problems import Problem, from_exception
from api.routing import router
from api.schemas import work as schemas
from domain.access import Rights
from domain.facts import Decided, Json, View
from domain.retry import Failure
from engine import jobs as work
from engine.nodes.task import OWN
from runtime.failpoints import failpoint
from store import jobs
from store.command import CommandResult
from store.errors import CommandInFlight, LeaseLost
from store.jobs import Lease, LeasedJob

log = logging.getLogger(__name__)
routes = router("jobs")

MAX_JOBS, MAX_TYPES, MAX_WAIT, MAX_LEASE = 100, 100, 60, 24 * 3600
USUAL_LEASE = 60
LATER = (429, 503)
"""What a report may be answered with that could not be taken just now."""

Fencing = Annotated[int, Field(ge=1, le=2**63 - 1, description="The fencing token of the lease.")]
LeaseSeconds = Annotated[float, Field(ge=1, le=MAX_LEASE)]


class NextJobs(Body):
    """Which jobs a worker wants, if there are any now."""

    types: Annotated[list[Name], Field(min_length=1, max_length=MAX_TYPES)]
    worker_id: Name
    max: Annotated[int, Field(ge=1, le=MAX_JOBS)] = 1
    lease_seconds: LeaseSeconds = USUAL_LEASE

    def request(self, call: RequestContext, path: str = "") -> LeaseRequest:
        """Raises Problem for types that are not for everybody. `path`: where this is in the body."""
        for number, type in enumerate(self.types):
            if type.startswith(OWN):
                raise Problem.at(f"{path}/types/{number}", "reserved", f"Job types that begin with {OWN} are reserved for Gesta.")
        types = tuple(dict.fromkeys(self.types))
        return LeaseRequest(call.tenant_id, types, self.max, self.lease_seconds, self.worker_id, call.session.key_id)


class Ask(NextJobs):
    wait_seconds: Annotated[float, Field(ge=0, le=MAX_WAIT)] = 0

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"types": ["resize-image"], "worker_id": "worker-1", "max": 10, "wait_seconds": 30}]}
    )


class Held(Body):
    fence: Fencing


class Beat(Held):
    lease_seconds: LeaseSeconds | None = None


class Complete(Held):
    output: Any = None


class Error(Body):
    type: Name
    message: Annotated[str, Field(max_length=100_000)] = ""
    retryable: bool = True


class Fail(Held):
    error: Error


class Report(Held):
    """What became of one job: its `output`, or the `error` of the attempt."""

    id: Id
    output: Any = None
    error: Error | None = None


class Reports(Body):
    reports: Annotated[list[Report], Field(min_length=1, max_length=MAX_JOBS)]
    lease: NextJobs | None = None

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "reports": [
                        {"id": "0198c0de-0000-7000-8000-000000000001", "fence": 1, "output": {"url": "b.png"}},
                        {"id": "0198c0de-0000-7000-8000-000000000002", "fence": 1, "error": {"type": "Timeout"}},
                    ]
                }
            ]
        }
    )


@routes.post(
    "/jobs/lease", **documented("Lease jobs", "The jobs; none where the time ran out", schemas.LEASED_JOBS, unrecorded=True)
)
async def lease(call: Calling, body: Ask) -> Response:
    """Waits for the first job, up to `wait_seconds`. A job that nobody reports on comes back when its lease runs out."""
    request = body.request(call)
    async with leaving(call.request) as gone:
        found = await call.services.dispatcher.lease(request, body.wait_seconds, gone, lambda: _may_work(call))
    if found:
        failpoint("api.job_leased")
    return answers.answer({"items": _items(found)})


@routes.post(
    "/jobs/{id}/heartbeat", **documented("Extend a job's lease", "When the lease ends", schemas.HEARTBEAT, unrecorded=True)
)
async def heartbeat(call: Calling, id: UUID, body: Beat) -> Response:
    """From now on for as long again as it was leased for, or for `lease_seconds`."""
    await call.authorize(commands.JOB_HEARTBEAT, id)
    job = await _held(call, id, body.fence)
    if job is None:
        raise LeaseLost
    until = await call.services.system_pool.read(lambda connection: jobs.heartbeat(connection, job.lease, body.lease_seconds))
    if until is None:
        raise LeaseLost
    return answers.answer({"id": id, "lease_until": until})


@routes.post(
    "/jobs/{id}/release",
    **documented("Give back a job that was not begun", "The job is ready again", schemas.READY_JOB, unrecorded=True),
)
async def release(call: Calling, id: UUID, body: Held) -> Response:
    """Others may lease it at once, and it does not count as an attempt."""
    await call.authorize(commands.JOB_RELEASE, id)
    call.services.dispatcher.forget(Lease(call.tenant_id, id, body.fence))
    job = await _held(call, id, body.fence)
    if job is None:
        raise LeaseLost
    await call.services.system_pool.read(lambda connection: jobs.give_back(connection, [job.lease]))
    return answers.answer({"id": id, "state": "ready"})


@routes.post(
    "/jobs/{id}/complete", **documented("Complete a job", "The job and its execution", schemas.REPORTED_JOB, versioned=False)
)
async def complete(call: Calling, id: UUID, body: Complete) -> Response:
    return _reported(call, await _report(call, id, body.fence, body.output))


@routes.post(
    "/jobs/{id}/fail",
    **documented("Report that a job failed", "The job and its execution", schemas.REPORTED_JOB, versioned=False),
)
async def fail(call: Calling, id: UUID, body: Fail) -> Response:
    """Whether it is tried again is for its `retry` to say, or its node's; an error that is not `retryable` never is."""
    return _reported(call, await _report(call, id, body.fence, error=body.error))


@routes.post(
    "/jobs/report",
    **documented("Report on many jobs", "One result per report, in order", schemas.REPORT_RESULTS, versioned=False),
)
async def report(call: Calling, body: Reports) -> Response:
    """A refused report does not stop the others. A result has a `status`, and `job` and `execution`; if refused, a `problem`.

    With `lease`, the answer also has `jobs`: what there is by then for the worker to do next, leased as by `/jobs/lease` without
    waiting. It is empty where a report is to be sent again: the repetition brings them.
    """
    for number, each in enumerate(body.reports):
        if each.error is not None and "output" in each.model_fields_set:
            raise Problem.at(f"/reports/{number}/output", "excluded", "A report has either an output or an error, not both.")

    may_work = False

    async def one(each: Report, key_suffix: str) -> CommandResult:
        nonlocal may_work
        done = await _report(call, each.id, each.fence, each.output, each.error, key_suffix)
        may_work |= not done.replayed  # the ledger has just taken a worker's command
        return done

    async def reported() -> list[Json]:
        return await call.each(body.reports, commands.JOB_COMPLETE, one, lambda done: {"status": 200, **done.result})

    async def check() -> None:
        if not may_work:
            await _may_work(call)

    if body.lease is None:
        return answers.answer({"items": await reported()})
    request = body.lease.request(call, "/lease")
    async with leaving(call.request) as gone:
        with call.services.dispatcher.next_jobs(request, gone) as next_jobs:
            items = await reported()
            found = [] if any(map(_is_sent_again, items)) else await _attempted(next_jobs(check))
    if found:
        failpoint("api.next_jobs_leased")
    return answers.answer({"items": items, "jobs": _items(found)})


def _reported(call: Calling, done: CommandResult) -> Response:
    """A job of its own moves no execution."""
    return call.answer(done, call.tenant_id, versioned="job" if done.result["execution"] is None else "execution")


async def _report(
    call: Calling, id: UUID, fence: int, output: Json = None, error: Error | None = None, key_suffix: str = ""
) -> CommandResult:
    """A worker's report, as a command. A repeated one is known by its key, although its job is gone."""
    engine, jitter = call.services.engine, random.random()
    job = await _held(call, id, fence)

    def decide(view: View, _who: Rights) -> Decided:
        if job is None:
            raise LeaseLost
        try:
            if error is None:
                return work.complete_job(view, engine, job, output)
            return work.fail_job(view, engine, job, Failure(error.type, error.message, error.retryable), jitter=jitter)
        except work.ActivationClosed:  # and so the job is gone
            raise LeaseLost from None

    failpoint("api.report_received")
    spec = commands.JOB_COMPLETE if error is None else commands.JOB_FAIL
    done = await call.decide(spec, decide, id, key_suffix)
    failpoint("api.report_appended")
    call.services.dispatcher.forget(Lease(call.tenant_id, id, fence))
    return done


async def _held(call: Calling, id: UUID, fence: int) -> LeasedJob | None:
    """A job that was leased with the caller's key by this token; its lease may be lost by now. Others' jobs are not theirs."""
    lease = Lease(call.tenant_id, id, fence)
    job = call.services.dispatcher.handed_out(lease)
    if job is None:
        job = await call.services.system_pool.read(lambda connection: jobs.leased(connection, call.tenant_id, id))
    if job is None or job.lease != lease or job.leased_by != call.session.key_id or job.type.startswith(OWN):
        return None
    return job


def _is_sent_again(item: dict[str, Any]) -> bool:
    """Whether the worker will send its reports once more, under the same key. Its next jobs come with the last answer."""
    return item["status"] in LATER or item.get("problem", {}).get("code") == CommandInFlight.code


async def _attempted(found: Awaitable[list[LeasedJob]]) -> list[LeasedJob]:
    """What was reported is answered, whatever speaks against more jobs now: who asks for them alone is told."""
    try:
        return await found
    except Exception as error:
        if from_exception(error) is None:
            log.exception("No next jobs could be leased", extra={"action": "lease"})
        return []


async def _may_work(call: Calling) -> None:
    """Asked again after each wait: a key may have been revoked meanwhile."""
    await call.authorize(commands.JOB_LEASE)


def _items(found: Sequence[LeasedJob]) -> list[Json]:
    return [_item(job) for job in found]


def _item(job: LeasedJob) -> Json:
    return {
        "id": job.id,
        "fence": job.fence,
        "type": job.type,
        "input": job.input,
        "attempt": job.attempt,
        "max_attempts": job.max_attempts,
        "lease_until": job.lease_until,
        "execution_id": job.execution_id,
        "activation_id": job.activation_id,
    }
