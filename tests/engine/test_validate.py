"""What an author is told before publishing."""

from typing import Any

import pytest

from domain.facts import Json
from engine.validate import validate
from tests.engine.drawing import EVALUATOR, ask, drawing

GOOD = drawing(
    {
        "start": "start",
        "size": ("condition", {"branches": [{"handle": "large", "when": "input.amount > 1000"}], "default": "small"}),
        "ask": ask(
            "approved:approve:boss", "rejected:reject:boss", form={"type": "object", "properties": {"cut": {"type": "number"}}}
        ),
        "note": ("set", {"values": {"by": "=nodes.ask.output.user_id", "fixed": 1}}),
        "yes": ("end", {"output": "=nodes.note.output.by"}),
        "no": ("fail", {"code": "refused", "message": "='Refused: ' + nodes.ask.output.outcome"}),
        "small": "end",
    },
    "start > size",
    "size.large > ask",
    "size.small > small",
    "ask.approved > note if nodes.ask.output.form.cut <= input.amount",
    "ask.approved > note if nodes.ask.output.form.cut > input.amount",
    "ask.rejected > no",
    "note > yes",
    "note.error > no",
    input_schema={"type": "object", "properties": {"amount": {"type": "number"}}, "required": ["amount"]},
    search_attributes={"amount": "=input.amount"},
)


def found(definition: Json) -> set[tuple[str, str, str, str | None]]:
    findings = validate(definition, EVALUATOR)
    assert all(finding.message for finding in findings)
    return {(finding.severity, finding.code, finding.path, finding.node_id) for finding in findings}


def changed(path: str, value: Any) -> Json:
    """GOOD with one place changed; the last part of the path may be new."""

    def put(here: Any, parts: list[str]) -> Any:
        if not parts:
            return value
        key: Any = int(parts[0]) if isinstance(here, list) else parts[0]
        copy = list(here) if isinstance(here, list) else dict(here)
        copy[key] = put(copy[key] if len(parts) > 1 else None, parts[1:])
        return copy

    return put(GOOD, path.strip("/").split("/"))


def test_nothing_is_found_in_a_good_definition() -> None:
    assert validate(GOOD, EVALUATOR) == []


@pytest.mark.parametrize("definition", [None, 1, [], "x", {}, {"key": "a", "name": "b", "nodes": {}, "edges": []}])
def test_what_is_no_definition_is_told_so(definition: Json) -> None:
    assert any(finding.severity == "error" for finding in validate(definition, EVALUATOR))


