"""The time that a whole execution may take."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from domain.execution import EXECUTION_TIMEOUT, ExecutionCompleted, ExecutionFailed
from domain.facts import Decided, Due, Timer
from engine.engine import cancel, pause, resume, terminate
from tests.engine.drawing import EXECUTION_ID, ask, drawing
from tests.engine.working import Workplace, check_work, found, task

LIMITED = drawing(
    {
        "start": "start",
        "book": ("task", {"job_type": "book"}, {"compensate": "free"}),
        "ask": (*ask("ok:approve"), {"timeout": "P1D"}),
        "end": "end",
        "free": task("free"),
    },
    "start > book",
    "book > ask",
    "ask.ok > end",
    "ask.timeout > end",
    timeout="PT2H",
)


def limit(place: Workplace) -> Timer:
    [timer] = [each for each in place.story.timers.values() if each.activation_id is None]
    return timer


def started() -> Workplace:
    place = Workplace(LIMITED)
    place.start()
    return place


def test_the_timer_belongs_to_the_execution() -> None:
    place = started()
    timer = limit(place)
    assert (timer.due, timer.purpose, timer.owner) == (Due(timedelta(hours=2)), EXECUTION_TIMEOUT, "execution")
    assert timer.owner_id == timer.execution_id == EXECUTION_ID
    check_work(place)


def test_when_time_is_up_it_fails_and_undoes_what_it_has_done() -> None:
    place = started()
    place.complete("book")
    place.expire_timer(found(limit(place)))
    assert place.asking == ["free"]
    assert place.story.result["execution"]["status"] == "running"
    check_work(place)
    place.complete("free")
    assert isinstance(place.end, ExecutionFailed)
    assert (place.end.code, place.end.node_id) == ("timeout", None)
    assert place.end.compensation is not None


def test_undoing_has_no_limit_but_its_own() -> None:
    place = started()
    place.complete("book")
    timer = limit(place)
    place.expire_timer(found(timer))
    place.expire_timer(found(timer))
    assert place.asking == ["free"], "a timer that fires again finds nothing to do"


def test_with_nothing_done_it_fails_at_once() -> None:
    place = started()
    place.expire_timer(found(limit(place)))
    place.failed("timeout")
    check_work(place)


def test_it_goes_with_the_execution() -> None:
    place = started()
    place.complete("book").choose("ask", "ok")
    assert place.end == ExecutionCompleted(None)
    check_work(place)


@pytest.mark.parametrize("command", [cancel, terminate])
def test_it_goes_with_an_execution_that_is_given_up(command: Callable[..., Decided]) -> None:
    place = started()
    place.step(lambda view: command(view, place.engine, EXECUTION_ID))
    check_work(place)


def test_an_execution_that_is_over_at_once_sets_none() -> None:
    place = Workplace(drawing({"start": "start", "end": "end"}, "start > end", timeout="PT2H"))
    place.start()
    assert (place.story.decided.timers, place.story.decided.dropped_timers) == ((), ())


def test_one_that_was_found_before_a_pause_does_nothing() -> None:
    place = started()
    timer = limit(place)
    place.step(lambda view: pause(view, place.engine, EXECUTION_ID))
    place.expire_timer(found(timer))
    assert place.state.status == "paused"
    place.step(lambda view: resume(view, place.engine, EXECUTION_ID))
    place.expire_timer(found(timer))
    assert place.state.live, "it was moved by the pause"
    place.expire_timer(found(timer, moved=1))
    place.failed("timeout")
