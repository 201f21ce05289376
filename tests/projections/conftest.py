"""What the projections' tests ask for."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from psycopg import AsyncConnection

from projections.projector import Projector
from tests.conftest import Database
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
