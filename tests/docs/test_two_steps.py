"""The page on two-step approvals: its definition is played as the page says."""

import json
import re
from pathlib import Path
from uuid import UUID

from engine.engine import Decider, return_approval
from engine.validate import validate
from tests.engine.drawing import ANN, BEN, EVALUATOR, Play
from tests.engine.people import CAT, COMPANY, DAN, EVA, approval, employing, request_id

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "model-a-two-step-approval.md").read_text("utf-8")
(SHOWN,) = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL))
PEOPLE: dict[UUID, tuple[str, ...]] = {**{one: tuple(keys) for one, keys in COMPANY.items()}, CAT: ("boss", "board")}


def asked(amount: float, manager: UUID) -> Play:
    play = employing(Play(SHOWN), PEOPLE)
    return play.start({"amount": amount, "manager": str(manager)}, created_by=DAN)


def test_it_is_accepted() -> None:
    assert [found for found in validate(SHOWN, EVALUATOR) if found.severity == "error"] == []


def test_what_is_cheap_is_approved_by_the_manager() -> None:
    asked(100, ANN).choose("release", "approved", ANN).completed({"approved_by": str(ANN)})


def test_what_is_dear_by_two_of_the_board_as_well_and_not_by_the_manager_again() -> None:
    play = asked(10_000, BEN).choose("release", "approved", BEN, PEOPLE[BEN])
    play.choose("release", "approved", BEN, PEOPLE[BEN]).refused("kept_apart")
    play.choose("release", "approved", EVA, PEOPLE[EVA])
    decider, id = Decider(CAT, PEOPLE[CAT]), request_id(play)
    play.step(lambda view: return_approval(view, play.engine, id, decider, step="manager", comment="Is this the cheaper one?"))
    assert [step.name for step in approval(play).open_steps] == ["manager"]
    play.choose("release", "approved", BEN, PEOPLE[BEN])
    for who in (EVA, CAT):
        play.choose("release", "approved", who, PEOPLE[who])
    play.completed({"approved_by": str(BEN)})


def test_a_rejection_says_why() -> None:
    play = asked(100, ANN)
    play.choose("release", "rejected", ANN).refused("invalid_decision", "/comment", "/reason")
    play.choose("release", "rejected", ANN, comment="We have one.", reason="not_needed").failed("refused", "refused")
