"""Secrets of a tenant: what is written here is told to nobody, and is used by its name."""

from typing import Annotated
from uuid import UUID

from pydantic import Field, SecretStr
from starlette.responses import Response

from api import commands, sealing
from api.documented import Calling, documented, paged
from api.listing import PAST
from api.models import Body, Name, Text
from api.queries import access as queries
from api.routing import router
from api.schemas import resources, results
from domain import secret
from domain.access import Asking
from domain.facts import Decided, View
from domain.secret import LEAST, MOST, MOST_HOSTS, SECRET
from runtime.ids import new_id
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
    keys = await sealing.permitted(call, commands.SECRET_CREATE)
    text, hosts = body.value.get_secret_value(), tuple(body.hosts)
    secret.require_new(body.name, text, hosts, body.description)
    value = Value(call.tenant_id, new_id(), secret.secret_id_of(call.tenant_id, body.name))
    await sealing.write(call, keys, value, text)
    done = await sealing.handle(
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


@routes.get("/secrets/{id}", **documented("Get a secret, without its value", "The secret", resources.SECRET, parameters=PAST))
async def get(call: Calling, id: UUID) -> Response:
    call.require("secrets:read")
    return await call.one(queries.SECRET, {"id": id})


@routes.post("/secrets/{id}/rotate", **documented("Give a secret another value", "How it stands", results.SECRET_RESULT))
async def rotate(call: Calling, id: UUID, body: Rotation) -> Response:
    """What begins from now on uses the new value. `hosts` stay as they were unless given: they change with the value only."""
    keys = await sealing.permitted(call, commands.SECRET_ROTATE, id)
    text, hosts = body.value.get_secret_value(), None if body.hosts is None else tuple(body.hosts)
    secret.require_value(text, hosts or ())
    value = Value(call.tenant_id, new_id(), id)
    before: UUID | None = None

    def decide(view: View, _asking: Asking) -> Decided:
        nonlocal before
        before = view.read(SECRET, id).value_id
        return secret.rotate(view, id, value.id, hosts)

    await sealing.write(call, keys, value, text)
    done = await sealing.handle(call, keys, commands.SECRET_ROTATE, id, decide)
    if not done.replayed:
        await sealing.drop(call, before)
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

    await sealing.doubt(call, id)
    done = await call.handle(commands.SECRET_DELETE, call.to_command(call.tenant_id, commands.SECRET_DELETE, id), decide)
    if not done.replayed:
        await sealing.drop(call, before)
    return call.answer(done, call.tenant_id)
