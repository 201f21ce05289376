"""What an expression yields: numbers, absence, moments, exactness."""

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rpds import HashTrieMap

from engine.cel import CelEvaluator
from engine.expressions import RESERVED_WORDS, ExpressionError, expressions_in, is_expression, resolve

CEL = CelEvaluator()
BIG = 123456789012345678901234567890123456789012345678901234567890

INPUT: dict[str, Any] = {
    "whole": 100,
    "real": 100.5,
    "round": 100.0,
    "a": 100,
    "b": 7,
    "n": 7,
    "one": 1.0,
    "name": "Zoë",
    "big": BIG,
    "nothing": None,
    "items": [1, 2.5, None, "x"],
    "numbers": [3, 4, 5],
    "deep": {"er": {"est": True}},
}


def value(source: str, **variables: Any) -> Any:
    return CEL.evaluate(source, {"input": INPUT, "nodes": {"done": {"output": {"x": 1}}}, **variables})


def error(source: str, **variables: Any) -> str:
    with pytest.raises(ExpressionError) as caught:
        value(source, **variables)
    assert caught.value.code == "expression_error"
    assert caught.value.source == source
    assert len(str(caught.value)) < 250
    return str(caught.value)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("input.whole * 1.1", 100 * 1.1),
        ("input.real * 2", 201.0),
        ("input.whole + 1", 101),
        ("input.whole - 0.5", 99.5),
        ("0.5 - input.whole", -99.5),
        ("input.a + input.b", 107),
        ("input.whole > 99.5", True),
        ("input.real > 100", True),
        ("input.whole == 100.0", True),
        ("input.round == 100", True),
        ("input.whole != 100.0", False),
        ("1 == 1.0", True),
        ("1 < 1.5 && 2.5 >= 2", True),
        ("size(input.items) * 2", 8),
        ("size(input.items) * 1.5", 6.0),
        ("input.n % 2", 1),
        ("7.5 % 2", 1.5),
        ("-7 % 3", -1),
        ("-7.5 % 2", -1.5),
        ("8.0 % 3", 2.0),
        ("(input.a + 1) * 1.5 / (input.b - 3.5) - 1", 151.5 / 3.5 - 1),
        ("[1, 2].map(x, (x + 0.5) * (x / 2))", [0.75, 2.5]),
        ("(1 + 1.5) * (2 - 0.5) / (1 + 1) % 2", 1.875),
        ("'a' + 'b' + 'c'", "abc"),
        ("[1] + [2.5] + input.numbers", [1, 2.5, 3, 4, 5]),
        ("input.b / 2", 3.5),
        ("input.a / 4", 25),
        ("input.round / 8", 12.5),
        ("100 / 3", 100 / 3),
        ("int(100 / 3)", 33),
        ("-input.real", -100.5),
        ("input.items[1]", 2.5),
        ("input.items[input.one] + 1", 3.5),
        ("input.numbers[int(input.n / 4)]", 4),
        ("input.whole in [100.0, 5]", True),
        ("input.numbers.map(x, x * 0.5)", [1.5, 2.0, 2.5]),
        ("9007199254740993", 9007199254740993),
    ],
)
def test_numbers_are_numbers(source: str, expected: Any) -> None:
    result = value(source)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    "source",
    [
        "9223372036854775807 + 1",
        "1 / 0",
        "1.0 / 0",
        "5 % 0",
        "5.0 % 0",
        "1e308 * 10",
        "double('NaN')",
        "[0, -1e308 * 10.0]",
        "{'a': [1 / 0]}",
        "input.numbers.map(x, x / 0)",
        "(-9223372036854775807 - 1) / -1",
    ],
)
def test_a_result_that_is_no_finite_number_of_64_bits_is_an_error(source: str) -> None:
    error(source)


def test_an_integer_of_sixty_digits_that_no_operator_touches_stays_exact() -> None:
    assert value("input.big") == BIG
    assert value("{'kept': [input.big], 'sum': 1 + 1}") == {"kept": [BIG], "sum": 2}
    assert value("input.whole > 5 ? input.big : 0") == BIG
    assert value("input.big == input.big")
    for source in (
        "input.big + 1",
        "input.big * 1.0",
        "-input.big",
        "input.big > 1",
        "input.big + input.big",
        "string(input.big)",
    ):
        error(source)


def test_a_node_that_never_completed_is_absent() -> None:
    assert value("has(nodes.later)") is False
    assert value("has(nodes.done)") is True
    assert value("has(nodes.done.output.x) && nodes.done.output.x == 1") is True
    assert value("!has(nodes.later) || nodes.later.output.x == 1") is True
    assert "later" in error("nodes.later")
    assert "later" in error("nodes.later.output.x == 1")
    assert value("has(input.deep.er)") is True
    assert value("has(input.deep.none)") is False
    assert "event" in error("event.type == 'x'")
    assert "event" in error("event")


@pytest.mark.parametrize(
    "source",
    [
        "input.nope",
        "input.items[4]",
        "input.items[-1]",
        "input.name.x",
        "input.nothing.x",
        "input.nope + 1",
        "[input.nope]",
        "{'a': input.nope}",
        "input.items.map(x, input.nope)",
        "input.name + 1",
        "b'bytes'",
        "type(1)",
        "{1: 2}",
        "'a\\u0000b'",
        "google.protobuf.Any{}",
        "unknown(1)",
        "other.x",
        "input.",
        "",
    ],
)
def test_what_fails_is_an_expression_error(source: str) -> None:
    error(source)


