"""Bulk operations: one action on many executions, which workers take step by step, and how far it has come."""

import json
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import Body as Default
from pydantic import ConfigDict, Field
from starlette.responses import Response

from api import answers, commands, waiter
from api.commands import CommandSpec
from api.documented import Calling, documented, paged
from api.listing import PAST
from api.models import NO_REASON, Body, Id, Name, Object, Reason, Text
from api.problems import Problem
from api.queries import bulk_operations as queries
from api.queries import executions
from api.reads import Answer
from api.routes.executions import BulkItem
from api.routing import router
from api.schemas import resources, results
from api.strict_json import child
from api.waiting import WAIT, row_when_over
from domain import bulk_operation
from domain.access import Asking, Rights
from domain.bulk_operation import MOST, Action, Requester
from domain.facts import Decided, Invalid, Json, View
from engine.bulk_operations import forecast, require_startable, require_version
from engine.engine import OnConflict
from store.command import Command

routes = router("bulk operations")

MOST_LISTED = 1_000
"""Executions that one request names, or has started."""
MOST_FILTERS = 20
CHUNK = 1_000
CHUNK_BYTES = 1 << 17
"""Of what is to be started."""
SAMPLE = 10
MOST_MAPPED = 1_000
"""Nodes that are called otherwise in the version that executions are migrated to."""
TRIES = 5
"""How often the tables are waited for again, two seconds each time."""
FilterValue = Annotated[str, Field(min_length=1, max_length=1_000)]
OF_START = ("items", "workflow_key", "version", "on_conflict", "keep_business_key")
OPTIONS: dict[Action, tuple[str, ...]] = {
    "cancel": (),
    "terminate": (),
    "pause": (),
    "resume": (),
    "signal": ("name", "payload"),
    "fork": ("node_id", "input", "version", "keep_business_key"),
    "migrate": ("to_version", "mapping"),
    "start": OF_START,
}
"""What an action goes by, beside what it acts on."""
ALL_OPTIONS = {name for names in OPTIONS.values() for name in names}


class BulkRequest(Body):
    action: Action
    filter: Annotated[
        dict[Name, FilterValue] | None,
        Field(min_length=1, max_length=MOST_FILTERS, description="As the filters of GET /executions: all must hold."),
    ] = None
    execution_ids: Annotated[list[Id] | None, Field(min_length=1, max_length=MOST_LISTED)] = None
    items: Annotated[list[BulkItem] | None, Field(min_length=1, max_length=MOST_LISTED)] = None
    workflow_key: Annotated[Name | None, Field(description="Of `items`.")] = None
    reason: Text | None = None
    name: Annotated[Name | None, Field(description="The signal's.")] = None
    payload: Annotated[Any, Field(description="The signal's.")] = None
    node_id: Annotated[Name | None, Field(description="From which to fork; where each failed, unless given.")] = None
    input: Annotated[Object | None, Field(description="Of a fork: the other execution's, unless given.")] = None
    version: Annotated[int | None, Field(ge=1, description="Of a fork or start.")] = None
    to_version: Annotated[int | None, Field(ge=1, le=2**31 - 1, description="Of a migration.")] = None
    mapping: Annotated[
        dict[Name, Name] | None,
        Field(max_length=MOST_MAPPED, description="Of a migration, as in POST /executions/{id}/migrate."),
    ] = None
    keep_business_key: Annotated[
        bool | None, Field(description="Of a fork or start: whether it takes on the other execution's business key.")
    ] = None
    on_conflict: Annotated[OnConflict | None, Field(description="Of a start, as in POST /executions.")] = None
    dry_run: Annotated[bool, Field(description="Say only what it would act on.")] = False

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"action": "cancel", "filter": {"workflow_key": "expense", "status": "running"}, "dry_run": True}]
        }
    )


