"""The roles that tenants are seeded with, when a release brings others."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
from psycopg import AsyncConnection

from api import provisioning
from cli.preparing import seed_if_migrated
from domain import role
from domain.envelope import PLATFORM
from domain.permission import PERMISSION, PERMISSIONS, permission_id
from domain.role import ROLE, role_id_of
from store.command import Command
from store.handler import Handler, open_handler
from store.reading import read_ledger
from tests.api.conftest import addresses_of
from tests.conftest import Database

EARLIER = {
    key: (name, tuple(each for each in given if each != "events:read")) for key, (name, given) in role.SEEDED_ROLES.items()
}
del EARLIER["analyst"]


@asynccontextmanager
async def opened(database: Database) -> AsyncIterator[tuple[Handler, AsyncConnection[Any]]]:
    async with (
        open_handler(database.system_url) as handler,
        await AsyncConnection.connect(database.system_url, autocommit=True) as connection,
    ):
        yield handler, connection


async def create(handler: Handler, connection: AsyncConnection[Any], slug: str) -> UUID:
    command = Command(PLATFORM, "tenant.create", provisioning.SYSTEM)
    done = await provisioning.create_tenant(handler, connection, command, {"slug": slug, "name": slug})
    return UUID(done.result["id"])


async def permissions_of(database: Database, tenant_id: UUID) -> dict[str, frozenset[str]]:
    async with open_handler(database.system_url) as handler:
        roles = [(await handler.read(tenant_id, ROLE, role_id_of(tenant_id, key)))[0] for key in role.SEEDED_ROLES]
    return {each.key: each.permissions for each in roles if each.exists}


SEEDED_NOW = {key: frozenset(permissions) for key, (_name, permissions) in role.SEEDED_ROLES.items()}


async def test_a_start_of_a_newer_release_brings_every_tenants_roles_up_to_date(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(database) as (handler, connection):
        await provisioning.seed(handler)
        with monkeypatch.context() as earlier:
            earlier.setattr(role, "SEEDED_ROLES", EARLIER)
            earlier.setattr(provisioning, "SEEDED", "as of an earlier release")
            tenants = [await create(handler, connection, slug) for slug in ("acme", "other")]
            assert await provisioning.complete(handler, connection) == []
    assert (await permissions_of(database, tenants[0]))["owner"] == SEEDED_NOW["owner"] - {"events:read"}
    async with opened(database) as (handler, connection):
        assert sorted(await provisioning.complete(handler, connection)) == ["acme", "other"]
        for tenant_id in tenants:
            assert await permissions_of(database, tenant_id) == SEEDED_NOW
        events = await read_ledger(connection, tenants[0], 0, 100)
        brought = [record.topic for record in events[len(EARLIER) :]]
        assert sorted(brought) == ["role.changed.v1", "role.changed.v1", "role.created.v1"], "as events, and only what changed"
        assert await provisioning.complete(handler, connection) == []
        assert len(await read_ledger(connection, tenants[0], 0, 100)) == len(events)


async def test_a_database_from_before_roles_were_kept_up_to_date(database: Database) -> None:
    async with opened(database) as (handler, connection):
        tenant_id = await create(handler, connection, "acme")
        await connection.execute("UPDATE runtime.seeded_roles SET digest = ''")
        before = len(await read_ledger(connection, tenant_id, 0, 100))
        assert await provisioning.complete(handler, connection) == ["acme"]
        assert len(await read_ledger(connection, tenant_id, 0, 100)) == before, "its roles were as they should be"


async def test_one_tenant_that_cannot_be_seeded_does_not_stop_the_others(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(database) as (handler, connection):
        stuck, fine = [await create(handler, connection, slug) for slug in ("stuck", "fine")]
        await connection.execute("UPDATE runtime.seeded_roles SET digest = ''")
        handle = handler.handle

        async def refusing(command: Command, decide: Any) -> Any:
            if command.tenant_id == stuck:
                raise role.RoleExists
            return await handle(command, decide)

        monkeypatch.setattr(handler, "handle", refusing)
        assert await provisioning.complete(handler, connection) == ["fine"]
        assert str(stuck) in {getattr(record, "tenant_id", "") for record in caplog.records}
        assert (await permissions_of(database, fine)) == SEEDED_NOW


async def test_an_api_that_starts_seeds_what_nobody_has(database: Database) -> None:
    """Whoever migrates and then starts the processes one by one runs neither `gesta up` nor `gesta db seed`."""
    await seed_if_migrated(addresses_of(database))
    async with open_handler(database.system_url) as handler:
        known = [(await handler.read(PLATFORM, PERMISSION, permission_id(key)))[0].exists for key in PERMISSIONS]
    assert all(known)


async def test_an_api_starts_on_a_database_that_is_not_migrated(
    empty_database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    await seed_if_migrated(addresses_of(empty_database))
    assert "could not be brought up to date" in caplog.text
