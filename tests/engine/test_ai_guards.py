"""Guards of AI tasks: what they find, take out and block, whatever a text is made of."""

import re
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.ai_task import (
    AI_TASK,
    AiTask,
    AiTaskAttemptStarted,
    AiTaskAttemptSucceeded,
    AiTaskRequested,
    Configuration,
)
from domain.ai_task.steps import Judge, next_step
from domain.effort import Effort
from domain.execution import ExecutionCompleted
from domain.facts import Event, Json
from domain.retry import RetryPolicy
from engine.ai_guards import (
    Guarded,
    guard_arguments,
    guard_input,
    guard_output,
    guard_result,
    models_of,
    question_of,
    redacted_answer,
)
from engine.expressions import Budgeted
from engine.validate import validate
from tests.engine.drawing import EVALUATOR, drawing
from tests.engine.test_ai_agents import asking
from tests.engine.working import Workplace, agent

CARD = {"type": "regex", "pattern": r"\b(\d{4}[ -]?){3}\d{4}\b", "action": "redact"}
NO_CARD = {**CARD, "action": "block", "message": "No cards."}
BUDGETED = Budgeted(EVALUATOR, Effort())
REFUND: Json = {"name": "refund"}


def task(**guards: Json) -> AiTask:
    requested = AiTaskRequested(
        None, None, None, "A task", "offline/echo", "Do it.", Configuration(), RetryPolicy(), input={"most": 100}, guards=guards
    )
    return AiTask("pending", requested)


def test_what_is_found_is_taken_out_of_texts_names_and_numbers() -> None:
    output = {"said": "Card 4111 1111 1111 1111!", "4111111111111111": 4111111111111111, "n": [7, True, None, 0.5]}
    found = guard_output(task(output=[CARD]), output, BUDGETED)
    assert found == Guarded("redact", {"said": "Card [redacted]!", "[redacted]": "[redacted]", "n": [7, True, None, 0.5]})
    assert guard_output(task(output=[CARD]), {"n": 7}, BUDGETED) == Guarded("pass", {"n": 7})


def test_what_is_blocked_is_told_without_what_was_found() -> None:
    found = guard_output(task(output=[NO_CARD]), "Card 4111-1111-1111-1111", BUDGETED)
    assert found == Guarded("block", "Card [redacted]", "No cards.")


def test_guards_are_applied_in_their_order() -> None:
    mask, forbidden = {**CARD, "replacement": "(card)"}, {"type": "cel", "when": "value.contains('(card)')"}
    assert guard_output(task(output=[mask, forbidden]), "4111111111111111", BUDGETED).kind == "block"
    assert guard_output(task(output=[forbidden, mask]), "4111111111111111", BUDGETED) == Guarded("redact", "(card)")


def test_a_replacement_is_no_pattern() -> None:
    found = guard_output(task(output=[{**CARD, "replacement": r"\0 \g<0> $0"}]), "4111111111111111", BUDGETED)
    assert found.value == r"\0 \g<0> $0"


def test_the_input_is_guarded_field_by_field() -> None:
    texts = {"prompt": "Pay 4111111111111111", "system": None, "context": {"a": ["4111111111111111"]}, "input": {"sum": 7}}
    found = guard_input({"input": [CARD]}, texts, BUDGETED)
    assert found.kind == "redact"
    assert found.value == {**texts, "prompt": "Pay [redacted]", "context": {"a": ["[redacted]"]}}
    named = guard_input({"input": [{"type": "regex", "pattern": "prompt|input", "action": "block"}]}, texts, BUDGETED)
    assert named.kind == "pass", "the names of our own fields are not what somebody said"
    schema = {"type": "schema", "schema": {"properties": {"sum": {"maximum": 5}}}}
    assert "/sum" in (guard_input({"input": [schema]}, texts, BUDGETED).why or "")
    assert guard_input({"input": [{"type": "cel", "when": "value.prompt.startsWith('Pay')"}]}, texts, BUDGETED).kind == "block"
    assert guard_input(None, texts, BUDGETED) == guard_input({"output": [CARD]}, texts, BUDGETED) == Guarded("pass", texts)


def test_a_guard_of_some_tools_is_of_these_alone() -> None:
    guarded = task(tool_arguments=[{**NO_CARD, "tools": ["refund"]}], tool_results=[CARD])
    arguments = {"card": "4111111111111111"}
    assert guard_arguments(guarded, REFUND, arguments, BUDGETED).kind == "block"
    assert guard_arguments(guarded, {"name": "lookup"}, arguments, BUDGETED).kind == "pass"
    assert guard_result(guarded, {"name": "lookup"}, arguments, BUDGETED).value == {"card": "[redacted]"}


