"""An address in each mail by which its receiver says that they want no more of them. It proves who they are, for that alone.

Opening it changes nothing: programs that look through mail open what is linked there. The page has a form; mail programs, which
offer it as a button, send the same (RFC 8058).
"""

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from api import headers, link_page
from api.documented import problem_answers
from api.problems import not_found, unavailable
from api.requests import StrictRequest
from api.routing import AddressRoute, operation_id
from api.services import Services
from domain import notification_preferences as preferences
from domain.envelope import Envelope
from domain.member import MEMBER
from domain.notification_preferences import NEVER
from runtime.unsubscribing import whose
from store.command import Command
from store.errors import UnknownLedger

routes = APIRouter(route_class=AddressRoute, tags=["notifications"], generate_unique_id_function=operation_id)

PATH = "/unsubscribe/{token}"
ASK = (
    "<p>From then on you are sent no mail and no digest of this organisation.</p>",
    '<form method="post"><button>No more mail</button></form>',
)
DONE = "You are sent no more mail of this organisation. Whoever has an API key of theirs can change that again."
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "A page", "content": {"text/html": {"schema": {"type": "string"}}}},
    **problem_answers(
        {
            400: "Malformed",
            404: "There is no such address",
            413: "Body too large",
            422: "Not acceptable",
            503: "Busy or unavailable",
        }
    ),
}


@routes.get(PATH, summary="Ask whether somebody wants no more mail", response_class=HTMLResponse, responses=RESPONSES)
async def show(request: Request, token: str) -> Response:
    """Changes nothing."""
    await _whose(request, token)
    return link_page.page("No more mail?", ASK)


@routes.post(PATH, summary="Send somebody no more mail", response_class=HTMLResponse, responses=RESPONSES)
async def confirm(request: Request, token: str) -> Response:
    """Whatever it is sent with: mail programs send `List-Unsubscribe=One-Click`."""
    assert isinstance(request, StrictRequest), "of an AddressRoute"
    tenant_id, user_id = await _whose(request, token)
    await request.read_bytes()
    services: Services = request.app.state.services
    who = Envelope(
        "user",
        str(user_id),
        user_id,
        **headers.origin(request),
        reason="By the address in a mail.",
    )
    command = Command(tenant_id, "notification_preferences.change", who)
    await services.handler.handle(command, lambda view: preferences.change(view, user_id, (), NEVER))
    return link_page.message("No more mail", DONE, status=200)


async def _whose(request: Request, token: str) -> tuple[UUID, UUID]:
    """A member's. Raises Problem."""
    services: Services = request.app.state.services
    if services.master_keys is None:
        raise unavailable()
    found = whose(services.master_keys, token)
    if found is None:
        raise not_found()
    try:
        member, _ = await services.handler.read(found[0], MEMBER, found[1])
    except UnknownLedger:
        raise not_found() from None
    if not member.belongs:
        raise not_found()
    return found
