"""Tables as they stood at random positions equal what an account of the history says that was written differently.

GESTA_TEST_LEDGERS says how many random ledgers are told at night; the same numbers tell the same ones.
"""

import os
from collections import Counter
from random import Random
from typing import Any
from uuid import UUID

import pytest
from psycopg import AsyncConnection

from domain.envelope import RecordedEvent
from projections.registry import TABLES
from projections.replay import fold_one, rebuilt
from projections.rows import Rows
from projections.spilling import spilling
from store.reading import read_ledger
from tests.projections import oracle
from tests.projections.oracle import Facts
from tests.projections.random_logs import Drawn
from tests.projections.story import ACME, GLOBEX

OVER = ("resolved", "completed", "failed", "cancelled", "expired")
POSITIONS = 20
BY_DAY = 3
BY_NIGHT = int(os.environ.get("GESTA_TEST_LEDGERS", "200"))


def shown(row: Facts, expected: Facts) -> Facts:
    """What the account speaks of, of a row."""
    made = {name: row[name] for name in expected if name in row}
    if "visits" in expected:
        counts = row["metrics"]
        made["visits"] = tuple(counts[name] for name in ("total", "completed", "failed", "skipped"))
    if "at" in expected:
        made["at"] = sorted(row["current_nodes"])
    if "counts" in expected:
        made["counts"] = {name: count for name, count in row["row_counts"].items() if name in oracle.ACCOUNTS}
    if "status" in expected and expected["status"] is None:  # it is open, in one way or another
        made["status"] = row["status"] if row["status"] in OVER else None
    return {name: str(value) if isinstance(value, UUID) else value for name, value in made.items()}


def is_moment(name: str, row: Facts) -> bool:
    """Of a request, which other events tell of."""
    return name == "execution_waits" and row["approval_id"] is not None


def compared(rows: Rows, history: list[oracle.Told]) -> Counter[str]:
    """How many rows were the same, by table."""
    seen: Counter[str] = Counter()
    for name, expected in oracle.tables(history).items():
        table = rows.of(name)
        there = {tuple(str(part) for part in table.key_of(row)[1:]): row for row in table.each() if not is_moment(name, row)}
        assert set(there) == set(expected), (name, history[-1].position)
        for key, row in there.items():
            assert shown(row, expected[key]) == expected[key], (name, key, history[-1].position)
        seen[name] += len(there)
    return seen


def compare_at(records: list[RecordedEvent], positions: set[int]) -> Counter[str]:
    """Fold a ledger once, and stop there."""
    seen: Counter[str] = Counter()
    history = [oracle.told(record) for record in records]
    with spilling(TABLES) as (rows, spill):
        for record in records:
            assert fold_one(rows, spill, record) is None
            if record.position in positions:
                seen += compared(rows, history[: record.position])
    return seen


def some_of(random: Random, records: list[RecordedEvent]) -> set[int]:
    """Positions, the last among them."""
    return {len(records), *random.sample(range(1, len(records)), POSITIONS - 1)}


@pytest.mark.usefixtures("told")
async def test_tables_at_twenty_random_positions_equal_another_account_of_the_history(system: AsyncConnection[Any]) -> None:
    records = await read_ledger(system, ACME, 0, 10_000)
    positions = some_of(Random(2026), records)
    compare_at(records, positions)
    async with rebuilt(system, ACME, min(positions)) as rows:
        compared(rows, [oracle.told(record) for record in records[: min(positions)]])


def of_random_ledgers(seeds: range) -> Counter[str]:
    """Of two tenants each."""
    seen: Counter[str] = Counter()
    for seed in seeds:
        for tenant_id in (ACME, GLOBEX):
            drawn = Drawn(tenant_id, seed)
            try:
                seen += compare_at(drawn.records, some_of(drawn.random, drawn.records))
            except AssertionError as error:
                error.add_note(f"ledger {seed} of {tenant_id}")
                raise
    return seen


def test_so_do_those_of_random_ledgers_of_two_tenants() -> None:
    seen = of_random_ledgers(range(BY_DAY))
    assert seen.keys() == oracle.tables([]).keys(), "the ledgers are worth telling"


@pytest.mark.nightly
@pytest.mark.parametrize("part", range(4))
def test_so_do_those_of_many(part: int) -> None:
    of_random_ledgers(range(BY_DAY + part, BY_NIGHT, 4))
