"""The saga that the how-to shows, played as it is told there."""

import json
import re
from pathlib import Path

from domain.execution import ExecutionCancelled, ExecutionFailed
from domain.facts import Json
from engine.engine import cancel
from engine.validate import errors, validate
from tests.engine.drawing import EVALUATOR, EXECUTION_ID
from tests.engine.working import Workplace

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "saga.md"


def shown() -> Json:
    (block,) = re.findall(r"```json\n(\{.*?\})\n```", PAGE.read_text("utf-8"), re.DOTALL)
    return json.loads(block)


def booked() -> Workplace:
    place = Workplace(shown())
    place.start({"from": "Oslo", "to": "Rome"})
    return place.complete("flight", {"booking": "F1"}).complete("hotel", {"booking": "H1"})


def given_back(place: Workplace) -> Workplace:
    place.choose("cancel_hotel", "cancelled")
    assert place.story.jobs[place.visit("cancel_flight").id].input["booking"] == "F1"
    return place.complete("cancel_flight")


def test_the_saga_that_is_shown_can_be_published() -> None:
    assert errors(validate(shown(), EVALUATOR)) == []


def test_without_a_car_the_hotel_and_then_the_flight_are_given_back() -> None:
    place = booked().fail("car", "sold_out", retryable=False)
    assert place.state.status == "running"
    given_back(place)
    assert isinstance(place.end, ExecutionFailed)
    assert place.end.code == "sold_out"


def test_a_trip_that_is_cancelled_is_given_back_too() -> None:
    place = booked().step(lambda view: cancel(view, Workplace(shown()).engine, EXECUTION_ID, "ill"))
    assert isinstance(place, Workplace)
    given_back(place)
    assert isinstance(place.end, ExecutionCancelled)


def test_a_trip_that_works_out_is_left_alone() -> None:
    booked().complete("car").completed({"flight": {"booking": "F1"}, "hotel": {"booking": "H1"}})
