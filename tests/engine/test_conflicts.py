"""A start whose business key is taken: refused, answered with the one that runs, or put in its place."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from domain.execution import EXECUTION, ExecutionCancelled, ExecutionCompleted
from domain.facts import Decided, View
from engine.engine import cancel, pause, start
from engine.executions import REPLACED
from tests.engine.drawing import ANN, EXECUTION_ID, WORKFLOW_ID, Play, ask, drawing
from tests.engine.test_children import WORKS
from tests.engine.test_workflow_nodes import Workflows, calls

ASKING = drawing({"s": "start", "a": ask(), "e": "end"}, "s > a", "a.approved > e", "a.rejected > e")
OTHER = UUID(int=0xE2)


def again(play: Play, policy: str, **more: Any) -> Callable[[View], Decided]:
    wanted: dict[str, Any] = {"workflow_id": WORKFLOW_ID, "execution_id": OTHER, "input": {}, "business_key": "k", **more}
    return lambda view: start(view, play.engine, on_conflict=policy, **wanted)  # type: ignore[arg-type]


def test_it_is_refused_where_nothing_else_is_said() -> None:
    play = Play(ASKING).start({}, business_key="k")
    play.story.when(again(play, "reject")).then_refused("name_taken")


def test_the_one_that_runs_is_answered_and_nothing_happens() -> None:
    play = Play(ASKING).start({}, business_key="k")
    result = play.story.decided.result
    play.step(again(play, "return"))
    assert play.story.decided == Decided(result={**result, "existing": True})


def test_one_that_is_paused_runs_too() -> None:
    play = Play(ASKING).start({}, business_key="k")
    play.step(lambda view: pause(view, play.engine, EXECUTION_ID)).step(again(play, "return"))
    assert play.story.decided.result["status"] == "paused"


@pytest.mark.parametrize("policy", ["return", "replace"])
def test_without_another_one_it_starts(policy: str) -> None:
    play = Play(ASKING).start({}, business_key="k").choose("a", "approved")
    play.step(again(play, policy))
    assert play.view.read(EXECUTION, OTHER).status == "running"
    assert [claim.owner for claim in play.view.claims] == [OTHER]
    assert "existing" not in play.story.decided.result


def test_one_that_has_something_to_undo_is_not_replaced() -> None:
    nodes: dict[str, Any] = {
        "s": "start",
        "book": ("set", {"values": {}}, {"compensate": "undo"}),
        "a": ask(),
        "e": "end",
        "undo": ask(),
    }
    play = Play(drawing(nodes, "s > book", "book > a", "a.approved > e", "a.rejected > e")).start({}, business_key="k")
    play.step(again(play, "replace")).refused("name_taken", "/business_key")
    play.step(lambda view: cancel(view, play.engine, EXECUTION_ID))
    play.step(again(play, "replace")).refused("name_taken", "/business_key")
    play.choose("undo", "approved").step(again(play, "replace"))
    assert play.view.read(EXECUTION, OTHER).status == "running"


def test_the_one_that_runs_is_cancelled_and_its_key_taken_in_one_command() -> None:
    play = Play(ASKING).start({}, business_key="k")
    play.step(again(play, "replace", created_by=ANN))
    assert play.view.events(EXECUTION_ID)[-1] == ExecutionCancelled(REPLACED, ANN)
    assert [claim.owner for claim in play.view.claims] == [OTHER]
    assert play.view.read(EXECUTION, OTHER).status == "running"
    assert play.story.decided.result["id"] == str(OTHER)


def test_one_that_is_over_at_once_replaces_too() -> None:
    instant = drawing(
        {
            "s": "start",
            "c": ("condition", {"branches": [{"handle": "ask", "when": "input.ask"}], "default": "no"}),
            "a": ask(),
            "e": "end",
        },
        "s > c",
        "c.ask > a",
        "c.no > e",
        "a.approved > e",
        "a.rejected > e",
    )
    play = Play(instant).start({"ask": True}, business_key="k")
    play.step(again(play, "replace", input={"ask": False}))
    assert isinstance(play.end, ExecutionCancelled)
    assert isinstance(play.view.events(OTHER)[-1], ExecutionCompleted)
    assert play.view.claims == ()


def test_an_input_that_does_not_fit_replaces_nothing() -> None:
    play = Play({**ASKING, "input_schema": {"type": "object", "required": ["n"]}}).start({"n": 1}, business_key="k")
    play.story.when(again(play, "replace")).then_refused("invalid_input")
    play.story.when(again(play, "return")).then_refused("invalid_input")


def test_a_policy_needs_a_business_key() -> None:
    play = Play(ASKING).start({}, business_key="k")
    play.story.when(again(play, "return", business_key=None)).then_refused("invalid", "/on_conflict")


def test_children_of_the_one_that_is_replaced_are_cancelled() -> None:
    play = Workflows(calls(), WORKS).start(business_key="k")
    [child] = play.children()
    play.step(again(play, "replace", workflow_id=play.first))
    assert [play.of(each).status for each in (EXECUTION_ID, child, OTHER)] == ["cancelled", "cancelled", "running"]
