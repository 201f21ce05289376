"""What is said about the body of a foreach before it is published: as of a definition, with paths that lead into it."""

from typing import Any

import pytest

from domain.facts import Json
from engine.lints.shape import NODES_LIMIT, too_many
from engine.validate import errors, validate
from tests.engine.drawing import EVALUATOR, drawing
from tests.engine.items import body, each, one_foreach
from tests.engine.working import task

FINE = body({"work": task("w", input="=item")})


def found(node: Any, **more: Json) -> list[tuple[str, str, str | None]]:
    return [(each.path, each.code, each.node_id) for each in errors(validate(one_foreach(node, **more), EVALUATOR))]


BODY = "/nodes/1/config/body"


def test_a_sound_body_is_accepted() -> None:
    assert found(each(FINE)) == []
    assert found(each(FINE, [1, 2], max_concurrency="=input.most", on_item_error="continue", tolerated_failures=1)) == []


@pytest.mark.parametrize(
    ("config", "path"),
    [
        ({"items": "none"}, "/items"),
        ({"items": 7}, "/items"),
        ({"max_concurrency": 0}, "/max_concurrency"),
        ({"max_concurrency": 101}, "/max_concurrency"),
        ({"on_item_error": "stop"}, "/on_item_error"),
        ({"tolerated_failures": -1, "on_item_error": "continue"}, "/tolerated_failures"),
        ({"tolerated_failures": 1}, "/tolerated_failures"),
        ({"parallel": True}, "/parallel"),
    ],
)
def test_its_own_fields_are_looked_at(config: Json, path: str) -> None:
    kind, usual, _ = each(FINE)
    assert [where for where, *_ in found((kind, {**usual, **config}))] == [f"/nodes/1/config{path}"]


def test_the_shape_of_a_body_is_looked_at() -> None:
    assert found(each({"nodes": [], "edges": []}))[0][0] == f"{BODY}/nodes"
    [(path, code, node)] = found(each({"nodes": [{"id": "a b", "type": "task", "config": {}}], "edges": []}))
    assert (path, node) == (f"{BODY}/nodes/0/id", "a b"), code
    [(path, *_)] = found(
        each({"nodes": [{"id": "a", "type": "wait", "config": {"duration": "PT1S"}, "timeout": "soon"}], "edges": []})
    )
    assert path == f"{BODY}/nodes/0/timeout"


def test_nodes_and_edges_of_a_body_are_looked_at() -> None:
    assert found(each(body({"work": ("task", {})}))) == [(f"{BODY}/nodes/0/config/job_type", "required", "work")]
    assert found(each(body({"work": "nothing"}))) == [(f"{BODY}/nodes/0/type", "unknown_node_type", "work")]
    assert found(each(body({"work": task("w"), "done": "end"}, "work > done", "work > gone"))) == [
        (f"{BODY}/edges/1/target", "unknown_node", "work")
    ]
    two = body({"go": "start", "work": task("w"), "far": task("f"), "away": task("a")}, "go > work", "far > away", "away > far")
    assert found(each(two)) == [(f"{BODY}/nodes/2", "unreachable", "far"), (f"{BODY}/nodes/3", "unreachable", "away")]


def test_a_body_begins_at_one_place() -> None:
    assert found(each(body({"a": task("a"), "b": task("b")}))) == [(f"{BODY}/nodes", "missing_start", None)]
    assert found(each(body({"a": task("a"), "b": task("b")}, "a > b", "b > a"))) == [(f"{BODY}/nodes", "missing_start", None)]
    assert found(each(body({"s": "start", "t": "start"}))) == [(f"{BODY}/nodes/1/type", "duplicate_start", "t")]


def test_a_handle_of_a_body_needs_no_edge() -> None:
    assert found(each(body({"choose": ("condition", {"branches": [{"handle": "a", "when": "true"}], "default": "b"})}))) == []


def test_a_join_in_a_body_that_never_fires_is_found() -> None:
    within = body(
        {
            "choose": ("condition", {"branches": [{"handle": "a", "when": "true"}], "default": "b"}),
            "a": ("set", {"values": {}}),
            "b": ("set", {"values": {}}),
            "both": ("join", {"mode": "all"}),
        },
        *("choose.a > a", "choose.b > b", "a > both", "b > both"),
    )
    assert found(each(within)) == [(f"{BODY}/nodes/3", "join_never_fires", "both")]


