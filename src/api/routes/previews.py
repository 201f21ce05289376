"""Who would be asked: before a request is made, and in requests of the past under another rule. Neither leaves an event."""

import asyncio
import time
from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator
from starlette.responses import Response

from api import answers, commands
from api.documented import Calling, documented
from api.looking_back import TOO_MUCH, past_of
from api.models import Body, Id, Name, Object, Time
from api.names import preview_seen_by, shows_names
from api.problems import Problem
from api.queries import eligible as queries
from api.reads import Question
from api.routes.own_approvals import Request
from api.routing import router
from api.schemas import eligible as shapes
from domain.access import Asking
from domain.approval import ApprovalRequested
from domain.execution import ActivationStarted
from domain.facts import Decided, Json, NotFound, Refusal, View
from domain.workflow import WORKFLOW_KEY
from engine import previews
from engine.own_requests import Wanted
from engine.starting import NoSuchWorkflow
from store.command import Command
from store.past import Past, TooLong
from store.reading import head

routes = router("approvals")

MOST_PAST = 100
MOST_MEMBERS = 5_000
SECONDS = 5.0
"""After which no further request is looked at."""


class Preview(Body):
    """A published workflow's node, or what `POST /v1/approvals` takes."""

    workflow_key: Name | None = None
    version: Annotated[int, Field(ge=1)] | None = None
    node_id: Name | None = None
    input: Object = Field(default_factory=dict)
    nodes: Annotated[dict[str, Any], Field(description="What nodes before it put out, by their ids.")] = Field(
        default_factory=dict
    )
    request: Request | None = None
    requester: Annotated[Id | None, Field(description="Who asks; the caller unless given.")] = None

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"workflow_key": "purchase", "node_id": "review", "input": {"amount": 12000}}]}
    )

    @model_validator(mode="after")
    def _one_or_the_other(self) -> "Preview":
        if (self.request is None) == (self.workflow_key is None) or (self.request is None) != (self.node_id is not None):
            raise ValueError("Give a workflow_key with a node_id, or a request")
        return self


class Filter(Body):
    workflow_key: Name | None = None
    node_id: Name | None = None
    created_from: Time | None = None
    created_to: Time | None = None


class PastPreview(Body):
    definition: Annotated[Object, Field(description="The configuration of an approval node: the rule that is tried.")]
    ids: Annotated[list[Id], Field(min_length=1, max_length=MOST_PAST)] | None = None
    filter: Filter | None = None
    limit: Annotated[int, Field(ge=1, le=MOST_PAST)] = 50

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "definition": {"title": "Pay", "by": {"manager_of": "requester"}, "exclude": ["requester"]},
                    "filter": {"workflow_key": "purchase"},
                }
            ]
        }
    )

    @model_validator(mode="after")
    def _one_or_the_other(self) -> "PastPreview":
        if (self.ids is None) == (self.filter is None):
            raise ValueError("Give ids, or a filter")
        return self


@routes.post(
    "/approvals/preview",
    **documented("See who would be asked", "Whom, in which order, and why", shapes.APPROVAL_PREVIEW, unrecorded=True),
)
async def preview(call: Calling, body: Preview) -> Response:
    """By the rules and the people of now, without asking anybody."""
    engine = call.services.engine

    def decide(view: View, asking: Asking) -> Decided:
        who = asking.who
        by, behind = (who.user_id, tuple(sorted(who.behind))) if body.requester is None else (body.requester, ())
        if body.request is not None:
            wanted = Wanted(body.request.definition, body.request.timeout)
            return Decided(result=previews.of_request(view, engine, wanted, by, behind))
        assert body.workflow_key is not None
        assert body.node_id is not None
        workflow_id = view.owner(WORKFLOW_KEY, body.workflow_key)
        if workflow_id is None:
            raise NoSuchWorkflow(path="/workflow_key")
        node = previews.NodeWanted(workflow_id, body.version, body.node_id, body.input, body.nodes)
        return Decided(result=previews.of_node(view, engine, node, by, behind))

    spec = commands.APPROVAL_PREVIEW
    command = Command(call.tenant_id, spec.name, call.envelope(), resource=spec.resource)
    found = (await call.handle(spec, command, decide)).result
    return answers.answer(preview_seen_by(call.session.rights, found))


