"""What may be large is written where it changes, and not with everything else that becomes of its row."""

import random
from typing import Any

from psycopg import AsyncConnection

from domain.envelope import PLATFORM
from domain.execution import ExecutionPaused, ExecutionResumed, ExecutionStarted
from projections.projector import Projector
from projections.replay import replay
from projections.workflow_executions import TABLE
from projections.writing import by_columns
from tests.projections.story import ACME, ANN, TRAVEL, Ledgers, an_id, platform_story, tenant_story

SIZE = "SELECT pg_total_relation_size('projections.workflow_executions')"


def test_rows_are_grouped_by_what_changed_of_what_may_be_large() -> None:
    large = {"input", "output", "variables"}
    row = {name: [name] for name in TABLE.columns}
    grouped = by_columns(TABLE, [(row, {**row, "status": "paused"}), (row, {**row, "status": "paused", "output": ["other"]})])
    assert [large & set(columns) for columns in grouped] == [set(), {"output"}]
    assert [set(TABLE.key) <= set(rows[0]) for rows in grouped.values()] == [True, True]
    assert ["input" in rows[0] for rows in grouped.values()] == [False, False]


async def test_a_large_input_is_not_stored_again_with_each_event(
    ledgers: Ledgers, projector: Projector, system: AsyncConnection[Any]
) -> None:
    await ledgers.append(PLATFORM, *platform_story())
    await ledgers.append(ACME, *tenant_story("acme"))
    large = random.Random(1).randbytes(500_000).hex()
    stream = an_id("large")
    await ledgers.append(ACME, (stream, ExecutionStarted(TRAVEL, "travel", 2, "start", {"text": large}, created_by=ANN)))
    await projector.catch_up()
    before = await size(system)
    for _ in range(5):
        for event in (ExecutionPaused(), ExecutionResumed()):
            await ledgers.append(ACME, (stream, event))
            await projector.catch_up()
    assert await size(system) - before < 500_000, "as much as once more"
    assert (await replay(system, ACME)).equal


async def size(conn: AsyncConnection[Any]) -> int:
    row = await (await conn.execute(SIZE)).fetchone()
    return int(row[0]) if row else 0
