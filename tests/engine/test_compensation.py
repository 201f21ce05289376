"""Undoing what was done before an execution ends that has failed or is cancelled."""

from typing import Any

import pytest

from domain.execution import (
    EXECUTION,
    ActivationCancelled,
    ActivationCompleted,
    ActivationStarted,
    ExecutionCancelled,
    ExecutionCompensating,
    ExecutionFailed,
    ExecutionHeld,
)
from domain.facts import Json
from engine.engine import EngineLimits, cancel, pause, resume, terminate
from tests.engine.drawing import EXECUTION_ID, ask, drawing
from tests.engine.working import Workplace, agent, check_work, task

UNDONE_BY = {"compensate": "undo"}


def booking(compensate: str = "undo", **config: Json) -> tuple[str, Json, Json]:
    return "task", {"job_type": "book", **config}, {"compensate": compensate}


def trip(undo: Any = None, then: Any = ("fail", {"code": "sold_out", "message": "No seats."}), **more: Json) -> Json:
    """flight, hotel, and then something that fails; each booking is undone by a node of its own."""
    nodes = {
        "start": "start",
        "flight": booking("free_flight", input={"seat": "=input.seat"}),
        "hotel": booking("free_hotel"),
        "then": then,
        "free_flight": undo or task("free", input={"id": "=nodes.flight.output.id", "seat": "=compensates.input.seat"}),
        "free_hotel": task("free", input={"id": "=compensates.output.id", "hotel": "=has(nodes.hotel)"}),
    }
    return drawing(nodes, "start > flight", "flight > hotel", "hotel > then", **more)


def booked(definition: Json, limits: EngineLimits | None = None) -> Workplace:
    place = Workplace(definition, limits)
    place.start({"seat": "4A"})
    place.complete("flight", {"id": "F"})
    place.complete("hotel", {"id": "H"})
    return place


def started(place: Workplace, node_id: str) -> ActivationStarted:
    [found] = [
        event for event in place.view.events(EXECUTION_ID) if isinstance(event, ActivationStarted) and event.node_id == node_id
    ]
    return found


def steer(place: Workplace, command: Any, *more: Any) -> Workplace:
    place.step(lambda view: command(view, place.engine, EXECUTION_ID, *more))
    return place


def test_the_last_completed_is_undone_first_and_then_it_fails_with_the_first_error() -> None:
    place = booked(trip())
    assert place.state.status == "running"
    assert place.view.events(EXECUTION_ID)[-2] == ExecutionCompensating("failed", 2, "sold_out", "No seats.", "then")
    check_work(place)
    assert place.asking == ["free_hotel"]
    place.complete("free_hotel")
    assert place.asking == ["free_flight"]
    place.complete("free_flight")
    assert isinstance(place.end, ExecutionFailed)
    assert (place.end.code, place.end.message, place.end.node_id) == ("sold_out", "No seats.", "then")
    assert place.end.compensation is not None
    assert (place.end.compensation.undone, place.end.compensation.failed, place.end.compensation.left) == (2, 0, 0)
    check_work(place)


def test_it_sees_what_the_visit_came_to_and_got() -> None:
    place = booked(trip())
    assert started(place, "free_hotel").input == {"id": "H", "hotel": True}
    assert started(place, "free_hotel").compensates == started(place, "hotel").activation_id
    assert started(place, "free_hotel").tokens == ()
    place.complete("free_hotel")
    assert started(place, "free_flight").input == {"id": "F", "seat": "4A"}


def test_what_fails_because_nothing_is_left_is_undone_too() -> None:
    nodes = {
        "start": "start",
        "book": booking(),
        "other": ask("away:approve"),
        "join": ("join", {"mode": "all"}),
        "end": ("end", {"output": "x"}),
        "undo": task("undo"),
    }
    edges = ("start > book", "start > other", "book > join", "other.away > end", "other.timeout > join", "join > end")
    place = Workplace(drawing(nodes, *edges))
    place.start()
    place.complete("book").choose("other", "away")
    assert place.asking == ["undo"]
    place.complete("undo").failed("stuck", "join")

    place = Workplace(trip(then=("end", {"output": "x"}), output_schema={"type": "integer"}))
    place.start({"seat": "4A"})
    place.complete("flight", {"id": "F"}).complete("hotel", {"id": "H"})
    place.complete("free_hotel").complete("free_flight").failed("invalid_output", "then")


def test_only_completed_visits_are_undone() -> None:
    place = Workplace(trip())
    place.start({"seat": "4A"})
    place.complete("flight", {"id": "F"})
    place.fail("hotel", "full")
    place.complete("free_flight")
    assert isinstance(place.end, ExecutionFailed)
    assert place.visited == ["start", "flight", "hotel", "free_flight"]


def test_an_execution_that_completes_undoes_nothing() -> None:
    booked(trip(then="end")).completed()


