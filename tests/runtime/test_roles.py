"""No process serves as somebody whom row-level security and the ledger's grants do not bind."""

import psycopg
import pytest
from psycopg import sql

from runtime.errors import OperatorError
from runtime.pools import connect, open_pool
from runtime.roles import refuse_dangerous_role
from tests.conftest import Database


@pytest.mark.parametrize("url", ["system_url", "api_url"])
async def test_the_two_serving_roles_are_accepted(database: Database, url: str) -> None:
    async with connect(getattr(database, url), name="test") as connection:
        await refuse_dangerous_role(connection)


@pytest.mark.parametrize(("url", "reason"), [("superuser_url", "is a superuser"), ("owner_url", "owns the tables")])
async def test_a_pool_is_not_opened_as_a_superuser_or_an_owner(database: Database, url: str, reason: str) -> None:
    with pytest.raises(OperatorError, match=reason):
        async with open_pool(getattr(database, url), name="test", size=1):
            pytest.fail("opened")


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [("BYPASSRLS", "has BYPASSRLS"), ("SUPERUSER", "is a superuser"), ("IN ROLE gesta_owner NOINHERIT", "owns the tables")],
)
async def test_a_login_that_is_or_could_become_dangerous_is_refused(database: Database, attributes: str, reason: str) -> None:
    name = f"login_of_{database.name}"
    with psycopg.connect(database.superuser_url, autocommit=True) as superuser:
        create = sql.SQL("CREATE ROLE {} LOGIN {}").format(sql.Identifier(name), sql.SQL(attributes))
        superuser.execute(create)
    async with connect(database.server.url(name, database.name), name="test") as connection:
        with pytest.raises(OperatorError, match=reason):
            await refuse_dangerous_role(connection)
    with psycopg.connect(database.superuser_url, autocommit=True) as superuser:
        superuser.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


async def test_having_stepped_down_from_superuser_does_not_help(database: Database) -> None:
    async with connect(database.superuser_url, name="test") as connection:
        await connection.execute("SET ROLE gesta_api")
        with pytest.raises(OperatorError, match="Refusing to run as postgres, who is a superuser"):
            await refuse_dangerous_role(connection)


async def test_a_role_without_append_cannot_execute_what_nobody_granted(database: Database) -> None:
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute("CREATE FUNCTION ledger.forgotten() RETURNS int LANGUAGE sql RETURN 1")
    async with connect(database.api_url, name="test") as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute("SELECT ledger.forgotten()")