@routes.post(
    "/bulk-operations",
    status_code=202,
    **documented(
        "Act on many executions",
        "It is under way",
        results.BULK_OPERATION_RESULT,
        creates=True,
        accepted=True,
        found="What it would act on, of a dry run",
        found_as=resources.BULK_PREVIEW,
    ),
)
async def request(call: Calling, body: BulkRequest) -> Response:
    """One command for each execution, as the caller would give it, by what they may do at that time.

    What it acts on is fixed now. It goes on by itself, and is looked at under its id.
    """
    spec = commands.BULK_OPERATION_START if body.action == "start" else commands.BULK_OPERATION_REQUEST
    require_sound(body)
    call.to_command(call.tenant_id, spec)  # a wrong header is told of a dry run, too

    def possible(view: View, who: Rights) -> None:
        _permitted(who, body)
        if body.workflow_key is not None:
            require_startable(view, body.workflow_key, body.version)

    await call.authorize(spec, further=possible)
    chunks, sample, answer = await _members(call, body)
    workflow_ids = await _workflows(call, body, chunks)
    if body.dry_run:
        forecasts = await _forecasts(call, spec, body, chunks, workflow_ids)
        return _preview(sum(map(len, chunks)), sample, forecasts)
    session = call.session
    envelope = call.envelope()
    requester = Requester(
        envelope.actor_type, session.key_id, session.caller.platform, envelope.user_id, session.caller.on_behalf_of
    )

    def decide(view: View, who: Rights) -> Decided:
        possible(view, who)
        if sum(map(len, chunks)) > MOST:
            raise Invalid(f"More than {MOST} executions fit the filter: narrow it, by created_to for one.", "/filter")
        _require_version(view, body, workflow_ids)
        return bulk_operation.request(
            view,
            body.action,
            chunks,
            requester,
            filter=body.filter,
            options=_options(body),
            reason=body.reason,
            as_of=None if answer is None else answer.freshness.position,
            correlation_id=call.correlation_id,
        )

    return await call.command(spec, decide, status=202, location="/v1/bulk-operations/{id}")


@routes.get("/bulk-operations", **paged("List bulk operations", queries.BULK_OPERATIONS, resources.BULK_OPERATION_SUMMARY))
async def list_bulk_operations(call: Calling) -> Response:
    call.require("executions:read")
    return await call.page(queries.BULK_OPERATIONS)


@routes.get(
    "/bulk-operations/{id}",
    **documented("Get a bulk operation", "How far it has come", resources.BULK_OPERATION, parameters=[WAIT, *PAST]),
)
async def get(call: Calling, id: UUID) -> Response:
    call.require("executions:read")
    return call.shown(*await row_when_over(call, queries.BULK_OPERATION, id, waiter.BULK_OPERATION))


@routes.post(
    "/bulk-operations/{id}/cancel", **documented("Cancel a bulk operation", "How it stands", results.BULK_OPERATION_RESULT)
)
async def cancel(call: Calling, id: UUID, body: Annotated[Reason, Default()] = NO_REASON) -> Response:
    """Nothing further is acted on. What it has done stays so."""
    return await call.command(commands.BULK_OPERATION_CANCEL, lambda view, _who: bulk_operation.cancel(view, id, body.reason), id)


def require_sound(body: BulkRequest) -> None:
    """Raises Problem naming the fields that do not go together."""
    given = body.given()
    unfit = sorted(name for name in ALL_OPTIONS - set(OPTIONS[body.action]) if given.get(name) is not None)
    if unfit:
        raise Problem.at(f"/{unfit[0]}", "not_of_action", f"{unfit[0]} is nothing that {body.action} goes by.")
    targets = [name for name in ("filter", "execution_ids", "items") if getattr(body, name) is not None]
    if len(targets) != 1:
        words = "filter, execution_ids or items" if body.action == "start" else "filter or execution_ids"
        raise Problem.at("/filter", "one_of", f"Say what to act on by one of {words}.")
    if body.action == "migrate" and body.to_version is None:
        raise Problem.at("/to_version", "required", "Say to which version they are to be migrated.")
    if body.action == "migrate" and body.filter is not None and "workflow_key" not in body.filter:
        raise Problem.at("/filter/workflow_key", "required", "A version is one of a workflow: say which.")
    if body.action == "signal" and body.name is None:
        raise Problem.at("/name", "required", "A signal has a name.")
    if (body.items is not None) != (body.workflow_key is not None):
        raise Problem.at("/workflow_key", "one_of", "items are started as executions of the workflow workflow_key.")
    if body.keep_business_key is not None and body.items is not None:
        raise Problem.at("/keep_business_key", "one_of", "items say their business keys themselves.")


def _permitted(who: Rights, body: BulkRequest) -> None:
    """What it needs beside the permission of its command: a filter tells what executions there are."""
    if body.filter is not None:
        who.require("executions:read")
    if body.on_conflict == "replace":
        who.require("executions:control")


