"""What open executions wait for, as rows: what a pause moves, who is asked, what is gone at an end, and what an upgrade finds."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection
from psycopg.rows import dict_row
from pydantic_core import to_json

from domain.approval import ApprovalRequested
from domain.envelope import PLATFORM
from domain.execution import (
    ActivationCompleted,
    ActivationStarted,
    ActivationWaiting,
    ExecutionCancelled,
    ExecutionCompensating,
    ExecutionPaused,
    ExecutionResumed,
    ExecutionStarted,
    Wait,
)
from domain.facts import Due
from projections.execution_waits import moved_on_by, people
from projections.projector import Projector
from projections.replay import replay
from runtime import migrations
from tests.conftest import Database
from tests.projections.story import ACME, BOB, OUTCOMES, START, TAKE_NEW_FORMATS, Ledgers, an_id, asked, started
from tests.projections.test_every_column import waiting

EXECUTION, VISIT = an_id("late"), an_id("visit")
HOUR = timedelta(hours=1)
ROWS = "SELECT * FROM projections.execution_waits WHERE execution_id = %s ORDER BY since, kind, id"
WANTED = "SELECT groups, reason FROM runtime.projection_generations WHERE state = 'wanted'"


async def rows(system: AsyncConnection[Any], execution: str = "late") -> list[dict[str, Any]]:
    async with system.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(ROWS, [an_id(execution)])
        return await cursor.fetchall()


async def told(projector: Projector, system: AsyncConnection[Any], execution: str = "late") -> list[dict[str, Any]]:
    """The rows, which are what a replay says."""
    await projector.catch_up()
    assert (await replay(system, ACME)).differences == []
    return await rows(system, execution)


def begun(*waits: Wait) -> ActivationStarted:
    return ActivationStarted(VISIT, "a", "approval", 1, (0,), waits=waits)


async def test_a_pause_moves_what_is_left_and_no_moment_that_was_named(
    ledgers: Ledgers, system: AsyncConnection[Any], projector: Projector
) -> None:
    await ledgers.everything()
    named, later = START + timedelta(days=9), an_id("later")
    timers = (Wait("timer", an_id("left"), "left", Due(HOUR)), Wait("timer", an_id("named"), "named", Due(at=named)))
    await ledgers.append(ACME, started("late"), (EXECUTION, begun(*timers)))
    set_at = ledgers.now
    await ledgers.append(ACME, (EXECUTION, ExecutionPaused()))
    paused = ledgers.now
    assert {(row["about"], row["until"], row["paused_at"]) for row in await told(projector, system)} == {
        ("left", set_at + HOUR, paused),
        ("named", named, paused),
    }
    await ledgers.append(ACME, (EXECUTION, ActivationWaiting(VISIT, "a", (Wait("timer", later, "later", Due(HOUR)),))))
    added = ledgers.now
    await projector.catch_up()
    await ledgers.append(ACME, (EXECUTION, ExecutionResumed()))
    assert {(row["about"], row["until"], row["paused_at"]) for row in await told(projector, system)} == {
        ("left", set_at + HOUR + (ledgers.now - paused), None),
        ("named", named, None),
        ("later", ledgers.now + HOUR, None),
    }
    assert added < ledgers.now


@pytest.mark.parametrize("at_once", [True, False])
async def test_who_is_asked_is_known_whichever_is_recorded_first(
    ledgers: Ledgers, system: AsyncConnection[Any], projector: Projector, at_once: bool
) -> None:
    await ledgers.everything()
    _, (request, event) = asked("late", "a")
    assert isinstance(event, ApprovalRequested)
    await ledgers.append(ACME, started("late"), (EXECUTION, begun(Wait("job", an_id("job"), "resize"))))
    await ledgers.append(ACME, (request, replace(event, activation_id=VISIT)))
    if not at_once:
        await projector.catch_up()
    waits = ActivationWaiting(VISIT, "a", (Wait("approval", request),), (an_id("job"),))
    await ledgers.append(ACME, (EXECUTION, waits))
    (row,) = await told(projector, system)
    assert (row["roles"], row["users"]) == (["approver", "clerk"], [BOB])
    assert row["moved_on_by"] == "A decision by the role approver, the role clerk or one person."
    assert OUTCOMES[1].users == (BOB,)


async def test_what_ends_is_waited_for_no_longer(ledgers: Ledgers, system: AsyncConnection[Any], projector: Projector) -> None:
    await ledgers.everything()
    stream, start = started("late")
    assert isinstance(start, ExecutionStarted)
    await ledgers.append(ACME, *waiting("late"))
    assert len(await told(projector, system)) == 8
    undoing = ExecutionCompensating("failed", 2, "full", "No room.", "start")
    await ledgers.append(ACME, (stream, ExecutionResumed()), (stream, undoing))
    assert "execution_timeout" not in {row["about"] for row in await told(projector, system)}
    await ledgers.append(ACME, (stream, ActivationCompleted(an_id("late visit"), "wait", "success", None)))
    assert {row["kind"] for row in await told(projector, system)} == {"approval", "ai_task", "foreach", "job"}
    await ledgers.append(ACME, (stream, ExecutionCancelled()))
    assert await told(projector, system) == []


async def test_two_waits_of_older_releases_have_one_id(
    ledgers: Ledgers, system: AsyncConnection[Any], projector: Projector
) -> None:
    await ledgers.everything()
    first = {"activation_id": VISIT, "node_id": "a", "node_type": "task", "visit": 1, "tokens": [0], "swallowed": []}
    await ledgers.append(ACME, started("late"))
    await ledgers.append_raw(ACME, EXECUTION, "activation.started.v1", to_json({**first, "timeout_at": "2026-03-02T10:00:00Z"}))
    found = await told(projector, system)
    assert [(row["kind"], row["id"], row["until"]) for row in found] == [("job", VISIT, None), ("timer", VISIT, START + HOUR)]


async def test_an_upgrade_finds_what_is_waited_for_and_asks_for_the_rest(
    database: Database, ledgers: Ledgers, system: AsyncConnection[Any], projector: Projector
) -> None:
    await ledgers.everything()
    await ledgers.append(ACME, *waiting("late")[:-1])
    await projector.catch_up()
    folded = await rows(system)
    await system.execute(TAKE_NEW_FORMATS)
    known = migrations.load()
    (mine,) = [one for one in known if one.name == "execution_waits"]
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        migrations.rollback(owner, known, to=mine.version - 1)
        migrations.migrate(owner, known)
        assert (["work"], "The new table execution_waits.") in await (await system.execute(WANTED)).fetchall()
    # timers have no rows of their own in this story: the execution's is not found, and whether a moment was named
    expected = [{**row, "is_fixed": False} for row in folded if row["about"] != "execution_timeout"]
    assert await rows(system) == expected


async def test_a_new_database_asks_for_nothing(system: AsyncConnection[Any]) -> None:
    assert await (await system.execute(WANTED)).fetchall() == []


def test_words_say_who_can_move_it_on() -> None:
    assert moved_on_by("job", "gesta.http") == "A worker of Gesta's own."
    assert moved_on_by("event", "paid") == "An event of the type paid."
    assert people([], [])["moved_on_by"] == "A decision by any member who may decide approvals."
    assert people([str(PLATFORM), str(BOB)], [])["moved_on_by"] == "A decision by one of 2 people."
