"""Executions: start them, watch them, steer them."""

from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

from fastapi import Body as Default
from pydantic import ConfigDict, Field
from starlette.responses import Response

from api import answers, commands, waiter
from api.archived import told_where_it_is
from api.commands import CommandSpec
from api.documented import Calling, documented, paged
from api.listing import PAST
from api.models import NO_REASON, Body, Name, Object, Priority, Reason, Text
from api.names import sees_names
from api.notifying import Callback, follow
from api.problems import Problem
from api.queries import executions as queries
from api.routing import router
from api.schemas import resources, results, work
from api.waiting import WAIT, row_when_over, seconds_to_wait
from domain.access import Rights
from domain.execution import EXECUTION
from domain.facts import Decided, Invalid, View
from domain.workflow import WORKFLOW_KEY
from engine import engine as workflows
from engine import forking, labels, migrating
from engine.bulk_operations import NothingToDo
from engine.engine import Engine, OnConflict
from store import origins
from store.command import CommandResult

routes = router("executions")

MAX_BULK = 1_000
BusinessKey = Annotated[str, Field(min_length=1, max_length=255)]
ON_CONFLICT = Field(
    description="Where an execution of the workflow with this business key runs: `reject` the start, `return` how that one "
    "stands (200 instead of 201), or `replace` it: it is cancelled, which needs executions:control."
)


class Start(Body):
    workflow_key: Name
    version: Annotated[int, Field(ge=1)] | None = None
    business_key: BusinessKey | None = None
    input: Object = Field(default_factory=dict)
    priority: Priority = 0
    on_conflict: Annotated[OnConflict, ON_CONFLICT] = "reject"
    labels: dict[str, str] = Field(default_factory=dict)
    callback: Annotated[
        Callback | None, Field(description="Where its end is told, once: at a `url`, or to a notification endpoint.")
    ] = None

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"workflow_key": "expense", "business_key": "E-1042", "input": {"amount": 240}}]}
    )


class BulkItem(Body):
    business_key: BusinessKey | None = None
    input: Object = Field(default_factory=dict)
    labels: dict[str, str] = Field(default_factory=dict)


class Bulk(Body):
    workflow_key: Name
    items: Annotated[list[BulkItem], Field(min_length=1, max_length=MAX_BULK)]
    on_conflict: Annotated[OnConflict, ON_CONFLICT] = "reject"


class Fork(Body):
    node_id: Annotated[Name | None, Field(description="From which; where it failed, unless given.")] = None
    input: Annotated[Object | None, Field(description="The other execution's, unless given.")] = None
    version: Annotated[int, Field(ge=1)] | None = None
    business_key: BusinessKey | None = None
    labels: Annotated[dict[str, str] | None, Field(description="The other execution's, unless given.")] = None


class Migrate(Body):
    to_version: Annotated[int, Field(ge=1, le=2**31 - 1)]
    mapping: Annotated[
        dict[str, Name], Field(description="Nodes of the present version to nodes of that one; the others keep their ids.")
    ] = Field(default_factory=dict)
    dry_run: Annotated[bool, Field(description="Says what would come of it, and changes nothing.")] = False
    reason: Text | None = None

    model_config = ConfigDict(json_schema_extra={"examples": [{"to_version": 2, "mapping": {"check": "review"}}]})


class Change(Body):
    labels: Annotated[dict[str, str | None] | None, Field(description="To set, by key; null removes one. Others stay.")] = None
    priority: Annotated[Priority | None, Field(description="Of what it hands out from now on.")] = None


class Signal(Body):
    name: Name
    payload: Any = None


def _start(engine: Engine, body: Start, correlation_id: UUID | None) -> Callable[[View, Rights], Decided]:
    def decide(view: View, who: Rights) -> Decided:
        workflow_id = view.owner(WORKFLOW_KEY, body.workflow_key)
        if workflow_id is None:
            raise Invalid("There is no such workflow.", "/workflow_key")
        if body.on_conflict == "replace":
            who.require("executions:control")
        told = None if body.callback is None else body.callback.named(view, who, "executions:read")
        return workflows.start(
            view,
            engine,
            workflow_id=workflow_id,
            input=body.input,
            version=body.version,
            business_key=body.business_key,
            priority=body.priority,
            created_by=who.user_id,
            behind=tuple(sorted(who.behind)),
            correlation_id=correlation_id,
            on_conflict=body.on_conflict,
            labels=labels.checked(body.labels),
            callback=told,
        )

    return decide


