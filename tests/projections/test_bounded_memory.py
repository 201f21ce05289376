"""Replay and verify need no more memory for a tenant with much in it than for one with little."""

import asyncio
import sys
from pathlib import Path
from subprocess import run

import pytest

from domain.envelope import PLATFORM
from domain.execution import ExecutionStarted
from projections.projector import Projector
from projections.registry import TABLES, apply
from projections.replay import MOST_DIFFERENCES, replay
from projections.spilling import spilling
from projections.verify import verify
from store.reading import read_ledger
from tests.conftest import Database
from tests.projections.story import ACME, ANN, TRAVEL, Ledgers, an_id, platform_story, tenant_story

LARGE = {"rows": [{"number": number, "text": "as it was sent"} for number in range(21_000)]}
"""960 kB as JSON, and some times that as objects."""
EVENTS = 80
MOST_MEGABYTES = 300
MEASURED = """
import re, sys
from pathlib import Path
from cli.main import main
sys.argv = ["gesta", {command!r}]
try:
    main()
finally:
    # not ru_maxrss: that counts what this was forked from
    print("peak", int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024, file=sys.stderr)
"""


def large(number: int) -> tuple[object, ExecutionStarted]:
    return an_id(f"large {number}"), ExecutionStarted(TRAVEL, "travel", 2, "start", {**LARGE, "n": number}, created_by=ANN)


async def test_much_is_checked_in_little_memory(
    database: Database, ledgers: Ledgers, projector: Projector, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    await ledgers.append(PLATFORM, *platform_story())
    await ledgers.append(ACME, *tenant_story("acme"))
    for number in range(EVENTS):
        await ledgers.append(ACME, large(number))  # type: ignore[arg-type]
    await projector.catch_up()
    environment = {"GESTA_SYSTEM_DATABASE_URL": database.system_url, "DATABASE_URL": database.owner_url, "PATH": "/usr/bin:/bin"}
    for command in ("verify", "replay"):
        with subtests.test(msg=command):
            answer = await asyncio.to_thread(
                run,
                [sys.executable, "-c", MEASURED.format(command=command)],
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                timeout=300,
            )
            peak = int(answer.stderr.split("peak ")[1])
            assert f"acme: {len(tenant_story('acme')) + EVENTS} events" in answer.stdout, answer.stderr
            assert "COULD NOT" not in answer.stdout
            assert peak < MOST_MEGABYTES


async def test_rows_that_lie_in_the_file_are_the_same_rows(ledgers: Ledgers) -> None:
    """Every row goes into the file after every event, and all is as if it had stayed in memory."""
    await ledgers.everything()
    for tenant in (PLATFORM, ACME):
        with spilling(TABLES) as (kept, _), spilling(TABLES, hot_bytes=0) as (spilled, spill):
            for record in await read_ledger(ledgers.conn, tenant, 0, 1000):
                apply(kept, record)
                apply(spilled, record)
                spill.weigh(1)
                spill.relieve()
            for table in TABLES:
                one, other = kept.of(table.name), spilled.of(table.name)
                assert {one.key_of(row): row for row in one.each()} == {other.key_of(row): row for row in other.each()}
                assert len(one.current) == len(other.current)


async def test_what_is_kept_of_differences_is_bounded_too(ledgers: Ledgers, projector: Projector) -> None:
    await ledgers.append(PLATFORM, *platform_story())
    await ledgers.append(ACME, *tenant_story("acme"), large(1))  # type: ignore[arg-type]
    await projector.catch_up()
    await ledgers.conn.execute(
        "UPDATE projections.workflow_executions SET input = jsonb_set(input, '{n}', '2') WHERE input ? 'n'"
    )
    (difference,) = (await replay(ledgers.conn, ACME)).differences
    assert (difference.live or "")[:30] != (difference.replayed or "")[:30]
    assert len(difference.live or "") < 1100
    await ledgers.conn.execute(
        "INSERT INTO projections.audit_logs SELECT (jsonb_populate_record(a, jsonb_build_object('position', 1000 + n))).* "
        "FROM projections.audit_logs a CROSS JOIN generate_series(1, 1500) n WHERE a.tenant_id = %s AND a.position = 1",
        [ACME],
    )
    verdict = await verify(ledgers.conn, ACME)
    assert verdict.comparison.count == 1501
    assert verdict.broken["tables"][-1] == f"and {1501 - MOST_DIFFERENCES} more"
