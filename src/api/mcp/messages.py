"""One message of the Model Context Protocol over HTTP: how it is read, and how it is answered.

Since the revision of 2026-07-28 each request says for itself who asks and in which revision; nothing is remembered from one to
the next. Clients of earlier revisions begin with `initialize`, and are served without a session as well: they are told of none.
"""

import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from starlette.requests import Request

from domain.facts import Json

MODERN = "2026-07-28"
LEGACY = ("2025-11-25", "2025-06-18", "2025-03-26")
"""Revisions that begin with a handshake, the latest first."""
BEFORE_HEADERS = "2025-03-26"
"""What is spoken by who names no revision."""
SUPPORTED = (MODERN, *LEGACY)
VERSION_HEADER, METHOD_HEADER, NAME_HEADER = "MCP-Protocol-Version", "Mcp-Method", "Mcp-Name"
VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES_KEY = "io.modelcontextprotocol/clientCapabilities"
SERVER_KEY = "io.modelcontextprotocol/serverInfo"
ENCODED = re.compile(r"=\?base64\?([A-Za-z0-9+/=]*)\?=")

MALFORMED, INVALID_REQUEST, NO_METHOD, INVALID_PARAMS = -32700, -32600, -32601, -32602
HEADER_MISMATCH, UNSUPPORTED_VERSION = -32020, -32022
STATUSES = {NO_METHOD: 404}
"""Of errors in the modern revision, where it is not 400."""
LONGEST_ID, LONGEST_METHOD = 255, 200


class RpcError(Exception):
    """An error of the protocol itself. What a tool refuses is a result of its call."""

    def __init__(self, code: int, message: str, data: Json = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data

    def document(self, id: Json) -> Json:
        told = {"code": self.code, "message": self.message, **({} if self.data is None else {"data": self.data})}
        return {"jsonrpc": "2.0", "id": id, "error": told}


@dataclass(frozen=True)
class Message:
    """`id`: None for a notification, to which nobody waits for an answer."""

    id: str | int | None
    method: str
    params: Mapping[str, Json]
    revision: str

    @property
    def is_modern(self) -> bool:
        return self.revision == MODERN

    def status(self, error: RpcError) -> int:
        """Clients of the earlier revisions take an error for the end of their session, unless it comes with 200."""
        return STATUSES.get(error.code, 400) if self.is_modern else 200

    def result(self, body: Mapping[str, Json], kept_ms: int | None = None) -> Json:
        """`kept_ms`: for how long the caller may keep what is listed."""
        if self.is_modern:
            kept = {} if kept_ms is None else {"ttlMs": kept_ms, "cacheScope": "private"}
            body = {"resultType": "complete", **body, **kept, "_meta": {SERVER_KEY: server_info()}}
        return {"jsonrpc": "2.0", "id": self.id, "result": body}


def server_info() -> Json:
    return {"name": "gesta", "title": "Gesta", "version": version("gesta")}


def envelope_of(body: Json) -> tuple[str | int | None, str, Mapping[str, Json]]:
    """The id, method and parameters of a JSON-RPC message. Raises RpcError."""
    if not isinstance(body, dict) or body.get("jsonrpc") != "2.0" or not isinstance(body.get("method"), str):
        told = "Messages are sent one by one, in no list." if isinstance(body, list) else "This is no request of JSON-RPC 2.0."
        raise RpcError(INVALID_REQUEST, told)
    id, method, params = body.get("id"), body["method"], body.get("params", {})
    if "id" in body and not (type(id) is int or (isinstance(id, str) and len(id) <= LONGEST_ID)):
        raise RpcError(INVALID_REQUEST, f"The id of a request is a whole number, or a text of at most {LONGEST_ID} characters.")
    if len(method) > LONGEST_METHOD or not isinstance(params, dict):
        raise RpcError(INVALID_REQUEST, "A request has a method and an object of parameters.")
    return id, method, params


def message_of(request: Request, body: Json) -> Message:
    """Raises RpcError."""
    id, method, params = envelope_of(body)
    meta = params.get("_meta")
    named = _once(request, VERSION_HEADER)
    if isinstance(meta, dict) and meta.get(VERSION_KEY, named) != named:
        raise RpcError(HEADER_MISMATCH, f"The header {VERSION_HEADER} must be there, and say what the body says.")
    revision = BEFORE_HEADERS if named is None else named
    if revision not in SUPPORTED:
        raise _unsupported(revision)
    if revision == MODERN and id is not None:
        _check(request, method, params)
    return Message(id, method, params, revision)


def _check(request: Request, method: str, params: Mapping[str, Json]) -> None:
    """That a request of the modern revision says what it has to, and the same in its headers."""
    meta = params.get("_meta")
    wanted = {VERSION_KEY: str, CAPABILITIES_KEY: dict}
    if not isinstance(meta, dict) or not all(isinstance(meta.get(key), kind) for key, kind in wanted.items()):
        raise RpcError(INVALID_PARAMS, f"_meta must have {VERSION_KEY}, a text, and {CAPABILITIES_KEY}, an object.")
    said = {VERSION_HEADER: meta[VERSION_KEY], METHOD_HEADER: method}
    if method == "tools/call":
        said[NAME_HEADER] = params.get("name")
    for name, value in said.items():
        if _decoded(_once(request, name)) != value:
            raise RpcError(HEADER_MISMATCH, f"The header {name} must be there, and say what the body says.")


def _once(request: Request, name: str) -> str | None:
    values = request.headers.getlist(name)
    if len(values) > 1:
        raise RpcError(HEADER_MISMATCH, f"The header {name} may be given only once.")
    return values[0] if values else None


def _decoded(text: str | None) -> str | None:
    """What does not fit into a header is sent as base64."""
    encoded = None if text is None else ENCODED.fullmatch(text)
    if encoded is None:
        return text
    try:
        return b64decode(encoded[1], validate=True).decode()
    except ValueError:
        return None


def _unsupported(revision: str) -> RpcError:
    data: dict[str, Any] = {"supported": list(SUPPORTED), "requested": revision[:100]}
    return RpcError(UNSUPPORTED_VERSION, "Unsupported protocol version", data)
