"""The reference names what there is, all of it and nothing else."""

import json
import os
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import typer

from cli.catalogs import reference
from cli.main import app
from domain.aggregates import AGGREGATES
from engine.cel import CelEvaluator
from engine.definition import parse
from engine.nodes import BY_NAME, NODE_TYPES
from engine.nodes.kind import NodeType
from engine.policies import RETRY
from engine.triggers import BY_NAME as TRIGGERS
from engine.triggers.kind import TriggerSpec
from engine.validate import errors, validate
from projections.catalog import relations

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
    named = {" ".join(re.findall(r"^gesta|(?<= )[a-z][a-z-]*\b", said)) for said in re.findall(r"`(gesta [^`]+)`", first_cells)}
    assert named == real


def test_every_option_that_is_named_exists() -> None:
    real = {
        opt for _, command in commands(typer.main.get_command(app), "gesta") for param in command.params for opt in param.opts
    }
    assert set(re.findall(r"--[a-z][a-z-]*", page("reference/cli.md"))) <= real | {"--help"}


def topics() -> str:
    """The tables of the topics' page, as the aggregates' catalogues have them."""
    tables: dict[str, list[str]] = {}
    for each in (each for aggregate in AGGREGATES for each in aggregate.catalogue):
        noun = each.topic.partition(".")[0]
        names = ", ".join(f"`{field.name}`" for field in fields(each.event))
        tables.setdefault(noun, [f"| {noun} | data | |", "|---|---|---|"]).append(f"| `{each.topic}` | {names} | {each.note} |")
    return "\n".join("\n" + "\n".join(rows) for rows in tables.values()) + "\n"


def test_the_tables_page_is_what_the_catalogue_says() -> None:
    """`GESTA_WRITE_EXPECTED=1` writes it anew."""
    expected = reference.markdown(relations())
    if os.environ.get("GESTA_WRITE_EXPECTED"):
        (DOCS / "reference/tables.md").write_text(expected, "utf-8")
    assert page("reference/tables.md") == expected
    assert len(expected.encode()) < 200_000


def test_the_topics_page_is_what_the_catalogue_says() -> None:
    """`GESTA_WRITE_EXPECTED=1` writes it anew."""
    introduction, _, _ = page("reference/topics.md").partition("\n|")
    expected = f"{introduction.rstrip()}\n{topics()}"
    if os.environ.get("GESTA_WRITE_EXPECTED"):
        (DOCS / "reference/topics.md").write_text(expected, "utf-8")
    assert page("reference/topics.md") == expected


@pytest.mark.parametrize("node_type", NODE_TYPES, ids=lambda node_type: node_type.name)
def test_every_type_of_node_is_there_with_its_fields(node_type: NodeType) -> None:
    said = row(page("reference/definition.md"), node_type.name)
    assert set(node_type.config["properties"]) <= set(re.findall(r"\w+", said))


def test_a_retry_has_the_fields_that_are_shown() -> None:
    (shown,) = re.findall(r'"retry": \{([^}]+)\}', page("reference/definition.md"))
    known: Any = RETRY["properties"]
    assert set(re.findall(r'"(\w+)":', shown)) == set(known)


@pytest.mark.parametrize(
    "name",
    [
        "how-to/write-a-worker.md",
        "how-to/call-a-service.md",
        "how-to/give-an-agent-tools.md",
        "reference/definition.md",
    ],
)
def test_the_nodes_that_are_shown_are_accepted(name: str) -> None:
    shown = [json.loads(block) for block in re.findall(r"```json\n(\{.*?\})\n```", page(name), re.DOTALL)]
    tasks = [each for each in shown if "key" not in each and each.get("type") not in TRIGGERS]
    assert tasks
    for fields_shown in tasks:
        node = {"config": {"job_type": "work"}, "type": "task", **fields_shown, "id": "work"}
        read = parse({"key": "k", "nodes": [node], "edges": []}).nodes[0]
        handles, mentioned = BY_NAME[read.type].handles(read), [name for _, name in BY_NAME[read.type].mentions(read)]
        beside = [{"id": name, "type": "wait", "config": {"duration": "PT1S"}} for name in (*mentioned, read.compensate) if name]
        nodes = [{"id": "start", "type": "start"}, node, *beside, {"id": "end", "type": "end"}]
        edges = [{"source": "start", "target": name} for name in ("work", *mentioned)]
        edges += [{"source": "work", "source_handle": handle, "target": "end"} for handle in handles.needed]
        edges += [{"source": name, "target": "end"} for name in mentioned]
        assert errors(validate({"key": "k", "name": "K", "nodes": nodes, "edges": edges}, CelEvaluator())) == []


@pytest.mark.parametrize("name", ["how-to/schedule.md", "how-to/webhook.md", "reference/definition.md"])
def test_the_triggers_that_are_shown_are_accepted(name: str) -> None:
    shown = [json.loads(block) for block in re.findall(r"```json\n(\{.*?\})\n```", page(name), re.DOTALL)]
    triggers = [each for each in shown if each.get("type") in TRIGGERS]
    assert triggers
    nodes = [{"id": "start", "type": "start"}, {"id": "end", "type": "end"}]
    edges = [{"source": "start", "target": "end"}]
    definition = {"key": "k", "name": "K", "triggers": triggers, "nodes": nodes, "edges": edges}
    assert validate(definition, CelEvaluator()) == []


@pytest.mark.parametrize("spec", TRIGGERS.values(), ids=lambda spec: spec.name)
def test_every_type_of_trigger_is_there_with_its_fields(spec: TriggerSpec) -> None:
    said = row(page("reference/definition.md"), spec.name)
    assert {*spec.fields, *spec.variables} <= set(re.findall(r"\w+", said))
