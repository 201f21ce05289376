"""An event that holds a tenant up can be left out on purpose: on record, and never in silence."""

from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import AsyncConnection
from psycopg.errors import CheckViolation, InsufficientPrivilege

from cli.held_up import described
from cli.ledgers import Ledger
from domain.envelope import PLATFORM, Envelope
from domain.execution import ExecutionCompleted
from domain.projection_faults import ProjectionEventSkipped, ProjectionEventUnskipped, ProjectionRetried
from domain.role import RoleCreated, RoleDeleted
from projections import freshness, poison_events
from projections.differing import folded_between
from projections.faults_told import skips_told
from projections.projector import Projector
from projections.rebuilding import records
from projections.rebuilding.rebuild import RebuildOptions, rebuild
from projections.replay import rebuilt, replay, snapshot
from projections.skipped_events import read_skipped_events, skip, to_unskip
from projections.verify import verify
from runtime.errors import OperatorError
from store.notifications.channels import EVENTS
from store.notifications.listening import listen
from store.reading import read_ledger
from tests.cli.test_db import gesta as command_line
from tests.conftest import Database
from tests.projections.story import ACME, START, Ledgers, an_id, platform_story, tenant_story

NOBODY_S = an_id("an execution that never started")
STORY = tenant_story("acme")
POISON = len(STORY) + 1
NOW = START
ON_RECORD = """
SELECT topic, convert_from(meta, 'UTF8')::jsonb ->> 'actor_id', convert_from(meta, 'UTF8')::jsonb ->> 'reason'
  FROM ledger.events WHERE tenant_id = %s AND position > %s ORDER BY position
"""


@pytest.fixture
async def held_up(ledgers: Ledgers, projector: Projector) -> None:
    """Acme's tables stand before an event of an execution that there is not; two roles come after it."""
    await ledgers.append(PLATFORM, *platform_story())
    await ledgers.append(ACME, *STORY, (NOBODY_S, ExecutionCompleted(None)))
    await ledgers.append(ACME, *((an_id(f"r{number}"), RoleCreated(f"r{number}", "R", ())) for number in range(2)))
    await projector.catch_up()


@pytest.mark.usefixtures("held_up")
async def test_the_projector_goes_on_behind_a_skipped_event(projector: Projector, system: AsyncConnection[Any]) -> None:
    channels = await listen(system, [EVENTS.name])
    await skip(system, ACME, POISON, "a bug of ours", now=NOW)
    assert [channels[note.channel] async for note in system.notifies(timeout=10, stop_after=1)] == [EVENTS.name]
    assert await freshness.position(system, ACME) == POISON
    assert await poison_events.read_poison_events(system) == {}
    await projector.catch_up()
    assert await freshness.position(system, ACME) == POISON + 3
    (only,) = await read_skipped_events(system, ACME)
    assert (only.position, only.reason) == (POISON, "a bug of ours")
    assert "workflow_executions has no row" in only.error


@pytest.mark.usefixtures("held_up")
async def test_replay_leaves_it_out_as_well_says_so_and_still_finds_the_rest(
    projector: Projector, system: AsyncConnection[Any]
) -> None:
    await skip(system, ACME, POISON, "a bug of ours", now=NOW)
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
    await skip(system, ACME, POISON, "a bug of ours", now=NOW)
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
    await skip(system, ACME, 1, "of a newer release", now=NOW)
    await projector.catch_up()
    found = await replay(system, ACME)
    assert found.equal
    assert (found.position, found.rows["roles"], found.rows["audit_logs"]) == (3, 1, 2)
    assert (await verify(system, ACME)).broken["ledger"] == []


