"""Our own routes, called from within a request, as its caller would call them: with the same key, checked by the same lines."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from api.answers import to_json
from api.requests import StrictRequest
from domain.facts import Json

PASSED_ON = ("authorization", "user-agent", "gesta-tenant", "gesta-on-behalf-of", "gesta-correlation-id")
"""Headers that say who asks, and on what occasion."""
KEY_HEADER = "idempotency-key"
Endpoint = Callable[..., Awaitable[Response]]


@dataclass(frozen=True)
class Within:
    """One route. `at`: its path, with {name}s; `handle`: what answers it, and raises what refuses it."""

    method: str
    at: str
    handle: Callable[[Request], Awaitable[Response]]

    @classmethod
    def of(cls, router: APIRouter, endpoint: Endpoint) -> "Within":
        found = (each for each in router.routes if isinstance(each, APIRoute) and each.endpoint is endpoint)
        route = next(found)
        return cls(min(route.methods or ()), route.path, route.get_route_handler())

    async def ask(
        self,
        caller: StrictRequest,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, Json] | None = None,
        body: Json = None,
        key: str | None = None,
    ) -> Any:
        """What the route answers. `key`: an Idempotency-Key, for commands."""
        sent = b"" if body is None else to_json(body)
        answer = await self.handle(inner(caller, self.method, self.at, sent, path or {}, query or {}, key))
        return json.loads(bytes(answer.body))


def inner(
    caller: StrictRequest,
    method: str,
    at: str,
    sent: bytes,
    path: Mapping[str, str],
    query: Mapping[str, Json] | None = None,
    key: str | None = None,
) -> StrictRequest:
    """The request that the caller would have sent to this address."""
    headers = [(name.encode(), value.encode("latin-1")) for name in PASSED_ON for value in caller.headers.getlist(name)]
    headers.append((b"content-length", b"%d" % len(sent)))
    if sent:
        headers.append((b"content-type", b"application/json"))
    if key is not None:
        headers.append((KEY_HEADER.encode(), key.encode("latin-1")))
    given = {name: _as_text(value) for name, value in (query or {}).items() if value is not None}
    scope = {
        **caller.scope,
        "method": method,
        "path": at.format_map(path),
        "query_string": urlencode(given).encode(),
        "headers": headers,
        "path_params": dict(path),
    }

    async def receive() -> Message:
        return {"type": "http.request", "body": sent, "more_body": False}

    return StrictRequest(scope, receive)


def _as_text(value: Json) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
