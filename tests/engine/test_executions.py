"""Starting, pausing, cancelling: an execution's life from outside."""

from collections.abc import Callable
from uuid import UUID

import pytest

from domain.execution import (
    EXECUTION,
    ActivationCancelled,
    ExecutionCancelled,
    ExecutionPaused,
    ExecutionResumed,
    ExecutionSignalled,
    ExecutionStarted,
)
from domain.facts import Claim, Decided, Fact, View
from domain.workflow import WorkflowArchived, WorkflowDrafted, WorkflowPublished
from engine.engine import Engine, cancel, pause, resume, signal, start, terminate
from tests.engine.drawing import ANN, EVALUATOR, EXECUTION_ID, WORKFLOW_ID, Play, ask, drawing
from tests.given import given

ASK = drawing({"start": "start", "ask": ask("ok:approve"), "end": "end"}, "start > ask", "ask.ok > end")
INSTANT = drawing({"start": "start", "end": "end"}, "start > end")

DRAFTED = Fact(WORKFLOW_ID, WorkflowDrafted("test", "Test", ASK))
PUBLISHED = Fact(WORKFLOW_ID, WorkflowPublished(1, ASK))
ARCHIVED = Fact(WORKFLOW_ID, WorkflowArchived())


@pytest.mark.parametrize(
    ("facts", "version", "code"),
    [
        ((), None, "not_found"),
        ((DRAFTED,), None, "workflow_not_published"),
        ((DRAFTED, PUBLISHED), 2, "unknown_version"),
        ((DRAFTED, PUBLISHED, ARCHIVED), None, "workflow_archived"),
    ],
)
def test_only_a_published_version_of_an_active_workflow_starts(facts: tuple[Fact, ...], version: int | None, code: str) -> None:
    engine = Engine(EVALUATOR)
    given(facts).when(lambda view: start(view, engine, workflow_id=WORKFLOW_ID, input=None, version=version)).then_refused(code)


def test_an_execution_keeps_the_version_it_was_started_with() -> None:
    play = Play(ASK).start()
    other = drawing({"start": "start", "ask": ask("ok:approve"), "end": ("end", {"output": 2})}, "start > ask", "ask.ok > end")
    play.story = given((*play.view.facts, Fact(WORKFLOW_ID, WorkflowPublished(2, other))))
    play.choose("ask", "ok").completed(None)


def test_an_earlier_version_can_be_started() -> None:
    facts = (DRAFTED, PUBLISHED, Fact(WORKFLOW_ID, WorkflowPublished(2, INSTANT)))
    engine = Engine(EVALUATOR)
    latest = given(facts).when(lambda view: start(view, engine, workflow_id=WORKFLOW_ID, input=None))
    earlier = given(facts).when(lambda view: start(view, engine, workflow_id=WORKFLOW_ID, input=None, version=1))
    assert (latest.result["status"], earlier.result["status"]) == ("completed", "running")


def test_the_input_must_fit_the_input_schema() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}
    play = Play({**INSTANT, "input_schema": schema})
    play.start({"n": "x", "m": 1}).refused("invalid_input", "/input/n", "/input/m")
    play.start({}).refused("invalid_input", "/input/n")
    play.start({"n": 1}).completed()


def test_an_execution_is_started_once() -> None:
    Play(ASK).start().start().refused("execution_exists")


def test_a_business_key_is_held_until_the_execution_is_over() -> None:
    claim = Claim(f"execution.business_key:{WORKFLOW_ID}", "4711", EXECUTION_ID)
    play = Play(ASK).start(business_key="4711")
    assert list(play.view.claims) == [claim]
    play.step(
        lambda view: start(view, play.engine, workflow_id=WORKFLOW_ID, execution_id=UUID(int=2), input=None, business_key="4711")
    ).refused("name_taken")
    play.choose("ask", "ok")
    assert play.story.decided.releases == (claim,)
    assert not play.view.claims


def test_an_execution_that_is_over_at_once_holds_no_business_key_and_takes_no_others() -> None:
    facts = (DRAFTED, PUBLISHED, Fact(WORKFLOW_ID, WorkflowPublished(2, INSTANT)))
    engine = Engine(EVALUATOR)

    def started(version: int) -> Callable[[View], Decided]:
        return lambda view: start(view, engine, workflow_id=WORKFLOW_ID, input=None, version=version, business_key="k")

    free = given(facts).when(started(2)).when(started(2))
    assert not free.view.claims
    free.when(started(1)).when(started(2)).then_refused("name_taken", "/business_key")


