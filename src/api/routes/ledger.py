"""What happened: the audit log, the events, and one execution's history."""

from uuid import UUID

from starlette.responses import Response

from api import answers, following, headers
from api.changing import page_with_changes
from api.documented import Calling, documented, paged
from api.listing import BOOLEAN, DEFAULT_LIMIT, MAX_LIMIT, PAGE_BYTES, UUID_, WHOLE, read_parameter
from api.problems import Problem, not_found
from api.queries.audit import AUDIT_LOGS
from api.queries.ledger import history_item
from api.routing import query, router
from api.schemas import events, resources
from api.schemas.schema import page
from domain.envelope import RecordedEvent, Unread
from domain.execution import ExecutionStarted
from projections.events_told import event_item
from runtime.pools import Connection
from store.reading import head, read_ledger, read_stream
from store.topics import UnknownTopic, topics_named

routes = router("events")

LIMIT = query(
    "limit", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}, "The most items in the answer."
)
AFTER = query("after", {"type": "integer", "minimum": 0, "default": 0}, "Only events above this position.")
TOPICS_WANTED = query(
    "topics",
    {"type": "string"},
    "Only these topics, separated by commas: `execution.started.v1`, `execution.started`, `execution.*`.",
)
STREAM = query("stream_id", {"type": "string", "format": "uuid"}, "Only what happened to this.")
LEAST_DATA = 1_000
MAX_DATA = query(
    "max_data_bytes",
    {"type": "integer", "minimum": LEAST_DATA},
    "Larger `data` are told by reference: `{$cut, href, bytes}`.",
)
LAST_EVENT_ID = {
    "name": "Last-Event-ID",
    "in": "header",
    "required": False,
    "schema": {"type": "integer", "minimum": 0},
    "description": "For server-sent events: the position seen last. Takes precedence over `after`.",
}
CURSOR = query("cursor", {"type": "string"}, "`next_cursor` of the page before.")


CHANGES = query(
    "changes", {"type": "boolean", "default": False}, "With `stream_id`: what each event changed in the thing's state, too."
)


@routes.get("/audit-logs", **paged("List the audit log", AUDIT_LOGS, resources.AUDIT_LOG))
async def list_audit_logs(call: Calling) -> Response:
    call.require("audit:read")
    return await call.page(AUDIT_LOGS)


@routes.get(
    "/events",
    **documented(
        "Read the events",
        "Events by position",
        page(events.EVENT),
        parameters=[AFTER, TOPICS_WANTED, STREAM, CHANGES, MAX_DATA, LIMIT, CURSOR, LAST_EVENT_ID],
        also={following.MEDIA_TYPE: {"schema": {"type": "string"}}},
    ),
)
async def list_events(call: Calling) -> Response:
    """In the order of the ledger. `next_cursor` is None at its end; go on later with `after` = the last position seen.

    With `Accept: text/event-stream` the answer goes on as the ledger grows, from after `Last-Event-ID` or `after`.
    """
    call.require("events:read")
    given = call.request.query_params
    last_seen = _last_seen(call)
    if headers.prefers(call.request.headers.getlist("accept"), following.MEDIA_TYPE, "application/json"):
        return await _follow(call, last_seen)
    limit = _limit(call)
    start = "cursor" if "cursor" in given else "after"
    after = read_parameter(start, WHOLE, given.get(start, "0"))
    wanted = _wanted(call)
    if read_parameter("changes", BOOLEAN, given.get("changes", "false")):
        if wanted.stream_id is None or "max_data_bytes" in given:
            raise Problem.at("changes", "not_applicable", "changes are told of one stream, whole: name it with stream_id.")
        return await page_with_changes(call, wanted.stream_id, after, limit, wanted.topics)
    found = await call.services.reads.of_ledger(
        lambda connection: read_ledger(
            connection,
            call.tenant_id,
            after,
            limit + 1,
            wanted.topics,
            most_bytes=PAGE_BYTES,
            stream_id=wanted.stream_id,
            also_unread=True,
        )
    )
    if not found:
        await _require_reached(call, start, after)
    cursor = str(found[:limit][-1].position) if _more(found, limit) else None
    items = [event_item(record, wanted.most_bytes) for record in found[:limit]]
    return answers.answer({"items": items, "next_cursor": cursor})