@pytest.mark.parametrize(
    ("path", "value", "code", "node_id"),
    [
        ("/key", "No", "pattern", None),
        ("/nope", 1, "unknown_field", None),
        ("/timeout", "5 minutes", "invalid_value", None),
        ("/timeout", "PT0S", "invalid_value", None),
        ("/retry", {"max_attempts": 3}, "not_supported_yet", None),
        ("/input_schema", {"type": "nope"}, "invalid_schema", None),
        ("/input_schema", {"$ref": "https://example.com/schema"}, "invalid_schema", None),
        ("/triggers/0/type", "nope", "unknown_trigger", None),
        ("/triggers/0/cron", "* * * * *", "unknown_field", None),
        ("/nodes/1/id", "1st", "pattern", "1st"),
        ("/nodes/1/nope", 1, "unknown_field", "size"),
        ("/nodes/3/retry", {"max_attempts": 3}, "unknown_field", "note"),
        ("/nodes/3/timeout", "PT5M", "unknown_field", "note"),
        ("/nodes/2/retry", {"max_attempts": 3}, "unknown_field", "ask"),
        ("/nodes/2/retry", {"max_attempts": 0}, "minimum", "ask"),
        ("/nodes/2/retry", {"max_attempts": 2, "tries": 3}, "unknown_field", "ask"),
        ("/nodes/2/retry", {"max_attempts": 2, "initial_interval": "soon"}, "invalid_value", "ask"),
        ("/nodes/2/timeout", "5 minutes", "invalid_value", "ask"),
        ("/nodes/2/timeout", "PT0S", "invalid_value", "ask"),
        ("/nodes/2/timeout", "P101Y", "invalid_value", "ask"),
        ("/nodes/2/compensate", "x", "unknown_node", "ask"),
        ("/nodes/2/compensate", "ask", "invalid_value", "ask"),
        ("/nodes/2/compensate", "yes", "invalid_value", "ask"),
        ("/nodes/1/compensate", "note", "unknown_field", "size"),
        ("/nodes/1/type", "nope", "unknown_node_type", "size"),
        ("/nodes/4/id", "note", "duplicate_id", "note"),
        ("/nodes/4/id", "in", "reserved", "in"),
        ("/nodes/4/type", "start", "duplicate_start", "yes"),
        ("/nodes/3/config/value", {}, "unknown_field", "note"),
        ("/nodes/2/config/title", 7, "type", "ask"),
        ("/nodes/2/config/rule", {"type": "quorum"}, "enum", "ask"),
        ("/nodes/2/config/delegation", [], "not_supported_yet", "ask"),
        ("/nodes/2/config/form", {"type": "nope"}, "invalid_schema", "ask"),
        ("/nodes/2/config/due_in", "3 days", "invalid_value", "ask"),
        ("/nodes/2/config/outcomes/0/name", "error", "reserved", "ask"),
        ("/nodes/2/config/outcomes/1/name", "approved", "duplicate_handle", "ask"),
        ("/nodes/2/config/outcomes/0/interrupts", ["nobody"], "unknown_node", "ask"),
        ("/nodes/2/config/outcomes/0/interrupts", ["ask"], "invalid_value", "ask"),
        ("/nodes/2/config/outcomes/0/by", {}, "minProperties", "ask"),
        ("/nodes/2/config/outcomes/0/by/users", ["ann"], "invalid_value", "ask"),
        ("/nodes/2/config/outcomes/0/by/expr", "nodes.nope", "unknown_field", "ask"),
        ("/nodes/1/config/branches/0/when", "input.amount +", "syntax", "size"),
        ("/nodes/1/config/branches/0/when", "input.amount", "not_bool", "size"),
        ("/nodes/1/config/branches/0/when", "input.mount > 1", "unknown_field", "size"),
        ("/nodes/4/config/output", "=nodes.note.output.bye", "unknown_field", "yes"),
        ("/nodes/4/config/output", "=nope", "undeclared", "yes"),
        ("/nodes/4/config/output", "=event.data", "undeclared", "yes"),
        ("/edges/3/when", "nodes.ask.output.form.cut == 'x' && 1", "type", "ask"),
        ("/edges/0/target", "nope", "unknown_node", "start"),
        ("/edges/0/source_handle", "nope", "unknown_handle", "start"),
        ("/search_attributes/amount", "=nodes.note.output", "undeclared", None),
    ],
)
def test_a_fault_is_named_with_its_place(path: str, value: Any, code: str, node_id: str | None) -> None:
    findings = found(changed(path, value))
    assert any(
        severity == "error" and found_code == code and place.startswith(path) and found_id == node_id
        for severity, found_code, place, found_id in findings
    ), findings


def test_a_definition_has_a_start() -> None:
    assert ("error", "missing_start", "/nodes", None) in found(drawing({"end": "end"}))


def test_a_handle_that_tokens_leave_by_needs_an_edge() -> None:
    assert ("error", "unconnected_handle", "/nodes/1", "ask") in found(
        drawing({"start": "start", "ask": ask(), "end": "end"}, "start > ask", "ask.approved > end")
    )


def test_an_error_handle_without_an_edge_is_a_warning_where_an_expression_may_fail() -> None:
    def definition(value: Json) -> Json:
        return drawing({"start": "start", "set": ("set", {"values": {"x": value}}), "end": "end"}, "start > set", "set > end")

    assert found(definition("=input.x")) == {("warning", "unconnected_handle", "/nodes/1", "set")}
    assert found(definition("x")) == set()


def saga(undo: Any = ("task", {"job_type": "undo"}), *edges: str, **more: Any) -> set[tuple[str, str, str, str | None]]:
    nodes = {"start": "start", "book": ("task", {"job_type": "book"}, {"compensate": "undo"}), "undo": undo, "end": "end", **more}
    return found(drawing(nodes, "start > book", "book > end", "book.error > end", *edges))


