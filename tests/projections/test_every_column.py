"""The whole story, told once as rows: each column that an event sets, or no longer sets, is seen here.

What the rows mean is tested by name in test_tables. After a change that is meant, and read in the diff::

    GESTA_WRITE_EXPECTED=1 python -m pytest tests/projections/test_every_column.py
"""

import json
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from psycopg import AsyncConnection, sql

from domain.approval import (
    ApprovalClaimed,
    ApprovalDecided,
    ApprovalEscalated,
    ApprovalOverdue,
    ApprovalReminded,
    ApprovalRequested,
    ApprovalResolved,
    ApprovalStepCompleted,
    ApprovalStepStarted,
    Outcome,
    StepPlan,
)
from domain.approval.times import Level, Moment, Times
from domain.envelope import PLATFORM
from domain.execution import (
    TIMED,
    ActivationStarted,
    ExecutionChanged,
    ExecutionMigrated,
    ExecutionPaused,
    ExecutionStarted,
    MigratedEdge,
    MigratedVisit,
    Wait,
)
from domain.facts import Due
from domain.foreach import ChunkMoved, ChunkStarted, ForeachMoved, ForeachStarted, Opened
from domain.openings import Opening
from domain.tenant import TenantChanged, TenantCreated
from domain.user import UserRegistered
from projections.projector import Projector
from projections.registry import TABLES
from tests.projections.story import ACME, ANN, BOB, BY_ANN, START, Ledgers, Step, an_id, asked, entrusted, item, started

EXPECTED = Path(__file__).with_name("every_column")
"""A file of rows for each table, or several."""
OF_THE_PLATFORM = {"tenants", "users", "permissions"}
ALL = sql.SQL("SELECT to_jsonb(t) FROM projections.{} t")
OURS = sql.SQL("SELECT to_jsonb(t) FROM projections.{} t WHERE tenant_id = {}")


NEVER_FILLED = {
    "users.last_login_at",
}
"""By no event that there is."""


async def everything(ledgers: Ledgers) -> None:
    """The story, and what it leaves out: fields that are seldom set."""
    await ledgers.everything()
    initech = TenantCreated("initech", "Initech", {}, "initech.example", "Software", "bills@initech.example")
    await ledgers.append(
        PLATFORM,
        (an_id("initech"), initech),
        (an_id("initech"), TenantChanged({"subscription_status": "trial"})),
        (an_id("eve"), UserRegistered("eve@initech.example", "Eve", "https://initech.example/eve.png")),
    )
    stream, start = started("a child")
    assert isinstance(start, ExecutionStarted)
    entered, (request, event) = asked("a child")
    assert isinstance(event, ApprovalRequested)
    parent, calling = an_id("acme 1"), an_id("the visit that calls")
    decision = ApprovalDecided(an_id("for Bob"), ANN, "approve", "approve", on_behalf_of=BOB)
    by = replace(BY_ANN, on_behalf_of=BOB, causation_id=an_id("a cause"), reason="Bob is away")
    await ledgers.append(
        ACME,
        (
            stream,
            replace(
                start,
                trigger_type="child",
                trigger_data={"node": "call"},
                parent_execution_id=parent,
                parent_activation_id=calling,
                attributes={"due": "2026-03-02T10:00:00+01:00"},
                depth=1,
            ),
        ),
        (stream, ExecutionChanged({"team": "north", "tier": "gold"}, 9)),
        entered,
        (request, replace(event, description="Three days", priority=7, item_id=an_id("an item"), item_index=3)),
        *entrusted("a child", item_id=an_id("an item"), item_index=3),
        (request, decision),
        envelope=by,
    )
    await ledgers.append(ACME, *waiting("waiting"))
    await ledgers.append(ACME, *migrated("migrated"))
    await ledgers.append(ACME, *timed("timed"))


def timed(execution: str) -> tuple[Step, ...]:
    """Requests with moments: one is escalated to the end, one in steps is open, reminded of and late."""
    hour = timedelta(hours=1)
    outcomes = (Outcome("approve", "approve", (), ("approver",)), Outcome("reject", "reject", (), ("approver",)))
    names = ("approve", "reject")
    open_at = (Opening(START, START + hour), Opening(START + 24 * hour, START + 25 * hour))
    chain = (
        Level(Moment(Due(hour)), {"manager_of": "asked"}),
        Level(Moment(Due(2 * hour), -hour, open_at), {"roles": ["clerk"]}, replace=True),
        Level(Moment(Due(3 * hour)), {"users": []}, unstarted=True),
        Level(Moment(Due(9 * hour)), outcome="reject"),
    )
    whole = Times((Moment(Due(hour)), Moment(Due(8 * hour), -hour)), chain, Due(hour))
    entered, (request, event) = asked(execution, outcomes=outcomes)
    assert isinstance(event, ApprovalRequested)
    assert isinstance(entered[1], ActivationStarted)
    entered = entered[0], replace(entered[1], waits=(replace(entered[1].waits[0], about=TIMED),))
    stepped, first, again = an_id(f"{execution} stepped"), {"type": "single"}, Times((Moment(Due(hour)),), (), Due(hour), 1)
    plans = (StepPlan("first", 1), StepPlan("last", 2))
    later = Times((), (Level(Moment(Due(hour)), {"roles": ["clerk"]}, unstarted=True),), Due(2 * hour), 2)
    return (
        started(execution),
        entered,
        (request, replace(event, due=Due(8 * hour), times=whole)),
        (request, ApprovalOverdue(1, "start")),
        (request, ApprovalReminded(1, 1, (), ("approver",))),
        (request, ApprovalEscalated(1, 1, (BOB,), (), None, names)),
        (request, ApprovalClaimed(BOB)),
        (request, ApprovalEscalated(1, 2, (), ("clerk",), None, names, replace=True, passed_over=(2,))),
        (request, ApprovalOverdue(1, "due")),
        (request, ApprovalEscalated(1, 4, outcome="reject")),
        (request, ApprovalResolved("reject", "reject")),
        (stepped, replace(event, rule=first, outcomes=(), steps=plans, due=Due(2 * hour), times=Times((Moment(Due(hour)),)))),
        (stepped, ApprovalStepStarted(1, "first", first, outcomes, due=Due(hour), times=again)),
        (stepped, ApprovalReminded(1, 1, (), ("approver",))),
        (stepped, ApprovalDecided(an_id(f"{execution} yes"), ANN, "approve", "approve", 1, "approver")),
        (stepped, ApprovalStepCompleted(1, "first", "approve", "approve", (ANN,))),
        (stepped, ApprovalStepStarted(2, "last", first, outcomes, due=Due(hour), times=later)),
        (stepped, ApprovalOverdue(2, "start")),
        (stepped, ApprovalOverdue(2, "due")),
        (stepped, ApprovalEscalated(2, 1, (), ("clerk",), None, names)),
        (stepped, ApprovalReminded(0, 1, (), ("approver", "clerk"))),
        (stepped, ApprovalOverdue(0, "due")),
    )


