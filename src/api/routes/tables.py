"""Single rows of the projected tables: as they stood at a moment, and the events that made them."""

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote
from uuid import UUID

from starlette.responses import Response

from api import answers
from api.documented import Calling, documented
from api.listing import DEFAULT_LIMIT, MAX_LIMIT, PAGE_BYTES, WHOLE, read_parameter
from api.looking_back import AS_OF
from api.names import as_seen_by, require_names
from api.past_reading import OF_PLATFORM, Past, too_much, unfoldable
from api.problems import Problem, not_found
from api.queries.access import OF_THEIRS, SEEN_USER
from api.reads import Question, Row
from api.requests import WRITTEN
from api.routing import query, router
from api.schemas import past as shapes
from api.schemas.schema import page
from api.table_rights import PERMISSIONS
from domain.envelope import PLATFORM
from projections.events_told import actor
from projections.past_rows import BY_NAME, PastRows, Step, TooMuch, Unfoldable
from projections.rows import Rows
from projections.table import STAMP, Key

routes = router("tables")

POSITION = "position"
WHOLE_VALUE_BYTES = 16 << 10
"""Larger values are cut in a history."""
WHEN = [
    query(AS_OF, {"type": "string"}, "As it stood: a time of RFC 3339, by when it was recorded, or a position in the ledger."),
    query(POSITION, {"type": "integer", "minimum": 1}, "As it stood after the event at this position; instead of `as_of`."),
]
PAGED = [
    query("limit", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}, "The most items."),
    query("cursor", {"type": "string"}, "`next_cursor` of the page before."),
]
NAMES = frozenset(("approval_steps", "approval_assignees", "approval_decisions", "approval_links", "approval_comments"))
OF_REQUESTS = NAMES | {"approval_watchers", "approval_versions", "approval_requests"}
"""Tables that say who is asked, and who decided."""
OF_THE_ARCHIVE = frozenset(("archived_executions", "archived_rows"))
"""What they hold never changes, and is made of more than can be folded for one question."""
AUDITED = "SELECT to_jsonb(a) AS row FROM projections.audit_logs a WHERE a.tenant_id = %(tenant_id)s AND a.position = %(id)s"


class Wanted(NamedTuple):
    """A row, by its key without the tenant: `id` as the path has it."""

    table: str
    id: str
    key: tuple[Any, ...]

    def of(self, ledger: UUID) -> Key:
        return (ledger, *self.key) if BY_NAME[self.table].key[0] == "tenant_id" else self.key

    @property
    def tables(self) -> tuple[str, ...]:
        """What is folded for it."""
        shown_by_requests = self.table in OF_REQUESTS or self.table == "execution_waits"
        return (self.table, "approval_requests") if shown_by_requests else (self.table,)


@routes.get(
    "/tables/{table}/{id}", **documented("Get a row as it stood", "The row", shapes.PAST_ROW, parameters=WHEN, tagged=False)
)
async def get(call: Calling, table: str, id: str) -> Response:
    """Any table's, by its key without the tenant: `id`, or the parts of the key in their order with commas between them.

    It is folded from the events that concern it, and so never stale. Who may read the resource may read its rows.
    """
    wanted = _wanted(call, table, id)
    given = call.request.query_params
    if AS_OF in given and POSITION in given:
        raise Problem.at(POSITION, "not_applicable", "Give a time or a position, not both.")
    name = POSITION if POSITION in given else AS_OF
    if POSITION in given:
        read_parameter(POSITION, WHOLE, given[POSITION])
    past = await Past.of(call, given.get(name), wanted.tables, name)
    if table == "audit_logs":
        row = await _audited(call, wanted, past.moment.position)
    else:
        await _require_seen(call, wanted)
        row = await _row(call, past, wanted)
    told = {"table": table, "id": id, "position": past.moment.position, "as_of": past.moment.now, "row": row}
    return answers.answer(told, 200, {"Gesta-Position": str(past.told)})


@routes.get(
    "/tables/{table}/{id}/history",
    **documented("See which events made a row", "Each event and what it changed", page(shapes.ROW_CHANGE), parameters=PAGED),
)
async def history(call: Calling, table: str, id: str) -> Response:
    """The oldest first. What other things' events only count in it, as an execution in its workflow, is in the row alone."""
    wanted = _wanted(call, table, id)
    if table == "audit_logs":
        raise not_found()
    if table in OF_PLATFORM:
        call.session.require_platform()  # whoever changed a user may belong to another tenant
    limit: int = read_parameter("limit", WHOLE, call.request.query_params.get("limit", str(DEFAULT_LIMIT)))
    if not 1 <= limit <= MAX_LIMIT:
        raise Problem.at("limit", "range", f"limit must be between 1 and {MAX_LIMIT}.")
    after: int = read_parameter("cursor", WHOLE, call.request.query_params.get("cursor", "0"))
    past = await Past.of(call, None, wanted.tables)
    steps = await _steps(past.rows, wanted, past.ledger)
    if not steps:
        raise not_found()
    if table in OF_REQUESTS or table == "execution_waits":
        await _require_names(call, past, wanted, steps[-1].after or steps[-1].before or {})
    return _page([step for step in steps if step.record.position > after], wanted, limit)


