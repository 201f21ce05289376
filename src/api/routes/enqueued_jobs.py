"""Jobs of their own: enqueued, looked at, cancelled and retried. Workers lease them as all others: `api.routes.jobs`."""

from typing import Annotated, Any, ClassVar
from uuid import UUID

from fastapi import Body as Default
from pydantic import ConfigDict, Field
from starlette.responses import Response

from api import answers, commands, waiter
from api.call import Decide
from api.documented import Calling, documented, paged
from api.listing import PAST
from api.looking_back import AS_OF
from api.models import NO_REASON, Body, Name, Priority, Reason, Time
from api.notifying import Callback, follow
from api.problems import not_found
from api.queries import jobs as queries
from api.reads import Question, Row, freshness_headers
from api.requests import MAX_BODY
from api.routing import router
from api.schemas import resources
from api.schemas import work as schemas
from api.waiting import WAIT, seconds_to_wait
from domain import job as queue
from domain.access import Rights
from domain.facts import Decided, View
from domain.job import JOB, OnConflict
from engine.limits import MAX_KEY, MAX_LIMIT
from engine.policies import MAX_ATTEMPTS, MAX_BACKOFF
from engine.queued_jobs import Wanted, enqueue
from store import jobs
from store.command import CommandResult

routes = router("jobs")

MAX_BULK = 1_000
Duration = Annotated[str, Field(max_length=100, description="An ISO 8601 duration, such as PT30S or P1D.")]
Most = Annotated[int, Field(ge=1, le=MAX_LIMIT)]
LimitKey = Annotated[str, Field(min_length=1, max_length=MAX_KEY)]


class Retry(Body):
    """As nodes have it."""

    max_attempts: Annotated[int, Field(ge=1, le=MAX_ATTEMPTS, description="In total, the first one included.")]
    initial_interval: Duration | None = None
    backoff: Annotated[float, Field(ge=1, le=MAX_BACKOFF)] | None = None
    max_interval: Duration | None = None
    jitter: Annotated[float, Field(ge=0, le=1)] | None = None
    non_retryable: Annotated[list[Annotated[str, Field(min_length=1, max_length=100)]], Field(max_length=100)] | None = None


class Concurrency(Body):
    key: LimitKey
    limit: Most


class Rate(Body):
    key: LimitKey
    count: Most
    per: Duration


class Enqueue(Body):
    type: Name
    input: Any = None
    retry: Annotated[Retry | None, Field(description="One attempt, unless given.")] = None
    timeout: Annotated[Duration | None, Field(description="From when it is due, over all attempts.")] = None
    run_at: Annotated[Time | None, Field(description="Not before this moment, by the database's clock.")] = None
    run_after: Annotated[Duration | None, Field(description="Instead of run_at: so long from now.")] = None
    unique_key: Annotated[
        Annotated[str, Field(min_length=1, max_length=255)] | None,
        Field(description="Of the pending jobs of a type, one has it at most."),
    ] = None
    on_conflict: Annotated[
        OnConflict,
        Field(
            description="Where a pending job of the type has this unique key: `return` that one (200 instead of 201), `reject` "
            "this one, or `replace` that one: it is cancelled, which needs jobs:control."
        ),
    ] = "return"
    priority: Priority = 0
    concurrency: Concurrency | None = None
    rate: Rate | None = None
    callback: Annotated[
        Callback | None, Field(description="Where its end is told, at a `url` or to a notification endpoint: needs jobs:read.")
    ] = None

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "send-mail",
                    "input": {"to": "ann@example.com"},
                    "retry": {"max_attempts": 5},
                    "unique_key": "welcome-17",
                }
            ]
        }
    )

    @property
    def wanted(self) -> Wanted:
        return Wanted(
            self.type,
            self.input,
            None if self.retry is None else _said(self.retry),
            self.timeout,
            self.run_at,
            self.run_after,
            self.unique_key,
            self.priority,
            None if self.concurrency is None else _said(self.concurrency),
            None if self.rate is None else _said(self.rate),
            self.on_conflict,
        )


class Bulk(Body):
    MAX_BYTES: ClassVar[int] = 8 * MAX_BODY
    items: Annotated[list[Enqueue], Field(min_length=1, max_length=MAX_BULK)]


@routes.post(
    "/jobs",
    status_code=201,
    **documented("Enqueue a job", "Enqueued", schemas.ENQUEUED, creates=True, found="It is there already"),
)
async def enqueue_one(call: Calling, body: Enqueue) -> Response:
    """A worker leases it by its `type`, like the jobs of nodes; no execution waits for it."""
    if body.callback is not None:
        await follow(call)
    done = await call.decide(commands.JOB_ENQUEUE, _enqueue(call, body))
    return call.answer(done, call.tenant_id, status=_status(done), location="/v1/jobs/{id}")