async def test_a_gap_is_skipped_as_a_whole_and_stays_on_record(
    ledgers: Ledgers, projector: Projector, system: AsyncConnection[Any]
) -> None:
    await ledgers.append(ACME, *((an_id(f"r{number}"), RoleCreated(f"r{number}", "R", ())) for number in range(3)))
    await ledgers.conn.execute("ALTER TABLE ledger.events DISABLE TRIGGER append_only")
    await ledgers.conn.execute("UPDATE ledger.events SET position = 33 WHERE tenant_id = %s AND position = 3", [ACME])
    await projector.catch_up()
    await skip(system, ACME, 3, "somebody wrote beside append", now=NOW)
    await projector.catch_up()
    assert await freshness.position(system, ACME) == 34
    assert [each.position for each in await read_skipped_events(system, ACME)] == list(range(3, 33))
    (gap,) = await skips_told(system, ACME, 0, 10)
    assert (gap["position"], gap["up_to"], gap["topic"], gap["actor"]["type"]) == (3, 32, None, "system")
    assert await skips_told(system, ACME, gap["up_to"], 10) == [], "the page behind it"
    found = await replay(system, ACME)
    assert (found.equal, found.rows["roles"], found.rows["audit_logs"]) == (True, 3, 4)
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
        await skip(system, ACME, position, "to be rid of it", now=NOW)
    with pytest.raises(OperatorError, match="nothing holds it up"):
        await skip(system, PLATFORM, position, "to be rid of it", now=NOW)
    assert await read_skipped_events(system, ACME) == []
    assert await freshness.position(system, ACME) == POISON - 1


@pytest.mark.usefixtures("held_up")
async def test_a_fault_that_was_overcome_meanwhile_is_not_skipped(system: AsyncConnection[Any]) -> None:
    await system.execute("UPDATE projections.freshness SET position = position + 1 WHERE tenant_id = %s", [ACME])
    with pytest.raises(OperatorError, match="the tables have moved on"):
        await skip(system, ACME, POISON, "to be rid of it", now=NOW)
    assert await read_skipped_events(system, ACME) == []


@pytest.mark.usefixtures("held_up")
@pytest.mark.parametrize(
    "statement", ["DELETE FROM runtime.projection_skips", "UPDATE runtime.projection_skips SET reason = 'x'"]
)
async def test_nobody_who_runs_the_product_takes_a_skip_from_the_record(statement: str, system: AsyncConnection[Any]) -> None:
    await skip(system, ACME, POISON, "a bug of ours", now=NOW)
    with pytest.raises(InsufficientPrivilege):
        await system.execute(statement.encode())


@pytest.mark.usefixtures("held_up")
async def test_that_it_was_skipped_is_an_event_by_who_did_it_and_why(projector: Projector, system: AsyncConnection[Any]) -> None:
    await skip(system, ACME, POISON, "a bug of ours", now=NOW, by="ops")
    (only,) = await read_skipped_events(system, ACME)
    assert only.recorded_by == POISON + 3
    (record,) = await read_ledger(system, ACME, POISON + 2, 10)
    assert record.envelope == Envelope("system", "ops", reason="a bug of ours")
    assert record.event == ProjectionEventSkipped(POISON, POISON, "a bug of ours", only.error, "execution.completed.v1")
    await projector.catch_up()
    asked = "SELECT action, actor_id, reason, description FROM projections.audit_logs WHERE tenant_id = %s AND position = %s"
    row = await (await system.execute(asked, [ACME, POISON + 3])).fetchone()
    said = f"Event {POISON} left out of the tables: a bug of ours"
    assert row == ("projection.event_skipped", "ops", "a bug of ours", said)
    assert (await verify(system, ACME)).broken["skips"] == []


@pytest.mark.usefixtures("held_up")
async def test_a_skip_that_is_cut_short_leaves_neither_event_nor_row(ledgers: Ledgers, system: AsyncConnection[Any]) -> None:
    await ledgers.conn.execute("ALTER TABLE runtime.projection_skips ADD CONSTRAINT not_now CHECK (false)")
    with pytest.raises(CheckViolation):
        await skip(system, ACME, POISON, "a bug of ours", now=NOW)
    assert await read_ledger(system, ACME, POISON + 2, 10) == []
    assert await freshness.position(system, ACME) == POISON - 1


@pytest.mark.usefixtures("held_up")
async def test_verify_tells_of_a_skip_that_no_event_tells_of_unless_it_is_older(
    ledgers: Ledgers, projector: Projector, system: AsyncConnection[Any]
) -> None:
    await skip(system, ACME, POISON, "a bug of ours", now=NOW)
    await projector.catch_up()
    await ledgers.conn.execute("UPDATE runtime.projection_skips SET recorded_by = recorded_by - 1")
    (told,) = (await verify(system, ACME)).broken["skips"]
    assert told == f"Event {POISON} is skipped, and no event at {POISON + 2} says so."
    await ledgers.conn.execute("UPDATE runtime.projection_skips SET recorded_by = NULL")
    assert (await verify(system, ACME)).broken["skips"] == []


