"""What publishing says about an expression."""

from typing import Any

import pytest

from engine.cel import CelEvaluator
from engine.expressions import nodes_schema

CEL = CelEvaluator()

INPUT = {
    "type": "object",
    "properties": {
        "amount": {"type": "number"},
        "count": {"type": "integer"},
        "name": {"type": "string"},
        "urgent": {"type": "boolean"},
        "note": {"type": ["string", "null"]},
        "lines": {"type": "array", "items": {"$ref": "#/$defs/line"}},
        "tags": {"type": "array", "items": {"type": "string"}},
        "free": {"type": "object"},
        "open": {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": True},
        "map": {"type": "object", "additionalProperties": {"type": "integer"}},
        "either": {"oneOf": [{"type": "string"}, {"type": "object"}]},
        "loop": {"$ref": "#/properties/loop"},
    },
    "$defs": {"line": {"type": "object", "properties": {"price": {"type": "number"}, "lines": {"$ref": "#/properties/lines"}}}},
}
REVIEW = {"type": "object", "properties": {"score": {"$ref": "#/$defs/score"}}, "$defs": {"score": {"type": "integer"}}}
TYPES: dict[str, Any] = {"input": INPUT, "nodes": nodes_schema({"fetch": None, "review": REVIEW}), "execution": True}


def codes(source: str, want: Any = None) -> list[str]:
    return [finding.code for finding in CEL.check(source, TYPES, want)]


@pytest.mark.parametrize(
    "source",
    [
        "input.amount > 1000",
        "input.amount * 1.1 > input.count",
        "input.count == 1.0",
        "1 == 1.0",
        "input.amount in [1, 2]",
        "input.urgent",
        "input.note == null || input.note == 'x'",
        "has(nodes.fetch)",
        "has(nodes.review.output.score)",
        "has(input.name) && input.name == 'x'",
        "has( input . name ) ? input.name == '' : false",
        "has (input.urgent) && input.urgent",
        "nodes.fetch.output.anything.at.all == 1",
        "nodes.review.output.score > 1.5",
        "nodes.fetch.error.type == 'timeout'",
        "input.lines.exists(l, l.price > 5)",
        "input.lines[0].lines[1].price > 2",
        "input.free.x == 1",
        "input.open.b == 'x'",
        "input.map.whatever > 1",
        "input.either.x == 1",
        "input.loop.x == 1",
        "execution.id == 'x'",
        "input.tags.all(t, t != '')",
        "input['name'] == 'x'",
        "(input.amount > 1 ? 1 : 2.5) > 1",
        "input.lines.all(input, input.price > 1)",
        "input.count / 2 > 1 && input.tags[input.count] == 'x'",
        "timestamp(input.name) < timestamp('2020-01-01T00:00:00Z')",
    ],
)
def test_a_sound_condition_has_no_findings(source: str) -> None:
    assert CEL.check(source, TYPES, "bool") == ()


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("input.amuont > 1", "unknown_field"),
        ("has(input.amuont)", "unknown_field"),
        ("input['amuont'] > 1", "unknown_field"),
        ("nodes.review.output.grade == 1", "unknown_field"),
        ("nodes.rewiev.output.score == 1", "unknown_field"),
        ("has(nodes.rewiev)", "unknown_field"),
        ("nodes.fetch.outputs == 1", "unknown_field"),
        ("nodes.fetch.error.code == 1", "unknown_field"),
        ("input.lines.exists(l, l.cost > 5)", "unknown_field"),
        ("input.lines[0].cost > 5", "unknown_field"),
        ("input.lines.all(l, l.lines.all(m, m.cost > 1))", "unknown_field"),
        ("input.name.length > 5", "unknown_field"),
        ("input.lines.price > 5", "unknown_field"),
        ("event.type == 'x'", "undeclared"),
        ("amount > 5", "undeclared"),
        ("input.name * 2 > 1", "type"),
        ("input.name > 5", "type"),
        ("input.urgent + 1 > 5", "type"),
        ("'a' == 1", "type"),
        ("input.urgent && input.name", "type"),
        ("input.tags.all(t, t > 1)", "type"),
        ("nodes.review.output.score == 'good'", "type"),
        ("frobnicate(1)", "type"),
        ("google.protobuf.Any{}", "type"),
        ("input.amount", "not_bool"),
        ("input.tags", "not_bool"),
        ("input.amount * 2", "not_bool"),
        ("'true'", "not_bool"),
        ("1 +", "syntax"),
        ("", "syntax"),
        ("a\x00b", "syntax"),
        ("'\ud800'", "syntax"),
        ("x" * 5000, "too_large"),
        ("[" * 50 + "]" * 50, "too_large"),
        ("input.tags.map(x, " * 3 + "(size([x]) % " * 20 + "1.5" + ")" * 23, "too_large"),
    ],
)
def test_an_unsound_condition_is_found(source: str, code: str) -> None:
    assert code in codes(source, "bool")
    assert all(finding.message and len(finding.message) < 250 for finding in CEL.check(source, TYPES, "bool"))


