"""What spans two ledgers: creating a tenant, registering and adding people. Each step is idempotent; platform first.

A process that dies between two steps leaves the first one done. Asking again carries on, and `complete` does so for every
tenant at the next start.
"""

import secrets
from dataclasses import dataclass
from uuid import UUID, uuid5

from psycopg import AsyncConnection

from domain import api_key, permission, role, tenant
from domain.access import Caller, Rights, rights
from domain.envelope import PLATFORM, Envelope
from domain.facts import Claim, Decided, Fact, Json, NotFound, View
from domain.member import MEMBER
from domain.user import USER
from runtime.ids import new_id
from store.command import Command, Done
from store.handler import Handler

SYSTEM = Envelope(actor_type="system")

OPEN_LEDGER = "SELECT ledger.open(%s)"

UNFINISHED = """
SELECT c.owner, c.name
FROM runtime.claims c
WHERE c.tenant_id = %s AND c.scope = 'tenant.slug'
  AND NOT EXISTS (SELECT FROM ledger.events e WHERE e.tenant_id = c.owner AND e.position = 1)
ORDER BY c.owner
"""
"""Tenants that exist on the platform, but whose own ledger has no first event (the seeded roles) yet."""


async def seed(handler: Handler) -> None:
    """Register the permissions that this version of Gesta knows and the platform does not."""

    def missing_permissions(view: View) -> Decided:
        return Decided(
            tuple(
                Fact(permission.permission_id(key), permission.registered(key, description))
                for key, description in permission.PERMISSIONS.items()
                if not view.read(permission.PERMISSION, permission.permission_id(key)).exists
            )
        )

    await handler.handle(Command(PLATFORM, "permission.register", SYSTEM), missing_permissions)


async def complete(handler: Handler, connection: AsyncConnection) -> list[str]:
    """Finish the tenants whose creation was cut short; returns their slugs. `connection` is gesta_system's."""
    cursor = await connection.execute(UNFINISHED, (PLATFORM,))
    unfinished = await cursor.fetchall()
    for tenant_id, _slug in unfinished:
        await open_tenant(handler, connection, tenant_id)
    return [slug for _tenant_id, slug in unfinished]


async def create_tenant(handler: Handler, connection: AsyncConnection, command: Command, body: dict[str, Json]) -> Done:
    """Create a tenant in the platform ledger, then open its own ledger and seed its roles.

    `command` is addressed to the platform; `body` has the fields of `domain.tenant.create`. The tenant's id follows from the
    command's, so that a command sent again finds the tenant it made.
    """
    command_id = command.command_id or new_id()
    tenant_id = uuid5(command_id, "tenant") if command.request_hash else new_id()
    done = await handler.handle(command, lambda view: tenant.create(view, tenant_id, **body))
    await open_tenant(handler, connection, UUID(done.result["id"]))
    return done


async def open_tenant(handler: Handler, connection: AsyncConnection, tenant_id: UUID) -> None:
    """Open a tenant's ledger and seed its roles; does nothing where that is done."""
    await connection.execute(OPEN_LEDGER, (tenant_id,))

    def missing_roles(view: View) -> Decided:
        facts: list[Fact] = []
        claims: list[Claim] = []
        for key, (name, permissions) in role.SEEDED_ROLES.items():
            role_id = role.role_id_of(tenant_id, key)
            if not view.read(role.ROLE, role_id).exists:
                decided = role.create(view, role_id, key, name, permissions, is_system=True)
                facts.extend(decided.facts)
                claims.extend(decided.claims)
        return Decided(tuple(facts), tuple(claims))

    await handler.handle(Command(tenant_id, "role.create", SYSTEM), missing_roles)


async def known_user(handler: Handler, connection: AsyncConnection, user_id: UUID) -> int:
    """The platform ledger's position at which a user is known to exist. Raises NotFound where there is none."""
    user, _version = await handler.read(PLATFORM, USER, user_id)
    if not user.exists:
        raise NotFound
    cursor = await connection.execute(
        "SELECT position FROM ledger.events WHERE tenant_id = %s AND stream_id = %s AND version = 1", (PLATFORM, user_id)
    )
    row = await cursor.fetchone()
    if row is None:
        raise NotFound
    return int(row[0])


@dataclass(frozen=True)
class NewKey:
    """A key just created: its id, the text to present (shown once), and the command's outcome."""

    key_id: UUID
    token: str
    done: Done


async def create_key(handler: Handler, command: Command, caller: Caller, body: dict[str, Json]) -> NewKey:
    """Create an API key in the ledger of `command`; `body` has name, permissions, user_id and expires_at.

    A key can't be given more than its maker may do, and belongs to a member where it belongs to a person.
    """
    secret = secrets.token_bytes(api_key.SECRET_BYTES)
    key_id = new_id()

    def decide(view: View) -> Decided:
        maker: Rights = rights(view, caller)
        maker.require("api_keys:manage")
        user_id = body.get("user_id")
        if user_id is not None and not view.read(MEMBER, user_id).active:
            raise NotFound("This user is not a member here.", "/user_id")
        return api_key.create(
            view,
            key_id,
            body["name"],
            tuple(body["permissions"]),
            api_key.hash_secret(secret),
            maker.granted,
            user_id,
            body.get("expires_at"),
        )

    done = await handler.handle(command, decide)
    return NewKey(key_id, api_key.new_token(command.tenant_id, key_id, secret), done)