async def test_the_platform_s_events_are_skipped_on_record_as_well(
    ledgers: Ledgers, projector: Projector, system: AsyncConnection[Any]
) -> None:
    await ledgers.append(PLATFORM, (NOBODY_S, ExecutionCompleted(None)))
    await projector.catch_up()
    assert await poison_events.retry(system, NOW, PLATFORM, "ops") == [PLATFORM]
    await skip(system, PLATFORM, 1, "whatever it was", now=NOW, by="ops")
    await projector.catch_up()
    _, retried, skipped = await read_ledger(system, PLATFORM, 0, 10)
    assert isinstance(retried.event, ProjectionRetried)
    assert (retried.event.position, retried.event.topic, retried.envelope.actor_id) == (1, "execution.completed.v1", "ops")
    assert isinstance(skipped.event, ProjectionEventSkipped)
    assert (skipped.stream_id, skipped.version) == (retried.stream_id, 2)
    assert (await replay(system, PLATFORM)).equal


async def test_a_skip_that_is_taken_back_has_the_event_in_all_tables_as_if_it_had_never_been_skipped(
    database: Database, ledgers: Ledgers, projector: Projector, system: AsyncConnection[Any]
) -> None:
    """A constraint of ours keeps a role out; it is skipped, with what relies on it. Then the constraint is gone."""
    role, other = an_id("barred"), an_id("not barred")
    await ledgers.append(PLATFORM, *platform_story())
    await ledgers.append(ACME, (other, RoleCreated("other", "Other", ())))
    await ledgers.conn.execute("ALTER TABLE projections.roles ADD CONSTRAINT bug CHECK (key <> 'barred')")
    await ledgers.append(ACME, (role, RoleCreated("barred", "Barred", ())))
    await projector.catch_up()
    await ledgers.append(ACME, (role, RoleDeleted("barred")), (other, RoleDeleted("other")))
    for position in (2, 3):
        await skip(system, ACME, position, "a bug of ours", now=NOW)
        await projector.catch_up()
    assert await agree(system) == {1, 4, 5, 6}
    await ledgers.conn.execute("ALTER TABLE projections.roles DROP CONSTRAINT bug")
    later = RebuildOptions(unskip=await to_unskip(system, ACME, [3], "mended", "ops"))
    with pytest.raises(OperatorError, match=r"event 3 .* cannot be applied: .* What was skipped stays so\.$"):
        await rebuild(database.owner_url, database.system_url, later)
    assert await agree(system) == {1, 4, 5, 6}

    both = await to_unskip(system, ACME, (), "mended", "ops")
    assert both.topics == {2: "role.created.v1", 3: "role.deleted.v1"}
    found = await rebuild(database.owner_url, database.system_url, RebuildOptions(unskip=both, processes=2))
    assert (dict(found.changes), found.meant["audit_logs.rows added"]) == ({}, 2)
    assert await read_skipped_events(system, ACME) == []
    await projector.catch_up()
    assert await agree(system) == {1, 2, 3, 4, 5, 6, 7, 8}
    first, second = await read_ledger(system, ACME, 6, 10)
    assert first.envelope == Envelope("system", "ops", reason="mended")
    assert (first.event, second.event) == (
        ProjectionEventUnskipped(2, "mended", "role.created.v1"),
        ProjectionEventUnskipped(3, "mended", "role.deleted.v1"),
    )
    with pytest.raises(OperatorError, match="Event 2 is not skipped"):
        await to_unskip(system, ACME, [2], "again")
    with pytest.raises(OperatorError, match="No event is skipped"):
        await to_unskip(system, ACME, (), "again")


