"""The page on escalation: its definition is played as the page says."""

import json
import re
from dataclasses import replace
from pathlib import Path
from uuid import UUID

from domain.approval import ApprovalEscalated, ApprovalReminded
from domain.calendar import CalendarCreated, calendar_id_of
from domain.facts import Fact
from domain.member import MemberChanged
from engine.validate import validate
from tests.engine.drawing import ANN, BEN, EVALUATOR, Play
from tests.engine.people import CAT, DAN, EVA, employing
from tests.engine.test_escalation import HOURS, fires, timers, told
from tests.given import MOMENT, TENANT_ID

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "escalate.md").read_text("utf-8")
(SHOWN,) = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL))
PEOPLE: dict[UUID, tuple[str, ...]] = {ANN: ("clerk",), BEN: ("boss",), EVA: ("boss",), DAN: ("director",), CAT: ("director",)}


def asked() -> Play:
    """By Ann, who reports to Ben, who reports to Eva."""
    play = employing(Play(SHOWN), PEOPLE)
    facts = (
        Fact(calendar_id_of(TENANT_ID, "office"), CalendarCreated("office", "Office", "UTC", HOURS)),
        Fact(ANN, MemberChanged(ANN, BEN)),
        Fact(BEN, MemberChanged(BEN, EVA)),
    )
    view = play.story.view
    play.story = replace(play.story, view=replace(view, facts=view.facts + facts))
    return play.start({}, created_by=ANN)


def test_it_is_accepted() -> None:
    assert [found for found in validate(SHOWN, EVALUATOR) if found.severity == "error"] == []


def test_the_invoice_is_reminded_of_escalated_and_rejected_in_the_end() -> None:
    play = fires(asked(), "remind 1.1")
    assert told(play) == [ApprovalReminded(1, 1, (BEN,))]
    names = ("approved", "rejected")
    for number, who in ((1, {"users": (EVA,)}), (2, {"roles": ("director",), "replace": True})):
        fires(play, f"reckon escalate 1.{number}", MOMENT)
        fires(play, f"escalate 1.{number}", MOMENT.replace(day=4 + 2 * number))
        assert told(play) == [ApprovalEscalated(1, number, outcomes=names, **who)]
    play.choose("release", "approved", EVA, PEOPLE[EVA]).refused("not_eligible")
    fires(play, "escalate 1.3").failed("refused", "refused")
    assert timers(play) == {}


def test_a_director_may_decide_after_two_working_days() -> None:
    play = asked()
    fires(play, "reckon escalate 1.2", MOMENT)
    fires(play, "escalate 1.2", MOMENT.replace(day=6, hour=17))
    play.choose("release", "approved", CAT, PEOPLE[CAT]).completed()
