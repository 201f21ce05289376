"""How a request reaches its route: authenticated, its query known, its body read strictly; and how the route describes itself.

Query parameters are declared once, in the OpenAPI description of the route; what is not declared there is refused.
"""

import re
from collections.abc import Callable, Coroutine
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from api import headers, strict_json
from api.call import Call
from api.problems import Problem, not_found
from domain.envelope import PLATFORM
from domain.facts import Json, PermissionDenied

MAX_BODY = 1024 * 1024
MAX_DRAINED = 16 * MAX_BODY
WITHOUT_TENANT = {"tenants", "users", "api-keys", "permissions", "me", "audit-logs", "events"}
"""What the platform has beside its tenants: all other resources are a tenant's."""
OF_COMMANDS = {"Idempotency-Key", "If-Match", "Gesta-Occurred-At"}
"""Headers that a command takes where its description says so."""
NOT_YET = {"as_of"}
"""Parameters of the contract that are to come."""
WRITTEN = {UUID: headers.ID, int: re.compile("[1-9][0-9]{0,17}")}
"""How an id and a number are written in a path: everything has one address."""
JSON = re.compile(r"application/(json|[^/]*\+json)")


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
        """A body that is too large is read on for a while, unkept: a client that still sends would not see the answer.

        One that is said to be larger than that, or that waits to be asked for, is refused before it comes.
        """
        announced = int(self.headers.get("content-length", 0))
        if announced > MAX_DRAINED or (announced > MAX_BODY and "expect" in self.headers):
            raise _too_large()
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
    """A route that anybody may use. It has no query."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        inner = super().get_route_handler()

        async def handle(request: Request) -> Response:
            _check_query(request, set(), ())
            return await inner(request)

        return handle


class KeyRoute(APIRoute):
    """A route that wants an API key. The key is checked before anything else of the request is looked at.

    Its function takes a call, what its path names, and its body, if it has one. FastAPI knows and describes them; they are
    read here, because the general way, which solves dependencies anew for each request, costs as much as all the rest.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        endpoint, in_path, in_body = self.endpoint, self.dependant.path_params, self.body_field
        known = {p["name"] for p in (self.openapi_extra or {}).get("parameters", ()) if p["in"] == "query"}
        prefixes = tuple(name.removesuffix("*") for name in known if name.endswith("*"))
        refused = [] if "GET" in (self.methods or ()) else sorted(OF_COMMANDS - _headers(self.openapi_extra))
        of_tenant = self.path.split("/")[2] not in WITHOUT_TENANT

        async def handle(plain: Request) -> Response:
            request = StrictRequest(plain.scope, plain.receive)
            services = request.app.state.services
            call = Call(request, services, await services.sessions.authenticate(request))
            if of_tenant and call.tenant_id == PLATFORM:
                raise Problem.at("Gesta-Tenant", "tenant_required", "A platform key names the tenant here, by its id or slug.")
            _check_query(request, known, prefixes)
            _check_headers(request, refused)
            sent = in_body is not None and await _read_body(request)
            values = {field.name: _in_path(field, request.path_params[field.name]) for field in in_path}
            if in_body is not None and sent:
                values[in_body.name] = _valid(in_body, await request.json(), "body")
            elif in_body is not None and in_body.field_info.is_required():
                raise RequestValidationError([{"type": "missing", "loc": ("body",), "msg": "There is none."}])
            try:
                response: Response = await endpoint(call, **values)
            except PermissionDenied:
                if request.method != "GET":
                    raise
                # A right that was given a moment ago: what a question goes by may be older. A command has looked itself.
                call = Call(request, services, await services.sessions.authenticate_anew(request))
                response = await endpoint(call, **values)
            return response

        return handle


def router(tag: str) -> APIRouter:
    """Routes of one resource, all for callers with a key."""
    return APIRouter(prefix="/v1", route_class=KeyRoute, tags=[tag], generate_unique_id_function=operation_id)


def operation_id(route: APIRoute) -> str:
    """What generated clients call it: `executions_start`, `roles_list`. The resource of its path, and what is done with it."""
    resource = route.path.removeprefix("/v1").split("/")[1].replace("-", "_")
    verb, _, rest = route.name.partition("_")
    is_of_resource = resource.endswith(rest) or resource.removesuffix("s").endswith(rest) or rest == "one"
    return resource if verb == resource else f"{resource}_{verb if is_of_resource else route.name}"


def _call() -> Call:
    raise NotImplementedError("a route's handler gives the call")


Calling = Annotated[Call, Depends(_call)]
"""What a route's first parameter is declared as, so that FastAPI does not look for it in the request."""


def _headers(described: dict[str, Any] | None) -> set[str]:
    return {parameter["name"] for parameter in (described or {}).get("parameters", ()) if parameter["in"] == "header"}


def _check_headers(request: Request, refused: list[str]) -> None:
    """A header that would promise what is not kept is refused."""
    for name in refused:
        if name in request.headers:
            raise Problem.at(name, "not_applicable", f"{name} cannot be honoured here.")


def _check_query(request: Request, known: set[str], prefixes: tuple[str, ...]) -> None:
    seen = set()
    for name, value in request.query_params.multi_items():
        if name in NOT_YET:
            raise Problem.at(name, "not_yet", f"The parameter {name} is not available yet.")
        if name not in known and not (prefixes and name.startswith(prefixes)):
            raise Problem.at(name, "unknown_parameter", f"There is no parameter {name} here.")
        if name in seen:
            raise Problem.at(name, "duplicate", f"The parameter {name} may be given once.")
        if "\0" in name or "\0" in value:
            raise Problem.at(name, "nul", f"The parameter {name} cannot hold the character NUL.")
        seen.add(name)


async def _read_body(request: StrictRequest) -> bool:
    """Whether there is one. Raises what speaks against it."""
    if not await request.body():
        return False
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not JSON.fullmatch(media_type):
        raise Problem(415, "unsupported_media_type", "The body is application/json.", headers={"Accept": "application/json"})
    await request.json()
    return True


def _in_path(field: Any, text: str) -> Any:
    """What a path names. Raises Problem (404) where it cannot be there."""
    written = WRITTEN.get(field.field_info.annotation)
    if written is not None and written.fullmatch(text) is None:
        raise not_found()
    return _valid(field, text, "path", field.name)


def _valid(field: Any, value: Any, *place: str) -> Any:
    """What FastAPI's field makes of a value. Raises RequestValidationError, with the place of each fault."""
    valid, faults = field.validate(value, {}, loc=place)
    if faults:
        raise RequestValidationError(faults)
    return valid


def _too_large() -> Problem:
    return Problem(413, "too_large", f"A body has at most {MAX_BODY} bytes.", headers={"Connection": "close"})


def query(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    """A query parameter, for `openapi_extra`. A name that ends in * stands for all that begin so."""
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}