@pytest.mark.parametrize("paused", [False, True])
def test_cancelling_undoes_what_is_done(paused: bool) -> None:
    place = Workplace(trip())
    place.start({"seat": "4A"})
    place.complete("flight", {"id": "F"})
    if paused:
        steer(place, pause)
    steer(place, cancel, "not needed")
    assert place.story.result["status"] == ("paused" if paused else "running")
    if paused:
        assert place.asking == [], "nothing begins in a pause"
        steer(place, resume)
    assert place.asking == ["free_flight"]
    place.complete("free_flight")
    assert isinstance(place.end, ExecutionCancelled)
    assert place.end.reason == "not needed"
    assert "hotel" in [e.node_id for e in place.view.events(EXECUTION_ID) if isinstance(e, ActivationCancelled)]


def test_cancelling_what_has_done_nothing_ends_it_at_once() -> None:
    place = Workplace(trip())
    place.start({"seat": "4A"})
    steer(place, cancel)
    assert place.end == ExecutionCancelled()


def test_terminating_undoes_nothing() -> None:
    place = Workplace(trip())
    place.start({"seat": "4A"})
    place.complete("flight", {"id": "F"})
    steer(place, terminate, "stop")
    assert place.end == ExecutionCancelled("stop")
    check_work(place)


def test_what_is_being_undone_can_be_terminated_but_not_cancelled() -> None:
    place = booked(trip())
    steer(place, cancel).refused("execution_compensating")
    place.complete("free_hotel")
    steer(place, terminate, "enough")
    assert isinstance(place.end, ExecutionCancelled)
    assert place.end.compensation is not None
    assert (place.end.compensation.undone, place.end.compensation.left) == (1, 1)
    check_work(place)


def test_a_pause_holds_the_undoing() -> None:
    place = booked(trip())
    steer(place, pause)
    place.complete("free_hotel")
    assert (place.state.status, place.asking) == ("paused", [])
    check_work(place)
    steer(place, resume)
    place.complete("free_flight")
    assert isinstance(place.end, ExecutionFailed)


def test_what_fails_in_a_pause_is_undone_after_it() -> None:
    place = Workplace(trip())
    place.start({"seat": "4A"})
    place.complete("flight", {"id": "F"})
    steer(place, pause)
    place.fail("hotel", "full")
    assert place.state.status == "paused"
    assert place.state.compensation is not None
    check_work(place)
    steer(place, resume)
    assert place.asking == ["free_flight"]


def test_what_cannot_be_undone_is_recorded_and_the_rest_goes_on() -> None:
    place = booked(trip())
    place.fail("free_hotel", "closed", "Nobody answers.")
    assert place.asking == ["free_flight"]
    place.complete("free_flight")
    assert isinstance(place.end, ExecutionFailed)
    assert place.end.code == "sold_out"
    assert place.end.compensation is not None
    [failure] = place.end.compensation.failures
    assert (failure.node_id, failure.compensate, failure.error.type) == ("hotel", "free_hotel", "closed")
    assert failure.activation_id == started(place, "hotel").activation_id
    assert (place.end.compensation.undone, place.end.compensation.failed) == (1, 1)


def test_an_expression_that_fails_is_a_failure_like_any_other() -> None:
    place = booked(trip(undo=("set", {"values": {"x": "=nodes.flight.output.nope"}})))
    place.complete("free_hotel")
    assert isinstance(place.end, ExecutionFailed)
    assert place.end.compensation is not None
    [failure] = place.end.compensation.failures
    assert (failure.node_id, failure.error.type) == ("flight", "expression_error")


def test_it_is_tried_again_and_times_out_as_anywhere() -> None:
    place = booked(trip(undo=task("free", retry={"max_attempts": 2}, timeout="PT1H")))
    place.complete("free_hotel")
    place.fail("free_flight").fail("free_flight")
    assert isinstance(place.end, ExecutionFailed)
    assert place.end.compensation is not None
    assert place.end.compensation.failures[0].error.attempts == 2

    place = booked(trip(undo=task("free", timeout="PT1H")))
    place.complete("free_hotel")
    place.expire("free_flight")
    assert isinstance(place.end, ExecutionFailed)
    assert place.end.compensation is not None
    assert place.end.compensation.failures[0].error.type == "timeout"


def test_people_and_models_undo_too() -> None:
    place = booked(trip(undo=ask("done:approve", "later:other")))
    place.complete("free_hotel")
    place.choose("free_flight", "later")
    assert isinstance(place.end, ExecutionFailed)
    place = booked(trip(undo=agent()))
    place.complete("free_hotel")
    place.answer("free_flight", "Freed.")
    assert isinstance(place.end, ExecutionFailed)


def test_what_undoes_has_no_say_in_the_output() -> None:
    place = booked(trip(undo=("set", {"values": {"x": 1}})))
    place.complete("free_hotel", {"output": "no"})
    assert place.view.read(EXECUTION, EXECUTION_ID).output is None


LOOP = drawing(
    {
        "start": "start",
        "book": booking("free", input={"n": "=has(nodes.more) ? nodes.more.output.form.n : 0"}),
        "more": ask("again:submit", "enough:approve", form={"type": "object", "properties": {"n": {"type": "integer"}}}),
        "free": task("free", input="=[compensates.input.n, nodes.book.output, has(nodes.more) ? nodes.more.output.form.n : -1]"),
        "fail": ("fail", {"code": "no", "message": "no"}),
    },
    "start > book",
    "book > more",
    "more.again > book",
    "more.enough > fail",
)


