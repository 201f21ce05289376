"""mcp {url, tool, auth?, headers?, idempotent?, request_timeout?, max_bytes?}: calls one tool of an MCP server over HTTP.

What may be called, with which arguments, is what the definition says: nothing is taken from what the server lists. The model
is told the tool's structured content or, without any, its text.
"""

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any

from domain.facts import Json
from engine import http_requests as requests
from engine.ai_tools.kind import ToolType, at_the_call
from engine.definition import Node
from engine.expressions import Budgeted, expressions_in, resolve
from engine.nodes import http
from engine.nodes.kind import Fault

OF_A_REQUEST = ("url", "headers", "auth", "idempotent", "request_timeout", "max_bytes")
WITH_EXPRESSIONS = ("url", "headers", "auth", "request_timeout")
TOOL_NAME = r"^[A-Za-z0-9_./-]{1,128}$"
OURS = frozenset({"content-type", "accept", "idempotency-key", "last-event-id"})
"""Headers that the protocol has; and all that begin with `mcp-`."""
IN_A_HEADER = "x-mcp-header"
"""By which a parameter says that its value is sent as a header as well."""
PLAIN = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")
ENCODED = re.compile(r"=\?base64\?.*\?=")

_REQUEST: Any = requests.CONFIG["properties"]


def lint(tool: Json) -> Iterator[Fault]:
    for name in WITH_EXPRESSIONS:
        for place, source in expressions_in(tool.get(name), f"/{name}"):
            if at_the_call(source):
                yield Fault(place, "invalid_value", "The arguments choose neither the server nor what it is sent beside them.")
    config = {name: tool[name] for name in OF_A_REQUEST if name in tool}
    yield from http.lint(Node(tool["name"], "http", {**config, "method": "POST"}))
    for name in tool.get("headers", {}):
        if name.lower() in OURS or name.lower().startswith("mcp-"):
            yield Fault(f"/headers/{name}", "invalid_value", f"The header {name} is the protocol's own.")
    auth = tool.get("auth", {})
    if auth.get("type") == "header" and (auth["name"].lower() in OURS or auth["name"].lower().startswith("mcp-")):
        yield Fault("/auth/name", "invalid_value", f"The header {auth['name']} is the protocol's own.")


def resolved(written: Json, tool: Json) -> Json:
    """`carrying`: headers in which the definition itself has a secret. `idempotent`: whether a call may be made again."""
    carrying = sorted(requests.carrying_secrets(written.get("headers", {})))
    return {**tool, "carrying": carrying, "idempotent": bool(tool.get("idempotent", False))}


def request_of(tool: Json, headers: Mapping[str, str], evaluator: Budgeted, key: str, seconds: float | None = None) -> Json:
    """What a worker sends, but for its body. `seconds`: what is left of the call's time.

    Raises ExpressionError and InvalidValue.
    """
    config = resolve({name: tool[name] for name in OF_A_REQUEST if name in tool}, evaluator, {})
    sent = {**config, "method": "POST", "headers": {**config.get("headers", {}), **headers}, "response_as": "text"}
    asked = requests.request(sent, frozenset(tool["carrying"]), key)
    return asked if seconds is None else {**asked, "seconds": min(seconds, asked["seconds"])}


def parameter_headers(parameters: Json, arguments: Json) -> dict[str, str]:
    """Arguments that the definition says go along as headers, so that what is in between can route by them."""
    found = dict[str, str]()
    listed = parameters.get("properties") if isinstance(parameters, dict) else None
    for name, schema in (listed or {}).items():
        header = schema.get(IN_A_HEADER) if isinstance(schema, dict) else None
        value = arguments.get(name) if isinstance(arguments, dict) else None
        if isinstance(header, str) and requests.NAME.fullmatch(header) and isinstance(value, str | bool | int | float):
            found[f"Mcp-Param-{header}"] = as_header(value)
    return found


def as_header(value: str | bool | int | float) -> str:
    """As the protocol writes what does not fit into a header."""
    text = {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)
    if PLAIN.fullmatch(text) and not ENCODED.fullmatch(text):
        return text
    return f"=?base64?{b64encode(text.encode()).decode()}?="


MCP_TOOL = ToolType(
    "mcp",
    {
        "tool": {"type": "string", "pattern": TOOL_NAME},
        **{name: _REQUEST[name] for name in OF_A_REQUEST},
    },
    ("url", "tool"),
    WITH_EXPRESSIONS,
    lint=lint,
    resolved=resolved,
)