def _last_seen(call: Calling) -> int | None:
    text = headers.once(call.request, "Last-Event-ID")
    return None if text is None else read_parameter("Last-Event-ID", WHOLE, text)


async def _require_reached(call: Calling, name: str, after: int) -> None:
    """Who has seen what is not in the ledger, as after a restore, would wait for it and miss what comes in its place."""
    end = await call.services.reads.of_ledger(lambda connection: head(connection, call.tenant_id)) if after else None
    if end is not None and after > end.position:
        raise Problem.at(name, "range", f"The ledger ends at position {end.position}.")


async def _follow(call: Calling, last_seen: int | None) -> Response:
    given = call.request.query_params
    for name in ("limit", "cursor", "changes"):
        if name in given:
            raise Problem.at(name, "not_applicable", f"{name} applies to pages only; this answer has no end.")
    after = read_parameter("after", WHOLE, given.get("after", "0")) if last_seen is None else last_seen
    wanted = _wanted(call)
    await _require_reached(call, "after" if last_seen is None else "Last-Event-ID", after)
    return following.follow(call, after, wanted)


@routes.get(
    "/executions/{id}/history",
    **documented("Read an execution's history", "Its steps", page(events.STEP), parameters=[LIMIT, CURSOR]),
)
async def history(call: Calling, id: UUID) -> Response:
    """In the order in which it happened, read from the ledger: never stale."""
    call.require("executions:read")
    limit = _limit(call)
    after = read_parameter("cursor", WHOLE, call.request.query_params.get("cursor", "0"))

    async def ask(connection: Connection) -> list[RecordedEvent]:
        first = await read_stream(connection, call.tenant_id, id, 0, 1, also_unread=True)
        if not first or not _starts_execution(first[0]):
            raise not_found()
        return await read_stream(connection, call.tenant_id, id, after, limit + 1, most_bytes=PAGE_BYTES, also_unread=True)

    found = await call.services.reads.of_ledger(ask)
    items = [history_item(record) for record in found[:limit]]
    cursor = str(found[:limit][-1].version) if _more(found, limit) else None
    return answers.answer({"items": items, "next_cursor": cursor})


def _more(found: list[RecordedEvent], limit: int) -> bool:
    """Whether another page follows; it may turn out to be empty where this one ended because of its bytes."""
    return len(found) > limit or sum(len(record.payload) for record in found) >= PAGE_BYTES


def _starts_execution(record: RecordedEvent) -> bool:
    """A newer release may have another version of the topic."""
    if isinstance(record.event, Unread):
        return record.topic.startswith("execution.started.")
    return isinstance(record.event, ExecutionStarted)


def _limit(call: Calling) -> int:
    limit: int = read_parameter("limit", WHOLE, call.request.query_params.get("limit", str(DEFAULT_LIMIT)))
    if not 1 <= limit <= MAX_LIMIT:
        raise Problem.at("limit", "range", f"limit must be between 1 and {MAX_LIMIT}.")
    return limit


def _wanted(call: Calling) -> following.Wanted:
    given = call.request.query_params
    stream = given.get("stream_id")
    stream_id = None if stream is None else read_parameter("stream_id", UUID_, stream)
    most = given.get("max_data_bytes")
    most_bytes = None if most is None else read_parameter("max_data_bytes", WHOLE, most)
    if most_bytes is not None and most_bytes < LEAST_DATA:
        raise Problem.at("max_data_bytes", "range", f"max_data_bytes must be {LEAST_DATA} or more.")
    return following.Wanted(_topics(given.get("topics")), stream_id, most_bytes)


def _topics(text: str | None) -> tuple[str, ...] | None:
    """The stored topics of the events that are wanted: a newer or older version of a topic is the same kind of event."""
    if text is None:
        return None
    try:
        return topics_named(text.split(","))
    except UnknownTopic as error:
        raise Problem.at("topics", "unknown_value", f"There is no topic {error.topic!r}.") from None
