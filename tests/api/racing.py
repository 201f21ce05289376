"""Two commands at once, at two processes, and what is looked at afterwards."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import httpx2
import pytest
from psycopg import AsyncConnection

from projections.verify import verify
from tests.api.behind import Two, two_apart, two_processes
from tests.api.conftest import Gesta
from tests.api.working import start

T = TypeVar("T")
U = TypeVar("U")
ROUNDS = 24 if os.environ.get("GESTA_TEST_ALL") else 4
"""How often a race is run: each of the two goes ahead in every other round."""
GONE = {"activation_closed", "lease_lost"}
"""What a worker is told whose job is for nothing."""
DUE = "UPDATE runtime.timers SET due_at = clock_timestamp() WHERE remaining IS NULL"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
TERMINAL = ("execution.completed.v1", "execution.failed.v1", "execution.cancelled.v1")


REALLY = pytest.mark.parametrize("two", ["of one process", pytest.param("apart", marks=pytest.mark.nightly)], indirect=True)
"""For the most telling races: two applications in this process, and at night two processes, as an operator runs them."""
APART = pytest.mark.parametrize("two", ["of one process", "apart"], indirect=True)
"""The same in every run: to set up two processes takes many seconds."""


@asynccontextmanager
async def racing(gesta: Gesta, how: str = "of one process") -> AsyncIterator[Two]:
    """Two processes; in the end, all tables are as the events say."""
    async with (two_apart if how == "apart" else two_processes)(gesta) as made:
        yield made
        async with await AsyncConnection.connect(gesta.database.system_url, autocommit=True) as conn:
            await gesta.projector.catch_up()
            verdict = await verify(conn, made.behind.id)
            assert verdict.holds, verdict.broken


async def together(two: Two, number: int, first: Awaitable[T], second: Awaitable[U]) -> tuple[T, U]:
    """Both have decided before either may append: the ledger's head is held until they wait for it.

    One that is refused without appending does not come to wait; it is not waited for, either.
    """
    database = two.behind.gesta.database
    async with await AsyncConnection.connect(database.superuser_url) as holding:
        await holding.execute("SELECT FROM ledger.heads WHERE tenant_id = %s FOR NO KEY UPDATE", [two.behind.id])
        both = asyncio.ensure_future(first), asyncio.ensure_future(second)
        sent = asyncio.ensure_future(at_once(number, *both))
        async with await AsyncConnection.connect(database.superuser_url, autocommit=True) as looking:
            ends = asyncio.get_running_loop().time() + 2
            while not sent.done() and asyncio.get_running_loop().time() < ends:
                row = await (await looking.execute(WAITING)).fetchone()
                if row == (sum(not each.done() for each in both),):
                    break
                await asyncio.sleep(0.005)
    return await sent


async def at_once(number: int, first: Awaitable[T], second: Awaitable[U]) -> tuple[T, U]:
    """Each of them goes ahead in turn."""
    if number % 2:
        later, sooner = await asyncio.gather(second, first)
        return sooner, later
    sooner, later = await asyncio.gather(first, second)
    return sooner, later


def code(answer: httpx2.Response) -> str:
    """Of a refusal."""
    assert answer.status_code in (200, 202, 409), answer.text
    return "" if answer.status_code < 300 else str(answer.json()["code"])


def steer(process: Any, id: str, verb: str) -> Awaitable[httpx2.Response]:
    return process.admin.post(f"/executions/{id}/{verb}", {})  # type: ignore[no-any-return]


async def published(two: Two, definition: Any) -> Callable[[], Awaitable[str]]:
    """Starts executions of it."""
    await two.behind.publish({**definition, "key": "race"})
    return lambda: start(two.behind, "race")


async def history(two: Two, id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await two.behind.admin.get(f"/executions/{id}/history", limit=200)).json()["items"]
    return found


async def ends(two: Two, id: str) -> list[str]:
    """Its terminal events."""
    return [item["topic"] for item in await history(two, id) if item["topic"] in TERMINAL]


async def ended(two: Two, id: str, node_id: str) -> list[tuple[str, str | None]]:
    """How the visits of a node have ended: (topic, handle)."""
    topics = ("activation.completed.v1", "activation.failed.v1", "activation.cancelled.v1")
    found = [item for item in await history(two, id) if item["topic"] in topics and item["node_id"] == node_id]
    return [(item["topic"], item["data"].get("handle")) for item in found]