def test_in_a_loop_every_visit_counts_once_in_its_own_lineage() -> None:
    place = Workplace(LOOP)
    place.start()
    for turn in range(3):
        place.complete("book", f"b{turn}")
        place.choose("more", "again" if turn < 2 else "enough", form={"n": turn + 1})
    seen = []
    while place.end is None:
        seen.append(place.story.jobs[place.visit("free").id].input)
        place.complete("free")
    assert seen == [[2, "b2", 2], [1, "b1", 1], [0, "b0", -1]]


def test_a_loop_without_anything_to_undo_does_not_grow() -> None:
    """One visit to be undone before the loop keeps what it knows, and nothing of the turns after it."""
    nodes = {
        "start": "start",
        "book": booking("free"),
        "turn": ask("again:submit", "enough:approve"),
        "free": task("free"),
        "fail": ("fail", {"code": "no", "message": "no"}),
    }
    place = Workplace(drawing(nodes, "start > book", "book > turn", "turn.again > turn", "turn.enough > fail"))
    place.start()
    place.complete("book", "b")
    sizes = []
    for _ in range(5):
        place.choose("turn", "again")
        sizes.append(len(place.state.results))
    assert len(set(sizes)) == 1
    place.choose("turn", "enough")
    assert place.asking == ["free"]


def test_parallel_branches_are_undone_in_the_order_of_their_ends() -> None:
    nodes = {
        "start": "start",
        "a": booking("undo_a"),
        "b": booking("undo_b"),
        "join": ("join", {"mode": "all"}),
        "fail": ("fail", {"code": "no", "message": "no"}),
        "undo_a": task("undo", input="=[has(nodes.a), has(nodes.b)]"),
        "undo_b": task("undo", input="=[has(nodes.a), has(nodes.b)]"),
    }
    place = Workplace(drawing(nodes, "start > a", "start > b", "a > join", "b > join", "join > fail"))
    place.start()
    place.complete("b").complete("a")
    assert place.story.jobs[place.visit("undo_a").id].input == [True, False]
    place.complete("undo_a")
    assert place.story.jobs[place.visit("undo_b").id].input == [False, True]
    place.complete("undo_b")
    place.failed("no", "fail")


def test_a_visit_that_was_cancelled_is_not_undone_and_its_late_report_is_refused() -> None:
    nodes = {"start": "start", "a": booking("free"), "b": booking("free"), "end": "end", "free": task("free")}
    place = Workplace(drawing(nodes, "start > a", "start > b", "a > end", "b > end"))
    place.start()
    late = place.held("b")
    place.complete("a")
    steer(place, cancel)
    assert place.asking == ["free"]
    assert late.id not in place.story.jobs, "the worker's fence is gone with its job"
    place.complete_held(late, "too late").refused("activation_closed")
    place.complete("free")
    assert isinstance(place.end, ExecutionCancelled)


def test_many_are_undone_by_several_commands() -> None:
    """Instant ones, more than a command may do, and more than an execution may have steps."""
    nodes = {
        "start": "start",
        "count": ("set", {"values": {"n": 1}}, {"compensate": "undo"}),
        "undo": ("set", {"values": {"n": -1}}),
    }
    definition = drawing(nodes, "start > count", "count > count")
    place = Workplace(definition, EngineLimits(steps_per_command=10, steps_per_execution=25))
    place.start()
    while place.end is None:
        assert ExecutionHeld((), place.state.continuation) == place.view.events(EXECUTION_ID)[-1] or place.state.held
        check_work(place)
        place.go_on()
    assert isinstance(place.end, ExecutionFailed)
    assert place.end.code == "step_limit"
    assert place.end.compensation is not None
    assert place.end.compensation.undone == 24
    check_work(place)


def test_a_pause_between_two_commands_of_undoing() -> None:
    nodes = {
        "start": "start",
        "count": ("set", {"values": {"n": 1}}, {"compensate": "undo"}),
        "undo": ("set", {"values": {"n": -1}}),
    }
    limits = EngineLimits(steps_per_command=10, steps_per_execution=25)
    place = Workplace(drawing(nodes, "start > count", "count > count"), limits)
    place.start()
    while place.state.compensation is None or place.state.continuation is None:
        place.go_on()
    steer(place, pause)
    check_work(place)
    steer(place, resume)
    while place.end is None:
        place.go_on()
    assert isinstance(place.end, ExecutionFailed)
    assert place.end.compensation is not None
    assert place.end.compensation.undone == 24


def test_the_events_say_it_all() -> None:
    place = booked(trip())
    completed = [e for e in place.view.events(EXECUTION_ID) if isinstance(e, ActivationStarted) and e.compensate]
    assert [event.compensate for event in completed] == ["free_flight", "free_hotel"]
    assert not any(isinstance(e, ActivationCompleted) and e.interrupted for e in place.view.events(EXECUTION_ID))