def test_an_id_stands_for_one_node_wherever_it_is() -> None:
    assert found(each(body({"end": task("w")}))) == [(f"{BODY}/nodes/0/id", "duplicate_id", "end")]
    nodes = {"start": "start", "one": each(FINE), "two": each(FINE), "end": "end"}
    assert [
        (each.path, each.code) for each in errors(validate(drawing(nodes, "start > one", "one > two", "two > end"), EVALUATOR))
    ] == [("/nodes/2/config/body/nodes/0/id", "duplicate_id")]


INPUT = {
    "type": "object",
    "properties": {
        "items": {
            "type": "array",
            "items": {"type": "object", "properties": {"sku": {"type": "string"}}, "additionalProperties": False},
        }
    },
}


def test_expressions_know_what_an_item_is_where_the_list_says_so() -> None:
    wrong = body({"work": task("w", input="=item.name")})
    assert found(each(wrong), input_schema=INPUT) == [(f"{BODY}/nodes/0/config/input", "unknown_field", "work")]
    assert found(each(body({"work": task("w", input="=item.sku")})), input_schema=INPUT) == []
    assert found(each(wrong, "=input.items.filter(i, true)"), input_schema=INPUT) == []
    schema = {
        "type": "object",
        "properties": {"all": {"type": "array", "items": {"type": "object", "additionalProperties": False, "properties": {}}}},
    }
    nodes = {
        "start": "start",
        "list": task("l", output_schema=schema),
        "each": each(wrong, "=nodes.list.output.all"),
        "end": "end",
    }
    said = errors(validate(drawing(nodes, "start > list", "list > each", "each > end"), EVALUATOR))
    assert [(each.path, each.code) for each in said] == [("/nodes/2/config/body/nodes/0/config/input", "unknown_field")]


def test_expressions_see_the_nodes_around_and_not_the_other_way_round() -> None:
    assert found(each(body({"work": task("w", input="=nodes.gone.output")}))) == [
        (f"{BODY}/nodes/0/config/input", "unknown_field", "work")
    ]
    assert found(each(body({"work": task("w", input="=nodes.each.output")}))) != [], "it has none yet"
    definition = one_foreach(each(FINE))
    definition["nodes"][2]["config"] = {"output": "=nodes.work.output"}
    assert [finding.code for finding in errors(validate(definition, EVALUATOR))] == ["unknown_field"]
    definition["nodes"][2]["config"] = {"output": "=item"}
    assert [finding.code for finding in errors(validate(definition, EVALUATOR))] == ["undeclared"]
    edges = body({"a": task("a"), "b": task("b")}, "a > b if item.x == indexes")
    assert found(each(edges)) == [(f"{BODY}/edges/0/when", "undeclared", "a")]


def test_foreaches_may_be_within_each_other_to_some_depth() -> None:
    def nested(depth: int) -> Any:
        within = body({"work": task("w", input="=item")})
        for number in range(1, depth):
            within = body({f"inner{number}": each(within, "=item")})
        return each(within)

    assert found(nested(3)) == []
    deepest = f"{BODY}/nodes/0/config/body/nodes/0/config/body/nodes/0/type"
    assert found(nested(4)) == [(deepest, "nested_too_deeply", "inner1")]


def test_what_is_wrong_within_within_is_found_where_it_is() -> None:
    inner = each(body({"work": task("w", input="=nodes.gone.output")}), "=item")
    assert found(each(body({"inner": inner}))) == [(f"{BODY}/nodes/0/config/body/nodes/0/config/input", "unknown_field", "work")]


def test_nodes_within_others_count() -> None:
    inner = {"id": "one", "type": "foreach", "config": {"body": {"nodes": [{}, {}], "edges": []}}}
    definition = {"nodes": [inner, *({} for _ in range(NODES_LIMIT - 2))], "edges": []}
    [finding] = too_many(definition)
    message = f"There are {NODES_LIMIT + 1} nodes, those within others included; {NODES_LIMIT} are the most."
    assert (finding.path, finding.message) == ("/nodes", message)
    assert list(too_many({**definition, "nodes": definition["nodes"][1:]})) == []
    assert [finding.code for finding in validate({**one_foreach(each(FINE)), "nodes": definition["nodes"]}, EVALUATOR)] != []


def test_what_an_item_does_is_not_undone() -> None:
    within = body({"work": task("w"), "undo": task("u")}, "work > undo")
    within["nodes"][0] = {**within["nodes"][0], "compensate": "undo"}
    assert found(each(within)) == [(f"{BODY}/nodes/0/compensate", "not_supported_yet", "work")]
