"""What a node says of limits: read, checked, evaluated at the visit, and given along with the job."""

from datetime import timedelta
from typing import Any

import pytest

from domain.facts import Concurrency, JobLimits, Json, Rate
from engine.validate import validate
from tests.engine.drawing import EVALUATOR, drawing
from tests.engine.working import Workplace

ERROR = ("end", {"output": {"error": "=nodes.work.error"}})


def working(input: Json = None, **more: Json) -> Workplace:
    nodes = {"start": "start", "work": ("task", {"job_type": "resize"}, more), "end": "end", "broken": ERROR}
    place = Workplace(drawing(nodes, "start > work", "work > end", "work.error > broken"))
    place.start(input)
    return place


def limits(place: Workplace) -> JobLimits | None:
    (job,) = place.story.jobs.values()
    return job.limits


def test_every_job_of_a_node_says_where_it_comes_from() -> None:
    given = limits(working())
    assert given is not None
    assert (given.node, given.concurrency, given.rate) == ("work", None, None)


def test_keys_are_evaluated_when_the_node_is_visited() -> None:
    more = {
        "concurrency": {"key": "=input.customer", "limit": 2},
        "rate": {"key": "='a' + string(input.n)", "count": 5, "per": "PT1M"},
    }
    given = limits(working({"customer": "ada", "n": 7}, **more))
    assert given is not None
    assert given.concurrency == Concurrency(2, "ada")
    assert given.rate == Rate(5, timedelta(minutes=1), "a7")
    whole = limits(working({"customer": 7}, concurrency={"key": "=input.customer", "limit": 1}))
    assert whole is not None
    assert whole.concurrency == Concurrency(1, "7")


@pytest.mark.parametrize("input", [{}, {"customer": None}, {"customer": ["a"]}, {"customer": ""}, {"customer": "x" * 201}])
def test_a_key_that_is_none_takes_the_error_handle(input: Json) -> None:
    place = working(input, concurrency={"key": "=input.customer", "limit": 1})
    assert place.story.jobs == {}
    assert place.state.status == "completed"


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "no limit": ({"concurrency": {"key": "k"}}, "/nodes/1/concurrency/limit"),
    "none at all": ({"concurrency": {"limit": 0}}, "/nodes/1/concurrency/limit"),
    "no span": ({"rate": {"count": 1, "per": "soon"}}, "/nodes/1/rate/per"),
    "too long": ({"rate": {"count": 1, "per": "P32D"}}, "/nodes/1/rate/per"),
    "unknown variable": ({"rate": {"count": 1, "per": "PT1S", "key": "=nothing.x"}}, "/nodes/1/rate/key"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_what_is_no_limit_is_found_before_it_is_published(case: str) -> None:
    more, path = FAULTS[case]
    nodes = {"start": "start", "work": ("task", {"job_type": "resize"}, more), "end": "end"}
    found = validate(drawing(nodes, "start > work", "work > end"), EVALUATOR)
    assert [finding.path for finding in found if finding.severity == "error"] == [path]


def test_only_nodes_that_work_are_limited() -> None:
    nodes = {
        "start": "start",
        "wait": ("wait", {"duration": "PT1S"}, {"rate": {"count": 1, "per": "PT1S"}}),
        "end": "end",
    }
    found = validate(drawing(nodes, "start > wait", "wait > end"), EVALUATOR)
    assert ("/nodes/1/rate", "unknown_field") in [(finding.path, finding.code) for finding in found]