def _status(done: CommandResult) -> int:
    return 200 if done.result.get("existing") else 201


@routes.post(
    "/executions",
    status_code=201,
    **documented("Start an execution", "Execution started", results.STARTED_EXECUTION, creates=True, found="It runs already"),
)
async def start(call: Calling, body: Start) -> Response:
    if body.callback is not None:
        await follow(call)
    done = await call.decide(commands.EXECUTION_START, _start(call.services.engine, body, call.correlation_id))
    return call.answer(done, call.tenant_id, status=_status(done), location="/v1/executions/{id}")


@routes.post(
    "/executions/bulk",
    **documented("Start many executions", "One result per item, in order", work.BULK_RESULTS, versioned=False),
)
async def bulk(call: Calling, body: Bulk) -> Response:
    """A refused item does not stop the others. A result has a `status` and, if refused, a `problem`."""
    correlation_id = call.correlation_id

    async def one(item: BulkItem, key_suffix: str) -> CommandResult:
        wanted = Start(
            workflow_key=body.workflow_key,
            business_key=item.business_key,
            input=item.input,
            on_conflict=body.on_conflict,
            labels=item.labels,
        )
        decide = _start(call.services.engine, wanted, correlation_id)
        return await call.decide(commands.EXECUTION_START, decide, key_suffix=key_suffix)

    results = await call.each(
        body.items, commands.EXECUTION_START, one, lambda done: {"status": _status(done), "execution": done.result}
    )
    return answers.answer({"items": results})


@routes.get("/executions", **paged("List executions", queries.EXECUTIONS, resources.EXECUTION_SUMMARY))
async def list_executions(call: Calling) -> Response:
    call.require("executions:read")
    return await call.page(queries.EXECUTIONS)


@routes.patch("/executions/{id}", **documented("Change labels or priority", "How it stands", results.EXECUTION_RESULT))
async def change(call: Calling, id: UUID, body: Change) -> Response:
    return await _steer(
        call, id, commands.EXECUTION_CHANGE, lambda view, _who: labels.change(view, id, body.labels, body.priority)
    )


@routes.get("/executions/{id}", **documented("Get an execution", "The execution", resources.EXECUTION, parameters=[WAIT, *PAST]))
async def get(call: Calling, id: UUID) -> Response:
    call.require("executions:read")
    # Most callers wait for what this process has just started: that it is there need not be asked first.
    known = call.services.handler.at_hand(call.tenant_id, EXECUTION, id) if call.request.query_params.keys() == {"wait"} else None
    if known is not None and known.live and (seconds := seconds_to_wait(call)):
        over = await call.services.waiter.ended(waiter.EXECUTION, call.tenant_id, id, seconds)
        return call.shown(*await call.row(queries.EXECUTION, {"id": id}, reached=0 if over else None))
    async with told_where_it_is(call, id):
        return call.shown(*await row_when_over(call, queries.EXECUTION, id, waiter.EXECUTION, queries.PARTS))


@routes.get(
    "/executions/{id}/waits",
    **documented("See what an execution waits for", "What it waits for", resources.WAITS, parameters=PAST),
)
async def waits(call: Calling, id: UUID) -> Response:
    """Each thing, since when, until when where that is known, and who or what can move it on."""
    call.require("executions:read")
    who = call.session.rights
    seen = {"sees_names": sees_names(who), "me": list(who.people)}
    async with told_where_it_is(call, id):
        return call.shown(*await call.row(queries.WAITS, {"id": id, **seen}, parts=queries.PARTS))


