"""When a lease ends is said where nobody may know of it, and otherwise not."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg import AsyncConnection

from domain.facts import Job
from store import jobs
from store.arrays import teach_columns
from store.jobs import LeasedJob
from store.notifications.channels import LEASES
from store.notifications.listening import listen
from store.notifications.sending import LeaseNotices, notify
from tests.conftest import Database
from tests.store.ledgers import append, connected, entry, open_ledger

THE_END = "the end"


@pytest.fixture
async def conn(database: Database) -> AsyncIterator[AsyncConnection[Any]]:
    """It hears its own hints."""
    async with await AsyncConnection.connect(database.system_url, autocommit=True) as connection:
        teach_columns(connection)
        await listen(connection, [LEASES.name])
        yield connection


@pytest.fixture
def tenant(database: Database) -> UUID:
    with connected(database.system_url) as connection:
        return open_ledger(connection)


async def said(conn: AsyncConnection[Any]) -> list[str]:
    """All hints until now."""
    await notify(conn, LEASES, THE_END)
    heard = []
    async for hint in conn.notifies():
        if hint.payload == THE_END:
            break
        heard.append(hint.payload)
    return heard


async def leased(database: Database, conn: AsyncConnection[Any], tenant: UUID) -> LeasedJob:
    with connected(database.system_url) as connection:
        append(connection, tenant, entry(uuid4(), jobs=[Job(uuid4(), "resize")]))
    (job,) = await jobs.lease(conn, ["resize"], 1, 60, "worker")
    return job


async def test_of_leases_without_a_pause_the_first_is_said(conn: AsyncConnection[Any]) -> None:
    hints = LeaseNotices()
    for _ in range(100):
        await hints.leased(conn, 60)
    assert await said(conn) == ["60.000"]


async def test_a_lease_that_ends_sooner_than_the_one_said_last_is_said(conn: AsyncConnection[Any]) -> None:
    hints = LeaseNotices()
    for seconds in (60, 1.5, 60, 2):
        await hints.leased(conn, seconds)
    assert await said(conn) == ["60.000", "1.500"]


async def test_once_the_lease_said_last_has_ended_the_next_is_said(conn: AsyncConnection[Any]) -> None:
    hints = LeaseNotices()
    await hints.leased(conn, 0)
    await hints.leased(conn, 60)
    assert await said(conn) == ["0.000", "60.000"]


async def test_a_hint_that_is_lost_does_no_harm_and_the_next_is_said(conn: AsyncConnection[Any], database: Database) -> None:
    hints = LeaseNotices()
    async with await AsyncConnection.connect(database.system_url) as other:
        await other.close()
        await hints.leased(other, 60)
    await hints.leased(conn, 60)
    assert await said(conn) == ["60.000"]


async def test_a_heartbeat_that_shortens_a_lease_is_said(conn: AsyncConnection[Any], database: Database, tenant: UUID) -> None:
    job = await leased(database, conn, tenant)
    assert await jobs.heartbeat(conn, job.lease) is not None
    assert await jobs.heartbeat(conn, job.lease, 600) is not None
    assert await said(conn) == []
    assert await jobs.heartbeat(conn, job.lease, 5) is not None
    assert await said(conn) == ["5.000"]


async def test_a_surrendered_lease_is_said(conn: AsyncConnection[Any], database: Database, tenant: UUID) -> None:
    job = await leased(database, conn, tenant)
    await jobs.expire_now(conn, [job.lease])
    assert await said(conn) == ["0.000"]