@routes.post(
    "/jobs/bulk",
    **documented("Enqueue many jobs", "One result per item, in order", schemas.BULK_ENQUEUED, versioned=False),
)
async def enqueue_many(call: Calling, body: Bulk) -> Response:
    """A refused item does not stop the others. A result has a `status` and, if refused, a `problem`."""

    async def one(item: Enqueue, key_suffix: str) -> CommandResult:
        return await call.decide(commands.JOB_ENQUEUE, _enqueue(call, item), key_suffix=key_suffix)

    if any(item.callback is not None for item in body.items):
        await follow(call)
    results = await call.each(body.items, commands.JOB_ENQUEUE, one, lambda done: {"status": _status(done), "job": done.result})
    return answers.answer({"items": results})


@routes.get("/jobs", **paged("List jobs of their own", queries.JOBS, resources.JOB_SUMMARY))
async def list_jobs(call: Calling) -> Response:
    """Those that were enqueued by themselves. What nodes wait for is to be seen at their executions."""
    call.require("jobs:read")
    return await call.page(queries.JOBS)


@routes.get("/jobs/dead", **paged("List the jobs that were given up", queries.DEAD_JOBS, resources.DEAD_JOB))
async def list_dead_jobs(call: Calling) -> Response:
    """Of all kinds: Gesta could not handle them. A job of its own whose attempts have failed is `failed`, and not here."""
    call.require("executions:read")
    return await call.page(queries.DEAD_JOBS)


@routes.get("/jobs/{id}", **documented("Get a job", "The job", schemas.JOB, parameters=[WAIT, *PAST], tagged=False))
async def get(call: Calling, id: UUID) -> Response:
    """A pending one with its `place` in the queue and what holds it back, which no version tells. A job of a node is gone when it
    is done.

    `wait` is for jobs of their own: until one is over.
    """
    seconds = seconds_to_wait(call)
    if call.session.rights.allows("jobs:read"):
        found = await _enqueued(call, id, seconds)
        if found is not None:
            return found
    call.require("executions:read")
    of_node = await _standing(call, id)
    if of_node is None:
        raise not_found()
    if of_node["task_id"] == id:
        call.require("jobs:read")
        raise not_found()
    return answers.answer(of_node)


@routes.post("/jobs/{id}/cancel", **documented("Cancel a job", "How it stands", schemas.JOB_STATUS))
async def cancel(call: Calling, id: UUID, body: Annotated[Reason, Default()] = NO_REASON) -> Response:
    """A job of its own that is pending. A worker that has it is told by its next heartbeat, and its report is refused."""
    return await call.command(commands.JOB_CANCEL, lambda view, who: queue.cancel(view, id, body.reason, who.user_id), id)


@routes.post(
    "/jobs/{id}/retry",
    **documented("Retry a job that failed or was given up", "The job is ready again", schemas.READY_JOB, unrecorded=True),
)
async def retry(call: Calling, id: UUID, body: Annotated[Reason, Default()] = NO_REASON) -> Response:
    """With all its attempts. A job of its own that has failed needs jobs:control; one that was given up executions:control."""
    state, _ = await call.services.handler.read(call.tenant_id, JOB, id)
    if state.status in ("absent", "pending"):
        await call.authorize(commands.JOB_REVIVE, id)
        async with call.services.system_pool.connection() as connection:
            await jobs.retry_dead(connection, call.tenant_id, id)
        call.note(commands.JOB_REVIVE, id)
    else:
        await call.decide(commands.JOB_RETRY, lambda view, _who: queue.retry(view, id, body.reason), id)
    return answers.answer({"id": id, "state": "ready"})


def _enqueue(call: Calling, body: Enqueue) -> Decide:
    def decide(view: View, who: Rights) -> Decided:
        if body.on_conflict == "replace":
            who.require("jobs:control")
        told = None if body.callback is None else body.callback.named(view, who, "jobs:read")
        return enqueue(view, body.wanted, created_by=who.user_id, correlation_id=call.correlation_id, callback=told)

    return decide


def _status(done: CommandResult) -> int:
    return 200 if done.result.get("existing") else 201


def _said(part: Body) -> dict[str, Any]:
    return {name: value for name, value in part.given().items() if value is not None}


async def _enqueued(call: Calling, id: UUID, seconds: int) -> Response | None:
    """A job of its own. None: there is none."""
    if AS_OF in call.request.query_params:
        row, answer = await call.row(queries.JOB, {"id": id})
        return call.shown({**row, "queue": None}, answer)
    question = Question(queries.JOB, {"tenant_id": call.tenant_id, "id": id}, by_key=True)
    answer = await call.rows([question])
    found: list[Row] = answer.rows[0]
    if not found:
        return None
    if found[0]["status"] == "pending" and seconds:
        head = answer.freshness.head
        ended = await call.services.waiter.ended(waiter.JOB, call.tenant_id, id, seconds)
        answer = await call.rows([question], reached=head if ended else None)
        found = answer.rows[0]
    row = found[0]
    if row["status"] != "pending":
        return call.shown({**row, "queue": None}, answer)
    # No version tells of it: so nothing that could be compared goes with it.
    standing = await _standing(call, id)
    shown = None if standing is None else {name: standing[name] for name in schemas.STANDING.fields}
    return answers.answer({**row, "queue": shown}, 200, freshness_headers(answer.freshness))


async def _standing(call: Calling, id: UUID) -> dict[str, Any] | None:
    return await call.services.system_pool.read(lambda connection: jobs.one(connection, call.tenant_id, id))
