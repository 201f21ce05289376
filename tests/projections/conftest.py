"""What the projections' tests ask for."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest
from psycopg import AsyncConnection

from projections.projector import Projector
from runtime.postgres import EmbeddedServer
from tests.conftest import Database, create_database
from tests.projections.story import Ledgers


@pytest.fixture
async def system(database: Database) -> AsyncIterator[AsyncConnection[Any]]:
    """A connection as gesta_system, in autocommit."""
    async with await AsyncConnection.connect(database.system_url, autocommit=True) as conn:
        yield conn


@pytest.fixture
async def ledgers(database: Database) -> AsyncIterator[Ledgers]:
    async with await AsyncConnection.connect(database.superuser_url, autocommit=True) as conn:
        yield Ledgers(conn)


@pytest.fixture
def projector(database: Database) -> Projector:
    return Projector(database.system_url)


@pytest.fixture(scope="session")
def seeded_story(postgres: EmbeddedServer, template: str) -> tuple[str, datetime]:
    """The name of a database with the whole story, projected; and when it ended."""

    async def tell(told: Database) -> datetime:
        async with await AsyncConnection.connect(told.superuser_url, autocommit=True) as conn:
            ledgers = Ledgers(conn)
            await ledgers.everything()
        await Projector(told.system_url).catch_up()
        return ledgers.now

    create_database(postgres, "gesta_story", template)
    return "gesta_story", asyncio.run(tell(Database("gesta_story", postgres)))


@pytest.fixture
def told(ledgers: Ledgers, seeded_story: tuple[str, datetime]) -> None:
    """The test's database has the whole story, projected."""
    ledgers.now = seeded_story[1]
