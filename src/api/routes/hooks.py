"""Requests of other systems that start executions: to an address that nobody can guess, and signed where its trigger says so."""

import logging
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api import answers, headers
from api.documented import in_json, problem_answers
from api.hooks import seen
from api.problems import Problem, not_found, rate_limited, unavailable
from api.requests import StrictRequest
from api.routing import AddressRoute, operation_id
from api.schemas import results
from api.services import Services
from domain.bearer_text import WEBHOOK, BearerText, hash_secret, read
from domain.envelope import PLATFORM, Envelope
from domain.facts import Json, NotFound
from domain.tenant import TENANT
from domain.trigger import TRIGGER, Trigger
from engine.triggers.arriving import is_address_of, start_by_request
from engine.triggers.commands import TriggerIsPaused
from engine.triggers.signature import BadSignature, verify
from engine.triggers.webhook import rate, window
from store.command import Command
from store.errors import UnknownLedger
from store.request_rates import seconds_to_request
from store.vault import NotSetUp, SecretError, Vault

log = logging.getLogger(__name__)

routes = APIRouter(route_class=AddressRoute, tags=["triggers"], generate_unique_id_function=operation_id)

LONGEST_ID = 255
RETRY_PAUSED = "60"
"""Seconds after which a sender may try again."""
REFUSALS = {
    400: "Malformed",
    403: "Not signed, or not now",
    404: "There is no such address",
    413: "Body too large",
    415: "Neither JSON nor text",
    422: "No execution could be started",
    429: "More requests than its limits allow",
    503: "Paused, busy or unavailable",
}
RESPONSES: dict[int | str, dict[str, Any]] = {
    202: {"description": "What came of it", "content": in_json(results.HOOK_RESULT)},
    **problem_answers(REFUSALS),
}


@routes.post(
    "/hooks/{token}",
    status_code=202,
    summary="Start an execution by a request",
    response_class=Response,
    responses=RESPONSES,
    openapi_extra={
        "parameters": [
            {"name": name, "in": "header", "required": False, "schema": {"type": "string"}, "description": words}
            for name, words in (
                ("webhook-id", "The sender's name for it: another request of this name starts nothing."),
                ("webhook-timestamp", "When it was signed, in seconds since 1970."),
                ("webhook-signature", "As Standard Webhooks has it."),
            )
        ],
        "requestBody": {"required": False, "content": {"application/json": {"schema": {}}}},
    },
)
async def receive(request: Request, token: str) -> Response:
    """No API key: the address is the proof, and the signature where the trigger names a secret. Answers when it is recorded."""
    assert isinstance(request, StrictRequest), "of an AddressRoute"
    services: Services = request.app.state.services
    address = read(WEBHOOK, token)
    state = None if address is None else await _found(services, address)
    if address is None or state is None:
        raise not_found()
    if state.paused:
        raise _paused()
    await request.read_bytes()
    id = _id(request)
    if "secret" in state.config:
        await _require_signed(services, address.tenant_id, state, id, request)
    await _require_room(services, address, state)
    given, hashed = seen(request), hash_secret(address.secret)
    command = Command(
        address.tenant_id, "trigger.start", _envelope(request, address), resource="trigger", resource_id=str(address.id)
    )
    try:
        done = await services.handler.handle(
            command, lambda view: start_by_request(view, services.engine, address.id, hashed, id, given)
        )
    except NotFound:  # it was given another address meanwhile
        raise not_found() from None
    except TriggerIsPaused:
        raise _paused() from None
    return _answer(done.result)


async def _found(services: Services, address: BearerText) -> Trigger | None:
    """The webhook of this address. A suspended tenant's is nobody's."""
    try:
        state, _ = await services.handler.read(address.tenant_id, TRIGGER, address.id)
        tenant, _ = await services.handler.read(PLATFORM, TENANT, address.tenant_id)
    except UnknownLedger:
        return None
    return state if tenant.active and is_address_of(state, hash_secret(address.secret)) else None


async def _require_signed(services: Services, tenant_id: UUID, state: Trigger, id: str | None, request: StrictRequest) -> None:
    timestamp, signatures = (headers.once(request, f"webhook-{name}") for name in ("timestamp", "signature"))
    if id is None or timestamp is None or signatures is None:
        missing = "A signed request has webhook-id, webhook-timestamp and webhook-signature."
        raise Problem(403, "signature_missing", missing)
    vault = Vault(services.handler, services.system_pool, services.master_keys)
    try:
        secret = await vault.open(tenant_id, state.config["secret"])
    except (SecretError, NotSetUp) as error:
        log.error("A webhook's secret cannot be used: %s", error, extra={"action": "hook", "tenant_id": str(tenant_id)})
        raise unavailable() from None
    try:
        now = services.clock.now()
        verify(secret.text, id, timestamp, request.sent, signatures, now=now, window=window(state.config))
    except BadSignature as error:
        raise Problem(403, "signature_invalid", f"{error}.") from None


async def _require_room(services: Services, address: BearerText, state: Trigger) -> None:
    """Within the limits of the trigger. A request that was refused before, for its signature or its size, is not counted."""
    own = rate(state.config)
    seconds = await services.system_pool.read(lambda conn: seconds_to_request(conn, address.tenant_id, address.id, own))
    if seconds is not None:
        raise rate_limited("More requests come to this address than its limits allow.", seconds)


def _id(request: StrictRequest) -> str | None:
    id = headers.once(request, "webhook-id")
    if id is not None and not 0 < len(id) <= LONGEST_ID:
        raise Problem.at("webhook-id", "length", f"webhook-id has 1 to {LONGEST_ID} characters.")
    return id


def _envelope(request: StrictRequest, address: BearerText) -> Envelope:
    return Envelope(
        "webhook",
        str(address.id),
        **headers.origin(request),
    )


def _paused() -> Problem:
    return Problem(503, TriggerIsPaused.code, "The trigger is paused: try again later.", headers={"Retry-After": RETRY_PAUSED})


def _answer(result: Json) -> Response:
    if result["outcome"] == "failed":
        raise Problem(422, result["code"], result["message"])
    return answers.answer({"outcome": result["outcome"], "execution_id": result["execution_id"]}, 202)
