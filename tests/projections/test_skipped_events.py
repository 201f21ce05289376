"""An event that holds a tenant up can be left out on purpose: on record, and never in silence."""

from typing import Any

import pytest
from psycopg import AsyncConnection
from psycopg.errors import InsufficientPrivilege

from domain.envelope import PLATFORM
from domain.execution import ExecutionCompleted
from domain.role import RoleCreated
from projections import freshness, poison_events
from projections.projector import Projector
from projections.replay import rebuilt, replay
from projections.skipped_events import read_skipped_events, skip
from projections.verify import verify
from runtime.errors import OperatorError
from tests.projections.story import ACME, Ledgers, an_id, platform_story, tenant_story

NOBODY_S = an_id("an execution that never started")
STORY = tenant_story("acme")
POISON = len(STORY) + 1


@pytest.fixture
async def held_up(ledgers: Ledgers, projector: Projector) -> None:
    """Acme's tables stand before an event of an execution that there is not; two roles come after it."""
    await ledgers.append(PLATFORM, *platform_story())
    await ledgers.append(ACME, *STORY, (NOBODY_S, ExecutionCompleted(None)))
    await ledgers.append(ACME, *((an_id(f"r{number}"), RoleCreated(f"r{number}", "R", ())) for number in range(2)))
    await projector.catch_up()


@pytest.mark.usefixtures("held_up")
async def test_the_projector_goes_on_behind_a_skipped_event(projector: Projector, system: AsyncConnection[Any]) -> None:
    await system.execute("LISTEN gesta_events")
    await skip(system, ACME, POISON, "a bug of ours")
    assert [note.channel async for note in system.notifies(timeout=10, stop_after=1)] == ["gesta_events"]
    assert await freshness.position(system, ACME) == POISON
    assert await poison_events.read_poison_events(system) == {}
    await projector.catch_up()
    assert await freshness.position(system, ACME) == POISON + 2
    (only,) = await read_skipped_events(system, ACME)
    assert (only.position, only.reason) == (POISON, "a bug of ours")
    assert "workflow_executions has no row" in only.error


@pytest.mark.usefixtures("held_up")
async def test_replay_leaves_it_out_as_well_says_so_and_still_finds_the_rest(
    projector: Projector, system: AsyncConnection[Any]
) -> None:
    await skip(system, ACME, POISON, "a bug of ours")
    await projector.catch_up()
    found = await replay(system, ACME)
    assert found.equal, found
    assert [each.position for each in found.skipped] == [POISON]
    assert (await replay(system, ACME, POISON - 1)).skipped == [], "it lies behind the position asked for"
    async with rebuilt(system, ACME, POISON + 2) as rows:
        assert len(rows.of("audit_logs").current) == POISON + 1
    await system.execute("UPDATE projections.roles SET name = 'x' WHERE id = %s AND tenant_id = %s", [an_id("r1"), ACME])
    assert [each.column for each in (await replay(system, ACME)).differences] == ["name"]


@pytest.mark.usefixtures("held_up")
async def test_verify_knows_that_the_audit_log_has_no_row_for_it(projector: Projector, system: AsyncConnection[Any]) -> None:
    await skip(system, ACME, POISON, "a bug of ours")
    await projector.catch_up()
    verdict = await verify(system, ACME)
    assert (verdict.broken["audit_logs"], verdict.broken["tables"]) == ([], [])
    assert [each.position for each in verdict.comparison.skipped] == [POISON]


async def test_an_event_that_cannot_even_be_read_can_be_skipped(
    ledgers: Ledgers, projector: Projector, system: AsyncConnection[Any]
) -> None:
    await ledgers.append_raw(ACME, NOBODY_S, "execution.dreamt.v1", b"{}")
    await ledgers.append(ACME, (an_id("r"), RoleCreated("r", "R", ())))
    await projector.catch_up()
    await skip(system, ACME, 1, "of a newer release")
    await projector.catch_up()
    found = await replay(system, ACME)
    assert found.equal
    assert (found.position, found.rows["roles"], found.rows["audit_logs"]) == (2, 1, 1)
    assert (await verify(system, ACME)).broken["ledger"] == []


async def test_a_gap_is_skipped_as_a_whole_and_stays_on_record(
    ledgers: Ledgers, projector: Projector, system: AsyncConnection[Any]
) -> None:
    await ledgers.append(ACME, *((an_id(f"r{number}"), RoleCreated(f"r{number}", "R", ())) for number in range(3)))
    await ledgers.conn.execute("ALTER TABLE ledger.events DISABLE TRIGGER append_only")
    await ledgers.conn.execute("UPDATE ledger.events SET position = 33 WHERE tenant_id = %s AND position = 3", [ACME])
    await projector.catch_up()
    await skip(system, ACME, 3, "somebody wrote beside append")
    await projector.catch_up()
    assert await freshness.position(system, ACME) == 33
    assert [each.position for each in await read_skipped_events(system, ACME)] == list(range(3, 33))
    found = await replay(system, ACME)
    assert (found.equal, found.rows["roles"], found.rows["audit_logs"]) == (True, 3, 3)
    broken = (await verify(system, ACME)).broken
    assert broken["audit_logs"] == []
    assert ["follows position 2" in sentence for sentence in broken["ledger"]] == [True]


@pytest.mark.usefixtures("held_up")
@pytest.mark.parametrize(
    ("position", "words"),
    [(POISON + 1, f"event {POISON} holds it up"), (POISON - 1, f"event {POISON} holds it up")],
)
async def test_only_what_holds_the_tenant_up_can_be_skipped(position: int, words: str, system: AsyncConnection[Any]) -> None:
    with pytest.raises(OperatorError, match=words):
        await skip(system, ACME, position, "to be rid of it")
    with pytest.raises(OperatorError, match="nothing holds it up"):
        await skip(system, PLATFORM, position, "to be rid of it")
    assert await read_skipped_events(system, ACME) == []
    assert await freshness.position(system, ACME) == POISON - 1


@pytest.mark.usefixtures("held_up")
async def test_a_fault_that_was_overcome_meanwhile_is_not_skipped(system: AsyncConnection[Any]) -> None:
    await system.execute("UPDATE projections.freshness SET position = position + 1 WHERE tenant_id = %s", [ACME])
    with pytest.raises(OperatorError, match="the tables have moved on"):
        await skip(system, ACME, POISON, "to be rid of it")
    assert await read_skipped_events(system, ACME) == []


@pytest.mark.usefixtures("held_up")
@pytest.mark.parametrize(
    "statement", ["DELETE FROM runtime.projection_skips", "UPDATE runtime.projection_skips SET reason = 'x'"]
)
async def test_nobody_who_runs_the_product_takes_a_skip_from_the_record(statement: str, system: AsyncConnection[Any]) -> None:
    await skip(system, ACME, POISON, "a bug of ours")
    with pytest.raises(InsufficientPrivilege):
        await system.execute(statement.encode())