@pytest.mark.parametrize("source", ["input.whole", "input.name", "input.nothing", "input.items", "input.deep", "1", "'true'"])
def test_there_is_no_truthiness(source: str) -> None:
    with pytest.raises(ExpressionError, match="true or false"):
        CEL.evaluate_bool(source, {"input": INPUT})
    assert CEL.evaluate_bool("input.whole > 1", {"input": INPUT}) is True
    assert CEL.evaluate_bool("input.deep.er.est", {"input": INPUT}) is True


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("timestamp('2020-01-01T00:30:00+02:00')", "2019-12-31T22:30:00Z"),
        ("timestamp('2020-01-01T00:00:00.5Z')", "2020-01-01T00:00:00.500000Z"),
        ("timestamp('9999-12-31T23:59:59Z')", "9999-12-31T23:59:59Z"),
        ("[timestamp('2020-01-01T00:00:00Z') + duration('36h')]", ["2020-01-02T12:00:00Z"]),
        ("duration('90061.5s')", "PT25H1M1.5S"),
        ("duration('0s')", "PT0S"),
        ("duration('-90s')", "-PT1M30S"),
        ("duration('0.000001s')", "PT0.000001S"),
        ("timestamp('2020-03-01T00:00:00Z') - timestamp('2020-02-01T00:00:00Z')", "PT696H"),
        ("timestamp('2020-01-01T00:00:00Z') < timestamp('2021-01-01T00:00:00Z')", True),
    ],
)
def test_moments_leave_as_rfc_3339_and_spans_as_iso_8601(source: str, expected: Any) -> None:
    assert value(source) == expected


def test_an_object_leaves_with_its_keys_in_order() -> None:
    assert list(value("{'c': 1, 'a': null, 'b': [null]}")) == ["a", "b", "c"]


def test_persistent_maps_are_objects_too() -> None:
    nodes = HashTrieMap({"x": {"output": {"y": [1, None]}}})
    assert value("nodes.x.output.y", nodes=nodes) == [1, None]
    assert value("size(nodes) + nodes.x.output.y[0]", nodes=nodes) == 2
    assert value("nodes", nodes=nodes) == value("[nodes][0]", nodes=nodes) == {"x": {"output": {"y": [1, None]}}}


def test_every_reserved_word_is_one() -> None:
    for word in RESERVED_WORDS:
        assert CEL.check(f"nodes.{word}.output", {"nodes": True}) or word not in {"in", "true", "false", "null"}
        assert [finding.code for finding in CEL.check(f"[1].map({word}, 1)", {})], word


def test_a_loop_variable_may_hide_a_root() -> None:
    assert value("[{'whole': 1}].map(input, input.whole)") == [1]


text = st.text(st.characters(exclude_characters="\x00", codec="utf-8"), max_size=20)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**60), 10**60) | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(text, inner, max_size=5),
    max_leaves=20,
)


def canonical(given_value: Any) -> str:
    return json.dumps(given_value, sort_keys=True)


@settings(deadline=None)  # the machine may be busy
@given(json_values)
def test_what_no_operator_touches_leaves_as_it_came(anything: Any) -> None:
    variables = {"input": {"v": anything}}
    for source in ("input.v", "input['v']", "[input.v][0]", "{'k': input.v}.k", "true ? input.v : 0", "[input].map(x, x.v)[0]"):
        assert canonical(CEL.evaluate(source, variables)) == canonical(anything)


small = st.integers(-(2**31), 2**31) | st.floats(-1e12, 1e12)


@settings(deadline=None)  # the machine may be busy
@given(small, small)
def test_mixed_arithmetic_is_pythons(a: float, b: float) -> None:
    variables = {"input": {"a": a, "b": b}}

    def same(source: str, expected: float) -> None:
        result = CEL.evaluate(source, variables)
        assert math.isclose(result, expected, rel_tol=1e-15, abs_tol=0.0)
        assert isinstance(result, int) == (isinstance(a, int) and isinstance(b, int) and isinstance(expected, int))

    same("input.a + input.b", a + b)
    same("input.a - input.b", a - b)
    same("input.a * input.b", a * b)
    assert CEL.evaluate("[input.a < input.b, input.a == input.b, input.a >= input.b]", variables) == [a < b, a == b, a >= b]
    if b != 0 and math.isfinite(a / b):
        whole = isinstance(a, int) and isinstance(b, int)
        same("input.a / input.b", a // b if whole and a % b == 0 else a / b)
        if whole:
            assert CEL.evaluate("input.a % input.b", variables) == int(math.fmod(a, b))


def test_a_configuration_names_its_expressions_by_pointer() -> None:
    config = {"title": "=input.name", "plain": "x", "literal": "==1", "rows": [{"a/b": "= 1 + 1"}, 5], "none": None}
    assert list(expressions_in(config)) == [("/title", "input.name"), ("/rows/0/a~1b", " 1 + 1")]
    assert resolve(config, CEL, {"input": INPUT}) == {
        "title": "Zoë",
        "plain": "x",
        "literal": "=1",
        "rows": [{"a/b": 2}, 5],
        "none": None,
    }
    assert is_expression("=x")
    assert not any(map(is_expression, ("==x", "x", "", 5, None, ["=x"])))
    with pytest.raises(ExpressionError):
        resolve({"a": ["=input.nope"]}, CEL, {"input": INPUT})


def test_an_error_cites_little_of_a_value_of_any_size() -> None:
    assert len(error('{"a": input.k}[input.k]', input={"k": "k" * 100_000})) < 250
    assert len(error("input[input.k]", input={"k": "k" * 100_000})) < 250
