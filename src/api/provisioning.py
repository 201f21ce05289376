"""What spans two ledgers: creating a tenant, registering and adding people. Each step is idempotent; platform first.

A process that dies between two steps leaves the first one done. Asking again carries on, and `complete` does so for every
tenant at the next start.
"""

import asyncio
import hashlib
import json
import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid5

from psycopg import AsyncConnection

from domain import access, bearer_text, keys, member, permission, role, tenant, user
from domain.access import Asking, Caller
from domain.bearer_text import BearerText
from domain.envelope import PLATFORM, Envelope
from domain.facts import Decided, Fact, Invalid, Json, Refusal, View
from domain.keys import KeyRequest
from runtime.ids import new_id
from runtime.pools import Pool
from store.command import Command, CommandResult
from store.errors import StoreError
from store.handler import Handler

log = logging.getLogger(__name__)

SYSTEM = Envelope(actor_type="system")
OPERATOR = Caller(None, platform=True)

OPEN_LEDGER = "SELECT ledger.open(%s)"

OUTDATED = """
SELECT c.owner, c.name
FROM runtime.claims c
LEFT JOIN runtime.seeded_roles s ON s.tenant_id = c.owner
WHERE c.tenant_id = %s AND c.scope = 'tenant.slug' AND s.digest IS DISTINCT FROM %s
ORDER BY c.owner
"""
"""Tenants without the roles that this release seeds: made by an earlier one, or cut short before their ledger had any."""

REMEMBER_SEEDED = """
INSERT INTO runtime.seeded_roles (tenant_id, digest) VALUES (%s, %s)
ON CONFLICT (tenant_id) DO UPDATE SET digest = excluded.digest, seeded_at = clock_timestamp()
"""

SEEDED_AT_ONCE = 16
"""Tenants."""

SEEDED = hashlib.sha256(json.dumps(role.SEEDED_ROLES, sort_keys=True).encode()).hexdigest()
"""Which roles this release seeds."""


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
    """Finish the tenants whose creation was cut short, and bring the roles of the others up to date.

    Returns their slugs. What stands in the way of one tenant does not stop the others. `connection` is gesta_system's.
    """
    cursor = await connection.execute(OUTDATED, (PLATFORM, SEEDED))
    free = asyncio.Semaphore(SEEDED_AT_ONCE)

    async def bring(tenant_id: UUID, slug: str) -> str | None:
        async with free:
            try:
                await open_tenant(handler, connection, tenant_id)
                return slug
            except (Refusal, StoreError) as error:
                log.error(
                    "The roles of a tenant could not be seeded: %s", error, extra={"action": "seed", "tenant_id": str(tenant_id)}
                )
                return None

    brought = await asyncio.gather(*(bring(*row) for row in await cursor.fetchall()))
    return [slug for slug in brought if slug is not None]


async def create_tenant(
    handler: Handler,
    connection: AsyncConnection,
    command: Command,
    body: dict[str, Json],
    handle: Callable[[Command, Callable[[View], Decided]], Awaitable[CommandResult]] | None = None,
) -> CommandResult:
    """Create a tenant in the platform ledger, then open its own ledger and seed its roles.

    `command` is addressed to the platform; `body` has the fields of `domain.tenant.create`. The tenant's id follows from the
    command's, so that a command sent again finds the tenant it made. `handle` asks first whether the caller may.
    """
    command_id = command.command_id or new_id()
    tenant_id = uuid5(command_id, "tenant") if command.request_hash else new_id()
    done = await (handle or handler.handle)(command, lambda view: tenant.create(view, tenant_id, **body))
    await open_tenant(handler, connection, UUID(done.result["id"]))
    return done


async def open_tenant(handler: Handler, connection: AsyncConnection, tenant_id: UUID) -> None:
    """Open a tenant's ledger and seed its roles, as this release has them; does nothing where that is done."""
    await connection.execute(OPEN_LEDGER, (tenant_id,))
    await handler.handle(Command(tenant_id, "role.seed", SYSTEM), role.bring_up_to_date)
    await connection.execute(REMEMBER_SEEDED, (tenant_id, SEEDED))


