"""What is presented as proof of who decides, on its way to the decision that judges it."""

import re
from base64 import b32decode
from uuid import UUID

from api import headers
from api.call import RequestContext
from api.documented import header
from api.problems import Problem, unavailable
from api.services import Services
from domain import totp
from domain.approval.proof import HEADER, ProofFailed
from domain.bearer_text import KEY, hash_secret, read
from domain.secret import secret_id_of
from domain.totp import TOTP, Code
from engine.proving import KeyShown, Presented
from runtime.master_keys import CannotOpen
from store import secrets
from store.command import CommandResult
from store.secrets import Value

SHAPE = re.compile(r"(key|totp) ([\x21-\x7e]{1,200})")
PARAMETER = header(
    HEADER,
    {"type": "string", "pattern": f"^{SHAPE.pattern}$"},
    "Where the outcome asks for proof of who decides: `key` and the API key again, or `totp` and a one-time password.",
)


async def presented(call: RequestContext) -> Presented | None:
    """What a request shows of who decides. It is no part of the body, so that a repetition may show another code.

    Raises Problem for what is none; whether it proves anything is for the decision.
    """
    text = headers.once(call.request, HEADER)
    if text is None:
        return None
    shown = SHAPE.fullmatch(text)
    if shown is None:
        raise Problem.at(HEADER, "proof", f"{HEADER} must be key and the API key, or totp and a code.")
    if headers.occurred_at(call.request) is not None:
        told = "Fresh proof is of now: what it goes with is not backdated."
        raise Problem.at("Gesta-Occurred-At", "not_applicable", told)
    rights = call.session.rights
    if rights.user_id is None or rights.delegated:
        return None  # nobody proves for another: the decision says what it lacks
    if shown[1] == "totp":
        return await code_of(call.services, call.tenant_id, rights.user_id, shown[2])
    token = read(KEY, shown[2])
    is_this = token is not None and token.id == call.session.key_id and token.tenant_id == call.tenant_id
    return KeyShown(call.session.key_id, hash_secret(token.secret) if token is not None and is_this else "")


async def code_of(services: Services, tenant_id: UUID, user_id: UUID, code: str, *, pending: bool = False) -> Code:
    """What a code comes to, for the decision that makes it count or not. `pending`: of what is yet to be confirmed."""
    now = services.clock.now()
    state, _ = await services.handler.read(tenant_id, TOTP, totp.totp_of(tenant_id, user_id))
    value_id = state.pending if pending else state.value_id
    if value_id is None:
        return Code(None, None, now)
    if services.master_keys is None:
        raise Problem(503, "no_master_key", "This server has no master key, so it knows no one-time passwords.")
    value = Value(tenant_id, value_id, secret_id_of(tenant_id, totp.secret_name(user_id, state.number)))
    async with services.system_pool.connection() as connection:
        sealed = await secrets.read(connection, value)
    if sealed is None:
        return Code(None, None, now)
    try:
        key = b32decode(services.master_keys.open(sealed, value.bound_to))
    except (CannotOpen, ValueError):
        raise unavailable() from None
    return Code(value_id, totp.counter_of(key, code, now), now)


def require_proven(done: CommandResult, path: str = HEADER) -> None:
    """A code that was wrong is on record, and nothing else was done. Raises ProofFailed."""
    if "failed" in done.result:
        raise ProofFailed(str(done.result["failed"]), path)
