"""Who held a permission at a moment, through which roles and keys; and when somebody did."""

from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import UUID

from starlette.responses import Response

from api import answers
from api.documented import Calling, documented
from api.listing import DEFAULT_LIMIT, MAX_LIMIT, UUID_, WHOLE, read_parameter
from api.looking_back import AS_OF, TOO_MUCH, Moment, PastPlatform, moment_of, past_of
from api.problems import Problem, not_found
from api.queries import eligible as queries
from api.reads import Question
from api.routing import query, require_tenant, router
from api.schemas import holders as shapes
from domain.access import Caller, rights
from domain.api_key import API_KEY, ApiKeyCreated
from domain.envelope import PLATFORM, RecordedEvent
from domain.facts import Refusal, View
from domain.member import MEMBER, MemberAdded, MemberRolesChanged
from domain.permission import PERMISSIONS
from engine.holding import Span, States, in_order, judge, spans
from projections.events_told import actor
from store.past import Past, TooLong
from store.reading import position_at

routes = router("access")

MOST_KEYS = 1_000
MOST_CHANGES = 5_000
"""Events that are judged one by one."""
KEYS = "SELECT id FROM projections.api_keys WHERE tenant_id = %(tenant_id)s ORDER BY id LIMIT %(most)s"
PARAMETERS = [
    query("permission", {"type": "string"}, "Which, e.g. `executions:start`. It must be given."),
    query(
        AS_OF, {"type": "string"}, "A time of RFC 3339, by when it was recorded, or a position in the ledger; now unless given."
    ),
    query("user_id", {"type": "string", "format": "uuid"}, "Of this member, the spans in which they held it, up to then."),
    query("limit", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}, "The most to look at."),
    query("cursor", {"type": "string", "format": "uuid"}, "`next_cursor` of the page before."),
]


@routes.get(
    "/permissions/history",
    **documented("See who held a permission, and when", "Who did, and through what", shapes.HOLDERS, parameters=PARAMETERS),
)
async def holders(call: Calling) -> Response:
    """As decisions would have found it, read from the ledger. Members whose roles give it, and who were kept from it, are told
    with `why_not`."""
    require_tenant(call)
    call.require("audit:read")
    given = call.request.query_params
    permission = given.get("permission")
    if permission not in PERMISSIONS:
        raise Problem.at("permission", "unknown_value", "permission must be one of those that GET /v1/permissions lists.")
    limit: int = read_parameter("limit", WHOLE, given.get("limit", str(DEFAULT_LIMIT)))
    if not 1 <= limit <= MAX_LIMIT:
        raise Problem.at("limit", "range", f"limit must be between 1 and {MAX_LIMIT}.")
    moment = await moment_of(call, given.get(AS_OF))
    head = {"permission": permission, "as_of": moment.now, "position": moment.position}
    past = past_of(call, moment.position)
    try:
        if "user_id" in given:
            user_id: UUID = read_parameter("user_id", UUID_, given["user_id"])
            told = await _spans(call, past, moment, user_id, permission)
            return answers.answer({**head, "items": [], "keys": [], "spans": told, "next_cursor": None})
        after = read_parameter("cursor", UUID_, given["cursor"]) if "cursor" in given else None
        return answers.answer({**head, "spans": [], **await _holders(call, past, moment, permission, limit, after)})
    except TooLong:
        raise Problem(422, "too_long", TOO_MUCH) from None


async def _holders(call: Calling, past: Past, moment: Moment, permission: str, limit: int, after: UUID | None) -> dict[str, Any]:
    about = {"tenant_id": call.tenant_id, "after": after, "limit": limit + 1}
    ((*rows,),) = (await call.rows([Question(queries.MEMBERS, about)])).rows
    people = [row["user_id"] for row in rows[:limit]]
    states = States(call.tenant_id)
    for record in in_order(await _events(call, past, moment, people)):
        states.take(record)
    judged = [(one, judge(states, one, permission)) for one in people]
    items = [
        {"user_id": one, "holds": found.holds, "roles": found.roles, "why_not": found.why_not}
        for one, found in judged
        if found.roles
    ]
    keys = await _keys(call, past, moment, permission) if after is None else []
    return {"items": items, "keys": keys, "next_cursor": str(people[-1]) if len(rows) > limit else None}


