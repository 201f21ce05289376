"""The reference of definitions says what the code does: its fields, its limits, and what expressions come to."""

import json
import re
from collections.abc import Mapping
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from api.requests import MAX_BODY
from api.routes.workflows import Definition
from domain.approval import rules
from domain.approval.content import MOST_ATTACHMENTS
from domain.effort import COMMAND, UNITS_PER_SECOND
from domain.facts import Json
from domain.retry import RetryPolicy
from engine import asking, child_start, escalation, http_requests, limits, moments, policies, schema, schema_weight, size_limit
from engine.cel import CelEvaluator, cost, evaluator, messages
from engine.context import EngineLimits
from engine.durations import LONGEST
from engine.expressions import ROOTS, ExpressionError
from engine.lints import bodies, shape
from engine.lints.expressions import EXECUTION, TENANT
from engine.nodes import NODE_TYPES, approval, foreach, http, task, wait_event
from engine.triggers import arriving, overlap, schedule, starting
from engine.validate import validate
from testkit import scenario
from tests.engine.drawing import drawing

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "definition.md").read_text("utf-8")
CEL = CelEvaluator()
USUAL = EngineLimits()
Properties = Mapping[str, Json]


def table(head: str) -> list[list[str]]:
    """The rows of the table whose head begins with this cell; their cells."""
    lines = PAGE[PAGE.index(f"\n| {head} |") + 1 :].splitlines()
    rows = lines[2 : next(number for number, line in enumerate(lines) if not line.startswith("|"))]
    return [[cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]


def code(cell: str) -> str:
    assert cell[0] == cell[-1] == "`", cell
    return cell[1:-1]


def named(cell: str) -> list[str]:
    return re.findall(r"`(\w+)`", cell)


# Fields


def properties(schema: Json) -> Properties:
    found: Properties = schema["properties"]
    return found


@pytest.mark.parametrize(
    ("head", "schema"),
    [
        ("field of a definition", shape.DEFINITION),
        ("field of a node", shape._NODE),
        ("field of an edge", shape._EDGE),
        ("field of `retry`", policies.RETRY),
    ],
)
def test_every_field_is_there_and_no_other_and_those_that_are_required_are_said_to_be(head: str, schema: Json) -> None:
    rows = table(head)
    assert sorted(name for row in rows for name in named(row[0])) == sorted(properties(schema))
    assert {name for row in rows if row[1].startswith("required") for name in named(row[0])} == set(schema["required"])


def test_every_field_of_every_config_is_there_and_no_other() -> None:
    """Those of `http` have a table of their own."""
    said = {(kind, field) for row in table("field | of") for kind in named(row[1]) for field in named(row[0])}
    real = {(each.name, field) for each in NODE_TYPES if each.name != "http" for field in each.config["properties"]}
    assert said == real


def test_every_field_of_an_outcome_is_there_and_every_rule_with_its_fields() -> None:
    outcome = of(properties(approval.CONFIG), "outcomes", "items")
    rows = table("field of an outcome")
    assert [name for row in rows for name in named(row[0])] == list(outcome["properties"])
    assert {named(row[0])[0] for row in rows if row[1].startswith("required")} == set(outcome["required"])
    steps = of(properties(approval.CONFIG), "steps", "items")
    assert [name for row in table("field of a step") for name in named(row[0])] == list(steps["properties"])
    assert [name for row in table("rule") for name in named(row[0])] == list(rules.RULES)
    said = PAGE[PAGE.index("| rule | resolved") :].partition("## ")[0]
    assert {name for each in rules.RULES.values() for name in each.fields} <= set(named(said))


def test_every_field_of_a_request_is_there_and_no_other() -> None:
    rows = PAGE[PAGE.index("| `url` | required;") :].partition("\n\n")[0].splitlines()
    assert {name for row in rows for name in named(row.split("|")[1])} == set(properties(http_requests.CONFIG))


def test_a_retry_is_by_default_what_is_said() -> None:
    said, usual = {named(row[0])[0]: row[1] for row in table("field of `retry`")}, RetryPolicy()
    assert {field.name for field in fields(RetryPolicy)} == set(said)
    assert (usual.initial_interval, usual.ceiling) == (timedelta(seconds=1), timedelta(hours=1))
    assert "`PT1S`" in said["initial_interval"]
    assert "`PT1H`" in said["max_interval"]
    assert f"`{usual.backoff:g}`" in said["backoff"]
    assert f"`{usual.jitter:g}`" in said["jitter"]


# Limits


def of(schema: Json, *path: str) -> Any:
    for name in path:
        schema = schema[name]
    return schema


def mebibytes(count: int) -> str:
    assert count % (1 << 20) == 0
    return f"{count >> 20} MiB"


DEFINED, NODE = properties(shape.DEFINITION), properties(shape._NODE)
LIMITS = {
    "a definition, as a request": mebibytes(Definition.MAX_BYTES),
    "nodes of a definition, bodies included": shape.NODES_LIMIT,
    "edges of a definition, bodies included": shape.EDGES_LIMIT,
    "triggers": shape.TRIGGERS_LIMIT,
    "search attributes": of(DEFINED, "search_attributes", "maxProperties"),
    "characters of a `key`": of(DEFINED, "key", "maxLength"),
    "characters of a node's `id`": 1 + int(re.findall(r"\{0,(\d+)\}\$$", of(NODE, "id", "pattern"))[0]),
    "characters of a `name`": of(DEFINED, "name", "maxLength"),
    "characters of a `description`": of(DEFINED, "description", "maxLength"),
    "characters of an expression": evaluator.SOURCE_LIMIT,
    "levels of an expression": int(re.findall(r"\((\d+) levels", messages.TOO_DEEP)[0]),
    "steps of an expression's loops": cost.STEPS,
    "what one command may compute": f"{COMMAND // UNITS_PER_SECOND} s of a processor",
    "subschemas of a JSON Schema": schema_weight.SCHEMAS_LIMIT,
    "levels of a JSON Schema": schema.LEVELS_LIMIT,
    "keywords of a JSON Schema that look at one value": schema.PLACE_LIMIT,
    "a request's body, and so an input": mebibytes(MAX_BODY),
    "what one node makes: its output, what it asks": mebibytes(size_limit.HEAVIEST),
    "levels of a value that a node makes": size_limit.DEEPEST,
    "nodes entered by an execution": USUAL.steps_per_execution,
    "nodes entered by one command": USUAL.steps_per_command,
    "bytes made by one command": mebibytes(USUAL.bytes_per_command),
    "children within each other": child_start.MOST_DEPTH,
    "executions that start each other by events": arriving.MOST_DEPTH,
    "items of a `foreach`": foreach.MOST_ITEMS,
    "items of a `foreach` at a time": foreach.MOST_CONCURRENCY,
    "`foreach` within each other": bodies.DEEPEST,
    "outcomes of an `approval`": of(properties(approval.CONFIG), "outcomes", "maxItems"),
    "people whose decisions an `approval` counts": asking.MOST_VOTERS,
    "numbers of an `approval`'s `rule`": rules.WHOLE["anyOf"][0]["maximum"],
    "`reasons` of an outcome": approval.REASONS["maxItems"],
    "characters of `means` of an outcome": approval.LONGEST_MEANING,
    "steps of an `approval`": of(properties(approval.CONFIG), "steps", "maxItems"),
    "reminders of an `approval`, or of a step": moments.MOST_REMINDERS,
    "levels of an `escalate`": moments.MOST_ESCALATIONS,
    "people whose managers one level asks": escalation.MOST_ASKED,
    "attachments of a request, a decision or a comment": MOST_ATTACHMENTS,
    "pointers in `depends_on` and `editable`": approval.MOST_POINTERS,
    "`levels` of `manager_of`": asking.MOST_LEVELS,
    "characters of an approval's `title`": of(properties(approval.CONFIG), "title", "maxLength"),
    "characters of a job type": 1 + int(re.findall(r"\{0,(\d+)\}$", task.JOB_TYPE.pattern)[0]),
    "characters of an `event_type`": wait_event.LONGEST_TYPE,
    "`lookback`": f"{wait_event.LONGEST_LOOKBACK.days} days",
    "attempts of a `retry`": policies.MAX_ATTEMPTS,
    "`backoff` of a `retry`": policies.MAX_BACKOFF,
    "a duration": f"{LONGEST.days:,} days",
    "`limit` of `concurrency`, `count` of `rate`": limits.MAX_LIMIT,
    "characters of their `key`": limits.MAX_KEY,
    "characters of a URL": http_requests.MOST_URL,
    "headers of a request": http_requests.MOST_HEADERS,
    "`redirects`": http_requests.MOST_REDIRECTS,
    "an answer's body": mebibytes(http_requests.MOST_BYTES),
    "`request_timeout`": f"{http_requests.LONGEST_TIMEOUT.seconds // 60} minutes",
    "characters of a trigger's business key": starting.LONGEST_KEY,
    "characters of a `cron`": schedule.LONGEST_CRON,
    "times that a schedule keeps waiting": overlap.MOST_WAITING,
}


def test_every_limit_is_what_the_code_has() -> None:
    assert {row[0]: row[1] for row in table("limit")} == {
        name: limit if isinstance(limit, str) else f"{limit:,}" for name, limit in LIMITS.items()
    }


def test_the_limits_of_expressions_are_those_at_which_they_are_refused() -> None:
    deepest, longest, most = LIMITS["levels of an expression"], evaluator.SOURCE_LIMIT, cost.STEPS
    assert CEL.evaluate("(" * deepest + "1" + ")" * deepest, {}) == 1
    assert [each.code for each in CEL.check("(" * (deepest + 1) + "1" + ")" * (deepest + 1), {})] == ["too_large"]
    assert CEL.evaluate("1".ljust(longest), {}) == 1
    assert [each.code for each in CEL.check("1".ljust(longest + 1), {})] == ["too_large"]
    assert CEL.evaluate("input.exists(x, x < 0)", {"input": list(range(most - 1))}) is False
    with pytest.raises(ExpressionError, match="loops too often"):
        CEL.evaluate("input.exists(x, x < 0)", {"input": list(range(most))})


# Expressions


def shown_input() -> Json:
    (found,) = re.findall(r'```text\n(\{"n": 7.*?)```', PAGE, re.DOTALL)
    return json.loads(found)


@pytest.mark.parametrize(("expression", "result"), [(code(row[0]), code(row[1])) for row in table("expression | result")])
def test_an_expression_comes_to_what_stands_beside_it(expression: str, result: str) -> None:
    found, said = CEL.evaluate(expression, {"input": shown_input()}), json.loads(result)
    assert json.dumps(found) == json.dumps(said)
    assert CEL.check(expression, {"input": True}) == ()


@pytest.mark.parametrize(("expression", "error"), [(code(row[0]), code(row[1])) for row in table("expression | error")])
def test_what_is_refused_is_refused_in_these_words(expression: str, error: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        CEL.evaluate(expression, {"input": shown_input()})
    assert str(caught.value) == error


STANDARD = {
    *("size", "contains", "startsWith", "endsWith", "matches", "int", "uint", "double", "string", "bool", "bytes", "type", "dyn"),
    *("timestamp", "duration", "getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear"),
    *("getHours", "getMinutes", "getSeconds", "getMilliseconds", "has", "all", "exists", "exists_one", "filter", "map"),
}
"""The functions and macros of the CEL specification."""
OPERATORS = ("&&", "||", "!", "==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", " in ", "?", "[", "{", ".")


def test_every_function_and_operator_of_the_specification_has_an_example() -> None:
    shown = [code(row[0]) for head in ("expression | result", "expression | error") for row in table(head)]
    assert {name for one in shown for name in re.findall(r"(\w+)\(", one)} >= STANDARD
    assert [operator for operator in OPERATORS if not any(operator in one for one in shown)] == []


def test_every_name_that_expressions_see_is_there() -> None:
    assert {name for row in table("name") for name in named(row[0])} == set(ROOTS)


@pytest.mark.parametrize(
    ("name", "schema"), [("execution", EXECUTION), ("tenant", TENANT), ("event", wait_event.EVENT), ("response", http.RESPONSE)]
)
def test_the_fields_of_what_expressions_see_are_told(name: str, schema: Json) -> None:
    (said,) = [row[1] for row in table("name") if name in named(row[0])]
    assert re.findall(r"\w+", said) == list(properties(schema))


@pytest.mark.parametrize(
    ("code", "definition"),
    [
        ("no_route", drawing({"start": "start", "end": "end"}, "start > end if false")),
        ("expression_error", drawing({"start": "start", "end": "end"}, "start > end if input.n")),
        (
            "timeout",
            drawing({"start": "start", "n": ("wait", {"duration": "P9D"}), "end": "end"}, "start > n", "n > end", timeout="P1D"),
        ),
        ("invalid_output", drawing({"start": "start", "end": "end"}, "start > end", output_schema={"type": "object"})),
        (
            "stuck",
            drawing(
                {"start": "start", "c": ("condition", {"branches": [{"handle": "a", "when": "input.n > 1"}], "default": "b"})}
                | {"x": ("set", {"values": {}}), "j": ("join", {"mode": "all"}), "end": "end"},
                *("start > c", "c.a > x", "c.b > end", "x > j", "start > j", "j > end"),
            ),
        ),
    ],
)
def test_an_execution_fails_with_each_of_the_codes(code: str, definition: Json) -> None:
    with scenario(definition) as s:
        run = s.start({"n": 1})
        s.pass_time("P2D")
        assert run.failed["code"] == code
    assert code in {named(row[0])[0] for row in table("code")}


def test_no_other_code_is_told() -> None:
    """Of the limit of steps, `tests/engine` has a smaller one."""
    assert len(table("code")) == 6
    assert "step_limit" in {named(row[0])[0] for row in table("code")}


def test_the_names_are_seen_where_it_is_said() -> None:
    def codes(definition: Json) -> set[str]:
        return {each.code for each in validate(definition, CEL) if each.severity == "error"}

    ends = {
        "start": "start",
        "end": ("end", {"output": ["=input", "=nodes.start.output", "=execution.business_key", "=tenant.id"]}),
    }
    assert codes(drawing(ends, "start > end")) == set()
    assert codes(drawing({"start": "start", "end": ("end", {"output": "=response"})}, "start > end")) == {"undeclared"}
    assert codes(drawing({"start": "start", "end": ("end", {"output": "=item"})}, "start > end")) == {"undeclared"}
    assert codes(drawing({"start": "start", "end": ("end", {"output": "=scheduled_at"})}, "start > end")) == {"undeclared"}
    attributes = {"search_attributes": {"size": "=nodes.start.output"}}
    assert codes(drawing({"start": "start", "end": "end"}, "start > end", **attributes))