def test_an_expression_sees_the_value_and_the_input_and_blocks_where_it_fails() -> None:
    dear = {"type": "cel", "when": "value.amount > input.most", "message": "Too dear."}
    guarded = task(tool_arguments=[dear])
    assert guard_arguments(guarded, REFUND, {"amount": 99}, BUDGETED).kind == "pass"
    assert guard_arguments(guarded, REFUND, {"amount": 101}, BUDGETED).why == "Too dear."
    assert guard_arguments(guarded, REFUND, {"sum": 1}, BUDGETED).kind == "block"


def test_what_a_model_said_is_redacted_before_it_is_recorded_also_where_it_is_blocked() -> None:
    guarded = task(output=[NO_CARD, {"type": "schema", "schema": False}])
    assert redacted_answer(guarded, "4111111111111111") == "[redacted]"
    assert redacted_answer(task(), "x") == "x"


def test_models_are_asked_elsewhere() -> None:
    model = {"type": "model", "model": "fast", "prompt": "Is it polite?"}
    guarded = task(output=[CARD, model])
    assert models_of(guarded, "output") == (model,)
    assert models_of(guarded, "input") == ()
    assert guard_output(guarded, "Hello", BUDGETED).kind == "pass"


def test_time_is_linear_in_the_text() -> None:
    hostile = {"type": "regex", "pattern": "(a+)+$", "action": "block"}
    started = time.process_time()
    assert guard_output(task(output=[hostile]), "a" * 1_000_000 + "b", BUDGETED).kind == "pass"
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    ("guards", "path", "code"),
    [
        ({"output": [{"type": "regex", "pattern": "(", "action": "block"}]}, "/output/0/pattern", "invalid_pattern"),
        ({"output": [{"type": "regex", "pattern": "(?<=a)b", "action": "block"}]}, "/output/0/pattern", "invalid_pattern"),
        ({"input": [{"type": "regex", "pattern": "(a{900}){900}", "action": "block"}]}, "/input/0/pattern", "too_costly"),
        ({"input": [{"type": "schema", "schema": {"type": "strin"}}]}, "/input/0/schema/type", "invalid_schema"),
        ({"tool_results": [{"type": "model", "model": "fast", "prompt": "?"}]}, "/tool_results/0/type", "invalid_value"),
        ({"tool_results": [{**CARD, "tools": ["refund", "x"]}]}, "/tool_results/0/tools/1", "unknown_tool"),
        ({"output": [{**CARD, "tools": ["refund"]}]}, "/output/0/tools", "invalid_value"),
    ],
)
def test_what_is_wrong_with_them_is_named(guards: dict[str, Any], path: str, code: str) -> None:
    tool = {"name": "refund", "type": "http", "parameters": {"type": "object"}, "request": {"url": "https://a.example"}}
    (finding,) = findings(guards=guards, tools=[tool])
    assert (finding.path, finding.code) == (f"/nodes/1/config/guards{path}", code)


def findings(**config: Json) -> list[Any]:
    nodes = {"start": "start", "ai": agent(**config), "end": "end"}
    return validate(drawing(nodes, "start > ai", "ai > end"), EVALUATOR)


@pytest.mark.parametrize(
    "guards",
    [
        {"output": [{"type": "regex", "pattern": "a"}]},
        {"output": [{"type": "cel"}]},
        {"elsewhere": []},
        {"output": [{**CARD, "color": "red"}]},
        {"output": [{"type": "other"}]},
        {"output": [CARD] * 21},
        {"tool_results": [{**CARD, "tools": []}]},
    ],
)
def test_their_shape_is_checked(guards: Json) -> None:
    assert any(finding.path.startswith("/nodes/1/config/guards") for finding in findings(guards=guards))


@pytest.mark.parametrize("key", ["Pay out", "=input.key", "", "p" * 64])
def test_a_tool_of_a_workflow_that_no_key_can_name_is_refused(key: str) -> None:
    tool = {"name": "pay", "type": "workflow", "description": "Pays", "parameters": {"type": "object"}, "workflow_key": key}
    assert any(finding.path.startswith("/nodes/1/config/tools/0") for finding in findings(tools=[tool]))
    assert all(finding.severity == "warning" for finding in findings(tools=[{**tool, "workflow_key": "payout"}]))