def test_search_attributes_are_evaluated_at_the_start() -> None:
    play = Play({**INSTANT, "search_attributes": {"amount": "=input.amount", "kind": "travel"}})
    play.start({}).refused("invalid_input", "/input")
    play.start({"amount": [1]}).refused("invalid_input", "/input")
    play.start({"amount": 12.5})
    assert play.state.started is not None
    assert play.state.started.attributes == {"amount": 12.5, "kind": "travel"}


def test_what_was_given_at_the_start_is_recorded() -> None:
    play = Play(INSTANT).start({"a": 1}, business_key="k", priority=3, created_by=ANN, correlation_id=UUID(int=3))
    assert play.view.events(EXECUTION_ID)[0] == ExecutionStarted(
        WORKFLOW_ID, "test", 1, "start", {"a": 1}, "k", 3, created_by=ANN, correlation_id=UUID(int=3)
    )


@pytest.mark.parametrize("ending", [cancel, terminate])
def test_cancelling_cancels_what_is_alive(ending: Callable[..., Decided]) -> None:
    definition = drawing(
        {"start": "start", "a": ask("ok:approve"), "b": ask("ok:approve"), "join": ("join", {"mode": "all"}), "end": "end"},
        "start > a",
        "start > b",
        "a.ok > join",
        "b.ok > join",
        "join > end",
    )
    play = Play(definition).start(business_key="k").choose("b", "ok")
    play.step(lambda view: ending(view, play.engine, EXECUTION_ID, "not needed", ANN))
    kinds = [type(fact.event).__name__ for fact in play.story.decided.facts]
    assert kinds == ["ActivationCancelled", "ApprovalCancelled", "ExecutionCancelled"]
    assert isinstance(play.story.decided.facts[0].event, ActivationCancelled)
    assert play.end == ExecutionCancelled("not needed", ANN)
    assert not play.view.claims
    assert play.story.result["status"] == "cancelled"
    assert play.story.result["open"] == []


def test_what_is_over_stays_as_it_is() -> None:
    play = Play(INSTANT).start()
    for command in (cancel, terminate, pause, resume):
        play.step(lambda view, command=command: command(view, play.engine, EXECUTION_ID)).refused("execution_closed")  # type: ignore[misc]
    play.step(lambda view: signal(view, play.engine, EXECUTION_ID, "hello")).refused("execution_closed")


def test_what_does_not_exist_is_not_found() -> None:
    play = Play(INSTANT)
    play.step(lambda view: cancel(view, play.engine, EXECUTION_ID)).refused("not_found")


def test_an_execution_is_paused_and_resumed() -> None:
    play = Play(ASK).start()
    play.step(lambda view: resume(view, play.engine, EXECUTION_ID)).refused("execution_not_paused")
    play.step(lambda view: pause(view, play.engine, EXECUTION_ID, "wait")).story.then(ExecutionPaused("wait"))
    assert play.story.result["status"] == "paused"
    assert [item["node_id"] for item in play.story.result["open"]] == ["ask"]
    play.step(lambda view: pause(view, play.engine, EXECUTION_ID)).refused("execution_paused")
    play.step(lambda view: resume(view, play.engine, EXECUTION_ID, "go")).story.then(ExecutionResumed("go"))
    assert play.view.read(EXECUTION, EXECUTION_ID).status == "running"


def test_a_paused_execution_can_be_cancelled() -> None:
    play = Play(ASK).start()
    play.step(lambda view: pause(view, play.engine, EXECUTION_ID)).step(lambda view: cancel(view, play.engine, EXECUTION_ID))
    assert play.end == ExecutionCancelled()


def test_a_signal_is_recorded() -> None:
    play = Play(ASK).start()
    play.step(lambda view: signal(view, play.engine, EXECUTION_ID, "hurry", {"by": 1})).story.then(
        ExecutionSignalled("hurry", {"by": 1})
    )
    assert play.story.result["version"] == len(play.view.events(EXECUTION_ID))
