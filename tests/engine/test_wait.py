"""wait: for a duration or until a moment."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.execution import Wait
from domain.facts import Due, Json
from engine.engine import cancel, pause, resume
from engine.validate import validate
from tests.engine.drawing import EVALUATOR, EXECUTION_ID, drawing
from tests.engine.working import Workplace, check_work

LATE = ("end", {"output": "=nodes.w.error"})


def definition(config: Json, **fields: Json) -> Json:
    nodes = {"start": "start", "w": ("wait", config, fields), "end": "end", "late": LATE}
    return drawing(nodes, "start > w", "w > end", "w.error > late", "w.timeout > late")


def waiting(config: Json, input: Json = None, **fields: Json) -> Workplace:
    place = Workplace(definition(config, **fields))
    place.start(input)
    return place


def test_it_waits_for_a_duration_and_goes_on() -> None:
    place = waiting({"duration": "P1DT2H"})
    visit = place.visit("w")
    assert visit.waits == (Wait("timer", place.timer("w", "wait").id, "wait", Due(timedelta(hours=26))),)
    assert place.open == []
    check_work(place)
    place.fire("w", "wait").completed()
    check_work(place)


def test_it_waits_until_a_moment_that_an_expression_names() -> None:
    place = waiting({"until": "=input.at"}, {"at": "2026-03-31T09:00:00+02:00"})
    assert place.timer("w", "wait").due == Due(at=datetime(2026, 3, 31, 7, tzinfo=UTC))
    place.fire("w", "wait").completed()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("until", "2026-03-31T09:00:00"),
        ("until", "2026-03-31"),
        ("until", 7),
        ("until", "0001-01-01T00:00:00+14:00"),
        ("duration", "-PT1S"),
        ("duration", "P1M"),
        ("duration", None),
    ],
)
def test_a_value_of_no_use_is_the_node_s_error(field: str, value: Json) -> None:
    place = waiting({field: "=input.it"}, {"it": value})
    assert getattr(place.end, "output", {})["type"] == "invalid_value"
    check_work(place)


def test_its_timeout_ends_it_before() -> None:
    place = waiting({"duration": "P9D"}, timeout="PT1H")
    place.expire("w")
    assert getattr(place.end, "output", {})["type"] == "timeout"
    check_work(place)


def test_a_timer_found_before_a_pause_ends_nothing_and_cancelling_stops_it() -> None:
    place = waiting({"duration": "PT1H"})
    before = place.timer("w", "wait")
    place.step(lambda view: pause(view, place.engine, EXECUTION_ID)).step(lambda view: resume(view, place.engine, EXECUTION_ID))
    assert place.visit("w").moved[before.id] == 1
    place.step(lambda view: cancel(view, place.engine, EXECUTION_ID))
    check_work(place)


def test_an_author_is_told_what_it_cannot_wait_for() -> None:
    def codes(config: Json) -> set[tuple[str, str]]:
        return {(found.path, found.code) for found in validate(definition(config), EVALUATOR) if found.severity == "error"}

    assert codes({"duration": "PT5M"}) == codes({"until": "2026-03-31T09:00:00Z"}) == codes({"duration": "=input.x"}) == set()
    assert codes({"duration": "5 minutes"}) == {("/nodes/1/config/duration", "invalid_value")}
    assert codes({"until": "tomorrow"}) == {("/nodes/1/config/until", "invalid_value")}
    assert codes({})
    assert codes({"duration": "PT5M", "until": "2026-03-31T09:00:00Z"})
