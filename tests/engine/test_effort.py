"""What one command may compute: estimates, shares, and what is done by others."""

import time
from typing import Any

import pytest

from domain.effort import COMMAND, HERE, Answer, Effort, Work
from engine import heavy
from engine.cel import CelEvaluator
from engine.expressions import Budgeted, ExpressionError, resolve
from engine.regex_weight import HEAVIEST, regex_weight
from engine.schema import SchemaError, check_schema, faults
from engine.validate import findings
from runtime.aside import plain
from tests.engine.drawing import drawing

EVALUATOR = CelEvaluator()
TEXT = "a" * 900_000


class Others:
    """Who does heavy work, here at once; as plain data."""

    def __init__(self) -> None:
        self.asked: list[Work] = []

    def __call__(self, work: Work, _seconds: float) -> Answer:
        self.asked.append(work)
        assert plain(work)
        return 0, heavy.answer(work)

    @property
    def effort(self) -> Effort:
        return Effort(self)


def seconds_of(what: Any) -> float:
    began = time.perf_counter()
    what()
    return time.perf_counter() - began


HOSTILE = {
    "a pattern with large repetitions": ('input.text.matches(".{1,1000}.{1,1000}x")', {"text": TEXT}),
    "one with repetitions in one another": ('input.text.matches("((a{1,50}){1,50}){1,50}x")', {"text": TEXT}),
    "a pattern that is data": ("input.text.matches(input.pattern)", {"text": TEXT, "pattern": ".{1,1000}.{1,1000}x"}),
    "a pattern that is computed": ('input.text.matches(input.pattern + "x")', {"text": TEXT, "pattern": ".{1,1000}.{1,1000}"}),
    "a text in itself": ("input.text.contains(input.part)", {"text": TEXT, "part": "a" * 400_000 + "b"}),
    "a map of a map": ("input.list.map(x, input.list.map(y, [x, y]))", {"list": list(range(5_000))}),
}


@pytest.mark.parametrize(("source", "input"), HOSTILE.values(), ids=HOSTILE.keys())
def test_an_expression_that_computes_too_much_is_refused_before_it_does(source: str, input: Any) -> None:
    def evaluate() -> None:
        with pytest.raises(ExpressionError, match=r"more computing than one command may|costs too much|loops too often"):
            EVALUATOR.evaluate(source, {"input": input}, Effort())

    assert seconds_of(evaluate) < 2


def test_the_share_is_the_commands_and_not_the_expressions() -> None:
    """Twenty maps, each of which is allowed."""
    rows = {"list": list(range(2_000))}
    config = {f"m{number}": f"=input.list.map(x, x + {number})" for number in range(20)}
    assert len(resolve(config["m1"], Budgeted(EVALUATOR, Effort()), {"input": rows})) == 2_000
    with pytest.raises(ExpressionError, match="more computing than one command may"):
        resolve(config, Budgeted(EVALUATOR, Effort()), {"input": rows})


def test_what_is_light_is_done_here_and_what_is_heavy_by_others_with_the_same_result() -> None:
    others = Others()
    light, heavy_one = "input.list.map(x, x * 2)", "input.list.filter(x, x % 2 == 0).size() + input.more"
    small, large = {"list": [1, 2], "more": 2**70}, {"list": list(range(4_000)), "more": 1}
    assert EVALUATOR.evaluate(light, {"input": small}, others.effort) == [2, 4]
    assert others.asked == []
    assert EVALUATOR.evaluate(heavy_one, {"input": large}, others.effort) == 2_001
    [(kind, sources, variables)] = others.asked
    assert (kind, sources, variables) == ("evaluate", [heavy_one], {"input": large})
    with pytest.raises(ExpressionError, match="does not take") as failed:
        EVALUATOR.evaluate("input.list.map(x, x + 'a')", {"input": large}, others.effort)
    assert failed.value.source == "input.list.map(x, x + 'a')"


def test_all_expressions_of_a_configuration_are_one_piece_of_work() -> None:
    others = Others()
    config = {f"e{number}": "=input.list.map(x, x)" for number in range(3)} | {"plain": "==x", "path": "=input.list"}
    rows = list(range(1_000))
    resolved = resolve(config, Budgeted(EVALUATOR, others.effort), {"input": {"list": rows}})
    assert resolved == {"e0": rows, "e1": rows, "e2": rows, "plain": "=x", "path": rows}
    assert len(others.asked) == 1


def test_what_had_to_be_stopped_is_an_error_like_any_other() -> None:
    effort = Effort(lambda _work, _seconds: None)
    with pytest.raises(ExpressionError, match="more computing than one command may"):
        EVALUATOR.evaluate("input.list.map(x, x)", {"input": {"list": list(range(4_000))}}, effort)
    assert effort.spent
    [fault] = faults({"items": {"type": "string"}}, ["x"] * 500_000, "/input", effort)
    assert (fault.path, fault.code) == ("/input", "too_costly")


def test_usual_work_is_light() -> None:
    effort = Others().effort
    schema = {"type": "object", "properties": {f"p{n}": {"type": "string", "maxLength": 100} for n in range(50)}}
    value = {f"p{n}": "some words" for n in range(50)}
    for _ in range(20):
        assert faults(schema, value, "", effort) == ()
    assert EVALUATOR.evaluate("input.p1.matches('^[a-z ]+$') && input.p2 != ''", {"input": value}, effort) is True
    assert HERE - effort.here < HERE // 2


# --- Schemas ----------------------------------------------------------------------------------------------------------


def doubling(levels: int) -> Any:
    """Two references in each of so many definitions."""
    defs: dict[str, Any] = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(levels)}
    defs[f"d{levels}"] = {"type": "integer"}
    return {"$ref": "#/$defs/d0", "$defs": defs}


