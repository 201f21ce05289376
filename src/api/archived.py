"""What is asked for by id and is in the archive: whoever follows an old link is told where it is."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from api.call import RequestContext
from api.looking_back import AS_OF
from api.problems import Problem
from api.queries.retention import ARCHIVED
from domain.approval import APPROVAL


@asynccontextmanager
async def told_where_it_is(
    call: RequestContext, execution_id: UUID | None = None, *, request_id: UUID | None = None
) -> AsyncIterator[None]:
    """Of an execution, or of an approval request: a 404 of what is in the archive says so. Raises Problem."""
    try:
        yield
    except Problem as problem:
        if problem.status != 404 or AS_OF in call.request.query_params:
            raise
        if request_id is not None:
            state, _ = await call.services.handler.read(call.tenant_id, APPROVAL, request_id)
            execution_id = state.execution_id
        if execution_id is None or not await _is_archived(call, execution_id):
            raise
        path = f"/v1/archived-executions/{execution_id}"
        detail = f"It is in the archive: GET {path}."
        raise Problem(404, "archived", detail, headers=problem.headers, extra={"href": path}) from problem


async def _is_archived(call: RequestContext, execution_id: UUID) -> bool:
    try:
        await call.row(ARCHIVED, {"id": execution_id})
    except Problem:
        return False
    return True
