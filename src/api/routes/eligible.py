"""Who may decide an approval request, or might have at an earlier time: from the ledger, and not from the tables."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

from starlette.responses import Response

from api import answers
from api.documented import Calling, documented
from api.listing import BOOLEAN, DEFAULT_LIMIT, MAX_LIMIT, WHOLE, read_parameter
from api.looking_back import AS_OF, TOO_MUCH, Moment, moment_of, past_of, past_platform
from api.names import require_names
from api.problems import Problem, not_found
from api.queries import eligible as queries
from api.reads import Question
from api.routing import query, router
from api.schemas import eligible as shapes
from domain.approval import APPROVAL, Approval, ApprovalRequested
from domain.delegation import MOST_STEPS, delegations_of
from domain.execution import ExecutionPaused, ExecutionResumed, ExecutionStarted
from domain.facts import Refusal, View
from domain.member import MEMBER
from engine.eligible import Judged, closed_by, judge
from store.past import Past, TooLong

routes = router("approvals")

LIMIT = query(
    "limit", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}, "The most people in the answer."
)
PARAMETERS = [
    query(
        AS_OF, {"type": "string"}, "A time of RFC 3339, by when it was recorded, or a position in the ledger; now unless given."
    ),
    query("may", {"type": "boolean"}, "Only those who may, or who may not. A page may then have fewer people, even none."),
    LIMIT,
    query("cursor", {"type": "string"}, "`next_cursor` of the page before."),
]
OF_EXECUTION = (ExecutionStarted, ExecutionPaused, ExecutionResumed)


class Wanted(NamedTuple):
    """Which members. `after`: the last of the page before."""

    limit: int
    after: UUID | None
    may: bool | None


@routes.get(
    "/approvals/{id}/eligible",
    **documented("See who may decide an approval request, and why", "Members and why", shapes.ELIGIBLE, parameters=PARAMETERS),
)
async def eligible(call: Calling, id: UUID) -> Response:
    """Of each member whether they may decide, and how, or why not; also as it was at an earlier time."""
    call.require("approvals:read")
    params = call.request.query_params
    limit: int = read_parameter("limit", WHOLE, params.get("limit", str(DEFAULT_LIMIT)))
    if not 1 <= limit <= MAX_LIMIT:
        raise Problem.at("limit", "range", f"limit must be between 1 and {MAX_LIMIT}.")
    may = None if "may" not in params else read_parameter("may", BOOLEAN, params["may"])
    after, position = _after(params.get("cursor"), id)
    moment = await moment_of(call, params.get(AS_OF, position))
    past = past_of(call, moment.position)
    try:
        approval = await _approval(call, past, id)
        return await _page(call, past, moment, id, approval, Wanted(limit, after, may))
    except TooLong:
        raise Problem(422, "too_long", TOO_MUCH) from None


async def _approval(call: Calling, past: Past, id: UUID) -> Approval:
    """Raises Problem: there is none, or there was none yet; PermissionDenied where its names are not for the caller."""
    await past.know([id])
    events = past.events(id)
    if not events:
        state, _ = await call.services.handler.read(call.tenant_id, APPROVAL, id)
        if state.status == "absent":
            raise not_found()
        raise Problem.at(AS_OF, "before_request", "The approval request had not been made yet.")
    if not isinstance(events[0].event, ApprovalRequested):
        raise not_found()
    approval = past.state(APPROVAL, id)
    require_names(call.session.rights, events[0].event.visibility, approval.status)
    if approval.execution_id is not None:
        await past.know([approval.execution_id], OF_EXECUTION)
    return approval


async def _page(call: Calling, past: Past, moment: Moment, id: UUID, approval: Approval, wanted: Wanted) -> Response:
    about = {"tenant_id": call.tenant_id, "after": wanted.after, "limit": wanted.limit + 1}
    ((*rows,),) = (await call.rows([Question(queries.MEMBERS, about)])).rows
    people = [row["user_id"] for row in rows[: wanted.limit]]
    givers = await _givers(call, people)
    everybody = [*people, *(giver for some in givers.values() for giver in some)]
    await _know(past, everybody)
    platform = await past_platform(call, moment, everybody)
    engine = call.services.engine

    def judged(view: View) -> tuple[list[Judged], Refusal | None]:
        each = [judge(view, engine, platform, id, one, givers.get(one, ())) for one in people]
        return each, closed_by(view, view.read(APPROVAL, id), platform)

    found, refusal = await past.compute(call.services.handler.compute, judged, moment.now)
    items = [_item(each) for each in found if wanted.may in (None, bool(each.ways))]
    cursor = _cursor(people[-1], id, moment) if len(rows) > wanted.limit else None
    head: dict[str, Any] = {
        "id": id,
        "as_of": moment.now,
        "position": moment.position,
        "status": approval.status,
        "closed_by": refusal and _told(refusal),
    }
    return answers.answer({**head, "items": items, "next_cursor": cursor})


def _told(refusal: Refusal) -> Mapping[str, str]:
    return {"code": refusal.code, "message": refusal.message}


async def _givers(call: Calling, people: list[UUID]) -> Mapping[UUID, list[UUID]]:
    about = {"tenant_id": call.tenant_id, "people": people, "most_steps": MOST_STEPS, "most": queries.MOST_GIVERS}
    ((*rows,),) = (await call.rows([Question(queries.GIVERS, about)])).rows
    givers: defaultdict[UUID, list[UUID]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row["person"], row["giver"])):
        givers[row["person"]].append(row["giver"])
    return givers


async def _know(past: Past, people: list[UUID]) -> None:
    """All that is read of them, in a few questions."""
    await past.know(people)
    roles = {role for one in people for role in past.state(MEMBER, one).role_ids}
    await past.know([*roles, *(delegations_of(past.tenant_id, one) for one in people)])


def _item(one: Judged) -> dict[str, Any]:
    refusal = one.why_not
    return {
        "user_id": one.user_id,
        "may": bool(one.ways),
        "ways": [
            {
                "step": way.step,
                "outcome": way.outcome,
                "through": way.through,
                "role": way.role,
                "on_behalf_of": way.on_behalf_of,
                "passed_on_by": list(way.passed_on_by),
            }
            for way in one.ways
        ],
        "why_not": None if refusal is None else _told(refusal),
        "may_override": one.may_override,
    }


def _cursor(last: UUID, id: UUID, moment: Moment) -> str:
    """Of this request as of this position, whatever has happened since."""
    return urlsafe_b64encode(last.bytes + id.bytes + moment.position.to_bytes(8)).rstrip(b"=").decode()


def _after(cursor: str | None, id: UUID) -> tuple[UUID | None, str | None]:
    """The last of the page before, and as of which position that was. Raises Problem."""
    if cursor is None:
        return None, None
    try:
        packed = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except ValueError:
        packed = b""
    if len(packed) != 40 or packed[16:32] != id.bytes:
        raise Problem.at("cursor", "cursor", "cursor does not belong to this list.")
    return UUID(bytes=packed[:16]), str(int.from_bytes(packed[32:]))