def test_a_finding_tells_line_and_column() -> None:
    (unknown,) = CEL.check("input.name == 'é' &&\n  input.nmae == 1", TYPES)
    assert (unknown.line, unknown.column) == (2, 8)
    assert "nmae" in unknown.message
    (syntax,) = CEL.check("1 +\n  ) ", TYPES)[:1]
    assert (syntax.line, syntax.column) == (2, 3)
    (wrong,) = CEL.check("has(input.name) && input.name * 2 > 1", TYPES)
    assert (wrong.line, wrong.column) == (1, 31)


def test_without_a_wish_any_type_will_do() -> None:
    assert codes("input.amount") == []
    assert codes("input.amount > 1 ? 'much' : null") == []


@pytest.mark.parametrize(
    "schema",
    [
        None,
        True,
        False,
        {},
        [],
        5,
        {"properties": 5},
        {"type": 7},
        {"$ref": "#/nowhere"},
        {"$ref": 3},
        {"type": "array"},
        {"type": "array", "items": {"$ref": "#"}},
        {"$ref": "https://example.com/schema"},
        {"additionalProperties": 3},
    ],
)
def test_a_strange_schema_is_no_reason_to_fail(schema: Any) -> None:
    for source in ("input", "input.a.b == 1", "input[0][0].b", "input.map(x, x.y)"):
        CEL.check(source, {"input": schema})


CITY = {"properties": {"city": {"type": "string"}}}
SCHEMAS: dict[str, Any] = {
    "an anchor": {"properties": {"a": {"$ref": "#place"}}, "$defs": {"p": {"$anchor": "place", **CITY}}},
    "a reference and what stands beside it": {
        "properties": {"a": {"$ref": "#/$defs/p", **CITY}},
        "$defs": {"p": {"properties": {"street": {"type": "string"}}}},
    },
    "a reference at the top": {"$ref": "#/$defs/p", "properties": {"a": CITY}, "$defs": {"p": {"properties": {"b": True}}}},
    "what depends on another field": {"properties": {"a": {"properties": {"b": True}, "dependentSchemas": {"b": CITY}}}},
    "what is not evaluated otherwise": {
        "properties": {"a": {"properties": {"b": True}, "unevaluatedProperties": {"type": "string"}}},
    },
}


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS.keys())
def test_fields_are_known_however_a_schema_says_so(schema: Any) -> None:
    assert CEL.check("input.a.city == 'Rome'", {"input": schema}) == ()


def test_an_anchor_is_followed_and_what_is_closed_stays_closed() -> None:
    for schema in (SCHEMAS["an anchor"], {"properties": {"a": {"properties": {"city": True}, "unevaluatedProperties": False}}}):
        assert [found.code for found in CEL.check("input.a.town == 'Rome'", {"input": schema})] == ["unknown_field"]
    assert [found.code for found in CEL.check("input.a.city + 1", {"input": SCHEMAS["an anchor"]})] == ["type"]


@pytest.mark.parametrize(
    "source",
    ["type(input.count) == int", "type(input.free) == map", "[1, 2].map(x, type(x)) == [int, int]", "type(null) == null_type",
     "type(timestamp('2026-01-01T00:00:00Z')) == google.protobuf.Timestamp"],
)  # fmt: skip
def test_types_have_names(source: str) -> None:
    assert codes(source) == []
    assert CEL.evaluate(source, {"input": {"count": 1, "free": {}}}) is True


@pytest.mark.parametrize("source", ["[1, 2] == [1.0, 2.0]", "[input.amount] != [1]", "[1] in [[1.0], [2.5]]"])
def test_lists_of_decimals_and_of_whole_numbers_compare(source: str) -> None:
    assert codes(source) == []
    assert CEL.evaluate(source, {"input": {"amount": 1.5}}) is True


@pytest.mark.parametrize("source", ["Thing{a: 1}", "a.b.Thing{a: 1, b: 2, c: 3}", "google.protobuf.Duration{seconds: 1}"])
def test_objects_with_a_type_name_are_a_finding(source: str) -> None:
    assert codes(source) == ["type"]
