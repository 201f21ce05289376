"""The wire of the Model Context Protocol, as a client of it speaks: what is sent, and what an answer says.

https://modelcontextprotocol.io: since 2026-07-28 each request says for itself who asks and in which revision; those before begin
with `initialize`, and may have a session.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from pydantic_core import from_json

from domain.facts import Json

MODERN = "2026-07-28"
LEGACY = ("2025-11-25", "2025-06-18", "2025-03-26")
VERSION_HEADER, METHOD_HEADER, NAME_HEADER, SESSION_HEADER = "MCP-Protocol-Version", "Mcp-Method", "Mcp-Name", "Mcp-Session-Id"
KEY = "io.gesta/idempotencyKey"
ACCEPTED = "application/json, text/event-stream"
CLIENT = {"name": "gesta", "version": version("gesta")}

UNSUPPORTED_VERSION = -32022
BEFORE = frozenset({-32700, -32600, -32601, -32000, -32001, -32002})
"""Errors by which servers of earlier revisions refuse what they do not know, before they act on it."""
MOST_MESSAGES = 1_000
"""Of one stream."""


class NotAnAnswer(Exception):
    """What came is no answer to what was asked. `type`: as of a failure."""

    def __init__(self, type: str, message: str) -> None:
        super().__init__(message)
        self.type = type


@dataclass(frozen=True)
class Answer:
    """Either the result or the error: {code, message, data}."""

    result: Any = None
    error: Any = None


def modern_call(id: int, tool: str, arguments: Json, key: str, again: Mapping[str, Json]) -> Json:
    """`again`: {inputResponses, requestState}, where it answers what the server asked."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": CLIENT,
        "io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}}},
        KEY: key,
    }
    return request(id, "tools/call", {"name": tool, "arguments": arguments, **again, "_meta": meta})


def traced(body: Json, traceparent: str | None) -> Json:
    """A call that says which trace it belongs to. Not before its key is known: a trace is another one each time."""
    if traceparent is None or body is None or "_meta" not in (params := body.get("params") or {}):
        return body
    return {**body, "params": {**params, "_meta": {**params["_meta"], "traceparent": traceparent}}}


def modern_headers(tool: str) -> dict[str, str]:
    return {"Accept": ACCEPTED, VERSION_HEADER: MODERN, METHOD_HEADER: "tools/call", NAME_HEADER: tool}


def request(id: int, method: str, params: Json) -> Json:
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params}


def answer_to(id: int, content_type: str, text: str) -> Answer:
    """Raises NotAnAnswer."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind != "text/event-stream":
        return _answer(id, _parsed(text))
    for number, message in enumerate(messages_in(text)):
        if number >= MOST_MESSAGES:
            raise NotAnAnswer("too_many_messages", f"The server sends more than {MOST_MESSAGES} messages before it answers.")
        parsed = _parsed(message)
        if isinstance(parsed, dict) and "method" in parsed and "id" in parsed:
            asked = str(parsed["method"])[:100]
            raise NotAnAnswer("unsupported_request", f"The server asks for {asked} before it answers, which it may not.")
        if isinstance(parsed, dict) and "method" in parsed:
            continue
        return _answer(id, parsed)
    raise NotAnAnswer("protocol", "The server's stream ended without an answer.")


def _parsed(text: str) -> Json:
    try:
        return from_json(text, allow_inf_nan=False)
    except ValueError:
        raise NotAnAnswer("protocol", "The server's answer is no JSON.") from None


def _answer(id: int, message: Json) -> Answer:
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        raise NotAnAnswer("protocol", "The server's answer is no message of JSON-RPC 2.0.")
    if type(message.get("id")) is not int or message["id"] != id:
        raise NotAnAnswer("protocol", "The server answers what it was not asked: the id is another one.")
    error = message.get("error")
    if isinstance(error, dict) and type(error.get("code")) is int and isinstance(error.get("message"), str):
        return Answer(error=error)
    if "error" in message or not isinstance(message.get("result"), dict):
        raise NotAnAnswer("protocol", "The server's answer has neither a result nor an error.")
    return Answer(message["result"])


def messages_in(text: str) -> Iterator[str]:
    """The data of the events of a stream, those that are there as a whole."""
    data = list[str]()
    *lines, _ = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            if name == "data":
                data.append(value.removeprefix(" "))
            continue
        if any(data):
            yield "\n".join(data)
        data.clear()


MARKS = (b"\n\n", b"\r\r", b"\n\r\n")
"""Between events."""


class Until:
    """Whether a stream has said what it is read for, be the connection closed or not. It looks at each byte once."""

    def __init__(self) -> None:
        self._seen = self._scanned = self._messages = 0

    def __call__(self, body: bytearray) -> bool:
        start = max(self._seen, self._scanned - 3)
        self._scanned = len(body)
        end = max((body.rfind(mark, start) + len(mark) for mark in MARKS if body.find(mark, start) >= 0), default=0)
        if end <= self._seen:
            return False
        part, self._seen = body[self._seen : end].decode("utf-8", "replace"), end
        for message in messages_in(part + "\n"):
            self._messages += 1
            if self._messages > MOST_MESSAGES or _ends(message):
                return True
        return False


def _ends(message: str) -> bool:
    """An answer, or a request of the server's: nothing is read after it."""
    try:
        parsed = json.loads(message)
    except (ValueError, RecursionError):
        return True
    return not isinstance(parsed, dict) or "id" in parsed or "method" not in parsed
