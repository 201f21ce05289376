"""Single rows as they stood: the same as a fold of the whole ledger up to there has them."""

from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, TypeVar
from uuid import UUID

import pytest
from psycopg import AsyncConnection

from domain.envelope import PLATFORM
from projections.past_rows import PastRows
from projections.registry import TABLES
from projections.replay import rebuilt
from projections.table import Key, Row, Table
from runtime.pools import Connection
from tests.projections.story import ACME

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