def _page(steps: list[Step], wanted: Wanted, limit: int) -> Response:
    items: list[dict[str, Any]] = []
    size = 0
    for step in steps[:limit]:
        item = _item(step, wanted)
        size += len(answers.to_json(item))
        if items and size > PAGE_BYTES:
            break
        items.append(item)
    cursor = str(items[-1]["position"]) if len(items) < len(steps) else None
    return answers.answer({"items": items, "next_cursor": cursor})


def _item(step: Step, wanted: Wanted) -> dict[str, Any]:
    record, before, after = step
    return {
        "position": record.position,
        "topic": record.topic,
        "stream_id": record.stream_id,
        "version": record.version,
        "occurred_at": record.occurred_at,
        "recorded_at": record.recorded_at,
        "actor": actor(record),
        "what": "created" if before is None else "deleted" if after is None else "changed",
        "changes": {
            name: [_cut(value, wanted, record.position - 1), _cut(now, wanted, record.position)]
            for name in BY_NAME[wanted.table].columns
            if name not in STAMP and (value := (before or {}).get(name)) != (now := (after or {}).get(name))
        },
    }


def _cut(value: Any, wanted: Wanted, position: int) -> Any:
    if not isinstance(value, str | dict | list) or len(answers.to_json(value)) <= WHOLE_VALUE_BYTES:
        return value
    return {"$cut": True, "href": f"/v1/tables/{wanted.table}/{quote(wanted.id, safe=',')}?position={position}"}


def _wanted(call: Calling, table: str, id: str) -> Wanted:
    """Raises Problem: there is no such table, and no such key in it; PermissionDenied."""
    permission = PERMISSIONS.get(table)
    if permission is None or table in OF_THE_ARCHIVE:
        raise not_found()
    call.require(permission)
    known = BY_NAME[table]
    names = [name for name in known.key if name != "tenant_id"]
    parts = id.split(",", len(names) - 1)
    if len(parts) != len(names):
        raise not_found()
    try:
        key = tuple(_typed(known.columns[name].type, part) for name, part in zip(names, parts, strict=True))
    except ValueError:
        raise not_found() from None
    return Wanted(table, id, key)


def _typed(kind: str, text: str) -> Any:
    """Written as in every address."""
    made = {"uuid": UUID, "integer": int, "bigint": int}.get(kind, str)
    if made is not str and not (WRITTEN[made].fullmatch(text) or (made is int and text == "0")):
        raise ValueError(text)
    return made(text)


async def _audited(call: Calling, wanted: Wanted, position: int) -> Any:
    """What is in the audit log never changes."""
    (rows,) = (await call.rows([Question(AUDITED, {"tenant_id": call.tenant_id, "id": wanted.key[0]}, by_key=True)])).rows
    if not rows:
        raise not_found()
    return rows[0]["row"] if wanted.key[0] <= position else None


async def _require_seen(call: Calling, wanted: Wanted) -> None:
    """Of the platform's people and tenants a tenant sees its own, as everywhere. Raises Problem."""
    if wanted.table == "users":
        (rows,) = (await call.rows([Question(SEEN_USER, {"id": wanted.key[0]}, by_key=True)], platform=True)).rows
        if not rows:
            raise not_found()
    if wanted.table == "tenants" and wanted.key[0] != call.tenant_id and call.tenant_id != PLATFORM:
        raise not_found()


async def _row(call: Calling, past: Past, wanted: Wanted) -> Row | None:
    key = wanted.of(past.ledger)
    rows = await _rows(past.rows, wanted, key)
    row = rows.find(wanted.table, *key)
    if row is None:
        now = await Past.of(call, None, wanted.tables)
        if not await _steps(now.rows, wanted, now.ledger):
            raise not_found()
        return None
    if wanted.table == "approval_requests":
        return as_seen_by(call.session.rights)(row)
    if wanted.table in OF_REQUESTS or wanted.table == "execution_waits":
        _require_shown(call, rows, past.ledger, row)
    is_whole = call.session.caller.platform or call.session.rights.user_id == wanted.key[0]
    if wanted.table == "users" and not is_whole:
        return {name: value for name, value in row.items() if name not in OF_THEIRS}
    return row


async def _require_names(call: Calling, past: Past, wanted: Wanted, row: Mapping[str, Any]) -> None:
    rows = await _rows(past.rows, wanted, wanted.of(past.ledger))
    _require_shown(call, rows, past.ledger, row)


def _require_shown(call: Calling, rows: Rows, ledger: UUID, row: Mapping[str, Any]) -> None:
    """Raises NamesHidden."""
    id = row["request_id"] if "request_id" in row else row.get("approval_id") or row["id"]
    request = rows.find("approval_requests", ledger, id)
    if request is not None:
        require_names(call.session.rights, request["visibility"], request["status"])


async def _rows(past: PastRows, wanted: Wanted, key: Key) -> Rows:
    try:
        return await past.rows(wanted.tables, await past.makers(wanted.table, key))
    except TooMuch:
        raise too_much() from None
    except Unfoldable as error:
        raise unfoldable(error) from error


async def _steps(past: PastRows, wanted: Wanted, ledger: UUID) -> list[Step]:
    key = wanted.of(ledger)
    try:
        return await past.steps(wanted.table, key, await past.makers(wanted.table, key))
    except TooMuch:
        raise too_much() from None
    except Unfoldable as error:
        raise unfoldable(error) from error
