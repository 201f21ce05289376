"""The two versions that the how-to shows, and the way from one to the other as it is told there."""

import json
import re
from pathlib import Path

from domain.facts import Json
from engine.validate import errors, validate
from tests.engine.drawing import EVALUATOR
from tests.engine.test_migrating import Moving

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "migrate-executions.md"


def shown() -> list[Json]:
    return [json.loads(block) for block in re.findall(r"```json\n(\{.*?\})\n```", PAGE.read_text("utf-8"), re.DOTALL)]


def begun() -> Moving:
    place = Moving(*shown())
    place.start({})
    place.complete("pack", "P-7")
    return place


def test_what_is_shown_can_be_published() -> None:
    for definition in shown():
        assert errors(validate(definition, EVALUATOR)) == []


def test_what_was_packed_already_is_not_weighed() -> None:
    place = begun()
    assert place.obstacles() == [("no_counterpart", "/mapping/check")]
    place.migrate(check="release")
    place.choose("release", "approved")
    place.completed({"parcel": "P-7", "grams": 0})


def test_what_is_packed_afterwards_is_weighed() -> None:
    place = Moving(*shown())
    place.start({})
    place.migrate(check="release")
    place.choose("release", "approved")
    place.complete("pack", "P-8")
    place.complete("weigh", 900)
    place.completed({"parcel": "P-8", "grams": 900})


def test_each_obstacle_that_is_named_is_one() -> None:
    named = set(re.findall(r"`([a-z_]+)`", "".join(re.findall(r"^\| (`[a-z_`, ]+) \|", PAGE.read_text("utf-8"), re.MULTILINE))))
    source = (Path(__file__).parents[2] / "src" / "engine" / "migrating.py").read_text("utf-8")
    given = set(re.findall(r'FieldError\([^,]+, "([a-z_]+)"', source))
    assert named - {"code"} == given - {"unknown_version", "unknown_node"}