@routes.post("/executions/{id}/cancel", **documented("Cancel an execution", "The execution's status", results.EXECUTION_RESULT))
async def cancel(call: Calling, id: UUID, body: Annotated[Reason, Default()] = NO_REASON) -> Response:
    """What runs is given up, and what is done is undone, where nodes name what undoes them; then it is cancelled."""
    return await _steer(
        call, id, commands.EXECUTION_CANCEL, lambda view, who: workflows.cancel(view, _of(call), id, body.reason, who.user_id)
    )


@routes.post(
    "/executions/{id}/terminate",
    **documented("End an execution at once, without compensation", "The execution's status", results.EXECUTION_RESULT),
)
async def terminate(call: Calling, id: UUID, body: Annotated[Reason, Default()] = NO_REASON) -> Response:
    return await _steer(
        call,
        id,
        commands.EXECUTION_TERMINATE,
        lambda view, who: workflows.terminate(view, _of(call), id, body.reason, who.user_id),
    )


@routes.post("/executions/{id}/pause", **documented("Pause an execution", "The execution's status", results.EXECUTION_RESULT))
async def pause(call: Calling, id: UUID, body: Annotated[Reason, Default()] = NO_REASON) -> Response:
    return await _steer(call, id, commands.EXECUTION_PAUSE, lambda view, _who: workflows.pause(view, _of(call), id, body.reason))


@routes.post(
    "/executions/{id}/resume", **documented("Resume a paused execution", "The execution's status", results.EXECUTION_RESULT)
)
async def resume(call: Calling, id: UUID, body: Annotated[Reason, Default()] = NO_REASON) -> Response:
    return await _steer(
        call, id, commands.EXECUTION_RESUME, lambda view, _who: workflows.resume(view, _of(call), id, body.reason)
    )


@routes.post(
    "/executions/{id}/fork",
    status_code=201,
    **documented("Fork an execution from one of its nodes", "Execution started", results.EXECUTION_RESULT, creates=True),
)
async def fork(call: Calling, id: UUID, body: Fork) -> Response:
    """Another execution begins at the node, with what its last visit had behind it. So what has failed is tried again."""
    await call.authorize(commands.EXECUTION_FORK)
    tenant_id = call.tenant_id
    known = await call.services.handler.read(tenant_id, EXECUTION, id)
    try:
        origin = await call.services.reads.of_ledger(
            lambda connection: origins.fork_of(connection, tenant_id, id, body.node_id, known)
        )
    except NothingToDo:
        raise Problem.at("/node_id", "not_failed", "It has not failed: say from which node to fork it.") from None

    def decide(view: View, who: Rights) -> Decided:
        return forking.fork(
            view,
            _of(call),
            id,
            origin.node_id or "",
            origin.seed,
            input=body.input,
            version=body.version,
            business_key=body.business_key,
            labels=None if body.labels is None else labels.checked(body.labels),
            created_by=who.user_id,
            behind=tuple(sorted(who.behind)),
            correlation_id=call.correlation_id,
        )

    return await call.command(commands.EXECUTION_FORK, decide, status=201, location="/v1/executions/{id}")


@routes.post(
    "/executions/{id}/migrate",
    **documented("Migrate an execution to another version of its workflow", "How it stands, or would", results.MIGRATION),
)
async def migrate(call: Calling, id: UUID, body: Migrate) -> Response:
    """What is under way stays as it is, an open approval request for one, and what follows goes by the other version."""
    return await _steer(
        call,
        id,
        commands.EXECUTION_MIGRATE,
        lambda view, _who: migrating.migrate(
            view, _of(call), id, body.to_version, body.mapping, dry_run=body.dry_run, reason=body.reason
        ),
    )


@routes.post(
    "/executions/{id}/signal", **documented("Send a signal to an execution", "The execution's status", results.EXECUTION_RESULT)
)
async def signal(call: Calling, id: UUID, body: Signal) -> Response:
    return await _steer(
        call, id, commands.EXECUTION_SIGNAL, lambda view, _who: workflows.signal(view, _of(call), id, body.name, body.payload)
    )


def _of(call: Calling) -> Engine:
    return call.services.engine


async def _steer(call: Calling, execution_id: UUID, spec: CommandSpec, decide: Callable[[View, Rights], Decided]) -> Response:
    return await call.command(spec, decide, execution_id)
