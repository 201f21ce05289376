"""What a visit waits for, since when and until when: reckoned from the recorded time, and as older releases named it."""

from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg import AsyncConnection
from pydantic_core import to_json

from domain.approval import ApprovalRequested
from domain.execution import ActivationStarted, ActivationWaiting, Wait
from domain.facts import Due
from projections.node_activations import text
from projections.projector import Projector
from runtime import migrations
from tests.conftest import Database
from tests.projections.story import ACME, START, TAKE_NEW_FORMATS, Ledgers, an_id, started

WAITS = "SELECT node_id, waits FROM projections.node_activations WHERE execution_id = %s ORDER BY node_id"
MOMENTS = "SELECT due_at, expires_at FROM projections.approval_requests WHERE id = %s"
EXECUTION = an_id("late")
JOB, REMINDER, TIMEOUT = an_id("job"), an_id("reminder"), an_id("timeout")
HOUR = timedelta(hours=1)


async def waits(system: AsyncConnection[Any]) -> dict[str, list[Any]]:
    return dict(await (await system.execute(WAITS, [EXECUTION])).fetchall())


def wait(kind: str, id: Any, about: str, since: datetime, until: datetime | None = None) -> dict[str, Any]:
    moment = None if until is None else text(until)
    return {"kind": kind, "id": str(id), "about": about, "since": text(since), "until": moment}


async def test_moments_are_reckoned_from_the_recorded_time(
    ledgers: Ledgers, system: AsyncConnection[Any], projector: Projector
) -> None:
    await ledgers.everything()
    visit, request, day = an_id("visit"), an_id("late request"), timedelta(days=1)
    timers = (Wait("timer", REMINDER, "reminder", Due(HOUR)), Wait("timer", TIMEOUT, "timeout", Due(2 * HOUR)))
    await ledgers.append(ACME, started("late"), (EXECUTION, ActivationStarted(visit, "a", "approval", 1, (0,), waits=timers)))
    begun = ledgers.now
    asked = ApprovalRequested(EXECUTION, visit, "a", "May I?", {"type": "single"}, (), due=Due(HOUR), expires=Due(day))
    await ledgers.append(ACME, (request, asked))
    opened = ledgers.now
    await ledgers.append(ACME, (EXECUTION, ActivationWaiting(visit, "a", (Wait("job", JOB, "x"),), (REMINDER,))))
    await projector.catch_up()
    (moments,) = await (await system.execute(MOMENTS, [request])).fetchall()
    assert moments == (opened + HOUR, opened + day)
    told = {"a": [wait("timer", TIMEOUT, "timeout", begun, begun + 2 * HOUR), wait("job", JOB, "x", ledgers.now)]}
    assert await waits(system) == told


async def test_rows_of_before_the_upgrade_say_what_a_replay_says(
    database: Database, ledgers: Ledgers, system: AsyncConnection[Any], projector: Projector
) -> None:
    await ledgers.everything()
    await ledgers.append(ACME, started("late"))
    begun = {"node_type": "task", "visit": 1, "tokens": [0], "swallowed": [], "timeout_at": "2026-03-02T10:00:00Z"}
    first = {**begun, "activation_id": an_id("first"), "node_id": "a"}
    second = {**begun, "activation_id": an_id("second"), "node_id": "b", "waits": [{"kind": "job", "id": JOB, "about": "x"}]}
    await ledgers.append_raw(ACME, EXECUTION, "activation.started.v1", to_json(first))
    one = ledgers.now
    await ledgers.append_raw(ACME, EXECUTION, "activation.started.v2", to_json(second))
    other = ledgers.now
    await projector.catch_up()
    replayed = {
        "a": [wait("job", an_id("first"), "", one), wait("timer", an_id("first"), "timeout", one, START + HOUR)],
        "b": [wait("job", JOB, "x", other), wait("timer", an_id("second"), "timeout", other, START + HOUR)],
    }
    assert await waits(system) == replayed
    await system.execute(TAKE_NEW_FORMATS)
    known = migrations.load()
    (mine,) = [one for one in known if one.name == "timers_of_their_own"]
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        migrations.rollback(owner, known, to=mine.version - 1)
        assert [set(each) for each in (await waits(system))["b"]] == [{"kind", "id", "about"}]
        migrations.migrate(owner, known)
    assert await waits(system) == replayed
