"""Single rows as they stood: the same as a fold of the whole ledger up to there has them."""

from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, TypeVar
from uuid import UUID

import pytest
from psycopg import AsyncConnection

from domain.envelope import PLATFORM
from projections.past_rows import PART_OF, PastRows
from projections.projector import Projector
from projections.registry import TABLES
from projections.replay import fold_one, rebuilt, replay
from projections.rows import Rows
from projections.spilling import spilling
from projections.table import Key, Row, Table
from projections.verify import OfStreams, look_over
from runtime.pools import Connection
from tests.conftest import Database
from tests.projections.oracle import ACCOUNTS
from tests.projections.random_logs import Drawn, append
from tests.projections.story import ACME, GLOBEX, Ledgers

T = TypeVar("T")
ARCHIVE = ("archived_executions", "archived_rows")
"""Of which the tables hold more than one stream, or a few, tell; they are read as they are."""
FOLDED = [table for table in TABLES if table.name not in ("audit_logs", *ARCHIVE)]


async def stood(conn: AsyncConnection[Any], tenant_id: UUID, position: int, table: Table, key: Key) -> Row | None:
    async def ask(question: Callable[[Connection], Awaitable[T]]) -> T:
        return await question(conn)

    past = PastRows(tenant_id, position, ask)
    rows = await past.rows([table.name], await past.makers(table.name, key))
    return rows.find(table.name, *key)


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize("tenant_id", [PLATFORM, ACME])
async def test_every_row_alone_is_what_a_fold_of_all_comes_to(system: AsyncConnection[Any], tenant_id: UUID) -> None:
    cursor = await system.execute("SELECT max(position) FROM ledger.events WHERE tenant_id = %s", [tenant_id])
    (top,) = await cursor.fetchone() or (0,)
    chance = Random(14)
    keys: set[tuple[str, Key]] = set()
    for position in (top, *chance.sample(range(1, top), 3)):
        async with rebuilt(system, tenant_id, position) as everything:
            if position == top:
                keys = {(table.name, key) for table in FOLDED for key in everything.of(table.name).current}
                some = sorted(keys, key=str)
            else:
                there = {(table.name, key) for table in FOLDED for key in everything.of(table.name).current}
                known = sorted(keys | there, key=str)
                some = chance.sample(known, min(60, len(known)))  # those to come, and those that are gone by now, too
            for name, key in some:
                table = next(table for table in FOLDED if table.name == name)
                expected = everything.find(name, *key)
                assert await stood(system, tenant_id, position, table, key) == expected, (position, name, key)


async def rows_alone(database: Database, system: AsyncConnection[Any], ledgers: Ledgers, seed: int, some: int) -> None:
    """Some rows of two random ledgers that are in one database, at twenty positions of each."""
    drawn = Drawn(ACME, seed), Drawn(GLOBEX, seed)
    await append(ledgers, *drawn)
    await Projector(database.system_url, batch=97).catch_up()
    for one in drawn:
        found = await replay(system, one.tenant_id)
        assert (found.equal, found.position) == (True, len(one.records)), (seed, found.unfoldable, found.differences[:3])
        broken = (await look_over(system, one.tenant_id, OfStreams(100, seed))).broken
        assert (broken["streams"], broken["tables"]) == ([], []), "each stream by itself comes to its rows"
        positions = {len(one.records), *one.random.sample(range(1, len(one.records)), 19)}
        asked: list[tuple[int, Table, Key, Row | None]] = []
        known: list[tuple[Table, Key]] = []
        with spilling(TABLES) as (rows, spill):
            for record in one.records:
                assert fold_one(rows, spill, record) is None
                if record.position in positions:
                    known += [(table, key) for table in FOLDED if table.name in ACCOUNTS for key in rows.of(table.name).current]
                    some_keys = one.random.choices(known, k=some)
                    asked += [(record.position, table, key, rows.find(table.name, *key)) for table, key in some_keys]
            for position, table, key, expected in asked:
                if not only_in_the_archive(rows, table, key):
                    row = await stood(system, one.tenant_id, position, table, key)
                    assert row == expected, (seed, position, table.name, key)


def only_in_the_archive(rows: Rows, table: Table, key: Key) -> bool:
    """Whether it is a part of an execution that is archived by now: by its own id it is not found any more."""
    name, of = ("node_activations", key[:2]) if table.name == "execution_waits" else (table.name, key)
    return table.name in PART_OF and rows.find(name, *of) is None


async def test_so_is_every_row_of_random_ledgers(database: Database, system: AsyncConnection[Any], ledgers: Ledgers) -> None:
    await rows_alone(database, system, ledgers, 1, 3)


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(2, 22))
async def test_so_is_every_row_of_many(database: Database, system: AsyncConnection[Any], ledgers: Ledgers, seed: int) -> None:
    await rows_alone(database, system, ledgers, seed, 20)