def below(levels: int) -> Any:
    """The same, one level further down in the value each time."""
    defs: dict[str, Any] = {f"d{n}": {"allOf": [{"properties": {"a": {"$ref": f"#/$defs/d{n + 1}"}}}] * 2} for n in range(levels)}
    defs[f"d{levels}"] = {"type": "integer"}
    return {"$ref": "#/$defs/d0", "$defs": defs}


TREE = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#"}}},
    "required": ["name"],
}
TWICE = {"$anchor": "node", "allOf": [{"properties": {"a": {"$ref": "#node"}}}, {"properties": {"a": {"$ref": "#node"}}}]}


def nested(depth: int, key: str = "a") -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = {key: value}
    return value


UNBEARABLE = {
    "references that double": doubling(28),
    "a schema of itself": {"allOf": [{"$ref": "#"}]},
    "two of one another": {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"anyOf": [{"$ref": "#/$defs/a"}]}}},
    "a long chain": {
        "$ref": "#/$defs/d0",
        "$defs": {f"d{n}": {"$ref": f"#/$defs/d{n + 1}"} for n in range(5_000)} | {"d5000": True},
    },
    "a heavy pattern": {"pattern": "(a{1,300}){1,300}"},
    "many patterns": {"allOf": [{"pattern": f"^[a-z]{{1,{n}}}$"} for n in range(1, 500)]},
    "patterns that double": {"$defs": doubling(14)["$defs"] | {"d14": {"pattern": "^[a-z]{1,20}$"}}, "$ref": "#/$defs/d0"},
}


@pytest.mark.parametrize("schema", UNBEARABLE.values(), ids=UNBEARABLE.keys())
def test_a_schema_that_no_value_would_bear_is_refused(schema: Any) -> None:
    def check() -> None:
        with pytest.raises(SchemaError):
            check_schema(schema)

    assert seconds_of(check) < 3


@pytest.mark.parametrize("schema", [TREE, TWICE, doubling(8), below(28), {"type": "object"}, True])
def test_other_schemas_are_taken_and_recursive_ones_too(schema: Any) -> None:
    check_schema(schema)


def test_a_recursive_schema_is_as_heavy_as_its_value_is_deep() -> None:
    others = Others()
    tree = {"name": "a", "children": [{"name": "b", "children": []}] * 20}
    assert faults(TREE, tree, "", others.effort) == ()
    assert others.asked == [], "what goes down once at each level is light"
    assert faults(TWICE, nested(5), "", others.effort) == ()
    assert others.asked == []
    for schema in (TWICE, below(28)):
        effort = Effort(lambda _work, _seconds: None)
        assert [fault.code for fault in faults(schema, nested(40), "", effort)] == ["too_costly"]


def test_what_was_published_before_is_not_held_against_anything_here() -> None:
    """A schema that would be refused today."""
    others: list[Work] = []
    effort = Effort(lambda work, _seconds: others.append(work))
    assert [fault.code for fault in faults(doubling(28), "x", "/input", effort)] == ["too_costly"]
    assert len(others) == 2, "every fault, then the first"


def test_of_a_large_value_with_many_faults_the_first_is_told() -> None:
    """The library finds all before it tells one."""
    stopped: list[Work] = []

    def ask(work: Work, _seconds: float) -> Answer:
        if not stopped:
            stopped.append(work)
            return None
        return 0, heavy.answer(work)

    found = faults({"items": {"type": "string"}}, [1] * 100_000, "/input", Effort(ask))
    assert [(fault.path, fault.code) for fault in found] == [("/input/0", "type")]


def test_where_there_is_nobody_to_ask_the_first_fault_of_a_large_value_is_told() -> None:
    """A model's answer in a worker: 200,000 faults took seven seconds."""
    found: list[Any] = []
    assert seconds_of(lambda: found.extend(faults({"items": {"type": "string"}}, [1] * 200_000))) < 2
    assert [(fault.path, fault.code) for fault in found] == [("/0", "type")]
    assert len(faults({"items": {"type": "string"}}, [1] * 2_000)) == 50


def test_a_definition_is_checked_within_bounds() -> None:
    definition = drawing(
        {"start": "start", "end": "end", "s": ("set", {"values": {f"v{n}": "=input.x + 1" for n in range(3_000)}})},
        "start > s",
        "s > end",
    )
    others = Others()
    assert findings(definition, EVALUATOR, others.effort) == findings(definition, EVALUATOR, Effort())
    assert len(others.asked) == 1
    [found] = findings(definition, EVALUATOR, Effort(lambda _work, _seconds: None))
    assert (found.severity, found.code) == ("error", "too_costly")


@pytest.mark.parametrize(
    ("pattern", "least", "most"),
    [
        ("", 0, 0),
        ("abc", 3, 3),
        ("^[A-Z]{2}[0-9]{2}$", 6, 6),
        (".{1,1000}.{1,1000}x", 2_000, 10_000),
        ("((a{10}){10}){10}", 1_000, 1_000),
        ("(" * 5_000, 0, 5_000),
        (")" * 5_000, 0, 5_000),
        ("a{999999999}" * 3, HEAVIEST, HEAVIEST),
        (r"\{9\}[{9}]\\", 3, 20),
        ("[" * 10_000, 1, 10_000),
        ("(?i)(?P<name>a|b)+?", 2, 20),
    ],
)
def test_the_weight_of_a_pattern(pattern: str, least: int, most: int) -> None:
    assert least <= regex_weight(pattern) <= most


def test_a_command_has_its_share_and_no_more() -> None:
    effort = Effort()
    assert not effort.spent
    assert effort.is_light(COMMAND // 2)
    assert effort.spent