def test_what_undoes_a_node_stands_by_itself() -> None:
    assert saga() == set()
    assert ("error", "compensation_with_edges", "/edges/3/source", "undo") in saga(("task", {"job_type": "undo"}), "undo > end")
    assert ("error", "compensation_with_edges", "/edges/3/target", "undo") in saga(("task", {"job_type": "undo"}), "book > undo")
    assert ("error", "invalid_value", "/nodes/1/compensate", "book") in saga(("join", {"mode": "any"}))
    undone = ("task", {"job_type": "undo"}, {"compensate": "again"})
    assert ("error", "invalid_value", "/nodes/1/compensate", "book") in saga(undone, again=("task", {"job_type": "again"}))


def test_what_undoes_a_node_knows_what_it_came_to() -> None:
    assert saga(("set", {"values": {"x": "=compensates.output", "y": "=compensates.input", "z": "=nodes.book.output"}})) == set()
    assert ("error", "unknown_field", "/nodes/2/config/values/x", "undo") in saga(
        ("set", {"values": {"x": "=compensates.outpt"}})
    )
    sees = {"start": "start", "set": ("set", {"values": {"x": "=compensates.output"}}), "end": "end"}
    assert ("error", "undeclared", "/nodes/1/config/values/x", "set") in found(drawing(sees, "start > set", "set > end"))


def test_every_node_can_be_reached() -> None:
    nodes: dict[str, Any] = {"start": "start", "end": "end", "island": ("set", {"values": {}})}
    assert ("error", "unreachable", "/nodes/2", "island") in found(drawing(nodes, "start > end", "island > end"))


def join_of(mode: Json, *edges: str) -> set[tuple[str, str, str, str | None]]:
    nodes = {"start": "start", "a": ask("ok:approve"), "b": ask("ok:approve"), "join": ("join", mode), "end": "end"}
    return found(drawing(nodes, *edges, "join > end"))


PARALLEL = ("start > a", "start > b", "a.ok > join", "b.ok > join")


def test_a_join_that_waits_for_more_edges_than_come_in_never_fires() -> None:
    assert join_of({"mode": "count", "count": 2}, *PARALLEL) == set()
    assert ("error", "join_never_fires", "/nodes/3", "join") in join_of({"mode": "count", "count": 3}, *PARALLEL)


def test_a_join_of_alternatives_never_fires() -> None:
    nodes = {"start": "start", "check": ("condition", {"branches": [{"handle": "yes", "when": "true"}], "default": "no"})}
    edges = ("start > check", "check.yes > a", "check.no > b", "a.ok > join", "b.ok > join", "join > end")
    for mode, findings in (("all", {("error", "join_never_fires", "/nodes/4", "join")}), ("any", set())):
        rest = {"a": ask("ok:approve"), "b": ask("ok:approve"), "join": ("join", {"mode": mode}), "end": "end"}
        assert found(drawing({**nodes, **rest}, *edges)) == findings


def test_a_join_that_waits_for_what_comes_after_it_never_fires() -> None:
    nodes = {"start": "start", "join": ("join", {"mode": "all"}), "ask": ask("ok:approve", "again:changes"), "end": "end"}
    edges = ("start > join", "join > ask", "ask.again > join", "ask.ok > end")
    assert found(drawing(nodes, *edges)) == {("error", "join_never_fires", "/nodes/1", "join")}


def test_a_join_never_fires_for_the_first_time_by_what_comes_from_behind_it() -> None:
    """k sends back to both at once; but before it is asked for the first time, nothing comes from b."""
    nodes = {"start": "start", "a": ask("ok:approve"), "b": ask("ok:approve"), "join": ("join", {"mode": "all"})}
    nodes |= {"k": ask("ok:approve", "again:changes"), "end": "end"}
    edges = ("start > a", "a.ok > join", "b.ok > join", "join > k", "k.again > a", "k.again > b", "k.ok > end")
    assert found(drawing(nodes, *edges)) == {("error", "join_never_fires", "/nodes/3", "join")}
    assert found(drawing(nodes, "start > b", *edges)) == {
        ("warning", "stuck_at_join", "/edges/5", "k"),  # each of the two by itself
        ("warning", "stuck_at_join", "/edges/6", "k"),
    }


