"""Workers that are killed in the midst of a bulk operation: each execution is acted on once, and counted once."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import Client, Gesta, Tenant, serving
from tests.api.definitions import APPROVAL
from tests.api.test_bulk_migrations import republished
from tests.api.test_bulk_operations import begun, counts, ended, no_jobs, requested
from tests.api.test_children import assert_verified
from tests.api.working import LAPSE, run_sql
from tests.worker.house import PATIENCE
from tests.worker.test_killed import started, stopped

COUNT = 110
"""Two steps. The first has seven groups of commands, the second has one."""
EVENT_OF = {"cancel": "execution.cancelled.v1", "signal": "execution.signalled.v1", "migrate": "execution.migrated.v1"}
COUNT_EVENTS = "SELECT count(*) FROM ledger.events WHERE topic = '{}'"
COUNT_FORKS = "SELECT count(*) FROM projections.workflow_executions WHERE trigger_type = 'fork'"
FORKED = "SELECT count(DISTINCT trigger_data ->> 'execution_id') FROM projections.workflow_executions WHERE trigger_type = 'fork'"


@pytest.mark.parametrize(
    ("action", "deaths"),
    [
        ("cancel", ["worker.bulk_acted:3", "worker.bulk_step_taken"]),
        pytest.param("fork", ["worker.bulk_acted:2", "worker.bulk_acted:5"], marks=pytest.mark.nightly),
        pytest.param("signal", ["worker.bulk_acted", "worker.bulk_step_taken:2"], marks=pytest.mark.nightly),
        ("migrate", ["worker.bulk_acted:4", "worker.bulk_step_taken"]),
    ],
)
async def test_workers_die_in_a_step_and_between_steps(
    gesta: Gesta, acme: Tenant, tmp_path: Path, action: str, deaths: list[str]
) -> None:
    workflow_id = await acme.publish(APPROVAL)
    await begun(acme, "purchase", COUNT)
    await republished(acme, workflow_id, {**APPROVAL, "name": "Another"})
    options: dict[str, dict[str, Any]] = {"fork": {"node_id": "review"}, "signal": {"name": "went"}, "migrate": {"to_version": 2}}
    also = options.get(action, {})
    async with serving(gesta.database) as http:
        other = Client(http, acme.admin.token, acme.admin.headers)
        made = await requested(other, action, filter={"workflow_key": "purchase"}, **also)
        for failpoint in deaths:
            worker = await started(gesta.database, tmp_path / "calls", failpoint)
            assert await asyncio.wait_for(worker.wait(), PATIENCE) == -signal.SIGKILL
            await run_sql(gesta.database, LAPSE)
        last = await started(gesta.database, tmp_path / "calls")
        found = await ended(other, made["id"])
        assert await stopped(last) == 0
    assert (found["status"], counts(found)) == ("completed", (COUNT, COUNT, 0, 0))
    if action == "fork":
        assert await run_sql(gesta.database, COUNT_FORKS) == COUNT
        assert await run_sql(gesta.database, FORKED) == COUNT
    else:
        assert await run_sql(gesta.database, COUNT_EVENTS.format(EVENT_OF[action])) == COUNT
    await assert_verified(gesta, acme)


async def test_one_that_is_cancelled_after_its_worker_died_says_what_that_one_had_done(
    gesta: Gesta, acme: Tenant, tmp_path: Path
) -> None:
    await acme.publish(APPROVAL)
    await begun(acme, "purchase", COUNT)
    made = await requested(acme.admin, "pause", filter={"workflow_key": "purchase"})
    worker = await started(gesta.database, tmp_path / "calls", "worker.bulk_acted:2")
    assert await asyncio.wait_for(worker.wait(), PATIENCE) == -signal.SIGKILL
    assert (await acme.admin.post(f"/bulk-operations/{made['id']}/cancel")).status_code == 200
    await run_sql(gesta.database, LAPSE)
    last = await started(gesta.database, tmp_path / "calls")
    await no_jobs(gesta)
    found = (await acme.admin.get(f"/bulk-operations/{made['id']}")).json()
    assert await stopped(last) == 0
    assert (found["status"], counts(found)) == ("cancelled", (COUNT, 32, 0, 0))
    paused = await run_sql(gesta.database, COUNT_EVENTS.format("execution.paused.v1"))
    assert paused == 32
    await assert_verified(gesta, acme)
