"""How a request reaches its route: authenticated, its query known, its body read strictly; and how the route describes itself.

Query parameters are declared once, in the OpenAPI description of the route; what is not declared there is refused.
"""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from api import strict_json
from api.call import Call
from api.problems import Problem
from domain.facts import Json

MAX_BODY = 1024 * 1024
MAX_DRAINED = 16 * MAX_BODY


class StrictRequest(Request):
    """A request whose body is at most 1 MiB of strict JSON, read and parsed once."""

    async def body(self) -> bytes:
        if not hasattr(self, "_body"):
            self._body = await self._read()
        return self._body

    async def json(self) -> Json:
        if not hasattr(self, "_json"):
            self._json = strict_json.parse(await self.body())
        return self._json

    async def _read(self) -> bytes:
        """A body that is too large is read on for a while, unkept: a client that still sends would not see the answer."""
        chunks: list[bytes] = []
        size = 0
        async for chunk in self.stream():
            size += len(chunk)
            if size <= MAX_BODY:
                chunks.append(chunk)
            elif size > MAX_DRAINED:
                break
        if size > MAX_BODY:
            raise _too_large()
        return b"".join(chunks)


class OpenRoute(APIRoute):
    """A route that anybody may use: its query is checked and its body read strictly."""

    needs_key = False

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        inner = super().get_route_handler()
        known = {p["name"] for p in (self.openapi_extra or {}).get("parameters", ()) if p["in"] == "query"}
        prefixes = tuple(name.removesuffix("*") for name in known if name.endswith("*"))
        wants_body = self.body_field is not None

        async def handle(plain: Request) -> Response:
            request = StrictRequest(plain.scope, plain.receive)
            if self.needs_key:
                services = request.app.state.services
                request.state.call = Call(request, services, await services.sessions.authenticate(request))
            _check_query(request, known, prefixes)
            if wants_body:
                await _check_body(request)
            return await inner(request)

        return handle


class KeyRoute(OpenRoute):
    """A route that wants an API key. The key is checked before anything else of the request is looked at."""

    needs_key = True


def router(tag: str) -> APIRouter:
    """Routes of one resource, all for callers with a key."""
    return APIRouter(prefix="/v1", route_class=KeyRoute, tags=[tag])


async def _call(request: Request) -> Call:  # async, or every request would go through a thread
    call: Call = request.state.call
    return call


Calling = Annotated[Call, Depends(_call)]
"""What a route's first parameter is declared as."""


def _check_query(request: Request, known: set[str], prefixes: tuple[str, ...]) -> None:
    seen = set()
    for name, value in request.query_params.multi_items():
        if name not in known and not (prefixes and name.startswith(prefixes)):
            raise Problem.at(name, "unknown_parameter", f"There is no parameter {name} here.")
        if name in seen:
            raise Problem.at(name, "duplicate", f"The parameter {name} may be given once.")
        if "\0" in name or "\0" in value:
            raise Problem.at(name, "nul", f"The parameter {name} cannot hold the character NUL.")
        seen.add(name)


async def _check_body(request: StrictRequest) -> None:
    body = await request.body()
    if not body:
        return
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" and not (media_type.startswith("application/") and media_type.endswith("+json")):
        raise Problem(415, "unsupported_media_type", "The body is application/json.", headers={"Accept": "application/json"})
    await request.json()


def _too_large() -> Problem:
    return Problem(413, "too_large", f"A body has at most {MAX_BODY} bytes.", headers={"Connection": "close"})


def query(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    """A query parameter, for `openapi_extra`. A name that ends in * stands for all that begin so."""
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}
