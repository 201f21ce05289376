"""What must be true of a database before anything serves on it, and a handler for a command of one process's life."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import psycopg

from api import provisioning
from domain.envelope import PLATFORM
from domain.facts import Invalid, Refusal
from runtime import functions, migrations, schema
from runtime.addresses import Addresses
from runtime.errors import OperatorError, WrongUsage
from runtime.pools import Connection, connect
from runtime.roles import refuse_dangerous_role, refuse_old_server
from store.errors import StoreError
from store.handler import Handler, open_handler

log = logging.getLogger(__name__)


@asynccontextmanager
async def opened(addresses: Addresses) -> AsyncIterator[tuple[Handler, Connection]]:
    """A handler and a connection, both as gesta_system."""
    async with connect(addresses.system, name="gesta command line") as connection:
        refuse_old_server(connection)
        await refuse_dangerous_role(connection)
        async with open_handler(addresses.system) as handler:
            yield handler, connection


async def tenant_named(handler: Handler, slug: str) -> UUID:
    """Raises WrongUsage where there is none."""
    tenant_id = await handler.lookup(PLATFORM, "tenant.slug", slug)
    if tenant_id is None:
        raise WrongUsage(f"There is no tenant {slug}.")
    return tenant_id


def refused(refusal: Refusal, about: str | None = None) -> OperatorError:
    """What is told of it: wrong usage, where it is what was given. `about`: what comes first, such as an option."""
    told = "; ".join([refusal.message, *(fault.message for fault in refusal.errors)])
    return (WrongUsage if isinstance(refusal, Invalid) else OperatorError)(told if about is None else f"{about}: {told}")


async def prepare(addresses: Addresses) -> None:
    """Migrate and seed: what `gesta up` does before it serves. Changes nothing where all is done."""
    if addresses.has_owner:
        with migrations.owner_connection(addresses.owner) as owner:
            for applied in migrations.migrate(owner, migrations.load(), functions.load()):
                log.info("Applied %s", applied, extra={"action": "migrate"})
    else:
        await schema.refuse_older(addresses.system)
    await seed(addresses)


async def seed(addresses: Addresses) -> list[str]:
    """Register this version's permissions and finish tenants that were cut short; returns the slugs of those."""
    async with opened(addresses) as (handler, connection):
        await provisioning.seed(handler)
        return await provisioning.complete(handler, connection)


async def seed_if_migrated(addresses: Addresses) -> None:
    """What an API does before it serves, for where nobody ran `gesta up` or `gesta db seed`: a tenant's tables would stand still
    for want of the permissions that its roles have. What is in the way is no reason not to serve: /readyz tells of it."""
    try:
        await seed(addresses)
    except (psycopg.Error, StoreError, OperatorError) as error:
        log.warning("The ledgers could not be brought up to date with this release: %s", error, extra={"action": "seed"})
