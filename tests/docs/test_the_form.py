"""The page on forms: its definition is played as the page says."""

import json
import re
from pathlib import Path

from engine.validate import validate
from tests.engine.drawing import EVALUATOR, Play

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "render-the-form.md").read_text("utf-8")
SHOWN, PROBLEM = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL))


def test_it_is_accepted() -> None:
    assert [found for found in validate(SHOWN, EVALUATOR) if found.severity == "error"] == []


def test_what_is_wrong_is_said_field_by_field_and_what_is_left_out_is_filled_in() -> None:
    play = Play(SHOWN).start({})
    (fault,) = PROBLEM["errors"]
    play.choose("release", "approved", form={"by": "car"}).refused(PROBLEM["code"], fault["path"])
    play.choose("release", "approved", form={"card": "1"}).refused("invalid_form", "/form/limit")
    play.choose("release", "approved", form={"by": "train", "colour": "red"}).refused("invalid_form", "/form/colour")
    play.choose("release", "approved", form={"by": "car", "plate": "B-GE 1"}).completed(
        {"by": "car", "class": 2, "plate": "B-GE 1"}
    )
