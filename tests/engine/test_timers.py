"""Timeouts of visits, pauses that keep what was left of them, and work beyond a command's share of steps."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.approval import APPROVAL, ApprovalExpired, ApprovalRequested
from domain.execution import ActivationFailed, ActivationStarted, ExecutionHeld, ExecutionPaused, NodeError, Wait
from domain.facts import Decided, Due, Event, Fact, Fence, Job, Json, Timer, timer_id
from engine.engine import EngineLimits, cancel, pause, resume
from engine.jobs import JobRef, continue_run
from engine.timers import UnknownTimer
from tests.engine.drawing import EXECUTION_ID, ask, drawing
from tests.engine.working import Workplace, check_work, found, task
from tests.given import MOMENT

LATE = ("end", {"output": "=nodes.work.error"})
MINUTE = timedelta(minutes=1)


def timeout(visit: UUID) -> Timer:
    id = timer_id(visit, "timeout")
    return Timer(id, Due(5 * MINUTE), "timeout", "execution", EXECUTION_ID, EXECUTION_ID, visit)


def as_in_v2(event: Event) -> Event:
    """As an older release recorded it: the timer bears the visit's id, and its moment is named."""
    if not isinstance(event, ActivationStarted):
        return event
    old = Wait("timer", event.activation_id, "timeout", Due(at=MOMENT + 5 * MINUTE))
    return replace(event, waits=tuple(old if wait.kind == "timer" else wait for wait in event.waits))


def working(node: Json, *edges: str) -> Workplace:
    nodes: dict[str, Any] = {"start": "start", "work": node, "end": "end", "late": LATE}
    edges = edges or ("work > end", "work.timeout > late")
    place = Workplace(drawing(nodes, "start > work", *edges))
    place.start()
    return place


def paused(place: Workplace) -> Workplace:
    place.step(lambda view: pause(view, place.engine, EXECUTION_ID))
    return place


def resumed(place: Workplace) -> Workplace:
    place.step(lambda view: resume(view, place.engine, EXECUTION_ID))
    return place


def test_a_timeout_is_a_timer_from_the_activation_on() -> None:
    place = working(task(timeout="PT5M"))
    visit = place.visit("work")
    assert place.story.decided.timers == (timeout(visit.id),)
    assert Wait("timer", timeout(visit.id).id, "timeout", Due(5 * MINUTE)) in visit.waits
    place.complete("work").completed()
    assert place.story.decided.dropped_timers == (timeout(visit.id).id,)
    check_work(place)


def test_a_visit_that_takes_too_long_leaves_by_timeout_and_is_not_tried_again() -> None:
    place = working(task(timeout="PT5M", retry={"max_attempts": 9}))
    visit = place.visit("work")
    place.fail("work").expire("work")
    place.completed({"type": "timeout", "message": "work timed out.", "attempts": 2})
    failed = place.story.decided.facts[0].event
    assert isinstance(failed, ActivationFailed)
    assert (failed.handle, failed.error) == ("timeout", NodeError("timeout", "work timed out.", 2))
    assert (place.story.decided.dropped_jobs, place.story.decided.dropped_timers) == ((visit.id,), (timeout(visit.id).id,))
    check_work(place)


def test_a_retry_does_not_move_the_timeout() -> None:
    place = working(task(timeout="PT5M", retry={"max_attempts": 9}))
    waits = place.visit("work").waits
    place.later(4 * MINUTE)
    place.fail("work")
    assert (place.visit("work").waits, place.story.decided.timers, place.story.decided.dropped_timers) == (waits, (), ())


def test_a_timeout_that_no_edge_handles_fails_the_execution() -> None:
    place = working(task(timeout="PT5M"), "work > end", "work.error > late")
    place.expire("work").failed("timeout", "work")
    check_work(place)


