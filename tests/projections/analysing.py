"""Logins of analysts for tests: one of acme's and one of globex's, each a session like any that psql opens."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg
from psycopg import AsyncConnection, Connection

from runtime import analysts
from runtime.analysts import LoginLimits
from tests.conftest import Database

PASSWORD = "a password"


async def admitted(database: Database, tenant_id: UUID, limits: LoginLimits | None = None) -> str:
    """A new login of an analyst."""
    login = analysts.new_login()
    async with await AsyncConnection.connect(database.system_url, autocommit=True) as system:
        await analysts.admit(system, tenant_id, login, PASSWORD, limits or LoginLimits())
    return login


@contextmanager
def session(database: Database, login: str) -> Iterator[Connection[Any]]:
    """In autocommit, and allowed to write as far as settings go."""
    with psycopg.connect(database.server.url(login, database.name), password=PASSWORD, autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")
        yield connection


def rows(connection: Connection[Any], statement: str, **parts: object) -> list[tuple[Any, ...]]:
    """`parts`: what takes the place of their names in braces: constants and names of the catalog."""
    return connection.execute((statement.format(**parts) if parts else statement).encode()).fetchall()
