"""Tenants, for the platform; the tenant one is in; and who one is."""

from typing import Annotated
from uuid import UUID

from fastapi import Body as Default
from pydantic import Field
from starlette.responses import Response

from api import answers, commands, provisioning
from api.documented import Calling, documented, paged
from api.listing import PAST
from api.models import NO_REASON, Body, Name, Object, Reason, Text
from api.queries import access as queries
from api.routing import router
from api.schemas import resources, results, status
from domain import tenant
from domain.envelope import PLATFORM

routes = router("tenants")


class NewTenant(Body):
    slug: Name
    name: Name
    settings: Object = Field(default_factory=dict)
    domain: Name | None = None
    description: Text | None = None
    billing_email: Name | None = None


class TenantChange(Body):
    name: Name = ""
    settings: Object = Field(default_factory=dict)
    domain: Name | None = None
    description: Text | None = None
    billing_email: Name | None = None


@routes.post(
    "/tenants",
    status_code=201,
    **documented("Create a tenant", "Created, with its seeded roles", results.CREATED_TENANT, creates=True),
)
async def create(call: Calling, body: NewTenant) -> Response:
    call.session.require_platform()
    services = call.services
    command = call.to_command(PLATFORM, commands.TENANT_CREATE)
    async with services.system_pool.connection() as connection:
        done = await provisioning.create_tenant(
            services.handler,
            connection,
            command,
            body.model_dump(),
            lambda one, decide: call.handle(commands.TENANT_CREATE, one, lambda view, _asking: decide(view)),
        )
    return call.answer(done, PLATFORM, status=201, location="/v1/tenants/{id}")


@routes.get("/tenants", **paged("List tenants", queries.TENANTS, resources.TENANT_SUMMARY))
async def list_tenants(call: Calling) -> Response:
    call.session.require_platform()
    call.require("tenants:read")
    return await call.page(queries.TENANTS, as_platform=True)


@routes.get("/tenants/{id}", **documented("Get a tenant", "The tenant", resources.TENANT, parameters=PAST))
async def get_one(call: Calling, id: UUID) -> Response:
    call.session.require_platform()
    call.require("tenants:read")
    return await call.one(queries.TENANT_BY_ID, {"id": id}, as_platform=True)


@routes.post(
    "/tenants/{id}/suspend",
    **documented("Suspend a tenant: its keys are refused", "The tenant's status", results.TENANT_RESULT),
)
async def suspend(call: Calling, id: UUID, body: Annotated[Reason, Default()] = NO_REASON) -> Response:
    call.session.require_platform()
    return await call.platform_command(commands.TENANT_SUSPEND, lambda view: tenant.suspend(view, id, body.reason), id)


@routes.post(
    "/tenants/{id}/reactivate", **documented("Reactivate a suspended tenant", "The tenant's status", results.TENANT_RESULT)
)
async def reactivate(call: Calling, id: UUID, body: Annotated[Reason, Default()] = NO_REASON) -> Response:
    call.session.require_platform()
    return await call.platform_command(commands.TENANT_REACTIVATE, lambda view: tenant.reactivate(view, id, body.reason), id)


@routes.get("/tenant", **documented("Get the tenant that the key belongs to", "The tenant", resources.TENANT, parameters=PAST))
async def get(call: Calling) -> Response:
    call.require("tenants:read")
    return await call.one(queries.TENANT, {}, platform=True)


@routes.patch("/tenant", **documented("Change the tenant", "The tenant's status", results.TENANT_RESULT))
async def change(call: Calling, body: TenantChange) -> Response:
    return await call.platform_command(
        commands.TENANT_CHANGE,
        lambda view: tenant.change(view, call.tenant_id, body.given(), by_platform=call.session.caller.platform),
        call.tenant_id,
    )


@routes.get("/me", **documented("Who am I, and what may I do", "The key, its user, its rights", status.ME, parameters=[]))
async def me(call: Calling) -> Response:
    session = call.session
    return answers.answer(
        {
            "tenant_id": session.tenant_id,
            "user_id": session.rights.user_id,
            "on_behalf_of": session.caller.on_behalf_of,
            "api_key": {"id": session.key_id, "name": session.key_name},
            "platform": session.rights.platform,
            "roles": sorted(session.rights.roles),
            "permissions": sorted(session.rights.permissions),
        }
    )
