"""Analysts' logins, from the operator's side: what is on record in the tenant's ledger, and the role of the database.

On record first, and dropped from the record last: nobody has a login that is not on record. Whoever is cut short in between
begins again: `rotate` makes the login where there is none, and dropping one that is gone is no fault.
"""

from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from api.provisioning import SYSTEM
from domain import analyst
from domain.analyst import ANALYST, Analyst, AnalystLimits, analyst_id_of
from domain.facts import Decided, View
from runtime import analysts
from runtime.analysts import LoginLimits
from runtime.pools import Connection
from store.command import Command
from store.handler import Handler

LOGINS = """
SELECT l.login, l.analyst_id, l.expires_at, EXISTS (SELECT FROM pg_roles r WHERE r.rolname = l.login)
  FROM runtime.analyst_logins l WHERE l.tenant_id = %s AND l.analyst_id IS NOT NULL ORDER BY l.created_at, l.login
"""


@dataclass(frozen=True)
class Admitted:
    """`password`: told this once."""

    login: str
    password: str


@dataclass(frozen=True)
class Known:
    """An analyst with a login. `has_role`: not after a restore on another server, until the password is rotated."""

    state: Analyst
    login: str
    expires_at: datetime | None
    has_role: bool


async def create(
    handler: Handler,
    connection: Connection,
    tenant_id: UUID,
    name: str,
    limits: AnalystLimits,
    expires_at: datetime | None,
) -> Admitted:
    """`connection`: as gesta_system. Raises a Refusal."""
    id, login = analyst_id_of(tenant_id, name), analysts.new_login()
    command = Command(tenant_id, "analyst.create", SYSTEM, resource="analyst", resource_id=str(id))
    await handler.handle(command, lambda view: analyst.create(view, id, name, login, limits, expires_at))
    return await _admitted(handler, connection, tenant_id, id)


async def rotate(
    handler: Handler, connection: Connection, tenant_id: UUID, name: str, expires_at: datetime | None = None
) -> Admitted:
    id = analyst_id_of(tenant_id, name)
    command = Command(tenant_id, "analyst.rotate", SYSTEM, resource="analyst", resource_id=str(id))
    await handler.handle(command, lambda view: analyst.rotate(view, id, expires_at))
    made = await _admitted(handler, connection, tenant_id, id)
    await analysts.end_sessions(connection, made.login)
    return made


async def drop(handler: Handler, connection: Connection, tenant_id: UUID, name: str) -> str:
    """The login that there was."""
    id = analyst_id_of(tenant_id, name)
    state, _ = await handler.read(tenant_id, ANALYST, id)
    if state.login is not None:
        await analysts.dismiss(connection, state.login)

    def decide(view: View) -> Decided:
        return analyst.drop(view, id)

    await handler.handle(Command(tenant_id, "analyst.drop", SYSTEM, resource="analyst", resource_id=str(id)), decide)
    return state.login or ""


async def known(handler: Handler, connection: Connection, tenant_id: UUID) -> list[Known]:
    found = await (await connection.execute(LOGINS, [tenant_id])).fetchall()
    states = [(await handler.read(tenant_id, ANALYST, row[1]))[0] for row in found]
    return [Known(state, login, until, there) for state, (login, _, until, there) in zip(states, found, strict=True)]


async def _admitted(handler: Handler, connection: Connection, tenant_id: UUID, id: UUID) -> Admitted:
    state, _ = await handler.read(tenant_id, ANALYST, id)
    assert state.login is not None
    password = analysts.new_password()
    limits = LoginLimits(**asdict(state.limits))
    await analysts.admit(connection, tenant_id, state.login, password, limits, analyst_id=id, expires_at=state.expires_at)
    return Admitted(state.login, password)
