"""The workflow node: a child of the version that was published, what becomes of its end, and what keeps it from beginning."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Self
from uuid import UUID

import pytest

from domain.execution import ActivationStarted, ExecutionCancelled, ExecutionStarted
from domain.facts import Claim, Fact, Json
from domain.workflow import WorkflowArchived, WorkflowDrafted, WorkflowPublished
from engine.child_start import MOST_DEPTH
from engine.definition import Finding
from engine.engine import Engine, EngineLimits, cancel, fire
from engine.family import GIVEN_UP
from engine.lints.called import unknown_workflows
from engine.validate import validate
from tests.engine.drawing import ANN, BEN, EVALUATOR, EXECUTION_ID, ask, drawing
from tests.engine.test_children import AT_ONCE, FAILS, WORKS, Household
from tests.engine.working import found
from tests.given import given


def workflow_id(number: int) -> UUID:
    return UUID(int=0x100 + number)


def calls(key: str = "w2", handle: str = "", timeout: str | None = None, **config: Json) -> Json:
    fields = {} if timeout is None else {"timeout": timeout}
    node = ("workflow", {"workflow_key": key, **config}, fields)
    nodes: dict[str, Any] = {"s": "start", "c": node, "e": ("end", {"output": "=nodes.c.output"})}
    edges = ["s > c", "c > e"]
    if handle:
        nodes["x"] = ("end", {"output": "=nodes.c.error"})
        edges.append(f"c.{handle} > x")
    return drawing(nodes, *edges)


class Workflows(Household):
    """Workflows w1, w2 … ; the execution that is played is of the first."""

    first = workflow_id(1)

    def __init__(self, *definitions: Json, limits: EngineLimits | None = None) -> None:
        self.engine = Engine(EVALUATOR, limits or EngineLimits())
        ours = [(workflow_id(number), {**each, "key": f"w{number}"}) for number, each in enumerate(definitions, 1)]
        drafted = [Fact(id, WorkflowDrafted(each["key"], each["name"], each)) for id, each in ours]
        published = [Fact(id, WorkflowPublished(1, each)) for id, each in ours]
        self.story = given([*drafted, *published], [Claim("workflow.key", each["key"], id) for id, each in ours])

    def happened(self, workflow: int, *events: Any) -> Self:
        facts = tuple(Fact(workflow_id(workflow), event) for event in events)
        self.story = replace(self.story, view=replace(self.view, facts=self.view.facts + facts))
        return self

    def begun(self, execution_id: UUID) -> ExecutionStarted:
        started = self.view.events(execution_id)[0]
        assert isinstance(started, ExecutionStarted)
        return started


def test_a_child_runs_as_a_part_of_its_parent() -> None:
    play = Workflows(calls(input={"n": "=input.n + 1"}), WORKS)
    correlation = UUID(int=0xCC)
    play.start({"n": 1}, priority=7, created_by=ANN, behind=(BEN,), correlation_id=correlation)
    [child] = play.children()
    begun = play.begun(child)
    [visit] = play.state.activations
    assert (begun.workflow_key, begun.workflow_version, begun.input) == ("w2", 1, {"n": 2})
    assert (begun.trigger_type, begun.depth, begun.business_key) == ("child", 1, None)
    assert (begun.priority, begun.created_by, begun.behind, begun.correlation_id) == (7, ANN, (BEN,), correlation)
    assert (begun.parent_execution_id, begun.parent_activation_id) == (EXECUTION_ID, visit)
    assert begun.trigger_data == {"execution_id": str(EXECUTION_ID), "activation_id": str(visit), "node_id": "c"}
    entered = [each for each in play.view.events(EXECUTION_ID) if isinstance(each, ActivationStarted)][-1]
    assert [(wait.kind, wait.id, wait.about) for wait in entered.waits] == [("execution", child, "w2")]
    assert [item["kind"] for item in play.open] == ["execution"]
    play.done(child, 42).completed(42)


def test_its_output_is_the_childs_at_once_where_nothing_waits() -> None:
    Workflows(calls(), AT_ONCE).start().completed(7)


def test_a_child_keeps_the_version_that_was_published_when_it_began() -> None:
    play = Workflows(calls(), WORKS).start()
    [child] = play.children()
    play.happened(2, WorkflowPublished(2, {**AT_ONCE, "key": "w2"})).done(child, 1).completed(1)


@pytest.mark.parametrize(("version", "output"), [(1, 7), (2, 8), (None, 8)])
def test_a_version_may_be_named(version: int | None, output: int) -> None:
    named: dict[str, Any] = {} if version is None else {"version": version}
    second = drawing({"s": "start", "e": ("end", {"output": 8})}, "s > e")
    Workflows(calls(**named), AT_ONCE).happened(2, WorkflowPublished(2, {**second, "key": "w2"})).start().completed(output)


def test_a_failed_child_is_an_error_of_its_code() -> None:
    Workflows(calls(), FAILS).start().failed("broken", "c")
    error = {"type": "broken", "message": "It broke.", "attempts": 1}
    Workflows(calls(handle="error"), FAILS).start().completed(error)


def test_a_cancelled_child_is_the_error_cancelled() -> None:
    play = Workflows(calls(handle="error"), WORKS).start()
    [child] = play.children()
    play.step(lambda view: cancel(view, play.engine, child, "not today"))
    play.completed({"type": "cancelled", "message": "not today", "attempts": 1})


NEEDS_N = {**AT_ONCE, "input_schema": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}}


@pytest.mark.parametrize(
    ("parent", "type"),
    [
        (calls("nobody", "error"), "unknown_workflow"),
        (calls(handle="error", version=3), "unknown_version"),
        (calls(handle="error"), "invalid_input"),
        (calls(handle="error", input={"n": "one"}), "invalid_input"),
        (calls(handle="error", input="=[1]"), "invalid_value"),
        (calls("='w' + string(2)", "error", version="='two'"), "invalid_value"),
        (calls("=7", "error"), "invalid_value"),
    ],
)
def test_what_keeps_a_child_from_beginning_is_an_error_of_the_node(parent: Json, type: str) -> None:
    play = Workflows(parent, NEEDS_N).start()
    assert play.state.status == "completed"
    assert play.view.events(EXECUTION_ID)[-1].output["type"] == type  # type: ignore[attr-defined]
    assert play.children() == []


def test_an_archived_workflow_and_one_without_a_version_are_not_started() -> None:
    Workflows(calls(), AT_ONCE).happened(2, WorkflowArchived()).start().failed("workflow_archived", "c")
    play = Workflows(calls(), AT_ONCE)
    facts = tuple(fact for fact in play.view.facts if fact != play.view.facts[-1])
    play.story = replace(play.story, view=replace(play.view, facts=facts))
    play.start().failed("workflow_not_published", "c")


def test_without_wait_it_goes_on_at_once_and_the_child_lives_on() -> None:
    play = Workflows(calls(wait=False), WORKS).start()
    [child] = play.children()
    play.completed({"id": str(child), "workflow_key": "w2", "version": 1})
    assert (play.of(child).status, play.begun(child).parent_activation_id) == ("running", None)
    play.done(child, 1)
    assert {fact.stream_id for fact in play.story.decided.facts} == {child}


def test_the_childs_failure_does_not_concern_who_does_not_wait() -> None:
    play = Workflows(calls(wait=False), FAILS).start()
    assert play.state.status == "completed"


def test_the_nodes_timeout_cancels_the_child() -> None:
    play = Workflows(calls(handle="timeout", timeout="PT1H"), WORKS).start()
    [timer], [child] = play.story.timers.values(), play.children()
    play.step(lambda view: fire(view, play.engine, found(timer)))
    assert play.state.status == "completed"
    assert play.view.events(child)[-1] == ExecutionCancelled(GIVEN_UP)
    assert play.story.jobs == {}


def test_a_workflow_that_starts_itself_ends_at_the_limit_of_depth() -> None:
    play = Workflows(calls("w1")).start()
    play.failed("too_deep", "c")
    executions = {fact.stream_id for fact in play.view.facts if isinstance(fact.event, ExecutionStarted)}
    assert len(executions) == MOST_DEPTH + 1
    assert all(play.of(each).status == "failed" for each in executions)
    assert play.story.jobs == {}


def test_a_deep_chain_goes_on_by_jobs_beyond_a_commands_share() -> None:
    chain = [calls(f"w{number}") for number in range(2, MOST_DEPTH + 2)]
    play = Workflows(*chain, AT_ONCE, limits=EngineLimits(steps_per_command=5)).start()
    assert play.state.status == "running"
    play.settled().completed(7)
    assert play.story.jobs == {}


def test_a_deep_chain_is_cancelled_from_above_and_ends_from_below() -> None:
    chain = [calls(f"w{number}") for number in range(2, MOST_DEPTH + 2)]
    play = Workflows(*chain, WORKS).start()
    executions = {fact.stream_id for fact in play.view.facts if isinstance(fact.event, ExecutionStarted)}
    [lowest] = [id for id in executions if play.begun(id).workflow_key == f"w{MOST_DEPTH + 1}"]
    before = play.story
    play.step(lambda view: cancel(view, play.engine, EXECUTION_ID))
    assert {play.of(each).status for each in executions} == {"cancelled"}
    assert play.story.jobs == {}
    play.story = before
    play.done(lowest, 3).completed(3)
    assert {play.of(each).status for each in executions} == {"completed"}
    assert play.story.jobs == {}


def test_a_childs_approval_moves_its_parent_on() -> None:
    child = drawing(
        {"s": "start", "a": ask(), "e": ("end", {"output": "=nodes.a.output.outcome"})},
        "s > a",
        "a.approved > e",
        "a.rejected > e",
    )
    play = Workflows(calls(), child).start()
    [child_id] = play.children()
    [activation] = play.of(child_id).activations.values()
    play.decide(activation.waits_for("approval")[0], "approved").completed("approved")


def test_a_loop_of_children_takes_a_child_each_time() -> None:
    again = drawing(
        {"s": "start", "c": ("workflow", {"workflow_key": "w2"}), "e": "end"},
        "s > c",
        "c > c if nodes.c.output < 3",
        "c > e if nodes.c.output >= 3",
    )
    play = Workflows(again, WORKS).start()
    for number in (1, 2, 3):
        assert len(play.children()) == number
        play.done(play.children()[-1], number)
    assert play.state.status == "completed"


def test_time_passes_in_the_child_too() -> None:
    pause = drawing({"s": "start", "w": ("wait", {"duration": "PT1M"}), "e": ("end", {"output": 1})}, "s > w", "w > e")
    play = Workflows(calls(), pause).start().later(timedelta(minutes=1))
    [timer] = play.story.timers.values()
    play.step(lambda view: fire(view, play.engine, found(timer))).completed(1)


def test_search_attributes_of_a_child_are_its_own() -> None:
    child = {**WORKS, "search_attributes": {"n": "=input.n"}}
    play = Workflows(calls(input={"n": 3}), child).start()
    assert play.begun(play.children()[0]).attributes == {"n": 3}
    Workflows(calls(), child).start().failed("invalid_input", "c")


# --- What an author is told ---------------------------------------------------------------------------------------------


def codes(definition: Json) -> set[tuple[str, str]]:
    return {(finding.severity, finding.code) for finding in validate(definition, EVALUATOR)}


def test_nothing_speaks_against_a_good_one() -> None:
    assert codes(calls("other", "error", input={"n": "=input.n"})) == set()


def test_it_is_said_that_a_childs_failure_has_nowhere_to_go() -> None:
    assert codes(calls("other")) == {("warning", "unconnected_handle")}


def test_a_retry_is_refused_and_a_timeout_of_who_does_not_wait() -> None:
    definition = calls("other", "error")
    definition["nodes"][1]["retry"] = {"max_attempts": 2}
    assert ("error", "unknown_field") in codes(definition)
    assert ("error", "nothing_to_time_out") in codes(calls("other", "timeout", "PT1M", wait=False))
    assert ("error", "invalid_value") in codes(calls("other", input=[1]))


def test_endless_recursion_is_warned_of() -> None:
    assert ("warning", "endless_recursion") in codes(calls("test", "error"))
    nodes: dict[str, Any] = {"s": "start", "c": ("workflow", {"workflow_key": "test"}), "e": "end"}
    assert ("warning", "endless_recursion") in codes(drawing(nodes, "s > c", "s > e", "c > e"))
    assert ("warning", "endless_recursion") in codes(drawing(nodes, "s > c if input.n == 1", "s > c if input.n != 1", "c > e"))
    assert ("warning", "endless_recursion") not in codes(drawing(nodes, "s > c if input.n > 0", "s > e if input.n <= 0", "c > e"))


def test_workflows_that_are_not_there_are_warned_of() -> None:
    definition = calls("other")
    said = {
        status: [each.code for each in unknown_workflows(definition, {"other": status})]
        for status in ("active", "draft", "archived")
    }
    assert said == {"active": [], "draft": ["workflow_not_published"], "archived": ["workflow_archived"]}
    assert list(unknown_workflows(definition, {})) == [
        Finding("warning", "c", "/nodes/1/config/workflow_key", "unknown_workflow", "The workflow other does not exist.")
    ]
    nonsense: list[Json] = [None, [], {"nodes": 1}, {"nodes": [1, {"type": "workflow"}, {"type": "workflow", "config": 1}]}]
    for anything in nonsense:
        assert list(unknown_workflows(anything, {})) == []
    assert list(unknown_workflows(calls("=input.key"), {})) == []