async def _spans(call: Calling, past: Past, moment: Moment, user_id: UUID, permission: str) -> list[dict[str, Any]]:
    records = await _events(call, past, moment, [user_id])
    if not past.events(user_id):
        raise not_found()
    if len(records) > MOST_CHANGES:
        raise TooLong(user_id)
    return [_span(each) for each in spans(call.tenant_id, user_id, permission, records)]


def _span(span: Span) -> dict[str, Any]:
    return {"roles": span.standing.roles, "since": _event(span.since), "until": span.until and _event(span.until)}


def _event(record: RecordedEvent) -> dict[str, Any]:
    """The platform's events have positions of another ledger, and who did them is the platform's matter."""
    own = record.tenant_id != PLATFORM
    return {
        "topic": record.topic,
        "position": record.position if own else None,
        "recorded_at": record.recorded_at,
        "stream_id": record.stream_id,
        "actor": actor(record) if own else None,
    }


async def _events(call: Calling, past: Past, moment: Moment, people: Sequence[UUID]) -> list[RecordedEvent]:
    """All that decides what they may: their memberships, the roles that they ever had, they themselves and the tenant."""
    await past.know(people)
    own = [record for one in people for record in past.events(one) if type(record.event) in MEMBER.events]
    given = {role for each in own if isinstance(each.event, MemberAdded | MemberRolesChanged) for role in each.event.role_ids}
    await past.know(given)
    reads = call.services.reads
    position = await reads.of_ledger(lambda conn: position_at(conn, PLATFORM, moment.now))
    platform = Past(PLATFORM, position, reads.of_ledger)
    await platform.know([call.tenant_id, *people])
    of_roles = [record for role in given for record in past.events(role)]
    of_platform = [record for stream in (call.tenant_id, *people) for record in platform.events(stream)]
    return [*own, *of_roles, *of_platform]


async def _keys(call: Calling, past: Past, moment: Moment, permission: str) -> list[dict[str, Any]]:
    """The tenant's keys by which it could be done, people's and services'. Raises TooLong: there are too many."""
    question = Question(KEYS, {"tenant_id": call.tenant_id, "most": MOST_KEYS + 1})
    ((*rows,),) = (await call.rows([question])).rows
    ids = [row["id"] for row in rows]
    if len(ids) > MOST_KEYS:
        raise TooLong(call.tenant_id)
    reads = call.services.reads
    platform = Past(PLATFORM, await reads.of_ledger(lambda conn: position_at(conn, PLATFORM, moment.now)), reads.of_ledger)
    await _know(past, platform, ids)
    made = [past.state(API_KEY, id) for id in ids]
    people = {each for key in made for each in (key.user_id, key.owner_id, key.on_behalf_of) if each is not None}
    await past.know(people)
    await past.know({role for one in people for role in past.state(MEMBER, one).role_ids})
    await platform.know([call.tenant_id, *people])
    asked = partial(_holding, ids=ids, permission=permission, platform=PastPlatform(platform), moment=moment)
    holding = await past.compute(call.services.handler.compute, asked, moment.now)
    keys = [(id, past.state(API_KEY, id)) for id in holding]
    return [
        {
            "id": id,
            "name": key.name,
            "user_id": key.user_id,
            "owner_id": key.owner_id,
            "on_behalf_of": key.on_behalf_of,
            "expires_at": key.expires_at,
        }
        for id, key in keys
    ]


def _holding(view: View, *, ids: Sequence[UUID], permission: str, platform: PastPlatform, moment: Moment) -> list[UUID]:
    found = []
    for id in ids:
        try:
            if rights(view, Caller(id, asked_at=moment.now), platform).allows(permission):
                found.append(id)
        except Refusal:
            continue
    return found


async def _know(past: Past, platform: Past, ids: Sequence[UUID]) -> None:
    """These keys and those that made them, of whichever ledger."""
    own, others = list(ids), list[UUID]()
    while own or others:
        await past.know(own)
        await platform.know(others)
        made = [
            record.event
            for ledger, some in ((past, own), (platform, others))
            for id in some
            for record in ledger.events(id)
            if isinstance(record.event, ApiKeyCreated) and record.event.made_by is not None
        ]
        own = [event.made_by for event in made if not event.by_platform and event.made_by is not None]
        others = [event.made_by for event in made if event.by_platform and event.made_by is not None]
