"""Whom an approval asks: managers, fallback approvers, the requester who is one of them; and due by a calendar."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.approval import ApprovalStepSkipped
from domain.calendar import CalendarCreated, calendar_id_of
from domain.facts import Event, Fact, Json
from domain.member import MemberChanged, MemberRemoved, MemberSuspended
from engine.validate import validate
from tests.engine.drawing import ANN, BEN, EVALUATOR, Play, drawing
from tests.engine.people import CAT, DAN, EVA, approval, employing, node, output, play_of, requested
from tests.given import MOMENT, TENANT_ID

LINE = (MemberChanged(DAN, BEN), MemberChanged(BEN, EVA), MemberChanged(EVA, CAT))
"""Dan reports to Ben, Ben to Eva, Eva to Cat."""


def asked(config: Json, *events: Event, input: Json = None, by: UUID | None = DAN) -> Play:
    """Started by Dan, after these events."""
    play = employing(play_of(config))
    view = play.story.view
    facts = tuple(Fact(getattr(event, "user_id", None) or calendar_id_of(TENANT_ID, "de"), event) for event in (*LINE, *events))
    play.story = replace(play.story, view=replace(view, facts=view.facts + facts))
    return play.start(input, created_by=by)


def users(play: Play) -> set[UUID]:
    return {one for outcome in requested(play).outcomes for one in outcome.users}


@pytest.mark.parametrize(
    ("by", "people"),
    [
        ({"manager_of": "requester"}, {BEN}),
        ({"manager_of": "requester", "levels": 2}, {EVA}),
        ({"manager_of": "=input.who", "levels": "=input.levels"}, {CAT}),
        ({"manager_of": ["requester", str(BEN)]}, {BEN, EVA}),
        ({"manager_of": "requester", "users": [str(ANN)]}, {ANN, BEN}),
    ],
)
def test_the_manager_is_asked_who_they_are_when_it_is_asked(by: Json, people: set[UUID]) -> None:
    play = asked(node(by=by), input={"who": str(BEN), "levels": 2})
    assert users(play) == people


def test_a_manager_who_is_away_is_passed_over() -> None:
    by = {"manager_of": "requester"}
    assert users(asked(node(by=by), MemberSuspended(BEN))) == {EVA}
    assert users(asked(node(by=by), MemberRemoved(BEN))) == {EVA}


def test_where_nobody_stands_so_high_it_is_an_error_or_the_fallback_is_asked() -> None:
    by = {"manager_of": "requester", "levels": 9}
    assert output(asked(node(by=by)))["type"] == "invalid_value"
    assert output(asked(node(by={"manager_of": "requester"}), by=None))["type"] == "invalid_value"
    play = asked(node(by=by, fallback={"users": [str(ANN)]}))
    assert users(play) == {ANN}
    assert all(outcome.fallback for outcome in requested(play).outcomes)
    for wrong in (0, 11, True, "2"):
        assert output(asked(node(by={**by, "levels": "=input"}), input=wrong))["type"] == "invalid_value"


@pytest.mark.parametrize(
    ("by", "events", "falls_back"),
    [
        ({"users": [str(ANN)]}, (), False),
        ({"users": [str(ANN)]}, (MemberSuspended(ANN),), True),
        ({"users": [str(ANN), str(BEN)]}, (MemberRemoved(ANN),), False),
        ({"users": [str(UUID(int=77))]}, (), True),
        ({"roles": ["board"]}, (), False),
        ({"roles": ["board"]}, (MemberSuspended(BEN), MemberRemoved(EVA)), True),
        ({"roles": ["nobody"]}, (), True),
        ({"roles": ["clerk"]}, (), True),
        ({"users": [str(DAN)], "roles": ["clerk"]}, (), True),
    ],
)
def test_fallback_approvers_are_asked_where_nobody_active_is_left_but_the_requester(
    by: Json, events: tuple[Event, ...], falls_back: bool
) -> None:
    play = asked(node(by=by, exclude=["requester"], fallback={"users": [str(CAT)]}), *events)
    assert all(outcome.fallback is (True if falls_back else None) for outcome in requested(play).outcomes)
    assert (CAT in users(play)) == falls_back


def test_the_requester_is_forbidden() -> None:
    play = asked(node(by={"roles": ["clerk", "boss"]}, requester="forbid"))
    play.choose("ask", "approved", DAN, ("clerk",)).refused("excluded")
    assert output(play.choose("ask", "approved", ANN, ("boss",)))["outcome"] == "approved"


def test_where_the_requester_is_asked_their_manager_is_too() -> None:
    play = asked(node(by={"roles": ["clerk"]}, requester="escalate"))
    assert users(play) == {BEN}
    play.choose("ask", "approved", DAN, ("clerk",)).refused("excluded")
    assert output(play.choose("ask", "approved", BEN, ("boss",)))["outcome"] == "approved"
    assert users(asked(node(by={"users": [str(ANN)]}, requester="escalate"))) == {ANN}, "not where they are not asked"
    assert output(asked(node(by={"users": [str(CAT)]}, requester="escalate"), by=CAT))["type"] == "invalid_value"


def test_a_step_that_asks_the_requester_alone_is_skipped() -> None:
    steps = [{"name": "clerk", "by": {"roles": ["clerk"]}}, {"name": "boss", "by": {"roles": ["boss"]}}]
    play = asked({"title": "Please", "requester": "skip", "steps": steps})
    assert [step.status for step in approval(play).steps] == ["skipped", "open"]
    assert any(isinstance(fact.event, ApprovalStepSkipped) for fact in play.view.facts)
    play = asked({"title": "Please", "requester": "skip", "steps": steps}, by=ANN)
    assert [step.status for step in approval(play).steps] == ["open", "waiting"]
    assert output(asked(node(by={"roles": ["clerk"]}, requester="skip")))["type"] == "invalid_value"


HOURS = {day: [{"from": "09:00", "to": "17:00"}] for day in ("mon", "tue", "wed", "thu", "fri")}
GERMANY = CalendarCreated("de", "Germany", "UTC", HOURS, ("2026-01-06",))


def test_it_is_due_after_so_much_working_time() -> None:
    play = asked(node(due_in={"calendar": "de", "duration": "PT12H"}), GERMANY)
    due = requested(play).due
    assert due is not None
    assert due.moment(MOMENT) == MOMENT.replace(day=7, hour=13), "on Monday 8 hours; Tuesday is a holiday"
    assert due.moment(MOMENT + timedelta(hours=9)) == MOMENT.replace(day=8, hour=13), "by the time of the append"
    for wrong in ({"calendar": "fr", "duration": "PT1H"}, {"calendar": "de", "duration": "P9000D"}):
        assert output(asked(node(due_in=wrong), GERMANY))["type"] == "invalid_value"


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"by": {"manager_of": "boss"}}, "/by/manager_of"),
        ({"by": {"manager_of": ["requester", "boss"]}}, "/by/manager_of/1"),
        ({"by": {"manager_of": "requester", "levels": 11}}, "/by/levels"),
        ({"by": {"levels": 1}}, "/by/manager_of"),
        ({"fallback": {"users": ["boss"]}}, "/fallback/users/0"),
        ({"fallback": {"expr": "nodes.x +"}}, "/fallback/expr"),
        ({"by": {"manager_of": "=nope.x"}}, "/by/manager_of"),
        ({"requester": "maybe"}, "/requester"),
        ({"due_in": {"calendar": "de", "duration": "8h"}}, "/due_in/duration"),
        ({"due_in": {"calendar": "de"}}, "/due_in"),
        ({"due_in": {"calendar": "de", "duration": "=1 +"}}, "/due_in/duration"),
    ],
)
def test_what_is_wrong_is_named_at_publishing(more: dict[str, Any], path: str) -> None:
    nodes = {"start": "start", "ask": ("approval", node(**more)), "end": "end"}
    definition = drawing(nodes, "start > ask", "ask.approved > end", "ask.rejected > end")
    found = [finding for finding in validate(definition, EVALUATOR) if finding.severity == "error"]
    assert any(finding.path.endswith(f"/config{path}") for finding in found), found
