"""Labels and priority of an execution: given at its start, changed while it runs, bounded."""

from typing import Any

import pytest

from domain.execution import ExecutionChanged
from domain.facts import Fact, Invalid
from engine.engine import cancel, pause
from engine.labels import MOST_LABELS, change, checked
from tests.engine.drawing import EXECUTION_ID, Play, ask, drawing
from tests.engine.test_children import WORKS
from tests.engine.test_workflow_nodes import Workflows, calls
from tests.engine.working import Workplace, task

ASKING = drawing({"s": "start", "a": ask(), "e": "end"}, "s > a", "a.approved > e", "a.rejected > e")
TWO_TASKS = drawing({"s": "start", "a": task(), "b": task(), "e": "end"}, "s > a", "a > b", "b > e")


def changed(play: Play, **given: Any) -> Play:
    return play.step(lambda view: change(view, EXECUTION_ID, **given))


def test_labels_are_set_changed_and_removed_one_by_one() -> None:
    play = Play(ASKING).start({}, labels={"team": "north", "tier": "gold"})
    changed(play, labels={"team": "south", "tier": None, "new": "x"})
    assert play.story.decided.facts == (Fact(EXECUTION_ID, ExecutionChanged({"team": "south", "new": "x"})),)
    assert play.state.started is not None
    assert play.state.started.labels == {"team": "south", "new": "x"}


def test_what_is_so_already_is_no_event() -> None:
    play = Play(ASKING).start({}, labels={"team": "north"}, priority=3)
    changed(play, labels={"team": "north", "gone": None}, priority=3)
    assert play.story.decided.facts == ()
    assert play.story.decided.result["id"] == str(EXECUTION_ID)


def test_a_priority_is_that_of_what_is_handed_out_from_then_on() -> None:
    play = Workplace(TWO_TASKS)
    play.start({}, priority=1)
    assert [job.priority for job in play.story.jobs.values()] == [1]
    changed(play, priority=7)
    assert [job.priority for job in play.story.jobs.values()] == [1]
    play.complete("a")
    assert [job.priority for job in play.story.jobs.values()] == [7]


def test_children_inherit_the_priority_that_is_now() -> None:
    again = {**calls(), "nodes": [*calls()["nodes"], {"id": "t", "type": "task", "config": {"job_type": "x"}}]}
    again["edges"] = [{"source": "s", "target": "t"}, {"source": "t", "target": "c"}, {"source": "c", "target": "e"}]
    play = Workflows(again, WORKS).start(priority=1)
    changed(play, priority=5)
    play.done(EXECUTION_ID)
    assert play.begun(play.children()[0]).priority == 5


def test_one_that_is_paused_is_changed_and_one_that_is_over_is_not() -> None:
    play = Play(ASKING).start({})
    play.step(lambda view: pause(view, play.engine, EXECUTION_ID))
    changed(play, labels={"a": "b"})
    play.step(lambda view: cancel(view, play.engine, EXECUTION_ID))
    changed(play, labels={"a": "c"}).refused("execution_closed")


@pytest.mark.parametrize(
    ("labels", "path"),
    [
        ({"Team": "x"}, "/labels/Team"),
        ({"a/b~": "x"}, "/labels/a~1b~0"),
        ({"": "x"}, "/labels/"),
        ({"a" * 64: "x"}, f"/labels/{'a' * 64}"),
        ({"a": ""}, "/labels/a"),
        ({"a": "x" * 256}, "/labels/a"),
        ({f"a{number}": "x" for number in range(MOST_LABELS + 1)}, "/labels"),
    ],
)
def test_labels_are_short_and_few(labels: dict[str, str], path: str) -> None:
    with pytest.raises(Invalid) as refused:
        checked(labels)
    assert refused.value.path == path


def test_together_they_are_few_as_well() -> None:
    play = Play(ASKING).start({}, labels={f"a{number}": "x" for number in range(MOST_LABELS)})
    changed(play, labels={"one-more": "x"}).refused("invalid", "/labels")
    changed(play, labels={"one-more": "x", "a0": None})