def test_a_join_of_one_edge_joins_nothing() -> None:
    nodes = {"start": "start", "join": ("join", {"mode": "all"}), "end": "end"}
    assert found(drawing(nodes, "start > join", "join > end")) == {("warning", "nothing_to_join", "/nodes/1", "join")}


def test_count_belongs_to_the_mode_count() -> None:
    assert ("error", "required", "/nodes/3/config/count", "join") in join_of({"mode": "count"}, *PARALLEL)
    assert ("error", "unknown_field", "/nodes/3/config/count", "join") in join_of({"mode": "all", "count": 1}, *PARALLEL)


def test_a_cycle_in_which_nothing_waits_is_warned_of() -> None:
    nodes = {
        "start": "start",
        "check": ("condition", {"branches": [{"handle": "on", "when": "false"}], "default": "off"}),
        "end": "end",
    }
    assert found(drawing(nodes, "start > check", "check.on > check", "check.off > end")) == {
        ("warning", "instant_cycle", "/nodes/1", "check")
    }
    waiting = drawing(
        {"start": "start", "ask": ask("ok:approve", "again:changes"), "end": "end"},
        "start > ask",
        "ask.again > ask",
        "ask.ok > end",
    )
    assert found(waiting) == set()


def test_there_is_a_limit_of_nodes() -> None:
    nodes = {f"n{number}": "end" for number in range(10_001)}
    assert ("error", "maxItems", "/nodes", None) in found(drawing(nodes))


def warned(definition: Json) -> set[tuple[str, str]]:
    found = validate(definition, EVALUATOR)
    assert all(finding.severity == "warning" and finding.message for finding in found)
    return {(finding.code, finding.path) for finding in found}


def test_an_edge_that_is_there_twice() -> None:
    twice = drawing({"start": "start", "a": ask("ok:approve"), "end": "end"}, "start > a", "a.ok > end", "start > a")
    assert warned(twice) == {("duplicate_edge", "/edges/2")}
    unlike = ("start > a if input.x", "a.ok > end", "start > a if !input.x")
    assert warned(drawing({"start": "start", "a": ask("ok:approve"), "end": "end"}, *unlike)) == set()


@pytest.mark.parametrize(
    ("source", "codes"),
    [
        ("input.name.matches('[')", {"constant_error"}),
        ("input.name.matches('^a+$')", set()),
        ("duration('soon') > duration('1s')", {"constant_error"}),
        ("timestamp('yesterday') < timestamp(input.at)", {"constant_error"}),
        ("timestamp('2026-11-26T00:00:00Z') < timestamp(input.at)", set()),
        ("1 / 0 == input.x", {"constant_error"}),
        ("int('x') == 1", {"constant_error"}),
        ("[1, 2][5] == input.x", {"constant_error"}),
        ("[1, 2].exists(x, x == input.x)", set()),
        ("input.items.exists(x, x.matches('('))", {"constant_error"}),
    ],
)
def test_what_fails_whatever_the_values_are(source: str, codes: set[str]) -> None:
    branches = [{"handle": "yes", "when": source}]
    nodes = {"start": "start", "which": ("condition", {"branches": branches, "default": "no"}), "end": "end"}
    found = warned(drawing(nodes, "start > which", "which.yes > end", "which.no > end"))
    assert {code for code, _ in found} == codes


