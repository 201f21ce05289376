"""Everything at once, for a short while; `make chaos` does the same for longer (tests/faults/chaos)."""

from pathlib import Path

from tests.faults.chaos.run import Length, run

SEED = 20261126


async def test_a_storm_leaves_nothing_undone_half_done_or_done_twice(tmp_path: Path) -> None:
    report = await run(tmp_path, SEED, Length())
    assert report.broken == [], "\n".join([*report.lines, *report.broken])
