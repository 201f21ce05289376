"""Taking a request back, changing it and asking again; and the versions that there are of it."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Body as Default
from pydantic import ConfigDict, Field
from starlette.responses import Response

from api import commands
from api.attachments import Attachments, attachments
from api.commands import CommandSpec
from api.documented import Calling, documented, paged
from api.listing import PAST
from api.models import Body, Text
from api.problems import not_found
from api.queries import approval_versions as queries
from api.queries.approvals import STANDING
from api.routes.approvals import DONE, requesters
from api.routing import router
from api.schemas import resources, results
from domain.access import Asking
from domain.approval.content import MISSING, at
from domain.facts import Decided, Json, View
from engine import engine as workflows

routes = router("approvals")


class Recalling(Body):
    comment: Text | None = None


class Resubmission(Body):
    title: Annotated[str, Field(min_length=1, max_length=2000)] | None = None
    description: Text | None = None
    context: Any = None
    attachments: Attachments | None = None
    comment: Text | None = None

    model_config = ConfigDict(json_schema_extra={"examples": [{"context": {"amount": 900}, "comment": "The offer came down."}]})

    @property
    def fields(self) -> dict[str, Json]:
        """What is changed: a field that is not given stays, as does a title or a list of attachments that is null."""
        given = {name: value for name, value in self.given().items() if name != "comment"}
        if given.get("title", "") is None:
            del given["title"]
        if "attachments" in given:
            given["attachments"] = attachments(self.attachments)
        return given


RECALLING, RESUBMISSION = Recalling(), Resubmission()


@routes.post("/approvals/{id}/recall", **documented("Take back what one has asked for", DONE, results.DECIDED))
async def recall(call: Calling, id: UUID, body: Annotated[Recalling, Default()] = RECALLING) -> Response:
    """Until it is resubmitted or withdrawn nobody decides, and its time limits stand still. Who may withdraw it may recall it."""
    engine = call.services.engine

    def recalls(view: View, asking: Asking) -> Decided:
        people = requesters(view, id, asking.who)
        return workflows.recall_approval(view, engine, id, people, asking.who.user_id, body.comment)

    return await _moved(call, commands.APPROVAL_RECALL, id, recalls)


@routes.post("/approvals/{id}/resubmit", **documented("Ask again, with changes", DONE, results.DECIDED))
async def resubmit(call: Calling, id: UUID, body: Annotated[Resubmission, Default()] = RESUBMISSION) -> Response:
    """What is not given stays as it is. Only those steps are asked again that look at something that has changed.

    Only who asked changes anything: somebody with `approvals:manage` may give it back as it was."""
    engine = call.services.engine

    def resubmits(view: View, asking: Asking) -> Decided:
        who, people = asking.who, requesters(view, id, asking.who)
        return workflows.resubmit_approval(view, engine, id, people, who.user_id, who.behind, comment=body.comment, **body.fields)

    return await _moved(call, commands.APPROVAL_RESUBMIT, id, resubmits)


async def _moved(call: Calling, spec: CommandSpec, id: UUID, decide: Any) -> Response:
    """As of a withdrawal: `approvals:request` or `approvals:manage` is enough where no execution asks."""
    held = (each for each in ("approvals:request", "approvals:manage") if call.session.rights.allows(each))
    spec = next(map(spec.for_themselves, held), spec)
    done = await call.handle(spec, call.to_command(call.tenant_id, spec, id), decide)
    return call.answer(done, call.tenant_id, versioned="approval")


@routes.get(
    "/approvals/{id}/versions",
    **paged("List what was asked, version by version", queries.VERSIONS, resources.APPROVAL_VERSION_SUMMARY),
)
async def list_versions(call: Calling, id: UUID) -> Response:
    """Each names in what it differs from the one before, by JSON pointers."""
    call.require("approvals:read")
    await call.row(STANDING, {"id": id})
    return await call.page(queries.VERSIONS, id=id)


@routes.get(
    "/approvals/{id}/versions/{number}",
    **documented("Get a version of what was asked", "The version", resources.APPROVAL_VERSION, parameters=PAST),
)
async def get_version(call: Calling, id: UUID, number: int) -> Response:
    """Its changes with what stood there before, and what does now."""
    call.require("approvals:read")
    if not 0 < number < 2**31:
        raise not_found()
    row, answer = await call.row(queries.VERSION, {"id": id, "number": number})
    before = row.pop("before")
    after = {name: row[name] for name in ("title", "description", "context", "attachments")}
    changes = [_with_values(each, before, after) for each in row["changes"]]
    return call.shown({**row, "changes": changes}, answer)


def _with_values(change: dict[str, Json], before: Json, after: Json) -> dict[str, Json]:
    """`before`, `after`: not there where nothing was, or is."""
    values = {"before": at(before, change["path"]), "after": at(after, change["path"])}
    return {**change, **{name: value for name, value in values.items() if value is not MISSING}}
