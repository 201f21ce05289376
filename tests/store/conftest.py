"""A ledger, and processes at work on it."""

from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest

from tests.conftest import Database
from tests.store.handling import Process, running
from tests.store.ledgers import connected, open_ledger


@pytest.fixture
def ledger(database: Database) -> Iterator[psycopg.Connection[Any]]:
    with connected(database.system_url) as connection:
        yield connection


@pytest.fixture
def tenant(ledger: psycopg.Connection[Any]) -> UUID:
    return open_ledger(ledger)


@pytest.fixture
async def process(database: Database) -> AsyncIterator[Process]:
    async with running(database.system_url) as process:
        yield process


@pytest.fixture
async def other(database: Database) -> AsyncIterator[Process]:
    """Another process at the same ledger, which has never heard of what the first one did."""
    async with running(database.system_url) as other:
        yield other