async def agree(system: AsyncConnection[Any]) -> set[int]:
    """Replay, verify, and the tables as of now have the same, and so has what changed since the beginning. What the log has."""
    assert (await replay(system, ACME)).equal
    verdict = await verify(system, ACME)
    assert {name: verdict.broken[name] for name in ("tables", "audit_logs", "skips", "freshness")} == {
        "tables": [],
        "audit_logs": [],
        "skips": [],
        "freshness": [],
    }
    async with rebuilt(system, ACME, verdict.position) as rows:
        folded = {position for _, position in rows.of("audit_logs").current}
    cursor = await system.execute("SELECT position FROM projections.audit_logs WHERE tenant_id = %s", [ACME])
    assert folded == {position for (position,) in await cursor.fetchall()}
    roles = await system.execute("SELECT id FROM projections.roles WHERE tenant_id = %s", [ACME])
    there = {id for (id,) in await roles.fetchall()}
    async with snapshot(system), folded_between(system, ACME, 0, verdict.position, ["roles"], ignored) as changes:
        assert {UUID(str(each.key["id"])) for each in changes if each.after is not None} == there
    return folded


def ignored(_events: int) -> None:
    """How far it is."""


@pytest.mark.usefixtures("held_up")
async def test_a_skip_whose_event_still_cannot_be_applied_stays_and_so_does_a_gap(
    database: Database, ledgers: Ledgers, projector: Projector, system: AsyncConnection[Any], tmp_path: Path
) -> None:
    await skip(system, ACME, POISON, "a bug of ours", now=NOW)
    await projector.catch_up()
    addresses = {"GESTA_SYSTEM_DATABASE_URL": database.system_url, "DATABASE_URL": database.owner_url}
    words = ("--tenant", str(ACME), "--reason", "mended?")
    ended = command_line(tmp_path, "projections", "unskip", *words, **addresses)
    assert ended.returncode == 1
    assert f"event {POISON} (execution.completed.v1)" in ended.stderr
    assert ended.stderr.endswith("What was skipped stays so.\n")
    assert [each.position for each in await read_skipped_events(system, ACME)] == [POISON]
    assert (await replay(system, ACME)).equal
    assert await records.records(system, "building") == [], "nobody is asked to go on with it"
    await ledgers.conn.execute(
        "INSERT INTO runtime.projection_skips (tenant_id, position, reason, error) VALUES (%s, 900, 'x', 'x')", [ACME]
    )
    with pytest.raises(OperatorError, match="There is no event 900: a gap"):
        await to_unskip(system, ACME, [900], "again")


@pytest.mark.usefixtures("held_up")
async def test_the_event_and_where_its_error_arose_can_be_looked_at(system: AsyncConnection[Any]) -> None:
    fault = (await poison_events.read_poison_events(system))[ACME]
    trace = await poison_events.read_trace(system, fault)
    assert trace is not None
    assert trace.rstrip().endswith(fault.error)
    assert "rows.py" in trace
    lines = await described(system, Ledger(ACME, "acme"))
    assert f"position     {POISON}" in lines
    assert "topic        execution.completed.v1" in lines
    assert f"error        {fault.error}" in lines
    assert lines[-1].endswith(fault.error)


@pytest.mark.usefixtures("held_up")
def test_an_operator_looks_at_it_tries_it_again_and_leaves_it_out(database: Database, tmp_path: Path) -> None:
    addresses = {"GESTA_SYSTEM_DATABASE_URL": database.system_url}
    shown = command_line(tmp_path, "projections", "show", "--tenant", str(ACME), **addresses).stdout
    assert f"position     {POISON}\ntopic        execution.completed.v1\n" in shown
    assert "rows.py" in shown
    again = command_line(tmp_path, "projections", "retry", "--tenant", str(ACME), "--by", "Ann", **addresses)
    assert again.stdout == "1 will be retried.\n"
    words = ("--position", str(POISON), "--reason", "a bug of ours", "--by", "Ann")
    left_out = command_line(tmp_path, "projections", "skip", "--tenant", str(ACME), *words, **addresses)
    assert left_out.returncode == 0, left_out.stderr
    with psycopg.connect(database.system_url) as conn:
        told = conn.execute(ON_RECORD, [ACME, POISON + 2]).fetchall()
    assert told == [("projection.retried.v1", "Ann", None), ("projection.event_skipped.v1", "Ann", "a bug of ours")]


def test_of_a_trace_the_end_is_kept() -> None:
    trace = poison_events.trace_of(ValueError("a" + "b" * 10_000 + "\0"))
    assert (len(trace), trace[-3:]) == (poison_events.LONGEST_TRACE, "b\ufffd\n")
