"""Workflows as tools: those whose published version has a trigger that says so, for everybody who may start executions."""

from typing import Any, NamedTuple

from psycopg import sql
from starlette.datastructures import QueryParams

from api import commands, headers
from api.answers import to_json
from api.call import RequestContext
from api.listing import Listing
from api.mcp.cutting import MOST_VALUE, cut, picked
from api.mcp.of_executions import GET, WAIT, WAITS
from api.mcp.shapes import ANY, ID, TEXT, said
from api.mcp.tools import Invocation, answered
from api.mcp.within import KEY_HEADER, inner
from api.queries.common import by_creation, two_ways
from api.reads import Row
from domain.facts import Json
from domain.trigger import TOOL, tool_of
from engine.triggers.calling import start_by_call

MOST_TOOLS = 50
"""In one page."""
MOST_SCHEMA = 32_000
"""Characters of a schema that is shown."""
MOST_DESCRIBED = 1_500
MIRRORED = "x-mcp-header"
"""By this a schema asks for arguments to be sent as headers as well, for which there is no use here."""
MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
"""Keywords whose members are schemas, by names of the author's."""

LISTED = sql.SQL("""
SELECT t.id, t.created_at, t.name, t.config, w.key, w.name AS workflow_name, w.description, w.input_schema
  FROM projections.workflow_triggers t
  JOIN projections.workflows w ON w.tenant_id = %(tenant_id)s AND w.id = t.workflow_id
 WHERE t.tenant_id = %(tenant_id)s AND t.status = 'active' AND t.type = 'mcp'
""")
TOOLS = Listing("mcp-tools", two_ways("created_at", by_creation(LISTED, "t.created_at", "t.id"), newest_first=False))
ANSWERS = {
    "execution_id": ID,
    "status": TEXT,
    "output": said(ANY, "What it came to, where it is completed, and not too large to show."),
    "output_cut": said(TEXT, "The beginning of an output that is."),
    "error": TEXT,
    "error_details": ANY,
    "waits_for": said(ANY, "What it waits for, where it is not over."),
}


GIVEN_UP = ("failed", "cancelled")


class Page(NamedTuple):
    tools: list[Json]
    next_cursor: str | None


async def page(call: RequestContext, cursor: str | None) -> Page:
    """Those that the caller may start. Raises Problem for a cursor that belongs to another list."""
    asked = QueryParams({"limit": str(MOST_TOOLS), **({} if cursor is None else {"cursor": cursor})})
    wanted = TOOLS.parse(asked, call.tenant_id, {})
    permission = commands.EXECUTION_START.permission
    if permission is not None and not call.session.rights.allows(permission):
        return Page([], None)
    (rows,) = (await call.rows([wanted.question()])).rows
    more = wanted.cursor(rows[MOST_TOOLS - 1]) if len(rows) > MOST_TOOLS else None
    return Page([described(row) for row in rows[:MOST_TOOLS]], more)


def described(row: Row) -> Json:
    """As `tools/list` tells it."""
    config, title = row["config"], row["name"] or row["workflow_name"]
    words = cut(config.get("description") or row["description"] or f"Start the workflow {title}.", MOST_DESCRIBED)
    schema = _without_mirrors(row["input_schema"])
    if not isinstance(schema, dict):
        schema = {}
    elif len(to_json(schema)) > MOST_SCHEMA:
        schema, words = {}, f"{words} (The schema of its input is too large to be shown here.)"
    hints = {"readOnlyHint": False, "destructiveHint": False, "idempotentHint": False, "openWorldHint": True}
    return {
        "name": tool_of(config, row["key"]),
        "title": title,
        "description": words,
        "inputSchema": {**schema, "type": "object"},
        "outputSchema": {"type": "object", "properties": ANSWERS, "required": ["execution_id", "status"]},
        "annotations": {"title": title, **hints},
    }


def _without_mirrors(schema: Json, *, is_map: bool = False) -> Json:
    if isinstance(schema, list):
        return [_without_mirrors(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {name: each for name, each in schema.items() if is_map or name != MIRRORED}
    return {name: _without_mirrors(each, is_map=not is_map and name in MAPS) for name, each in kept.items()}


async def called(call: RequestContext, name: str, arguments: Json) -> Json | None:
    """The result of a call. None where there is no tool of this name."""
    if len(name) > 200 or await call.services.handler.lookup(call.tenant_id, TOOL, name) is None:
        return None
    key = headers.once(call.request, KEY_HEADER)

    async def run(asked: Invocation) -> Json:
        return await _started(asked, name)

    result = await answered(run, Invocation(call, arguments, key))
    told = result["structuredContent"]
    return {**result, "isError": result["isError"] or told["status"] in GIVEN_UP}


async def _started(asked: Invocation, name: str) -> Json:
    call = asked.call
    sent = to_json(asked.given)
    request = inner(call.request, "POST", "/mcp/tools/{name}", sent, {"name": name}, None, asked.key)
    await request.read_bytes()
    within, engine = RequestContext(request, call.services, call.session), call.services.engine
    done = await within.decide(
        commands.EXECUTION_START,
        lambda view, who: start_by_call(view, engine, name, dict(asked.given), who, within.correlation_id),
    )
    execution, wait = done.result["execution"], done.result["wait"]
    told: dict[str, Any] = {"execution_id": execution["id"], "status": execution["status"]}
    if not call.session.rights.allows("executions:read"):
        return told
    return {**told, **await _stands(asked, execution["id"], execution["status"], int(wait))}


async def _stands(asked: Invocation, id: str, status: str, wait: int) -> dict[str, Any]:
    """How it stands when it is over, or when the time is."""
    path = {"id": id}
    if wait or status not in ("running", "paused"):
        row = await asked.read(GET, path, wait=wait)
        status = row["status"]
        if status in GIVEN_UP:
            return {"status": status, **picked(row, ("error", "error_details"))}
        if status == "completed":
            output = row["output"]
            large = len(to_json(output)) > MOST_VALUE
            return {"status": status, **({"output_cut": cut(output)} if large else {"output": output})}
    waits = (await asked.read(WAITS, path))["items"]
    return {"status": status, "waits_for": [picked(each, WAIT, listed=True) for each in waits[:20]]}
