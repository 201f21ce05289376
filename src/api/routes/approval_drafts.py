"""Drafts of answers: what somebody has begun to answer, kept for them alone until they decide. They are no events."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field
from pydantic_core import to_json
from starlette.responses import Response

from api import answers, commands
from api.documented import Calling, documented
from api.models import Body, Name
from api.problems import Problem, not_found
from api.queries.approvals import STANDING
from api.routes.approvals import NobodyDecides
from api.routing import query, router
from api.schemas import results
from domain.approval import ApprovalClosed
from store import drafts
from store.drafts import Place

routes = router("approvals")

LARGEST = 65_536
"""Bytes of a draft as JSON."""
STEP = query("step", {"type": "string", "minLength": 1, "maxLength": 200}, "The step's name, of a request that asks in steps.")
Step = Annotated[str | None, Field(min_length=1, max_length=200)]


class DraftBody(Body):
    """Whatever the answer may have, not checked yet."""

    step: Name | None = None
    draft: Annotated[
        dict[str, Any],
        Field(description="What has been filled in so far: `outcome`, `comment`, `form`, or whatever the client keeps."),
    ]

    model_config = ConfigDict(json_schema_extra={"examples": [{"draft": {"outcome": "approved", "form": {"cost_centre": "47"}}}]})


@routes.put("/approvals/{id}/draft", **documented("Keep a draft of one's answer", "Kept", results.DRAFT, unrecorded=True))
async def save_draft(call: Calling, id: UUID, body: DraftBody) -> Response:
    """In the place of the one that there was. Nobody else sees it, and it goes with the decision."""
    await call.authorize(commands.APPROVAL_DRAFT, id)
    place = _place(call, id, body.step)
    if len(to_json(body.draft)) > LARGEST:
        raise Problem.at("/draft", "too_large", f"A draft has at most {LARGEST:,} bytes of JSON.")
    await _require_open(call, id)
    async with call.services.system_pool.connection() as connection:
        saved_at = await drafts.save(connection, place, body.draft)
    return answers.answer({"step": body.step, "draft": body.draft, "saved_at": saved_at})


@routes.get(
    "/approvals/{id}/draft",
    **documented("Get one's draft of an answer", "The draft", results.DRAFT, parameters=[STEP]),
)
async def get_draft(call: Calling, id: UUID) -> Response:
    step = _step(call)
    place = _place(call, id, step)
    found = await call.services.system_pool.read(lambda connection: drafts.read(connection, place))
    if found is None:
        raise not_found()
    return answers.answer({"step": step, "draft": found.draft, "saved_at": found.saved_at})


@routes.delete(
    "/approvals/{id}/draft",
    **documented("Drop one's draft of an answer", "Dropped", results.DROPPED_DRAFT, unrecorded=True, query=[STEP]),
)
async def drop_draft(call: Calling, id: UUID) -> Response:
    """Also where there is none."""
    await call.authorize(commands.APPROVAL_DRAFT, id)
    place = _place(call, id, _step(call))
    await call.row(STANDING, {"id": id})
    async with call.services.system_pool.connection() as connection:
        await drafts.drop(connection, place.tenant_id, place.user_id, id, place.step)
    return answers.answer({"dropped": True})


def _place(call: Calling, id: UUID, step: str | None) -> Place:
    call.require("approvals:decide")
    user_id = call.session.rights.user_id
    if user_id is None:
        raise NobodyDecides
    return Place(call.tenant_id, user_id, id, step or "")


def _step(call: Calling) -> str | None:
    step: str | None = call.request.query_params.get("step")
    if step is not None and not 1 <= len(step) <= 200:
        raise Problem.at("step", "invalid_value", "step must have 1 to 200 characters.")
    return step


async def _require_open(call: Calling, id: UUID) -> None:
    found, _ = await call.row(STANDING, {"id": id})
    status = found["status"]
    if status not in ("pending", "with_requester"):
        raise ApprovalClosed(f"The approval request is {status}.")
