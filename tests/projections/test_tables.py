"""What each event does to the rows, seen in the database."""

from typing import Any

import pytest
from psycopg import AsyncConnection, sql
from psycopg.rows import dict_row

from projections.projector import Projector
from tests.projections.story import ACME, Ledgers

SELECT = sql.SQL("SELECT * FROM projections.{} {} ORDER BY version, created_at")


@pytest.fixture
async def told(ledgers: Ledgers, projector: Projector) -> None:
    """The whole story, projected."""
    await ledgers.everything()
    await projector.catch_up()


async def rows(conn: AsyncConnection[Any], table: str, of_acme: bool = True) -> list[dict[str, Any]]:
    where = sql.SQL("WHERE tenant_id = {}").format(str(ACME)) if of_acme else sql.SQL("")
    async with conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(SELECT.format(sql.Identifier(table), where))
        return await cursor.fetchall()


async def test_all_ledgers_are_projected_to_their_end(told: None, system: AsyncConnection[Any]) -> None:
    cursor = await system.execute(
        "SELECT f.position = (SELECT max(position) FROM ledger.events e WHERE e.tenant_id = f.tenant_id) FROM projections.freshness f"
    )
    assert await cursor.fetchall() == [(True,)] * 3