def test_an_approval_that_nobody_decides_expires() -> None:
    place = working((*ask("ok:approve"), {"timeout": "P3D"}), "work.ok > end", "work.timeout > late")
    [item] = place.open
    request_id = UUID(item["id"])
    requested = place.view.events(request_id)[0]
    assert isinstance(requested, ApprovalRequested)
    assert requested.expires == Due(timedelta(days=3))
    place.expire("work")
    assert place.view.events(request_id)[-1] == ApprovalExpired()
    assert place.view.read(APPROVAL, request_id).status == "expired"
    assert getattr(place.end, "output", {})["type"] == "timeout"
    check_work(place)
    place.decide(request_id, "ok").refused("approval_closed")


def test_an_approval_that_is_decided_stops_its_timer() -> None:
    place = working((*ask("ok:approve"), {"timeout": "P3D"}), "work.ok > end")
    place.choose("work", "ok").completed()
    check_work(place)


def test_a_timer_of_what_is_over_ends_nothing() -> None:
    place = working(task(timeout="PT5M"))
    [timer] = place.story.timers.values()
    place.complete("work")
    place.expire_timer(found(timer)).story.then()
    assert place.story.decided.dropped_timers == (timer.id,)


def test_a_timer_of_an_owner_that_is_not_known_is_not_taken_for_anothers() -> None:
    place = working(task(timeout="PT5M"))
    with pytest.raises(UnknownTimer):
        place.expire_timer(found(Timer(UUID(int=1), Due(MINUTE), "next", "schedule", EXECUTION_ID)))


def test_a_pause_leaves_timers_to_the_ledger_and_one_found_before_it_ends_nothing() -> None:
    """The row is held, and moved when the execution goes on; who found it before then found another one."""
    place = working(task(timeout="PT5M"))
    [timer] = place.story.timers.values()
    paused(place)
    assert (place.story.decided.timers, place.story.decided.dropped_timers) == ((), ())
    check_work(place)
    place.expire_timer(found(timer)).story.then()
    resumed(place)
    assert (place.story.decided.timers, place.story.decided.dropped_timers) == ((), ())
    place.expire_timer(found(timer)).story.then()
    check_work(place)
    paused(place)
    resumed(place)
    place.expire_timer(found(timer, 1)).story.then()
    place.expire_timer(found(timer, 2))
    assert place.end is not None


def test_what_an_older_release_paused_is_given_its_timers_again() -> None:
    """It dropped them at the pause, and told when that was. Its events name the moment of a timeout."""
    place = working(task(timeout="PT5M"))
    visit = place.visit("work")
    view = place.view
    as_then = tuple(replace(fact, event=as_in_v2(fact.event)) for fact in view.facts)
    place.story = replace(place.story, view=replace(view, facts=as_then), timers={})
    old = Decided((Fact(EXECUTION_ID, ExecutionPaused(at=MOMENT + MINUTE)),), dropped_timers=(visit.id,))
    place.later(MINUTE).step(lambda _: old)
    place.later(60 * MINUTE)
    resumed(place)
    assert place.story.decided.timers == (replace(timeout(visit.id), id=visit.id, due=Due(4 * MINUTE)),)
    place.expire_timer(found(place.story.decided.timers[0]))
    assert place.end is not None


def test_a_timeout_between_two_attempts_counts_those_that_were_made() -> None:
    place = working(task(timeout="PT5M", retry={"max_attempts": 9}))
    [timer] = place.story.timers.values()
    place.fail("work").fail("work").expire_timer(found(timer, between_attempts=True))
    place.completed({"type": "timeout", "message": "work timed out.", "attempts": 2})


# --- Beyond a command's share of steps --------------------------------------------------------------------------------


def chain(length: int) -> Json:
    names = [f"n{number}" for number in range(length)]
    nodes: dict[str, Any] = {"start": "start", **dict.fromkeys(names, ("set", {"values": {}})), "end": "end"}
    return drawing(nodes, *(f"{one} > {other}" for one, other in zip(["start", *names], [*names, "end"], strict=True)))


