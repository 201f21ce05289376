"""Pages that links from mails lead to. Looking changes nothing, whoever looks; what the page's form sends decides, once."""

import logging
from collections.abc import Awaitable, Callable
from typing import TypeAlias
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api import headers, link_form, link_page
from api.link_page import CODE, COMMENT, REASON, SEEN
from api.problems import Problem, from_exception, rate_limited
from api.proving import code_of
from api.requests import StrictRequest
from api.routing import AddressRoute, operation_id
from api.services import Services
from domain.access import Platform
from domain.approval.proof import HEADER, ProofRequired
from domain.approval_link import RequestChanged
from domain.bearer_text import LINK, BearerText, hash_secret, read
from domain.envelope import Envelope
from domain.facts import Decided, FieldError, Invalid, Json, PermissionDenied, Refusal, View
from domain.tenant import TENANT
from engine.approval_links import Answer, page_of, use_link
from runtime.failpoints import failpoint
from store.command import Command, CommandResult
from store.errors import UnknownLedger
from store.platform import deciding

log = logging.getLogger(__name__)

routes = APIRouter(route_class=AddressRoute, tags=["approvals"], generate_unique_id_function=operation_id)

Answering: TypeAlias = Callable[[StrictRequest, Services, BearerText, Json], Awaitable[Response]]

LONGEST_BODY = 256 * 1024
LONGEST_COMMENT = 10_000
STATUS_OF_CODE = {"link_used": 410, "link_expired": 410, "link_revoked": 410}
"""Of links by which nothing is decided any more; of the others 409."""
NO_SUCH_LINK = "There is no such link. Perhaps it was cut off in the mail: copy all of it."
TOO_MANY = "Too many links that there are not were asked for from your address. Try again in a moment."
CHANGED = "What is asked has changed since this page was shown. Please look again; nothing was decided."


@routes.get("/approvals/{token}", include_in_schema=False)
async def where_to_decide(_request: Request, token: str) -> Response:
    """Where cards in chats lead, which many people read: it tells nothing of the request, not even whether there is one."""
    if not headers.ID.fullmatch(token):
        return link_page.message("No such page", "There is nothing at this address.", status=404)
    return link_page.message(
        "An approval request",
        "Whoever is asked decides it by the link in their mail, which is for them alone.",
        f"Or with their own key: GET /v1/approvals/{token} shows it, POST /v1/approvals/{token}/decide answers it.",
        status=200,
    )


@routes.get("/approve/{token}", include_in_schema=False)
async def look(request: Request, token: str) -> Response:
    """Mail scanners and previews follow links, so this only shows. HEAD is the same without the body."""
    return await _answered(request, token, _shown)


@routes.post("/approve/{token}", include_in_schema=False)
async def confirm(request: Request, token: str) -> Response:
    return await _answered(request, token, _confirmed)


async def _answered(request: Request, token: str, answer: Answering) -> Response:
    """A page, whatever comes of it."""
    assert isinstance(request, StrictRequest), "of an AddressRoute"
    services: Services = request.app.state.services
    link = read(LINK, token)
    try:
        if (wait := services.link_tries.wait(request, token)) > 0:
            raise rate_limited(TOO_MANY, wait)
        shown = {"state": "absent"} if link is None else await _page_of(services, link)
        if link is None or shown["state"] == "absent":
            services.link_tries.failed(request)
            return link_page.message("No such link", NO_SUCH_LINK, status=404)
        services.link_tries.known(token)
        return await answer(request, services, link, shown)
    except Exception as error:
        problem = from_exception(error)
        if problem is None:
            raise
        if problem.status == 503:
            log.warning("Unavailable: %s", error, extra={"action": "approve", "request_id": request.scope["request_id"]})
        return link_page.message("This does not work now", problem.detail, status=problem.status, headers=problem.headers)


async def _shown(_request: StrictRequest, _services: Services, _link: BearerText, shown: Json) -> Response:
    return _page(shown)


def _page(shown: Json, notice: str | None = None, status: int = 200) -> Response:
    if shown["state"] == "open":
        return link_page.confirmation(shown, status, notice=notice)
    return link_page.over(shown, STATUS_OF_CODE.get(shown["code"], 409))


