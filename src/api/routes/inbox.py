"""The inbox: what waits for the caller to decide, and how much it is."""

from typing import Any

from starlette.responses import Response

from api import answers
from api.documented import Calling, documented, paged
from api.listing import FRESHNESS
from api.names import as_seen_by
from api.queries import inbox as queries
from api.reads import Question, freshness_headers
from api.routes.approvals import NobodyDecides
from api.routing import router
from api.schemas import resources

routes = router("approvals")


@routes.get("/inbox", **paged("List what waits for the caller to decide", queries.inbox(1), resources.INBOX_ITEM))
async def inbox(call: Calling) -> Response:
    """One item for each open step in which the caller may choose an outcome and has not decided yet."""
    mine = _mine(call)
    return await call.page(queries.inbox(len(mine["my_kinds"])), shown=as_seen_by(call.session.rights), **mine)


@routes.get(
    "/inbox/counts",
    **documented(
        "Count what waits for the caller to decide",
        "How much it is",
        resources.INBOX_COUNTS,
        parameters=[*FRESHNESS],
        listed=True,
    ),
)
async def counts(call: Calling) -> Response:
    """Up to 10,000 are counted, those due soonest first."""
    mine = _mine(call)
    statement = queries.counts(len(mine["my_kinds"]))
    answer = await call.rows([Question(statement, {"tenant_id": call.tenant_id, "limit": queries.MOST_COUNTED + 1, **mine})])
    ((row,),) = answer.rows
    return answers.answer(row, 200, freshness_headers(answer.freshness))


def _mine(call: Calling) -> dict[str, Any]:
    """By which names the caller is asked, who must not be excluded, and what time it is. Raises NobodyDecides."""
    call.require("approvals:decide")
    who = call.session.rights
    if who.user_id is None:
        raise NobodyDecides
    names = [("user", str(who.user_id)), ("anyone", ""), *(("role", role) for role in sorted(who.roles))]
    return {
        "me": who.user_id,
        "my_kinds": [kind for kind, _ in names],
        "my_values": [value for _, value in names],
        "my_ids": [str(one) for one in (who.user_id, *sorted(who.behind))],
        "now": call.services.clock.now(),
    }