REGISTERED = "SELECT position FROM ledger.events WHERE tenant_id = %s AND stream_id = %s AND version = 1"


async def known_since(handler: Handler, pool: Pool, user_id: UUID) -> int | None:
    """The platform ledger's position at which a user is known to exist; None for a user who does not."""

    async def ask(connection: AsyncConnection) -> int | None:
        known, _version = await handler.read(PLATFORM, user.USER, user_id)
        return await _registered_at(connection, user_id) if known.exists else None

    return await pool.read(ask)


async def _registered_at(connection: AsyncConnection, user_id: UUID) -> int | None:
    row = await (await connection.execute(REGISTERED, (PLATFORM, user_id))).fetchone()
    return None if row is None else int(row[0])


async def add_member_as_operator(
    handler: Handler, connection: AsyncConnection, tenant_id: UUID, email: str, display_name: str, role_keys: Sequence[str]
) -> UUID:
    """Register a user where the address has none, and make them a member. Returns the user's id. `connection` is gesta_system's.

    Raises Invalid where a role is not there, before anything is done.
    """
    roles: list[UUID] = []
    for key in role_keys:
        if (role_id := await handler.lookup(tenant_id, role.ROLE_KEY, key)) is None:
            raise Invalid(f"There is no role {key}.", "/role")
        roles.append(role_id)
    user_id = await handler.lookup(PLATFORM, "user.email", email.lower()) or await _register(handler, email, display_name)
    position = await _registered_at(connection, user_id)
    if position is None:
        raise Invalid("There is no such user.", "/email")
    adding = Command(tenant_id, "member.add", SYSTEM, resource="member")
    await handler.handle(adding, lambda view: member.add(view, user_id, tuple(roles), position, by_platform=True))
    return user_id


async def _register(handler: Handler, email: str, display_name: str) -> UUID:
    user_id = new_id()
    registering = Command(PLATFORM, "user.register", SYSTEM, resource="user")
    await handler.handle(registering, lambda view: user.register(view, user_id, email, display_name))
    return user_id


@dataclass(frozen=True)
class CreatedKey:
    """A key just created: its id, the text to present (shown once), and the command's outcome."""

    key_id: UUID
    token: str
    done: CommandResult


async def create_key(
    handle: Callable[[Callable[[View, Asking], Decided]], Awaitable[CommandResult]], ledger: UUID, wanted: KeyRequest
) -> CreatedKey:
    """Create an API key in a ledger. `handle` decides there, for whoever asks."""
    secret, key_id = secrets.token_bytes(bearer_text.SECRET_BYTES), new_id()

    def decide(view: View, asking: Asking) -> Decided:
        return keys.make(view, asking, key_id, bearer_text.hash_secret(secret), wanted)

    return CreatedKey(key_id, bearer_text.written(bearer_text.KEY, BearerText(ledger, key_id, secret)), await handle(decide))


async def create_key_as_operator(handler: Handler, ledger: UUID, wanted: KeyRequest) -> CreatedKey:
    """The same with the platform's authority, for who has the database in hand: recorded so, and with no limit."""

    return await create_key(lambda decide: _as_operator(handler, ledger, "api_key.create", decide), ledger, wanted)


async def revoke_key_as_operator(handler: Handler, ledger: UUID, key_id: UUID, reason: str) -> None:
    await _as_operator(handler, ledger, "api_key.revoke", lambda view, asking: keys.revoke(view, asking, key_id, reason))


async def _as_operator(handler: Handler, ledger: UUID, name: str, decide: Callable[[View, Asking], Decided]) -> CommandResult:
    def as_operator(view: View) -> Decided:
        return decide(view, Asking(OPERATOR, access.rights(view, OPERATOR, view), view))

    return await handler.handle(Command(ledger, name, SYSTEM, resource="api_key"), as_operator)