@routes.post(
    "/approvals/preview-past",
    **documented(
        "See who would have been asked under another rule",
        "Of each request: who was asked, and who would have been",
        shapes.PAST_PREVIEWS,
        unrecorded=True,
    ),
)
async def preview_past(call: Calling, body: PastPreview) -> Response:
    """Requests that were made, as they were made: with the input, the members, roles and managers of then."""
    await call.authorize(commands.APPROVAL_PREVIEW)
    handler = call.services.handler
    await handler.compute(call.tenant_id, lambda effort: previews.require_config(effort, body.definition))
    ids = list(dict.fromkeys(body.ids)) if body.ids is not None else await _found(call, body.filter or Filter(), body.limit)
    found = await call.services.reads.of_ledger(lambda conn: head(conn, call.tenant_id))
    past = past_of(call, 0 if found is None else found.position)
    try:
        await past.know_all(await _members(call))
    except TooLong:
        raise Problem(422, "too_long", TOO_MUCH) from None
    items: list[Json] = []
    until = time.monotonic() + SECONDS
    for number, id in enumerate(ids):
        await asyncio.sleep(0)  # what is compared holds up nobody for longer than one of them takes
        if time.monotonic() > until:
            return answers.answer({"items": items, "left": ids[number:]})
        items.append({"id": id, **await _compared(call, past, id, body.definition)})
    return answers.answer({"items": items, "left": []})


async def _found(call: Calling, wanted: Filter, limit: int) -> list[UUID]:
    about = {"tenant_id": call.tenant_id, **wanted.model_dump(), "limit": limit}
    ((*rows,),) = (await call.rows([Question(queries.PAST, about)])).rows
    return [row["id"] for row in rows]


async def _members(call: Calling) -> list[UUID]:
    """Raises Problem where there are too many to be told of as they were."""
    about = {"tenant_id": call.tenant_id, "after": None, "limit": MOST_MEMBERS + 1}
    ((*rows,),) = (await call.rows([Question(queries.MEMBERS, about)])).rows
    if len(rows) > MOST_MEMBERS:
        raise Problem(422, "too_many_members", f"This is told where there have been at most {MOST_MEMBERS:,} members.")
    return [row["user_id"] for row in rows]


async def _compared(call: Calling, past: Past, id: UUID, definition: Json) -> Json:
    """{then, now, added, dropped, same}, or {problem}."""
    stream: UUID | None = None
    try:
        await past.know([id])
        first = next(iter(past.events(id)), None)
        if first is None or not isinstance(first.event, ApprovalRequested):
            raise NotFound("There is no such approval request.")
        if not shows_names(call.session.rights, first.event.visibility, "pending"):
            return _problem("names_hidden", "Its names are not shown to you.")
        position = first.position
        if first.event.execution_id is not None:
            stream = first.event.item_id or first.event.execution_id
            await past.know([stream])
            begun = (
                record.position
                for record in past.events(stream)
                if isinstance(record.event, ActivationStarted) and record.event.activation_id == first.event.activation_id
            )
            position = max([position, *begun])
        engine = call.services.engine
        return dict(
            await past.compute(
                call.services.handler.compute,
                lambda view: previews.under(view, engine, id, definition),
                first.occurred_at,
                position,
            )
        )
    except TooLong:
        return _problem("too_long", TOO_MUCH)
    except Refusal as refusal:
        return _problem(refusal.code, refusal.message)
    finally:
        if stream is not None:
            past.forget(stream)


def _problem(code: str, message: str) -> Json:
    return {"problem": {"code": code, "message": message}}
