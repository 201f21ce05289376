"""The inbox: what waits for the caller to decide, for themselves or in somebody else's place, and how much it is."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field
from starlette.responses import Response

from api import answers, commands
from api.documented import Calling, documented, paged
from api.listing import PageRequest
from api.models import Body, Name
from api.names import as_seen_by
from api.problems import Problem
from api.queries import inbox as queries
from api.reads import Row, freshness_headers
from api.routes.approvals import NobodyDecides
from api.routing import router
from api.schemas import resources
from api.strict_json import child
from api.substitutes import Substitutes, named, substitutes
from domain.facts import Json
from store import saved_filters

routes = router("approvals")

MOST_NAMES = 200
"""By which one statement looks for requests: one's own, and then those of whom one stands in for, as far as there is room."""
ROUNDS = 5
"""Pages that are read for one, where delegations are not for what is found."""
AT_A_TIME = 50
"""Rows that are judged before others have their turn."""
MOST_SAVED = 50
MOST_PARAMETERS = 20
Value = Annotated[str, Field(min_length=1, max_length=1_000)]
HIDDEN = ("able", *queries.UNSHOWN)


@dataclass(frozen=True)
class Mine:
    """What the caller is asked: `fixed` says by which names, in whose place and when, for the statements."""

    names: int
    fixed: dict[str, Any]
    standing: Substitutes

    @property
    def substituting(self) -> bool:
        return bool(self.standing.people)


@routes.get("/inbox", **paged("List what waits for the caller to decide", queries.inbox(1), resources.INBOX_ITEM))
async def inbox(call: Calling) -> Response:
    """One item for each open step in which the caller may choose an outcome and has not decided yet."""
    mine = await _mine(call)
    listing = queries.inbox(mine.names, substituting=mine.substituting)
    wanted = listing.parse(call.request.query_params, call.tenant_id, mine.fixed)
    items, shown = list[Row](), as_seen_by(call.session.rights)
    page, rounds = wanted, 0
    while True:
        answer = await call.rows([page.question()])
        (rows,) = answer.rows
        items += await _judged(rows, mine)
        more, rounds = rows[-1] if len(rows) > wanted.limit else None, rounds + 1
        if more is None or len(items) > wanted.limit or rounds == ROUNDS:
            break
        page = wanted.beyond(more)
    return answers.as_json(wanted.page([shown(item) for item in items], more), 200, freshness_headers(answer.freshness))


@routes.get(
    "/inbox/counts",
    **documented(
        "Count what waits for the caller to decide",
        "How much it is",
        resources.INBOX_COUNTS,
        parameters=[each for each in queries.inbox(1).parameters if each["name"] not in ("limit", "cursor", "order")],
        listed=True,
    ),
)
async def counts(call: Calling) -> Response:
    """Of what the filters leave. Up to 10,000 are counted, those due soonest first."""
    mine = await _mine(call)
    listing = queries.counted(mine.names, substituting=mine.substituting)
    filters = listing.read_filters(call.request.query_params)
    wanted = PageRequest(listing, call.tenant_id, queries.MOST_COUNTED, "due_at", filters, mine.fixed)
    answer = await call.rows([queries.counts(wanted, substituting=mine.substituting)])
    ((row,),) = answer.rows
    found = _counted(row, await _judged(row["others"][: queries.MOST_JUDGED], mine))
    return answers.answer(found, 200, freshness_headers(answer.freshness))