def test_what_cannot_have_run() -> None:
    """On a way beside it, or behind it. Around a loop it may have."""
    nodes = {
        "start": "start",
        "a": ("set", {"values": {"x": "=nodes.b.output"}}),
        "b": ("set", {"values": {"x": "=has(nodes.a) ? nodes.a.output : 1", "y": "=nodes.b.output"}}),
        "turn": ("set", {"values": {"n": "=has(nodes.again) ? 1 : nodes.turn.output.n"}}),
        "again": ask("more:changes", "done:approve"),
        "end": ("end", {"output": "=nodes.again.output"}),
    }
    edges = ("start > a", "start > b", "a > end", "b > turn if nodes.b.output.x == 1 && nodes.a.output.x == 1", "turn > again")
    found = warned(drawing(nodes, *edges, "again.more > turn", "again.done > end if nodes.again.output.outcome == 'done'"))
    assert {each for each in found if each[0] == "cannot_have_run"} == {
        ("cannot_have_run", "/nodes/1/config/values/x"),
        ("cannot_have_run", "/nodes/2/config/values/y"),
        ("cannot_have_run", "/edges/3/when"),
    }


OBJECT = {"type": "object", "required": ["n"]}
TREES = [{"$ref": "#/$defs/tree"}] * 40
"""To follow each to its end would take for ever."""


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        (False, ""),
        ({"type": "object", "required": ["n"], "additionalProperties": False}, "/required"),
        (OBJECT | {"properties": {"n": {"type": "integer", "minimum": 3, "maximum": 2}}}, "/properties/n/minimum"),
        (OBJECT | {"properties": {"n": {"enum": [1, 2], "type": "string"}}}, "/properties/n/enum"),
        (OBJECT | {"properties": {"n": {"const": "x", "minLength": 2}}}, "/properties/n/const"),
        (OBJECT | {"properties": {"n": {"$ref": "#/$defs/never"}}, "$defs": {"never": False}}, "/properties/n"),
        ({"anyOf": [False, {"type": "string", "minLength": 2, "maxLength": 1}]}, "/anyOf"),
        ({"allOf": [{}, False]}, "/allOf/1"),
    ],
)
def test_no_input_fits(schema: Json, path: str) -> None:
    definition = drawing({"start": "start", "end": "end"}, "start > end", input_schema=schema)
    assert warned(definition) == {("no_input_fits", f"/input_schema{path}")}


@pytest.mark.parametrize(
    "schema",
    [
        True,
        {},
        {"required": ["n"], "additionalProperties": False},  # a number fits
        {"minimum": 3, "maximum": 2},  # a text fits
        {"type": "object", "properties": {"n": False}},
        {"anyOf": [False, {}]},
        {"$ref": "#/$defs/tree", "$defs": {"tree": {"type": "object", "required": ["n"], "properties": {"n": {"anyOf": TREES}}}}},
        {"$defs": {"a": {"enum": ["x"]}}, "type": "object", "required": ["n"], "properties": {"n": {"$ref": "#/$defs/a"}}},
    ],
)
def test_some_input_fits(schema: Json) -> None:
    assert warned(drawing({"start": "start", "end": "end"}, "start > end", input_schema=schema)) == set()


def test_what_is_sent_back_to_one_branch_of_a_join_is_stuck() -> None:
    nodes: dict[str, Any] = {"start": "start", "split": ("set", {"values": {}}), "a": ask("ok:approve"), "b": ask("ok:approve")}
    nodes |= {"join": ("join", {"mode": "all"}), "check": ask("ok:approve", "again:changes"), "end": "end"}
    edges = ("start > split", "split > a", "split > b", "a.ok > join", "b.ok > join", "join > check", "check.ok > end")
    assert warned(drawing(nodes, *edges, "check.again > a")) == {("stuck_at_join", "/edges/7")}
    assert warned(drawing(nodes, *edges, "check.again > split")) == set()
    assert warned(drawing(nodes | {"join": ("join", {"mode": "any"})}, *edges, "check.again > a")) == set()


def test_a_model_that_no_provider_calls() -> None:
    def agent(model: str) -> Json:
        nodes = {"start": "start", "agent": ("ai_agent", {"model": model, "prompt": "Say it."}), "end": "end"}
        return drawing(nodes, "start > agent", "agent > end", "agent.error > end")

    for unknown in ("gpt-4.1", "Claude", "my models/small", ":small", "of us:"):
        assert warned(agent(unknown)) == {("unknown_provider", "/nodes/1/config/model")}
    for known in ("default", "openai:gpt-4o", "offline/echo", "=input.model", "careful", "claude:claude-opus-5"):
        assert warned(agent(known)) == set()
