"""Workflows as tools: which names they have, and what a call of one starts."""

from dataclasses import replace
from uuid import UUID

import pytest

from domain.access import Rights
from domain.facts import Claim, Json
from domain.trigger import id_of
from engine.triggers import commands, publishing
from engine.triggers.calling import start_by_call
from engine.validate import validate
from tests.engine.drawing import EVALUATOR, WORKFLOW_ID
from tests.engine.playing import ANN
from tests.engine.triggering import Playing, instant, waiting

TOOL: Json = {"type": "mcp"}
CALLER = Rights(ANN, frozenset({"executions:start"}), behind=frozenset({WORKFLOW_ID}))


def call(place: Playing, name: str = "test", **arguments: Json) -> Playing:
    return place.step(lambda view: start_by_call(view, place.engine, name, arguments, CALLER))


def names(place: Playing) -> list[str]:
    return [claim.name for claim in place.view.claims if claim.scope == "mcp.tool"]


def test_a_call_starts_an_execution_with_its_arguments_as_they_are() -> None:
    place = call(Playing(waiting({**TOOL, "business_key": "=arguments.order", "priority": 3})), order="E-1", exact=10**30)
    ((execution_id, started),) = place.started
    assert (started.trigger_type, started.trigger_id, started.trigger_data) == ("mcp", place.id, {"tool": "test"})
    assert (started.input, started.business_key, started.priority) == ({"order": "E-1", "exact": 10**30}, "E-1", 3)
    assert (started.created_by, started.behind) == (ANN, (WORKFLOW_ID,))
    assert place.story.result == {"execution": {**place.story.result["execution"], "id": str(execution_id)}, "wait": 0}
    waits = call(Playing(instant({**TOOL, "wait": "PT20S"})))
    assert (waits.story.result["wait"], waits.story.result["execution"]["status"]) == (20, "completed")


def test_what_cannot_be_started_is_said_to_whoever_calls() -> None:
    schema = {"type": "object", "required": ["n"]}
    call(Playing(waiting(TOOL, input_schema=schema))).refused("invalid_input", "/input/n")
    call(Playing(waiting({**TOOL, "business_key": "=arguments.order"})), n=1).refused("expression_error")
    call(Playing(waiting(TOOL)), "another").refused("not_found")
    place = Playing(waiting(TOOL))
    call(place.step(lambda view: commands.pause(view, place.id))).refused("trigger_paused")


def test_a_tool_is_called_as_its_workflow_or_as_its_trigger_says_until_it_is_retired() -> None:
    place = Playing(waiting(TOOL))
    assert place.view.claims == (Claim("mcp.tool", "test", place.id),)
    assert names(place.publish(waiting({**TOOL, "tool_name": "Buy_it"}))) == ["Buy_it"]
    call(place).refused("not_found")
    place = Playing(waiting({**TOOL, "tool_name": "buy"}))
    assert names(place.step(lambda view: commands.pause(view, place.id))) == ["buy"], "it comes back"
    assert names(place.step(lambda view: publishing.archive(view, WORKFLOW_ID))) == []
    assert names(place.step(lambda view: publishing.restore(view, WORKFLOW_ID))) == ["buy"]
    place.publish(waiting({**TOOL, "id": "other", "tool_name": "buy"}))
    assert place.view.claims == (Claim("mcp.tool", "buy", id_of(WORKFLOW_ID, "other")),), "one takes over from the other"
    assert names(place.publish(waiting())) == []


def test_two_workflows_are_no_tools_of_one_name() -> None:
    others = Claim("mcp.tool", "buy", UUID(int=7))
    place = Playing(waiting())
    place.story = replace(place.story, view=replace(place.view, claims=(others,)))
    place.publish(waiting({**TOOL, "tool_name": "buy"})).refused("tool_name_taken")


@pytest.mark.parametrize(
    ("triggers", "path", "code"),
    [
        ([{**TOOL, "tool_name": "gesta_inbox"}], "/0/tool_name", "reserved"),
        ([{**TOOL, "tool_name": "buy it"}], "/0/tool_name", "pattern"),
        ([{**TOOL, "wait": "PT56S"}], "/0/wait", "invalid_value"),
        ([{**TOOL, "wait": "a while"}], "/0/wait", "invalid_value"),
        ([{**TOOL, "input": {}}], "/0/input", "unknown_field"),
        ([{**TOOL, "business_key": "=body.order"}], "/0/business_key", "undeclared"),
        ([TOOL, {**TOOL, "id": "b", "tool_name": "test"}], "/1/tool_name", "duplicate_tool"),
    ],
)
def test_its_faults_are_named(triggers: list[Json], path: str, code: str) -> None:
    assert (f"/triggers{path}", code) in [(each.path, each.code) for each in validate(waiting(*triggers), EVALUATOR)]


def test_one_that_is_sound_has_none() -> None:
    tool = {**TOOL, "tool_name": "buy", "description": "Buys it.", "wait": "PT55S", "business_key": "=arguments.order"}
    assert not validate(waiting(tool, {**TOOL, "id": "b"}), EVALUATOR)