class SavedFilter(Body):
    """As the query of GET /inbox has it."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    filter: Annotated[dict[Name, Value], Field(max_length=MOST_PARAMETERS)]
    order: Name | None = None


class SavedFilters(Body):
    items: Annotated[list[SavedFilter], Field(max_length=MOST_SAVED)]

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"items": [{"name": "Urgent travel", "filter": {"workflow_key": "travel"}, "order": "-priority"}]}]
        }
    )


@routes.get(
    "/inbox/filters", **documented("List the caller's saved filters", "Their filters", resources.SAVED_FILTERS, parameters=[])
)
async def saved(call: Calling) -> Response:
    user_id = _person(call)
    found = await call.services.system_pool.read(lambda connection: saved_filters.read(connection, call.tenant_id, user_id))
    return answers.answer({"items": found})


@routes.put(
    "/inbox/filters",
    **documented("Save the caller's filters", "Their filters, as they are now", resources.SAVED_FILTERS, unrecorded=True),
)
async def save(call: Calling, body: SavedFilters) -> Response:
    """All of them, in the place of those that were saved before. They are a convenience, and no part of the ledger."""
    await call.authorize(commands.APPROVAL_SAVE_FILTERS)
    user_id = _person(call)
    _require_sound(body)
    items = [item.model_dump() for item in body.items]
    await call.services.system_pool.read(lambda connection: saved_filters.write(connection, call.tenant_id, user_id, items))
    return answers.answer({"items": items})


def _require_sound(body: SavedFilters) -> None:
    """Each is one that the inbox takes. Raises Problem."""
    listing, seen = queries.inbox(1), set[str]()
    for number, item in enumerate(body.items):
        pointer = f"/items/{number}"
        if item.name in seen:
            raise Problem.at(f"{pointer}/name", "duplicate", "There is a filter of this name already.")
        seen.add(item.name)
        for name, value in item.filter.items():
            if name not in listing.filters:
                raise Problem.at(child(f"{pointer}/filter", name), "unknown_parameter", f"The inbox has no filter {name}.")
            try:
                listing.filters[name].kind.read(value)
            except ValueError as error:
                raise Problem.at(child(f"{pointer}/filter", name), "value", f"{name} must be {error}.") from None
        if item.order is not None and item.order not in listing.orders:
            raise Problem.at(f"{pointer}/order", "unknown_value", f"order must be one of {', '.join(listing.orders)}.")


def _person(call: Calling) -> UUID:
    """Raises NobodyDecides."""
    call.require("approvals:decide")
    if call.session.rights.user_id is None:
        raise NobodyDecides
    return call.session.rights.user_id


async def _judged(rows: Sequence[Row], mine: Mine) -> list[Row]:
    """Those on which the caller decides, and in whose place."""
    if not mine.substituting:
        return [{**row, "standing_in_for": None} for row in rows]
    found: list[Row] = []
    for number, row in enumerate(rows):
        if number % AT_A_TIME == AT_A_TIME - 1:
            await asyncio.sleep(0)
        name = await mine.standing.name(row)
        if name is not None:
            shown = {column: value for column, value in row.items() if column not in HIDDEN}
            found.append({**shown, "standing_in_for": None if name == mine.standing.me else name})
    return found


def _counted(row: Row, others: Sequence[Row]) -> Json:
    """What is counted in the caller's own name, and `others`: in that of somebody else."""

    def by(name: str) -> Json:
        values = (str(other[name]) for other in others if other[name] is not None)
        return dict(Counter(row[name]) + Counter(values))

    return {
        "total": row["total"] + len(others),
        "overdue": row["overdue"] + sum(other["overdue"] for other in others),
        "claimed": row["claimed"] + sum(other["claimed"] for other in others),
        "by_priority": by("priority"),
        "by_workflow": by("workflow_key"),
        "by_step": by("step_name"),
        "by_requester": by("requested_by"),
        "standing_in_for": dict(Counter(str(other["standing_in_for"]) for other in others)),
        "more": row["more"] or len(row["others"]) > queries.MOST_JUDGED,
    }


async def _mine(call: Calling) -> Mine:
    """Raises NobodyDecides, and Problem for a filter that is none."""
    me, who = _person(call), call.session.rights
    filters = queries.inbox(1).read_filters(call.request.query_params)
    wanted = filters.get("standing_in_for")
    standing = await substitutes(call, wanted)
    alone = wanted not in (None, "nobody")
    by_name = named(None if alone else me, who.roles, standing.people)
    if "role" in filters:
        by_name = {name: people for name, people in by_name.items() if name == ("role", filters["role"])}
    names = dict(list(by_name.items())[: max(MOST_NAMES, 2 + len(who.roles))]) or {("user", ""): []}
    return Mine(
        len(names),
        {
            "me": me,
            "my_kinds": [kind for kind, _ in names],
            "my_values": [value for _, value in names],
            "my_people": [",".join(map(str, people)) for people in names.values()],
            "my_ids": [*map(str, who.people)],
            "my_voices": [str(one) for one in (me, *(person.id for person in standing.people))],
            "of_others": filters.get("claimed_by") == "others",
            "now": standing.looking.view.now,
        },
        standing,
    )
