"""How long finished executions stay in the tables, and the archive that they go to."""

from typing import Annotated
from uuid import UUID

from fastapi import Body as Default
from fastapi import Path
from pydantic import ConfigDict, Field
from starlette.responses import Response

from api import commands
from api.documented import Calling, documented, paged
from api.listing import FRESHNESS
from api.models import NO_REASON, Body, Reason
from api.queries import retention as queries
from api.routing import router
from api.schemas import resources, results
from domain import retention
from domain.retention import MOST_DAYS

routes = router("retention")


class PolicyGiven(Body):
    days: Annotated[int, Field(ge=1, le=MOST_DAYS)]
    workflow_key: Annotated[str, Field(min_length=1, max_length=63)] | None = None

    model_config = ConfigDict(json_schema_extra={"examples": [{"days": 90, "workflow_key": "travel"}]})


@routes.post(
    "/retention", **documented("Say after how many days finished executions are archived", "The policy", results.RETENTION_RESULT)
)
async def set_days(call: Calling, body: PolicyGiven) -> Response:
    """Of one workflow, or of all that have no policy of their own. It holds at once, for what is over already too."""
    return await call.command(commands.RETENTION_SET, lambda view, _who: retention.set_days(view, body.workflow_key, body.days))


@routes.get("/retention", **paged("List retention policies", queries.POLICIES, resources.RETENTION_POLICY))
async def list_policies(call: Calling) -> Response:
    call.require("tenants:read")
    return await call.page(queries.POLICIES)


@routes.delete("/retention/{id}", **documented("Remove a retention policy", "The policy, as it was", results.RETENTION_RESULT))
async def remove(call: Calling, id: UUID, body: Annotated[Reason, Default()] = NO_REASON) -> Response:
    """What is in the archive stays there."""
    return await call.command(commands.RETENTION_REMOVE, lambda view, _who: retention.remove(view, id, body.reason), id)


@routes.get(
    "/archived-executions", **paged("List archived executions", queries.ARCHIVED_EXECUTIONS, resources.ARCHIVED_EXECUTION)
)
async def list_archived(call: Calling) -> Response:
    """Finished executions that have left the other lists. Their events, and the audit log, are where they were."""
    call.require("executions:read")
    return await call.page(queries.ARCHIVED_EXECUTIONS)


@routes.get(
    "/archived-executions/{id}",
    **documented("Get an archived execution", "The execution", resources.ARCHIVED_EXECUTION, parameters=FRESHNESS),
)
async def get_archived(call: Calling, id: UUID) -> Response:
    call.require("executions:read")
    return await call.one(queries.ARCHIVED, {"id": id})


@routes.get("/archived-executions/{id}/rows", **paged("List what the tables held of it", queries.PARTS, resources.ARCHIVED_PART))
async def list_parts(call: Calling, id: UUID) -> Response:
    """Which tables, and how many rows; some rows are a part."""
    call.require("audit:read")
    await call.row(queries.ARCHIVED, {"id": id})
    return await call.page(queries.PARTS, id=id)


@routes.get(
    "/archived-executions/{id}/rows/{key}/{number}",
    **documented("Get rows that a table held of it", "The rows", resources.ARCHIVED_ROWS, parameters=FRESHNESS),
)
async def get_part(
    call: Calling,
    id: UUID,
    key: Annotated[str, Path(description="The name of the table.")],
    number: Annotated[int, Path(ge=1, lt=1 << 31, description="The part, from 1.")],
) -> Response:
    """As they were when it was archived."""
    call.require("audit:read")
    return await call.one(queries.PART, {"id": id, "table": key, "part": number})
