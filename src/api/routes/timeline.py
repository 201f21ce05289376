"""An execution's timeline: what happened in it, and how long each thing took."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from uuid import UUID

from starlette.responses import Response

from api import answers
from api.archived import told_where_it_is
from api.documented import Calling, documented
from api.listing import DEFAULT_LIMIT, FRESHNESS, MAX_LIMIT, WHOLE, read_parameter
from api.names import sees_names
from api.problems import Problem
from api.queries.timeline import TIMELINE
from api.reads import freshness_headers
from api.routing import query, router
from api.schemas import timeline as shapes
from api.schemas.schema import page

routes = router("executions")

PARAMETERS = [
    query("limit", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}, "The most items."),
    query("cursor", {"type": "string"}, "`next_cursor` of the page before."),
    *FRESHNESS,
]


@routes.get(
    "/executions/{id}/timeline",
    **documented(
        "Read an execution's timeline", "What happened, by when it began", page(shapes.ENTRY), parameters=PARAMETERS, listed=True
    ),
)
async def timeline(call: Calling, id: UUID) -> Response:
    """Visits of nodes, approval requests and decisions, AI tasks with their turns and calls of tools, children, what is waited
    for, and what was done with the execution, by whom.

    Approvals are shown to who has approvals:read, what AI tasks did to who has ai_tasks:read."""
    call.require("executions:read")
    given = call.request.query_params
    limit: int = read_parameter("limit", WHOLE, given.get("limit", str(DEFAULT_LIMIT)))
    if not 1 <= limit <= MAX_LIMIT:
        raise Problem.at("limit", "range", f"limit must be between 1 and {MAX_LIMIT}.")
    at, kind, last = _after(given.get("cursor"))
    who = call.session.rights
    seen = {"sees_names": sees_names(who), "me": list(who.people)}
    seen |= {"sees_approvals": who.allows("approvals:read"), "sees_ai_tasks": who.allows("ai_tasks:read")}
    wanted = {"after_at": at, "after_kind": kind, "after_id": last, "limit": limit + 1}
    async with told_where_it_is(call, id):
        row, answer = await call.row(TIMELINE, {"id": id, **seen, **wanted})
    items = row["items"][:limit]
    cursor = _cursor(items[-1]) if len(row["items"]) > limit else None
    return answers.answer({"items": items, "next_cursor": cursor}, 200, freshness_headers(answer.freshness))


def _cursor(item: dict[str, str]) -> str:
    return urlsafe_b64encode(f"{item['at']} {item['kind']} {item['id']}".encode()).rstrip(b"=").decode()


def _after(cursor: str | None) -> tuple[datetime | None, str | None, str | None]:
    """The last entry of the page before. Raises Problem."""
    if cursor is None:
        return None, None, None
    try:
        at, kind, id = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().split(" ")
        return datetime.fromisoformat(at), kind, id
    except ValueError:
        raise Problem.at("cursor", "cursor", "cursor does not belong to this list.") from None
