"""Idle means idle: what a projector with nothing to do asks of the database."""

import asyncio
import inspect
from datetime import datetime

import psycopg
from psycopg import AsyncConnection

from projections.projector import Projector
from tests.clock import ManualClock
from tests.conftest import Database
from tests.projections.story import Ledgers

# pg_stat_database knows of what a connection did when it has ended
END = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s"
TRANSACTIONS = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = %s"


class Rounds(ManualClock):
    """The projector looks at its clock once a round; after so many of them, it is told to stop."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.stop = asyncio.Event()
        self._left = most

    def now(self) -> datetime:
        self._left -= 1
        if self._left <= 0:
            self.stop.set()
        return super().now()


def transactions(database: Database) -> int:
    """How many there ever were in the database, each statement of a projector that finds nothing being one."""
    with psycopg.connect(database.server.url("postgres", "postgres"), autocommit=True) as conn:
        conn.execute(END, [database.name])
        row = conn.execute(TRANSACTIONS, [database.name]).fetchone()
        assert row is not None
        return int(row[0])


async def made_by(database: Database, rounds: int) -> int:
    """The transactions of a projector that looks so many times and finds nothing."""
    before = transactions(database)
    clock = Rounds(rounds)
    projector = Projector(database.system_url, clock=clock, sweep_seconds=0.001)
    await asyncio.wait_for(projector.run(clock.stop), 60)
    return transactions(database) - before


async def test_an_idle_projector_asks_less_than_once_a_second(database: Database) -> None:
    async with await AsyncConnection.connect(database.superuser_url, autocommit=True) as conn:
        await Ledgers(conn).everything()
    await Projector(database.system_url).catch_up()
    few, many = await made_by(database, 10), await made_by(database, 110)
    a_sweep = (many - few) / 100
    seconds = inspect.signature(Projector).parameters["sweep_seconds"].default
    assert a_sweep >= 1, "nothing was counted"
    assert a_sweep / seconds < 0.5
