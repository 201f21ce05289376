"""Pieces of the schemas of tools."""

from collections.abc import Mapping, Sequence
from typing import Any

from api.mcp.cutting import picked
from api.mcp.tools import Invocation
from api.mcp.within import Within
from domain.facts import Json

TEXT: Json = {"type": "string"}
WHOLE: Json = {"type": "integer"}
ANY: Json = {}
ID: Json = {"type": "string", "format": "uuid"}
MOMENT: Json = {"type": "string", "format": "date-time"}
MOST_LISTED, USUALLY_LISTED = 50, 20

PAGE: Mapping[str, Json] = {
    "limit": {"type": "integer", "minimum": 1, "maximum": MOST_LISTED, "description": f"{USUALLY_LISTED} unless given."},
    "cursor": {"type": "string", "minLength": 1, "description": "`next` of the answer before."},
}
REPEATED: Mapping[str, Json] = {
    "idempotency_key": {
        "type": "string",
        "pattern": "^[\\x21-\\x7e]{1,255}$",
        "description": "A word of your own. A call that repeats it gets the first answer, and does nothing again.",
    }
}


def said(schema: Json, words: str) -> Json:
    return {**schema, "description": words}


def choice(*values: str, words: str = "") -> Json:
    return {"type": "string", "enum": list(values), **({"description": words} if words else {})}


def listed(name: str, fields: Sequence[str]) -> dict[str, Json]:
    """The answer of a list."""
    item = {"type": "object", "properties": dict.fromkeys(fields, ANY)}
    return {name: {"type": "array", "items": item}, "next": said(TEXT, "The `cursor` of the next page, if there is one.")}


async def page(
    asked: Invocation,
    route: Within,
    name: str,
    fields: Sequence[str],
    filters: Sequence[str] = (),
    path: Mapping[str, str] | None = None,
    **usual: Json,
) -> dict[str, Any]:
    """One page of a list, each item with these fields. `filters`: arguments that the route knows, too; `usual`: unless given."""
    query = {"limit": USUALLY_LISTED, **usual, **asked.only("limit", "cursor", *filters)}
    found = await asked.read(route, path, **query)
    shown = {name: [picked(item, fields, listed=True) for item in found["items"]]}
    return {**shown, **({} if found["next_cursor"] is None else {"next": found["next_cursor"]})}