async def _members(call: Calling, body: BulkRequest) -> tuple[list[Sequence[Json]], list[dict[str, Any]], Answer | None]:
    """What it acts on, in chunks; the first of them, and how fresh that is, where they were looked for."""
    if body.items is not None:
        return _chunked([one.given() for one in body.items]), [], None
    if body.execution_ids is not None:
        return [list(dict.fromkeys(str(id) for id in body.execution_ids))], [], None
    assert body.filter is not None
    filters = filters_of(body.filter)
    questions = [executions.all_ids(call.tenant_id, filters, MOST)]
    if body.dry_run:
        questions.append(executions.EXECUTIONS.all_of(call.tenant_id, filters, SAMPLE - 1, "created_at").question())
    answer = await call.rows(questions, reached=await _caught_up(call))
    ids = answer.rows[0][0]["ids"] or []
    sample = answer.rows[1] if body.dry_run else []
    return [ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK)], sample, answer


async def _caught_up(call: Calling) -> int:
    """The position that the tables have reached: at least where the ledger stood when this was asked. Raises Problem (503)."""
    found = (await call.rows([])).freshness
    for _ in range(TRIES):
        if not found.behind:
            return found.head
        found = (await call.rows([])).freshness
    detail = f"The tables are {found.behind} events behind, so it is not known yet what fits the filter: try again."
    raise Problem(503, "tables_behind", detail, headers={"Retry-After": "5"})


def filters_of(given: dict[str, str]) -> dict[str, Any]:
    """As a list of executions reads them. Raises Problem naming the one at fault."""
    known = executions.EXECUTIONS
    for name in given:
        if name not in known.filters and not any(name.startswith(prefix) and name != prefix for prefix in known.prefixed):
            raise Problem.at(child("/filter", name), "unknown_field", "There is no such filter of executions.")
    try:
        return known.read_filters(given)
    except Problem as problem:
        fault = problem.errors[0]
        code = "unknown_field" if fault.code == "unknown_parameter" else fault.code
        raise Problem.at(child("/filter", fault.path), code, fault.message) from None


def _chunked(items: Sequence[dict[str, Any]]) -> list[Sequence[Json]]:
    """As many to a chunk as one event is to hold."""
    chunks: list[list[Json]] = []
    size = 0
    for item in items:
        told = {**item, "input": item.get("input", {})}
        own = len(json.dumps(told, default=str))
        if not chunks or len(chunks[-1]) == CHUNK or size + own > CHUNK_BYTES:
            chunks.append([])
            size = 0
        chunks[-1].append(told)
        size += own
    return list(chunks)


def _options(body: BulkRequest) -> dict[str, Json]:
    """What the action goes by, without what it acts on."""
    return {name: getattr(body, name) for name in OPTIONS[body.action] if name != "items" and getattr(body, name) is not None}


async def _workflows(call: Calling, body: BulkRequest, chunks: list[Sequence[Json]]) -> list[UUID]:
    """Of a migration: the workflows of what it acts on, as far as the tables show them; each execution is judged anyway."""
    if body.action != "migrate" or not chunks:
        return []
    answer = await call.rows([executions.workflows_of(call.tenant_id, [id for chunk in chunks for id in chunk])])
    return [row["workflow_id"] for row in answer.rows[0]]


def _require_version(view: View, body: BulkRequest, workflow_ids: list[UUID]) -> None:
    if body.to_version is not None:
        require_version(view, workflow_ids, body.to_version)


async def _forecasts(
    call: Calling, spec: CommandSpec, body: BulkRequest, chunks: list[Sequence[Json]], workflow_ids: list[UUID]
) -> list[Json] | None:
    """What would become of the first ones, each looked at by itself. None: that is told of migrations only."""
    to_version = body.to_version
    if to_version is None:
        return None
    await call.authorize(spec, further=lambda view, _who: _require_version(view, body, workflow_ids))

    def decide(id: UUID, view: View, _asking: Asking) -> Decided:
        return forecast(view, call.services.engine, id, to_version, body.mapping or {})

    told: list[Json] = []
    for id in (UUID(id) for id in (chunks[0] if chunks else ())[:SAMPLE]):
        command = Command(call.tenant_id, spec.name, call.envelope(), resource=spec.resource)
        told.append((await call.handle(spec, command, partial(decide, id))).result)
    return told


def _preview(matched: int, sample: list[dict[str, Any]], forecasts: list[Json] | None) -> Response:
    told = {"dry_run": True, "matched": min(matched, MOST), "too_many": matched > MOST, "sample": sample}
    return answers.answer(told if forecasts is None else {**told, "forecasts": forecasts}, 200)