def migrated(execution: str) -> tuple[Step, ...]:
    """One that goes on by an earlier version, where the node that it is at is called otherwise."""
    visit, nodes = an_id(f"{execution} review"), {"review": "check", "gone": None}
    event = ExecutionMigrated(
        2,
        1,
        {"review": "check"},
        nodes,
        (MigratedEdge(2, 1), MigratedEdge(3, None)),
        (MigratedEdge(4, 5),),
        (MigratedVisit(visit, "review", "check"),),
        "as before",
    )
    return (started(execution), *asked(execution), (an_id(execution), event))


def waiting(execution: str) -> tuple[Step, ...]:
    """One that waits for everything, within an item of a foreach too, and is paused."""
    stream, begun = started(execution)
    assert isinstance(begun, ExecutionStarted)
    foreach, chunk, first = (an_id(f"{execution} {part}") for part in ("foreach", "chunk", "first"))
    visit, work, items, call = (an_id(f"{execution} {part}") for part in ("visit", "work", "items", "call"))
    waits = (
        Wait("event", an_id(f"{execution} paid"), "paid"),
        Wait("execution", an_id(f"{execution} child"), "ship"),
        Wait("timer", visit, "timeout", Due(at=START + timedelta(days=1))),
    )
    return (
        (stream, replace(begun, timeout=Wait("timer", an_id(f"{execution} limit"), "execution_timeout", Due(timedelta(days=2))))),
        (stream, ActivationStarted(visit, "wait", "wait_event", 1, (1,), waits=waits)),
        *entrusted(execution),
        *asked(execution, outcomes=(Outcome("approve", "approve", (BOB, ANN), ("approver", "clerk")),)),
        (stream, ActivationStarted(items, "each", "foreach", 1, (2,), waits=(Wait("foreach", foreach),))),
        (foreach, ForeachStarted(stream, stream, items, "each", ["a"], 1, 1)),
        (chunk, ChunkStarted(foreach, stream, stream, items, "each", 0, ["a"], 1)),
        (first, item(stream, stream, items, foreach, chunk, 0, "a")),
        (chunk, ChunkMoved((first,))),
        (foreach, ForeachMoved((Opened(chunk, 0, 1, 1),))),
        (first, ActivationStarted(call, "call", "task", 1, (0,), waits=(Wait("job", work, "resize"),))),
        (stream, ExecutionPaused("lunch")),
    )


async def rows(conn: AsyncConnection[Any], name: str) -> list[dict[str, Any]]:
    table = sql.Identifier(name)
    statement = ALL.format(table) if name in OF_THE_PLATFORM else OURS.format(table, ACME)
    return [row[0] for row in await (await conn.execute(statement)).fetchall()]


async def test_every_column_of_every_row_is_as_it_was(
    ledgers: Ledgers, system: AsyncConnection[Any], projector: Projector
) -> None:
    await everything(ledgers)
    await projector.catch_up()
    await system.execute("SET TIME ZONE 'UTC'")
    names = set[str]()
    for table in TABLES:
        told: dict[str, list[str]] = {}
        for row in await rows(system, table.name):
            told.setdefault(_file_of(table.name, row), []).append(_line(row))
        assert told, f"{table.name} is empty: nothing is shown"
        for name, lines in told.items():
            file = EXPECTED / f"{name}.jsonl"
            if "GESTA_WRITE_EXPECTED" in os.environ:
                file.write_text("\n".join(sorted(lines)) + "\n")
            expected = file.read_text().splitlines()
            assert [json.loads(line) for line in sorted(lines)] == [json.loads(line) for line in expected], name
        names |= told.keys()
    assert {file.stem for file in EXPECTED.iterdir()} == names


def _file_of(table: str, row: dict[str, Any]) -> str:
    """The audit log has a row for each event: it is told in several files, one for each kind of thing."""
    return f"{table}.{row['resource']}" if table == "audit_logs" else table


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


async def test_the_story_fills_every_column(ledgers: Ledgers, system: AsyncConnection[Any], projector: Projector) -> None:
    """Else a line that sets it could go, and nobody would see."""
    await everything(ledgers)
    await projector.catch_up()
    empty = set()
    for table in TABLES:
        found = await rows(system, table.name)
        empty |= {f"{table.name}.{column}" for column in table.columns if all(row[column] is None for row in found)}
    assert empty == NEVER_FILLED
