"""What the tables say of time: of requests that are asked again, overridden, or passed on. Folded in memory."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from domain.approval import (
    ApprovalClaimed,
    ApprovalEscalated,
    ApprovalOverdue,
    ApprovalOverridden,
    ApprovalReassigned,
    ApprovalRecalled,
    ApprovalReminded,
    ApprovalRequested,
    ApprovalResolved,
    ApprovalResubmitted,
    ApprovalStepStarted,
    Change,
    Content,
    Outcome,
    StepPlan,
)
from domain.approval.times import WHOLE, Clock, Level, Moment, Times
from domain.envelope import RecordedEvent
from domain.facts import Due, Event
from projections import approval_assignees, approval_decisions, approval_requests, approval_steps, approval_versions
from projections.approval_assignees import NEVER
from projections.registry import apply, concerned
from projections.rows import Rows
from projections.table import Row
from store.topics import topic_of
from tests.projections.story import ACME, ANN, BOB, BY_ANN, START, STEP, an_id

TABLES = tuple(
    module.TABLE for module in (approval_versions, approval_requests, approval_steps, approval_assignees, approval_decisions)
)
REQUEST, JOE = an_id("a request"), an_id("joe")
HOUR = timedelta(hours=1)
SINGLE = {"type": "single"}
OUTCOMES = (Outcome("approve", "approve", (ANN, BOB)), Outcome("reject", "reject", (ANN, BOB)))
REQUESTED = ApprovalRequested(None, None, None, "A press?", SINGLE, OUTCOMES, requested_by=JOE)
AGAIN = ApprovalResubmitted(2, Content("A smaller press?"), (Change("/title", "changed"),), user_id=JOE)
NOTHING = {"overdue_at": None, "start_missed_at": None, "sla_met": None}


class Tables:
    """What the events of a request come to, a second and a half apart."""

    def __init__(self, *events: Event) -> None:
        self.rows = Rows(TABLES)
        self.count = 0
        self.add(*events)

    def add(self, *events: Event) -> "Tables":
        for event in events:
            self.count += 1
            topic, at, number = topic_of(type(event)), self.now, self.count
            record = RecordedEvent(ACME, number, REQUEST, number, topic, event, at, at, an_id(f"command {number}"), BY_ANN, b"{}")
            apply(self.rows, record, concerned(TABLES))
        return self

    @property
    def now(self) -> datetime:
        """Of the last event."""
        return START + self.count * STEP

    @property
    def request(self) -> Row:
        return self.rows.get(approval_requests.NAME, ACME, REQUEST)

    def step(self, number: int) -> Row:
        return self.rows.get(approval_steps.NAME, ACME, REQUEST, number)

    def asked(self, who: UUID, step: int = 1) -> Row:
        return self.rows.get(approval_assignees.NAME, ACME, REQUEST, step, "user", str(who))


def part(row: Row, names: Iterable[str]) -> dict[str, Any]:
    return {name: row[name] for name in names}


def times(hours: int, turn: int = 0) -> Times:
    return Times((), (Level(Moment(Due(hours * HOUR)), {"users": [str(JOE)]}),), Due(hours * HOUR), turn)


def test_what_is_asked_again_has_moments_of_its_own() -> None:
    tables = Tables(
        replace(REQUESTED, due=Due(2 * HOUR), times=times(1)),
        ApprovalOverdue(1, "start"),
        ApprovalClaimed(ANN),
        ApprovalOverdue(1, "due"),
        ApprovalRecalled(JOE),
    )
    assert (tables.request["sla_met"], tables.request["taken_on_by"]) == (False, ANN)
    tables.add(replace(AGAIN, due=Due(4 * HOUR), clocks=(Clock(1, times(3, 1), Due(4 * HOUR), started=True),)))
    again = {"start_by": tables.now + 3 * HOUR, "due_at": tables.now + 4 * HOUR, "taken_on_by": ANN, **NOTHING}
    assert part(tables.request, again) == again, "who had taken it on has, where it is not asked anew"
    [level] = tables.request["escalation_rules"]
    assert datetime.fromisoformat(level["at"]) == tables.now + 3 * HOUR
    assert {tables.asked(one)["due_by"] for one in (ANN, BOB)} == {tables.now + 4 * HOUR}

    tables.add(ApprovalRecalled(JOE), replace(AGAIN, number=3, steps=(1,), clocks=(Clock(1, Times(turn=2)),)))
    again = {"start_by": None, "escalation_rules": None, "taken_on_at": None, "taken_on_by": None, "claimed_by": None, **NOTHING}
    assert part(tables.request, again) == again
    assert tables.request["due_at"] == tables.asked(ANN)["due_by"] == tables.now - 2 * STEP + 4 * HOUR, "of which it says nothing"


def test_steps_that_go_on_have_theirs_anew_and_those_that_are_asked_again_when_they_start() -> None:
    plans = (StepPlan("one", 1), StepPlan("two", 1), StepPlan("three", 2))
    tables = Tables(
        replace(REQUESTED, rule={"type": "steps"}, outcomes=(), steps=plans, due=Due(9 * HOUR), times=times(8)),
        ApprovalStepStarted(1, "one", SINGLE, OUTCOMES, due=Due(HOUR), times=times(1, 1)),
        ApprovalStepStarted(2, "two", SINGLE, OUTCOMES),
        ApprovalClaimed(ANN),
        ApprovalOverdue(1, "due"),
        ApprovalRecalled(JOE),
    )
    assert (tables.step(1)["sla_met"], tables.request["due_at"]) == (False, START + 2 * STEP + HOUR)
    assert tables.asked(ANN, 2)["due_by"] == START + 2 * STEP + HOUR, "the soonest of what was asked"
    clocks = Clock(WHOLE, times(7, 2), Due(9 * HOUR), started=True), Clock(1, times(2, 2), Due(3 * HOUR), started=True)
    tables.add(replace(AGAIN, due=Due(9 * HOUR), clocks=clocks))
    again = {"start_by": tables.now + 2 * HOUR, "due_at": tables.now + 3 * HOUR, "taken_on_by": ANN, **NOTHING}
    assert part(tables.step(1), again) == again
    assert part(tables.request, again) == again | {"start_by": tables.now + 7 * HOUR}
    assert (tables.asked(ANN, 1)["due_by"], tables.asked(ANN, 2)["due_by"]) == (tables.now + 3 * HOUR, tables.now + 9 * HOUR)

    tables.add(ApprovalRecalled(JOE), replace(AGAIN, number=3, steps=(1,), due=Due(9 * HOUR), clocks=clocks[:1]))
    assert part(tables.step(1), {"status", "due_at", "taken_on_by"}) == {"status": "waiting", "due_at": None, "taken_on_by": None}
    assert tables.request["due_at"] == tables.now + 9 * HOUR, "only what goes on is waited for yet"
    tables.add(ApprovalStepStarted(1, "one", SINGLE, OUTCOMES, due=Due(HOUR), times=times(1, 3)))
    assert tables.request["due_at"] == tables.asked(ANN)["due_by"] == tables.now + HOUR


def test_an_override_is_an_answer_in_the_steps_that_were_open() -> None:
    plans = (StepPlan("one", 1), StepPlan("two", 2))
    tables = Tables(
        replace(REQUESTED, rule={"type": "steps"}, outcomes=(), steps=plans),
        ApprovalStepStarted(1, "one", SINGLE, OUTCOMES, due=Due(HOUR)),
        ApprovalOverridden(an_id("by Ann"), ANN, "approve", "approve", "The board is ill.", (1, 2)),
        ApprovalResolved("approve", "approve", (ANN,)),
    )
    assert part(tables.request, ("first_response_ms", "turnaround_ms", "sla_met")) == {
        "first_response_ms": 3000,
        "turnaround_ms": 4500,
        "sla_met": True,
    }
    asked = {"status": "overridden", "duration_ms": 1500, "first_response_at": START + 3 * STEP, "sla_met": True}
    assert part(tables.step(1), asked) == asked
    assert part(tables.step(2), asked) == dict.fromkeys(asked) | {"status": "overridden"}


def test_who_it_is_passed_on_to_was_not_reminded_yet() -> None:
    reminded = ApprovalReminded(1, 1, (ANN, BOB))
    tables = Tables(replace(REQUESTED, due=Due(HOUR)), reminded, ApprovalReassigned(ANN, JOE))
    joes, bobs = tables.asked(JOE), tables.asked(BOB)
    assert (joes["reminders_sent"], joes["reminded_at"], joes["due_by"]) == (0, None, bobs["due_by"])
    assert (bobs["reminders_sent"], bobs["reminded_at"], bobs["due_by"] < NEVER) == (1, START + 2 * STEP, True)
    tables.add(ApprovalEscalated(1, 1, (ANN,), outcomes=("approve", "reject")), ApprovalReassigned(ANN, BOB))
    assert tables.asked(BOB)["reminders_sent"] == 1, "they were, themselves"
