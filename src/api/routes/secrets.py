"""Secrets of a tenant: what is written here is told to nobody, and is used by its name."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated
from uuid import UUID

from pydantic import Field, SecretStr
from starlette.responses import Response

from api import commands
from api.commands import CommandSpec
from api.documented import Calling, documented, paged
from api.listing import FRESHNESS
from api.models import Body, Name, Text
from api.problems import Problem
from api.queries import access as queries
from api.routing import router
from api.schemas import resources, results
from domain import secret
from domain.access import Asking
from domain.facts import Decided, View
from domain.secret import LEAST, MOST, MOST_HOSTS, SECRET
from runtime.ids import new_id
from runtime.master_keys import MasterKeys
from store import secrets
from store.command import Command, CommandResult
from store.secrets import Value

routes = router("secrets")

SecretText = Annotated[SecretStr, Field(min_length=LEAST, max_length=MOST)]
Hosts = Annotated[list[Annotated[str, Field(min_length=1, max_length=253)]], Field(max_length=MOST_HOSTS)]


class NewSecret(Body):
    name: Name
    value: SecretText
    hosts: Hosts = Field(default_factory=list, examples=[["api.example.com"]])
    description: Text | None = None


class Rotation(Body):
    value: SecretText
    hosts: Hosts | None = None


@routes.post(
    "/secrets",
    status_code=201,
    **documented("Create a secret", "Created; no answer ever has its value", results.SECRET_RESULT, creates=True),
)
async def create(call: Calling, body: NewSecret) -> Response:
    """It is sealed under the server's master key, and referred to by its name. `hosts`: where requests may carry it."""
    keys = await _permitted(call, commands.SECRET_CREATE)
    text, hosts = body.value.get_secret_value(), tuple(body.hosts)
    secret.require_new(body.name, text, hosts, body.description)
    value = Value(call.tenant_id, new_id(), secret.secret_id_of(call.tenant_id, body.name))
    await _write(call, keys, value, text)
    done = await _handle(
        call,
        keys,
        commands.SECRET_CREATE,
        None,
        lambda view, _asking: secret.create(view, value.secret_id, body.name, value.id, hosts, body.description),
    )
    return call.answer(done, call.tenant_id, status=201, location="/v1/secrets/{id}")


@routes.get("/secrets", **paged("List secrets, without their values", queries.SECRETS, resources.SECRET))
async def list_secrets(call: Calling) -> Response:
    call.require("secrets:read")
    return await call.page(queries.SECRETS)


@routes.get(
    "/secrets/{id}", **documented("Get a secret, without its value", "The secret", resources.SECRET, parameters=FRESHNESS)
)
async def get(call: Calling, id: UUID) -> Response:
    call.require("secrets:read")
    return await call.one(queries.SECRET, {"id": id})


@routes.post("/secrets/{id}/rotate", **documented("Give a secret another value", "How it stands", results.SECRET_RESULT))
async def rotate(call: Calling, id: UUID, body: Rotation) -> Response:
    """What begins from now on uses the new value. `hosts` stay as they were unless given: they change with the value only."""
    keys = await _permitted(call, commands.SECRET_ROTATE, id)
    text, hosts = body.value.get_secret_value(), None if body.hosts is None else tuple(body.hosts)
    secret.require_value(text, hosts or ())
    value = Value(call.tenant_id, new_id(), id)
    before: UUID | None = None

    def decide(view: View, _asking: Asking) -> Decided:
        nonlocal before
        before = view.read(SECRET, id).value_id
        return secret.rotate(view, id, value.id, hosts)

    await _write(call, keys, value, text)
    done = await _handle(call, keys, commands.SECRET_ROTATE, id, decide)
    if not done.replayed:
        await _drop(call, before)
    return call.answer(done, call.tenant_id)


@routes.delete("/secrets/{id}", **documented("Delete a secret and its value", "The secret as it was", results.SECRET_RESULT))
async def delete(call: Calling, id: UUID) -> Response:
    """Nodes that name it fail from now on. Another of its name may be created."""
    await call.authorize(commands.SECRET_DELETE, id)
    before: UUID | None = None

    def decide(view: View, _asking: Asking) -> Decided:
        nonlocal before
        before = view.read(SECRET, id).value_id
        return secret.delete(view, id)

    async with call.services.system_pool.connection() as connection:
        await secrets.doubt(connection, call.tenant_id, id)
    done = await call.handle(commands.SECRET_DELETE, call.to_command(call.tenant_id, commands.SECRET_DELETE, id), decide)
    if not done.replayed:
        await _drop(call, before)
    return call.answer(done, call.tenant_id)


async def _permitted(call: Calling, spec: CommandSpec, id: UUID | None = None) -> MasterKeys:
    """Before anything is written for the caller. A refusal is on record."""
    await call.authorize(spec, id)
    keys = call.services.master_keys
    if keys is None:
        raise Problem(503, "no_master_key", "This server has no master key, so it keeps no secrets: GESTA_MASTER_KEY is not set.")
    return keys


async def _write(call: Calling, keys: MasterKeys, value: Value, text: str) -> None:
    async with call.services.system_pool.connection() as connection:
        await secrets.write(connection, keys, value, text)


async def _handle(
    call: Calling, keys: MasterKeys, spec: CommandSpec, id: UUID | None, decide: Callable[[View, Asking], Decided]
) -> CommandResult:
    """The request's hash is kept with its Idempotency-Key: this one says nothing of a value that could be guessed."""
    command: Command = call.to_command(call.tenant_id, spec, id)
    if command.request_hash is not None:
        command = replace(command, request_hash=keys.fingerprint(command.request_hash))
    return await call.handle(spec, command, decide)


async def _drop(call: Calling, before: UUID | None) -> None:
    """The value of before. Whoever dies here leaves it to the sweep."""
    if before is not None:
        async with call.services.system_pool.connection() as connection:
            await secrets.delete(connection, call.tenant_id, before)