def test_a_command_does_its_share_and_a_job_goes_on_from_there() -> None:
    place = Workplace(chain(10), EngineLimits(steps_per_command=5))
    place.start(priority=3)
    assert place.visited == ["start", "n0", "n1", "n2", "n3"]
    [job] = place.story.decided.jobs
    assert job == Job(job.id, "gesta.continue", None, EXECUTION_ID, priority=3)
    held = place.story.decided.facts[-1].event
    assert held == ExecutionHeld((5,), job.id)
    assert place.story.result["status"] == "running"
    check_work(place)
    place.go_on()
    assert place.story.decided.fences == (Fence(job.id, 1, "retry"),)
    assert place.story.result["job"]["state"] == "ready"
    check_work(place)
    place.go_on().completed()
    assert place.story.decided.fences == (Fence(job.id, 1, "done"),)
    assert [event for event in place.view.events(EXECUTION_ID) if isinstance(event, ExecutionHeld)][1:] == [
        ExecutionHeld((10,), job.id)
    ]
    assert len(place.visited) == 12
    check_work(place)


def test_who_comes_too_late_to_continue_finds_nothing_to_do() -> None:
    place = Workplace(chain(3), EngineLimits(steps_per_command=3))
    place.start()
    job = JobRef(next(iter(place.story.jobs)), 1, EXECUTION_ID)
    place.go_on().completed()
    place.story.jobs[job.id] = Job(job.id, "gesta.continue")  # what should never be
    place.step(lambda view: continue_run(view, place.engine, job)).story.then()
    assert place.story.decided.fences == (Fence(job.id, 1, "done"),)


def test_a_continuation_whose_worker_died_is_handed_out_again() -> None:
    place = Workplace(chain(10), EngineLimits(steps_per_command=5))
    place.start()
    job = JobRef(next(iter(place.story.jobs)), 1, EXECUTION_ID)
    place.lapse_held(job)
    assert place.story.decided.fences == (Fence(job.id, 1, "retry", expired=True),)
    assert place.story.decided.facts == ()
    place.go_on().go_on().completed()


def test_cancelling_drops_the_continuation() -> None:
    place = Workplace(chain(10), EngineLimits(steps_per_command=5))
    place.start()
    place.step(lambda view: cancel(view, place.engine, EXECUTION_ID))
    check_work(place)


def test_a_pause_drops_the_continuation_and_resuming_goes_on() -> None:
    place = Workplace(chain(10), EngineLimits(steps_per_command=5))
    place.start()
    paused(place)
    check_work(place)
    resumed(place)
    assert len(place.visited) == 10
    check_work(place)
    place.go_on().completed()


def test_another_command_takes_up_what_is_held() -> None:
    nodes: dict[str, Any] = {
        "start": "start",
        "work": task(),
        **{f"n{number}": ("set", {"values": {}}) for number in range(4)},
        "all": ("join", {"mode": "all"}),
        "end": "end",
    }
    edges = ("start > work", "start > n0", "n0 > n1", "n1 > n2", "n2 > n3", "n3 > all", "work > all", "all > end")
    place = Workplace(drawing(nodes, *edges), EngineLimits(steps_per_command=4))
    place.start()
    assert place.visited == ["start", "work", "n0", "n1"]
    check_work(place)
    place.complete("work")
    assert place.visited[4:] == ["n2", "n3", "all", "end"]
    place.completed()
    check_work(place)


def test_what_waits_at_a_join_is_not_held_any_longer() -> None:
    nodes: dict[str, Any] = {"start": "start", "a": task("a"), "b": task("b"), "all": ("join", {"mode": "all"}), "end": "end"}
    place = Workplace(drawing(nodes, "start > a", "start > b", "a > all", "b > all", "all > end"))
    place.start()
    paused(place).complete("a")
    assert place.state.held
    resumed(place)
    assert place.story.decided.facts[-1].event == ExecutionHeld(())
    check_work(place)
    place.complete("b").completed()
