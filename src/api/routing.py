"""How a request reaches its route: authenticated, its query known, its body read strictly; and how the route describes itself.

Query parameters are declared once, in the OpenAPI description of the route; what is not declared there is refused.
"""

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from api.call import RequestContext
from api.problems import Problem
from api.requests import Parameters, StrictRequest
from domain.envelope import PLATFORM
from domain.facts import PermissionDenied

WITHOUT_TENANT = {"tenants", "users", "api-keys", "permissions", "me", "audit-logs", "events", "catalog", "projections"}
"""What the platform has beside its tenants, or is the same for all: all other resources are a tenant's."""
READ_WITHOUT_TENANT = frozenset({"events"})
"""Those that are so for questions alone: the platform has a ledger to read, and nobody who waits for events."""
OF_COMMANDS = {"Idempotency-Key", "If-Match", "Gesta-Occurred-At"}
"""Headers that a command takes where its description says so."""
NOT_YET = {"as_of"}
"""Parameters of the contract that are to come."""


class OpenRoute(APIRoute):
    """A route that anybody may use. It has no query."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        inner = super().get_route_handler()

        async def handle(request: Request) -> Response:
            _check_query(request, set(), ())
            return await inner(request)

        return handle


class ReadingRoute(APIRoute):
    """A route that reads its requests itself. What FastAPI makes of its function is for the description alone, and is made when
    that is asked for: for all routes, it took a sixth of the time in which a process starts.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], *, name: str | None = None, **others: Any) -> None:
        name = name or endpoint.__name__
        self.described = partial(APIRoute, path, endpoint, name=name, **others)
        self.function = endpoint
        super().__init__(path, _undescribed, name=name, **others)
        self.endpoint = endpoint


class AddressRoute(ReadingRoute):
    """A route that is its own key: who knows its address may use it. It takes any query and any body of limited size.

    Its function takes the request, and the part of its path that nobody can guess.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        endpoint = self.function

        async def handle(plain: Request) -> Response:
            response: Response = await endpoint(StrictRequest(plain.scope, plain.receive), plain.path_params["token"])
            return response

        return handle


class KeyRoute(ReadingRoute):
    """A route that wants an API key. The key is checked before anything else of the request is looked at.

    Its function takes a call, what its path names, and its body, if it has one. FastAPI describes them; they are read here,
    because the general way, which solves dependencies anew for each request, costs as much as all the rest.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        endpoint, parameters = self.function, Parameters.of(self.path, self.function)
        known = {p["name"] for p in (self.openapi_extra or {}).get("parameters", ()) if p["in"] == "query"}
        prefixes = tuple(name.removesuffix("*") for name in known if name.endswith("*"))
        refused = [] if "GET" in (self.methods or ()) else sorted(OF_COMMANDS - _headers(self.openapi_extra))
        reads = "GET" in (self.methods or ())
        of_tenant = self.path.split("/")[2] not in (WITHOUT_TENANT if reads else WITHOUT_TENANT - READ_WITHOUT_TENANT)

        async def handle(plain: Request) -> Response:
            request = StrictRequest(plain.scope, plain.receive)
            services = request.app.state.services
            call = RequestContext(request, services, await services.sessions.authenticate(request))
            if of_tenant:
                require_tenant(call)
            _check_query(request, known, prefixes)
            _check_headers(request, refused)
            values = await parameters.read(request)
            try:
                response: Response = await endpoint(call, **values)
            except PermissionDenied:
                if request.method != "GET":
                    raise
                # A right that was given a moment ago: what a question goes by may be older. A command has looked itself.
                call = RequestContext(request, services, await services.sessions.authenticate_anew(request))
                response = await endpoint(call, **values)
            return response

        return handle


def require_tenant(call: RequestContext) -> None:
    """Raises Problem: the platform has nothing of this kind."""
    if call.tenant_id == PLATFORM:
        raise Problem.at("Gesta-Tenant", "tenant_required", "A platform key must name the tenant here, by its id or slug.")


def router(tag: str) -> APIRouter:
    """Routes of one resource, all for callers with a key."""
    return APIRouter(prefix="/v1", route_class=KeyRoute, tags=[tag], generate_unique_id_function=operation_id)


def operation_id(route: APIRoute) -> str:
    """What generated clients call it: `executions_start`, `roles_list`. The resource of its path, and what is done with it."""
    resource = route.path.removeprefix("/v1").split("/")[1].replace("-", "_")
    verb, _, rest = route.name.partition("_")
    is_of_resource = resource.endswith(rest) or resource.removesuffix("s").endswith(rest) or rest == "one"
    return resource if verb == resource else f"{resource}_{verb if is_of_resource else route.name}"


def _call() -> RequestContext:
    raise NotImplementedError("a route's handler gives the call")


async def _undescribed() -> Response:
    raise NotImplementedError("a route's handler calls its function")


Calling = Annotated[RequestContext, Depends(_call)]
"""What a route's first parameter is declared as, so that FastAPI does not look for it in the request."""


def _headers(described: dict[str, Any] | None) -> set[str]:
    return {parameter["name"] for parameter in (described or {}).get("parameters", ()) if parameter["in"] == "header"}


def _check_headers(request: Request, refused: list[str]) -> None:
    """A header that would promise what is not kept is refused."""
    for name in refused:
        if name in request.headers:
            raise Problem.at(name, "not_applicable", f"{name} has no effect here, and is refused.")


def _check_query(request: Request, known: set[str], prefixes: tuple[str, ...]) -> None:
    seen = set()
    for name, value in request.query_params.multi_items():
        if name in NOT_YET - known:
            raise Problem.at(name, "not_yet", f"The parameter {name} is not available yet.")
        if name not in known and not (prefixes and name.startswith(prefixes)):
            raise Problem.at(name, "unknown_parameter", f"There is no parameter {name} here.")
        if name in seen:
            raise Problem.at(name, "duplicate", f"The parameter {name} may be given only once.")
        if "\0" in name or "\0" in value:
            raise Problem.at(name, "nul", f"The parameter {name} must not contain the character NUL.")
        seen.add(name)


def query(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    """A query parameter, for `openapi_extra`. A name that ends in * stands for all that begin so."""
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}
