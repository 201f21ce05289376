"""The reference names what there is, all of it and nothing else."""

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import typer

from cli.main import app
from engine.cel import CelEvaluator
from engine.nodes import BY_NAME, LATER, NODE_TYPES
from engine.nodes.kind import NodeType
from engine.policies import RETRY
from engine.validate import errors, validate
from store.topics import TOPICS

DOCS = Path(__file__).parents[2] / "docs"


def page(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


def row(text: str, first: str) -> str:
    """The line of a table that begins with this cell."""
    (found,) = (line for line in text.splitlines() if line.startswith(f"| `{first}` |"))
    return found


def commands(group: Any, name: str) -> list[tuple[str, Any]]:
    if not hasattr(group, "commands"):
        return [(name, group)]
    return [one for word, sub in group.commands.items() for one in commands(sub, f"{name} {word}")]


def test_every_command_is_there_and_no_other() -> None:
    real = {name for name, _ in commands(typer.main.get_command(app), "gesta")}
    first_cells = " ".join(line.split("|")[1] for line in page("reference/cli.md").splitlines() if line.startswith("| `"))
    named = {" ".join(re.findall(r"^gesta|(?<= )[a-z]+\b", said)) for said in re.findall(r"`(gesta [^`]+)`", first_cells)}
    assert named == real


def test_every_option_that_is_named_exists() -> None:
    real = {
        opt for _, command in commands(typer.main.get_command(app), "gesta") for param in command.params for opt in param.opts
    }
    assert set(re.findall(r"--[a-z][a-z-]*", page("reference/cli.md"))) <= real | {"--help"}


@pytest.mark.parametrize("event", TOPICS, ids=lambda event: TOPICS[event])
def test_every_topic_is_there_with_its_fields(event: type[Any]) -> None:
    cell = row(page("reference/topics.md"), TOPICS[event]).split("|")[2]
    assert re.findall(r"`(\w+)`", cell) == [field.name for field in fields(event)]


def test_no_topic_is_there_that_does_not_exist() -> None:
    assert set(re.findall(r"^\| `([a-z_.]+\.v\d+)` \|", page("reference/topics.md"), re.MULTILINE)) == set(TOPICS.values())


@pytest.mark.parametrize("node_type", NODE_TYPES, ids=lambda node_type: node_type.name)
def test_every_type_of_node_is_there_with_its_fields(node_type: NodeType) -> None:
    said = row(page("reference/definition.md"), node_type.name)
    assert set(node_type.config["properties"]) <= set(re.findall(r"\w+", said))


def test_what_comes_later_is_said_to() -> None:
    (said,) = (line for line in page("reference/definition.md").splitlines() if line.endswith("come later."))
    assert set(re.findall(r"`(\w+)`", said)) == LATER


def test_a_retry_has_the_fields_that_are_shown() -> None:
    (shown,) = re.findall(r'"retry": \{([^}]+)\}', page("reference/definition.md"))
    known: Any = RETRY["properties"]
    assert set(re.findall(r'"(\w+)":', shown)) == set(known)


@pytest.mark.parametrize("name", ["how-to/write-a-worker.md", "reference/definition.md"])
def test_the_nodes_that_are_shown_are_accepted(name: str) -> None:
    shown = [json.loads(block) for block in re.findall(r"```json\n(\{.*?\})\n```", page(name), re.DOTALL)]
    tasks = [each for each in shown if "key" not in each]
    assert tasks
    for fields_shown in tasks:
        node = {"config": {"job_type": "work"}, **fields_shown, "id": "work", "type": "task"}
        nodes = [{"id": "start", "type": "start"}, node, {"id": "end", "type": "end"}]
        edges = [{"source": "start", "target": "work"}, {"source": "work", "target": "end"}]
        assert errors(validate({"key": "k", "name": "K", "nodes": nodes, "edges": edges}, CelEvaluator())) == []


def test_the_new_type_of_node_that_is_shown_works(monkeypatch: pytest.MonkeyPatch) -> None:
    (source,) = re.findall(r"```python\n(.*?)```", page("how-to/add-a-node-type.md"), re.DOTALL)
    namespace: dict[str, Any] = {}
    exec("\n".join(line.removeprefix("    ") for line in source.splitlines()), namespace)
    monkeypatch.setitem(BY_NAME, "count", namespace["COUNT"])
    nodes = [
        {"id": "start", "type": "start"},
        {"id": "many", "type": "count", "config": {"items": "=input.items"}},
        {"id": "end", "type": "end", "config": {"output": "=nodes.many.output"}},
    ]
    edges = [{"source": "start", "target": "many"}, {"source": "many", "target": "end"}]
    definition = {"key": "k", "name": "K", "nodes": nodes, "edges": edges}
    assert errors(validate(definition, CelEvaluator())) == []
