"""Limits of concurrency and of rate: by tenant, workflow, node, type of job and key, changed while everything runs."""

from typing import Annotated
from uuid import UUID

from fastapi import Body as Default
from pydantic import ConfigDict, Field
from starlette.responses import Response

from api import commands
from api.documented import Calling, documented, paged
from api.models import NO_REASON, Body, Reason
from api.problems import Problem
from api.queries.limits import LIMITS
from api.routing import router
from api.schemas import limits as schemas
from domain import limit
from domain.limit import Scope
from engine.invalid import InvalidValue
from engine.limits import MAX_LIMIT, span

routes = router("limits")


class RateGiven(Body):
    count: Annotated[int, Field(ge=1, le=MAX_LIMIT)]
    per: Annotated[str, Field(max_length=50)]


class NewLimit(Body):
    scope: Scope
    name: Annotated[str, Field(max_length=200)] = ""
    concurrency: Annotated[int | None, Field(ge=0, le=MAX_LIMIT)] = None
    rate: RateGiven | None = None

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"scope": "job_type", "name": "send-mail", "concurrency": 20, "rate": {"count": 100, "per": "PT1S"}}]
        }
    )


@routes.post("/limits", **documented("Set a limit, or change it", "The limit", schemas.LIMIT_RESULT))
async def set_one(call: Calling, body: NewLimit) -> Response:
    """There is one for each `scope` and `name`; set again, the new one holds from then on. What is leased stays leased."""
    rate = None if body.rate is None else _rate(body.rate)
    return await call.command(
        commands.LIMIT_SET, lambda view, _who: limit.set_limit(view, body.scope, body.name, body.concurrency, rate)
    )


@routes.get("/limits", **paged("List the limits in force", LIMITS, schemas.LIMIT))
async def list_limits(call: Calling) -> Response:
    call.require("executions:read")
    return await call.page(LIMITS)


@routes.delete("/limits/{id}", **documented("Remove a limit", "The limit, as it was", schemas.LIMIT_RESULT))
async def remove(call: Calling, id: UUID, body: Annotated[Reason, Default()] = NO_REASON) -> Response:
    """What it held back goes on."""
    return await call.command(commands.LIMIT_REMOVE, lambda view, _who: limit.remove(view, id, body.reason), id)


def _rate(given: RateGiven) -> limit.Rate:
    try:
        return limit.Rate(given.count, given.per, span(given.per))
    except InvalidValue as error:
        raise Problem.at("/rate/per", "invalid_value", f"{error}.") from None