async def _confirmed(request: StrictRequest, services: Services, link: BearerText, shown: Json) -> Response:
    """Decide as the form says. What it lacks is shown beside the form, with all that was filled in, but for the code."""
    if shown["state"] != "open":
        return _page(shown)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != link_form.MEDIA_TYPE:
        raise Problem(415, "unsupported_media_type", "This is not what the form sends.")
    sent = link_form.read(await request.read_bytes(LONGEST_BODY))
    form, faults = link_form.value_of(shown["form"], sent)
    if len(sent.get(COMMENT, "")) > LONGEST_COMMENT:
        faults = (*faults, FieldError(f"/{COMMENT}", "too_long", f"A comment has at most {LONGEST_COMMENT} characters."))
    if faults:
        return link_page.confirmation(shown, 422, faults=faults, sent=sent)
    user_id, text = UUID(shown["user_id"]), "".join(sent.get(CODE, "").split())
    code = await code_of(services, link.tenant_id, user_id, text) if shown["proof"] == "totp" and text else None
    answer = Answer(sent.get(SEEN, ""), sent.get(COMMENT) or None, sent.get(REASON) or None, form, code)
    try:
        done = await _use(request, services, link, user_id, shown["request_id"], answer)
    except RequestChanged:
        return _page(await _page_of(services, link), CHANGED, 409)
    except Invalid as refusal:
        told = refusal.errors or (FieldError(refusal.path or "", refusal.code, refusal.message),)
        return link_page.confirmation(shown, 422, faults=told, sent=sent)
    except Refusal as refusal:
        return await _refused(services, link, shown, sent, refusal)
    failpoint("api.link_used")
    if "failed" in done.result:
        return link_page.confirmation(shown, 403, faults=(FieldError(HEADER, "proof_failed", done.result["failed"]),), sent=sent)
    return link_page.done(shown, done.result["approval"])


async def _refused(services: Services, link: BearerText, shown: Json, sent: dict[str, str], refusal: Refusal) -> Response:
    """By what has become of the link meanwhile (it was used a moment before), or else by what was refused."""
    if isinstance(refusal, ProofRequired):
        return link_page.confirmation(shown, 403, faults=(FieldError(HEADER, refusal.code, "Type a code."),), sent=sent)
    if isinstance(refusal, PermissionDenied) and refusal.path == HEADER:
        return link_page.confirmation(shown, 403, faults=(FieldError(HEADER, refusal.code, refusal.message),), sent=sent)
    now = await _page_of(services, link)
    if now["state"] != "open":
        return _page(now)
    return link_page.confirmation(now, 409, faults=(FieldError("", refusal.code, refusal.message),), sent=sent)


async def _page_of(services: Services, link: BearerText) -> Json:
    """A decision that appends nothing: what is so now, by the ledger and not by the tables."""
    command = Command(link.tenant_id, "approval_link.look", Envelope("system"))
    secret_hash = hash_secret(link.secret)

    async def asked(platform: Platform) -> CommandResult:
        return await services.handler.handle(command, lambda view: page_of(view, link.id, secret_hash, platform))

    try:
        return (await deciding(services.handler, {(TENANT, link.tenant_id)}, asked)).result
    except UnknownLedger:
        return {"state": "absent"}


async def _use(
    request: StrictRequest, services: Services, link: BearerText, user_id: UUID, request_id: str, answer: Answer
) -> CommandResult:
    envelope = Envelope(
        "user",
        str(link.id),
        user_id=user_id,
        **headers.origin(request),
    )
    command = Command(link.tenant_id, "approval.decide", envelope, resource="approval", resource_id=request_id)
    secret_hash = hash_secret(link.secret)

    async def asked(platform: Platform) -> CommandResult:
        def decide(view: View) -> Decided:
            return use_link(view, services.engine, link.id, secret_hash, platform, answer)

        return await services.handler.handle(command, decide)

    return await deciding(services.handler, {(TENANT, link.tenant_id)}, asked)
