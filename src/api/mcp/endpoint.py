"""POST /mcp: one message of the Model Context Protocol, and its answer. There is no session: any process answers any message."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api import answers
from api.call import RequestContext
from api.mcp import messages, workflow_tools
from api.mcp.catalogue import BY_NAME, INSTRUCTIONS, TOOLS
from api.mcp.messages import INVALID_PARAMS, INVALID_REQUEST, LEGACY, MALFORMED, NO_METHOD, SUPPORTED, Message, RpcError
from api.problems import Problem
from api.requests import StrictRequest
from api.routing import Calling, ReadingRoute, require_tenant
from api.strict_json import Unreadable
from domain.facts import Json

LOOPBACK = ("localhost", "127.0.0.1", "::1")
OFFERED: Json = {"tools": {}}
KEPT_MS = 3_600_000
"""For how long a client may keep what this server is; which tools it has may change at any moment."""


class McpRoute(ReadingRoute):
    """It wants an API key, as all routes do; its function takes a call."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        endpoint = self.function

        async def handle(plain: Request) -> Response:
            request = StrictRequest(plain.scope, plain.receive)
            services = request.app.state.services
            _require_origin(request, services.public_url)
            call = RequestContext(request, services, await services.sessions.authenticate(request))
            require_tenant(call)
            response: Response = await endpoint(call)
            return response

        return handle


routes = APIRouter(route_class=McpRoute)


@routes.post("/mcp", include_in_schema=False)
async def receive(call: Calling) -> Response:
    """What is no message of the protocol is refused by it; what is no request that we take, by HTTP."""
    message: Message | None = None
    id: Json = None
    try:
        body = await _body(call.request)
        id, _, _ = messages.envelope_of(body)
        message = messages.message_of(call.request, body)
        if message.id is None:
            return Response(None, 202)  # nothing that a client tells makes a difference here
        return answers.answer(await _answered(call, message))
    except RpcError as error:
        return answers.answer(error.document(id), 400 if message is None else message.status(error))


async def _body(request: StrictRequest) -> Json:
    """Raises RpcError for what is no JSON, or more than JSON has to be; and Problem."""
    if not request.says_json:
        raise Problem(415, "unsupported_media_type", "The body must be application/json.", headers={"Accept": "application/json"})
    if not _takes_json(request):
        raise Problem(406, "not_acceptable", "Answers are application/json.")
    try:
        return (await request.read_json())[1]
    except Unreadable as error:
        fault = error.error
        code = MALFORMED if error.status == 400 else INVALID_REQUEST
        raise RpcError(code, fault.message, {"code": fault.code, "path": fault.path}) from None


def _takes_json(request: Request) -> bool:
    accepted = ",".join(request.headers.getlist("accept")).lower()
    return not accepted or any(each in accepted for each in ("application/json", "application/*", "*/*"))


async def _answered(call: RequestContext, message: Message) -> Json:
    """Raises RpcError."""
    match message.method:
        case "initialize" if not message.is_modern:
            return message.result(_initialized(message.params))
        case "server/discover" if message.is_modern:
            found = {"supportedVersions": list(SUPPORTED), "capabilities": OFFERED, "instructions": INSTRUCTIONS}
            return message.result(found, kept_ms=KEPT_MS)
        case "ping" if not message.is_modern:
            return message.result({})
        case "tools/list":
            return message.result(await _listed(call, message.params), kept_ms=0)
        case "tools/call":
            return message.result(await _called(call, message.params))
        case _:
            raise RpcError(NO_METHOD, f"There is no method {message.method[:100]} here.")


def _initialized(params: Mapping[str, Json]) -> Json:
    """In the client's revision, or else in the latest that has a handshake."""
    wanted = params.get("protocolVersion")
    return {
        "protocolVersion": wanted if wanted in LEGACY else LEGACY[0],
        "capabilities": OFFERED,
        "serverInfo": messages.server_info(),
        "instructions": INSTRUCTIONS,
    }


async def _listed(call: RequestContext, params: Mapping[str, Json]) -> Json:
    """The tools that the caller may use: ours, and then a page of the workflows'."""
    cursor = params.get("cursor")
    try:
        if not isinstance(cursor, str | None):
            raise Problem.at("cursor", "cursor", "cursor is a text.")
        found = await workflow_tools.page(call, cursor)
    except Problem as problem:
        raise RpcError(INVALID_PARAMS, problem.detail) from None
    own = [tool.described() for tool in TOOLS if tool.is_for(call.session.rights)] if cursor is None else []
    return {"tools": [*own, *found.tools], **({} if found.next_cursor is None else {"nextCursor": found.next_cursor})}


async def _called(call: RequestContext, params: Mapping[str, Json]) -> Json:
    name, arguments = params.get("name"), params.get("arguments")
    if not isinstance(name, str) or not (arguments is None or isinstance(arguments, dict)):
        raise RpcError(INVALID_PARAMS, "A call has the name of a tool, and an object of arguments.")
    if name in BY_NAME:
        return await BY_NAME[name].called(call, arguments or {})
    result = await workflow_tools.called(call, name, arguments or {})
    if result is None:
        raise RpcError(INVALID_PARAMS, f"Unknown tool: {name[:100]}")
    return result


def _require_origin(request: Request, public_url: str | None) -> None:
    """Pages may ask only from where we are reached, or from this very machine: else one could have a name of its own lead here.

    Raises Problem.
    """
    for origin in request.headers.getlist("origin"):
        parts = _origin(origin)
        own = None if public_url is None else _origin(public_url)
        if parts is None or (parts[1] not in LOOPBACK and parts != own):
            raise Problem(403, "foreign_origin", "Pages of this origin may not ask here.")


def _origin(text: str) -> tuple[str, str, int | None] | None:
    try:
        parts = urlsplit(text)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return None
    return None if parts.hostname is None else (parts.scheme, parts.hostname, port)
