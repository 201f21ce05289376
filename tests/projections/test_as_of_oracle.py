"""Tables as they stood at random positions equal what an account of the history says that was written differently."""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from psycopg import AsyncConnection

from projections.registry import TABLES
from projections.replay import fold_one, rebuilt
from projections.rows import Rows
from projections.spilling import spilling
from store.reading import read_ledger
from tests.projections import oracle
from tests.projections.oracle import Facts
from tests.projections.story import ACME

Account = Callable[[list[oracle.Told]], dict[tuple[str, ...], Facts]]
ACCOUNTS: dict[str, Account] = {
    "workflow_executions": oracle.executions,
    "node_activations": oracle.activations,
    "approval_requests": oracle.requests,
    "approval_decisions": oracle.decisions,
    "ai_agent_attempts": oracle.attempts,
    "tenant_users": oracle.members,
    "tenant_user_roles": oracle.roles_of_members,
}


def shown(row: Facts, expected: Facts) -> Facts:
    """What the account speaks of, of a row."""
    made = {name: row[name] for name in expected if name in row}
    if "visits" in expected:
        counts = row["metrics"]
        made["visits"] = tuple(counts[name] for name in ("total", "completed", "failed", "skipped"))
    if "at" in expected:
        made["at"] = sorted(row["current_nodes"])
    if "status" in expected and expected["status"] is None:  # it is open, in one way or another
        made["status"] = None if row["status"] not in ("resolved", "cancelled", "expired") else row["status"]
    return {name: str(value) if hasattr(value, "hex") and hasattr(value, "fields") else value for name, value in made.items()}


def compared(rows: Rows, history: list[oracle.Told]) -> None:
    for name, account in ACCOUNTS.items():
        table = rows.of(name)
        expected = account(history)
        there = {tuple(str(part) for part in table.key_of(row)[1:]): row for row in table.each()}
        if name == "approval_decisions":  # overrides are told by other events
            there = {key: row for key, row in there.items() if not row["is_override"]}
        assert set(there) == set(expected), name
        for key, row in there.items():
            assert shown(row, expected[key]) == expected[key], (name, key, history[-1].position)


@pytest.mark.usefixtures("told")
async def test_tables_at_twenty_random_positions_equal_another_account_of_the_history(system: AsyncConnection[Any]) -> None:
    records = await read_ledger(system, ACME, 0, 10_000)
    positions = set(Random(2026).sample(range(1, len(records) + 1), 20))
    history = [oracle.told(record) for record in records]
    with spilling(TABLES) as (rows, spill):
        for record in records:
            assert fold_one(rows, spill, record) is None
            if record.position in positions:
                compared(rows, history[: record.position])
    async with rebuilt(system, ACME, min(positions)) as rows:
        compared(rows, history[: min(positions)])
