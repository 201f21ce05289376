"""Children that have done something, when they or their parents end before their time."""

from uuid import UUID

from domain.execution import ExecutionCancelled, ExecutionFailed
from domain.facts import Json
from domain.retry import Failure
from engine.engine import cancel, fire, pause, terminate
from engine.family import MOST_GIVEN_UP
from engine.jobs import JobRef, fail_job
from tests.engine.drawing import EXECUTION_ID, drawing
from tests.engine.test_children import Household, waits_for_child
from tests.engine.test_workflow_nodes import Workflows, calls
from tests.engine.working import found, task

SAGA: Json = drawing(
    {
        "s": "start",
        "book": ("set", {"values": {"n": 1}}, {"compensate": "free"}),
        "t": task(),
        "e": "end",
        "free": task("free"),
    },
    "s > book",
    "book > t",
    "t > e",
    timeout="PT1H",
)


def steer(play: Household, command: object, execution_id: UUID = EXECUTION_ID) -> Household:
    play.step(lambda view: command(view, play.engine, execution_id))  # type: ignore[operator]
    return play


def asked(play: Household, child: UUID) -> list[str]:
    return [each.node_id for each in play.of(child).activations.values()]


def test_a_child_whose_parent_is_cancelled_undoes_what_it_has_done_by_itself() -> None:
    play = Household(waits_for_child(), SAGA).start()
    [child] = play.children()
    steer(play, cancel)
    assert play.end == ExecutionCancelled()
    assert (play.of(child).status, asked(play, child)) == ("running", ["free"])
    assert [job.type for job in play.story.jobs.values()] == ["free"], "nobody has to give it up any more"
    play.done(child)
    assert play.of(child).status == "cancelled"
    assert (play.story.jobs, play.story.timers) == ({}, {})


def test_a_child_whose_parent_is_terminated_is_terminated() -> None:
    """Its own child as well."""
    play = Household(waits_for_child(), waits_for_child(3), SAGA).start()
    [child] = play.children()
    [grandchild] = play.children(child)
    steer(play, terminate)
    assert {play.of(each).status for each in (EXECUTION_ID, child, grandchild)} == {"cancelled"}
    assert (play.story.jobs, play.story.timers) == ({}, {})


def test_of_many_all_are_terminated() -> None:
    """Those for which the command has no room are so by jobs."""
    play = Household(waits_for_child(times=MOST_GIVEN_UP + 5), SAGA).start().settled()
    steer(play, terminate).settled()
    assert {play.of(child).status for child in play.children()} == {"cancelled"}
    assert (play.story.jobs, play.story.timers) == ({}, {})


def test_of_many_all_undo_what_they_have_done() -> None:
    play = Household(waits_for_child(times=MOST_GIVEN_UP + 5), SAGA).start().settled()
    steer(play, cancel).settled()
    for child in play.children():
        assert asked(play, child) == ["free"]
        play.done(child)
    assert {play.of(child).status for child in play.children()} == {"cancelled"}
    assert (play.story.jobs, play.story.timers) == ({}, {})


def test_the_parent_waits_until_the_child_has_undone_what_it_did() -> None:
    play = Household(waits_for_child(), SAGA).start()
    [child] = play.children()
    [visit] = play.of(child).activations
    job = JobRef(visit, 1, child, visit)
    play.step(lambda view: fail_job(view, play.engine, job, Failure("broken", "no", False), jitter=0.5))
    assert (play.state.status, asked(play, child)) == ("running", ["free"])
    play.done(child)
    play.failed("broken", "c")


def test_a_childs_own_time_limit_is_its_parents_error() -> None:
    play = Workflows(calls(), SAGA).start({})
    [child] = play.children()
    [timer] = play.story.timers.values()
    assert timer.owner_id == child
    play.step(lambda view: fire(view, play.engine, found(timer)))
    play.done(child)
    assert isinstance(play.end, ExecutionFailed)
    assert play.end.code == "timeout"


def test_what_is_being_undone_is_not_cancelled_by_its_parents_end() -> None:
    play = Household(waits_for_child(), SAGA).start()
    [child] = play.children()
    steer(play, cancel, child)
    steer(play, cancel)
    assert (play.end, asked(play, child)) == (ExecutionCancelled(), ["free"])
    play.done(child)
    assert play.of(child).status == "cancelled"


def test_a_paused_child_that_is_given_up_undoes_it_when_it_is_resumed() -> None:
    play = Household(waits_for_child(), SAGA).start()
    [child] = play.children()
    steer(play, pause, child)
    steer(play, cancel)
    assert (play.end, play.of(child).status, asked(play, child)) == (ExecutionCancelled(), "paused", [])
    assert play.story.jobs == {}
