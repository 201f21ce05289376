"""What a node makes fits into an event: shared values are written out each time they occur, so they are weighed so."""

from itertools import pairwise
from typing import Any

import pytest

from engine.engine import EngineLimits
from engine.expressions import ExpressionError, resolve
from engine.size_limit import DEEPEST, HEAVIEST, TooLarge, weight
from tests.engine.drawing import EVALUATOR, Play, drawing
from tests.engine.working import Workplace

TEXT = "x" * 200_000


def chain(length: int, **values: str) -> Any:
    """start > v0 > v1 > … > end, each of them set to `values`, in which PREVIOUS stands for the output before."""
    nodes: dict[str, Any] = {"start": "start", "v0": ("set", {"values": {"a": "=input.text"}}), "end": "end"}
    for number in range(1, length):
        before = f"nodes.v{number - 1}.output"
        nodes[f"v{number}"] = ("set", {"values": {name: value.replace("PREVIOUS", before) for name, value in values.items()}})
    steps = ["start", *(f"v{number}" for number in range(length)), "end"]
    return drawing(nodes, *(f"{a} > {b}" for a, b in pairwise(steps)))


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("value", "json"), [(None, b"null"), ("abc", b'"abc"'), ([1, 2], b"[1,2]"), ({"ab": {"c": []}}, b'{"ab":{"c":[]}}')]
)
def test_a_value_is_not_taken_for_heavier_than_it_is(value: Any, json: bytes) -> None:
    assert 0 < weight(value) <= len(json)


def test_what_is_too_heavy_or_too_deep_is_refused() -> None:
    weight("x" * (HEAVIEST - 2))
    weight(nested(DEEPEST))
    with pytest.raises(TooLarge, match="too large"):
        weight("x" * HEAVIEST)
    with pytest.raises(TooLarge, match="too large"):
        weight({"k" * HEAVIEST: 1})
    with pytest.raises(TooLarge, match="too deeply"):
        weight(nested(DEEPEST + 1))


def test_a_value_that_doubles_at_each_level_is_weighed_at_once() -> None:
    value: Any = "x"
    for _ in range(90):
        value = [value, value]  # 2 to the 90th texts, in 90 objects
    with pytest.raises(TooLarge, match="too large"):
        weight(value)


def test_a_configuration_is_weighed_as_a_whole() -> None:
    config = {f"k{number}": "=input.text" for number in range(10)}
    with pytest.raises(ExpressionError, match="too large"):
        resolve(config, EVALUATOR, {"input": {"text": TEXT}})


@pytest.mark.parametrize("values", [{"a": "=PREVIOUS", "b": "=PREVIOUS"}, {"a": "=PREVIOUS"}])
def test_an_output_that_grows_with_each_node_fails_the_execution(values: dict[str, str]) -> None:
    play = Play(chain(200, **values)).start({"text": "x" * 100})
    assert getattr(play.end, "code", None) == "expression_error"
    assert "too" in getattr(play.end, "message", "")


def test_outcomes_that_name_too_many_together_are_the_nodes_error() -> None:
    outcomes = [{"name": f"o{n}", "kind": "other", "by": {"expr": "input.roles"}} for n in range(100)]
    edges = ("start > ask", *(f"ask.o{n} > end" for n in range(100)))
    definition = drawing({"start": "start", "ask": ("approval", {"title": "?", "outcomes": outcomes}), "end": "end"}, *edges)
    roles = [f"role-{number}" for number in range(2_000)]
    Play(definition).start({"roles": roles}).failed("invalid_value", "ask")


def test_a_command_records_so_much_and_a_job_goes_on() -> None:
    place = Workplace(chain(12, a="=input.text"), EngineLimits(bytes_per_command=5 * len(TEXT)))
    place.start({"text": TEXT})
    assert place.visited == ["start", "v0", "v1", "v2", "v3", "v4"]
    assert [job.type for job in place.story.decided.jobs] == ["gesta.continue"]
    place.go_on().go_on().completed()