SAFE = st.text("ab1 -", max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 99) | SAFE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SAFE, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=100)
@given(VALUES)
def test_what_is_left_has_nothing_of_what_was_looked_for(value: Json) -> None:
    """Beside an oracle: Python's own expressions, on the texts of the value one by one."""
    found = guard_output(
        task(output=[{"type": "regex", "pattern": "a+b|1{2}", "action": "redact", "replacement": "-"}]), value, BUDGETED
    )
    mine = re.compile("a+b|1{2}")

    def told(part: Json) -> Json:
        if isinstance(part, str):
            return mine.sub("-", part)
        if isinstance(part, bool) or part is None:
            return part
        if isinstance(part, int):
            return mine.sub("-", str(part)) if mine.search(str(part)) else part
        if isinstance(part, dict):
            return {mine.sub("-", name): told(each) for name, each in part.items()}
        return [told(each) for each in part]

    assert found.value == told(value)
    assert found.kind == ("pass" if told(value) == value else "redact")


# In their places --------------------------------------------------------------------------------------------------------


def of_task(place: Workplace, kind: type[Event]) -> list[Any]:
    return [fact.event for fact in place.view.facts if isinstance(fact.event, kind)]


def test_what_goes_in_is_redacted_before_it_is_asked_for_or_blocked() -> None:
    place = asking(guards={"input": [CARD]}, prompt="Pay 4111111111111111.", input={"of": "4111111111111111"})
    (requested,) = of_task(place, AiTaskRequested)
    assert (requested.prompt, requested.input) == ("Pay [redacted].", {"of": "[redacted]"})
    blocked = asking(guards={"input": [NO_CARD]}, prompt="Pay 4111111111111111.")
    assert of_task(blocked, AiTaskRequested) == []
    assert blocked.end == ExecutionCompleted({"type": "guard", "message": "No cards.", "attempts": 1})


def test_what_a_model_said_is_recorded_without_what_its_guards_take_out() -> None:
    place = asking(guards={"output": [CARD]}).answer("ai", "Card 4111111111111111!")
    (answered,) = of_task(place, AiTaskAttemptSucceeded)
    assert answered.output == "Card [redacted]!"
    assert place.end == ExecutionCompleted("Card [redacted]!")
    blocked = asking(guards={"output": [NO_CARD]}).answer("ai", "Card 4111111111111111!")
    assert of_task(blocked, AiTaskAttemptSucceeded)[0].output == "Card [redacted]!"
    assert isinstance(blocked.end, ExecutionCompleted)
    assert blocked.end.output["type"] == "guard"


POLITE = {"type": "model", "model": "fast", "prompt": "Is it polite?", "message": "It is rude."}


def test_a_model_judges_an_output_by_an_attempt_of_its_own() -> None:
    place = asking(guards={"output": [POLITE]}, bounds={"turns": 1}).answer("ai", "Hello.")
    assert next_step(place.view.read(AI_TASK, place.task_id("ai"))) == Judge("output/0")
    question = question_of(place.view.read(AI_TASK, place.task_id("ai")), "output/0")
    assert (question.model, question.input) == ("fast", {"value": "Hello."})
    place.answer("ai", {"allowed": True})
    assert place.end == ExecutionCompleted("Hello.")
    first, second = of_task(place, AiTaskAttemptStarted)
    assert (first.purpose, second.purpose, second.guard, second.turn) == (None, "guard", "output/0", 2)
    assert [each.purpose for each in of_task(place, AiTaskAttemptSucceeded)] == [None, "guard"]


def test_what_it_does_not_let_pass_is_the_node_s_error() -> None:
    place = asking(guards={"output": [POLITE]}).answer("ai", "Hello.").answer("ai", {"allowed": False, "why": "Hm."})
    assert place.end == ExecutionCompleted({"type": "guard", "message": "It is rude.", "attempts": 1})


def test_a_model_judges_what_goes_in_first() -> None:
    place = asking(guards={"input": [POLITE, CARD, POLITE]}).answer("ai", {"allowed": True})
    assert next_step(place.view.read(AI_TASK, place.task_id("ai"))) == Judge("input/2")
    place.answer("ai", {"allowed": True}).answer("ai", "Hello.")
    assert place.end == ExecutionCompleted("Hello.")


def test_a_verdict_that_does_not_fit_is_a_failed_attempt() -> None:
    place = asking(guards={"output": [POLITE]}, output_schema={"type": "string"}).answer("ai", "Hello.").answer("ai", "Yes.")
    assert isinstance(place.end, ExecutionCompleted)
    assert place.end.output["type"] == "invalid_output"
