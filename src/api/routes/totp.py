"""One-time passwords, as proof of who decides: begun, confirmed by a code, removed, and reset for members who lost them."""

import secrets
from typing import Annotated
from uuid import UUID

from fastapi import Body as Default
from pydantic import Field
from starlette.responses import Response

from api import commands, sealing
from api.call import RequestContext
from api.commands import CommandSpec
from api.documented import Calling, documented
from api.models import NO_REASON, Body, Reason
from api.proving import code_of, require_proven
from api.routes.approvals import NobodyDecides
from api.routing import router
from api.schemas import results
from domain import totp
from domain.access import Asking, Rights
from domain.facts import Decided, View
from domain.keys import OwnNameOnly
from domain.secret import secret_id_of
from domain.tenant import TENANT
from domain.totp import SECRET_BYTES, TOTP
from domain.user import USER
from runtime.ids import new_id
from store.command import CommandResult
from store.secrets import Value

routes = router("people")


class OneCode(Body):
    code: Annotated[str, Field(pattern="^[0-9]{6}$")]


@routes.post(
    "/totp",
    status_code=201,
    **documented(
        "Begin with one-time passwords", "To be confirmed; the secret is told this once", results.ENROLLED_TOTP, creates=True
    ),
)
async def enrol(call: Calling) -> Response:
    """For oneself. They prove nothing until a code has confirmed them; whoever begins again gets another secret."""
    spec, user_id = commands.TOTP_ENROL, call.session.rights.user_id
    keys = await sealing.permitted(call, spec, None, lambda _view, who: _oneself(who))
    assert user_id is not None
    state, _ = await call.services.handler.read(call.tenant_id, TOTP, totp.totp_of(call.tenant_id, user_id))
    key, number = secrets.token_bytes(SECRET_BYTES), state.number + 1
    value = Value(call.tenant_id, new_id(), _secret_id(call.tenant_id, user_id, number))
    await sealing.write(call, keys, value, totp.text_of(key))
    if state.pending is not None:
        await sealing.doubt(call, _secret_id(call.tenant_id, user_id, state.number))
    told = ""

    def decide(view: View, asking: Asking) -> Decided:
        nonlocal told
        _oneself(asking.who)
        issuer = asking.platform.read(TENANT, call.tenant_id).name or "Gesta"
        told = totp.uri_of(key, asking.platform.read(USER, user_id).email or str(user_id), issuer)
        return totp.enrol(view, user_id, number, value.id)

    done = await sealing.handle(call, keys, spec, None, decide)
    unstored = {"secret": totp.text_of(key), "uri": told}
    return call.answer(done, call.tenant_id, status=201, location="/v1/members/{user_id}", unstored=unstored)


@routes.post("/totp/confirm", **documented("Confirm one-time passwords", "They prove who one is", results.TOTP_RESULT))
async def confirm(call: Calling, body: OneCode) -> Response:
    """By a code. From now on it takes a code to remove them."""
    return await _by_code(call, commands.TOTP_CONFIRM, body, pending=True)


@routes.delete("/totp", **documented("Remove one's one-time passwords", "They are no more", results.TOTP_RESULT))
async def remove(call: Calling, body: OneCode) -> Response:
    """By a code. Who has none any more has them reset."""
    return await _by_code(call, commands.TOTP_REMOVE, body)


@routes.delete(
    "/members/{user_id}/totp", **documented("Reset a member's one-time passwords", "They are no more", results.TOTP_RESULT)
)
async def reset_totp(call: Calling, user_id: UUID, body: Annotated[Reason, Default()] = NO_REASON) -> Response:
    """For who lost them. They begin anew, with a key of their own."""
    stream = totp.totp_of(call.tenant_id, user_id)
    state, _ = await call.services.handler.read(call.tenant_id, TOTP, stream)
    await call.authorize(commands.TOTP_RESET, user_id)
    await sealing.doubt(call, _secret_id(call.tenant_id, user_id, state.number))
    return await call.command(commands.TOTP_RESET, lambda view, _who: totp.reset(view, user_id, body.reason), stream)


async def _by_code(call: RequestContext, spec: CommandSpec, body: OneCode, *, pending: bool = False) -> Response:
    await call.authorize(spec, None, lambda _view, who: _oneself(who))
    user_id = call.session.rights.user_id
    assert user_id is not None
    code = await code_of(call.services, call.tenant_id, user_id, body.code, pending=pending)
    if not pending:
        state, _ = await call.services.handler.read(call.tenant_id, TOTP, totp.totp_of(call.tenant_id, user_id))
        await sealing.doubt(call, _secret_id(call.tenant_id, user_id, state.number))

    def decide(view: View, asking: Asking) -> Decided:
        _oneself(asking.who)
        return totp.confirm(view, user_id, code) if pending else totp.remove(view, user_id, code)

    done: CommandResult = await call.handle(spec, call.to_command(call.tenant_id, spec), decide)
    require_proven(done, "/code")
    return call.answer(done, call.tenant_id)


def _oneself(who: Rights) -> None:
    if who.delegated:
        raise OwnNameOnly("One-time passwords prove who one is: nobody has them on behalf of another.")
    if who.user_id is None:
        raise NobodyDecides


def _secret_id(tenant_id: UUID, user_id: UUID, number: int) -> UUID:
    return secret_id_of(tenant_id, totp.secret_name(user_id, number))
