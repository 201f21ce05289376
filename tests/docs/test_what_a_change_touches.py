"""How many source files know a thing by name: what the architecture's list promises, counted on things that are there."""

import re
from functools import cache
from pathlib import Path
from statistics import mean

import pytest

from domain.aggregates import AGGREGATES
from domain.approval.rules import RULES
from engine.nodes import NODE_TYPES
from projections.registry import TABLES
from store.upcasting import CHAIN

ROOT = Path(__file__).parents[2]
ACTS = {"ai_agent", "task", "wait_event", "emit", "http"}
"""Types of nodes that others act for: the type of their jobs, or the form of their events, is known elsewhere, too."""


@cache
def sources() -> dict[str, str]:
    return {str(path.relative_to(ROOT / "src")): path.read_text("utf-8") for path in (ROOT / "src").rglob("*.py")}


def naming(pattern: str) -> set[str]:
    """The source files in which this stands."""
    return {name for name, text in sources().items() if re.search(pattern, text)}


@pytest.mark.parametrize("kind", sorted({each.name for each in NODE_TYPES} - ACTS))
def test_a_type_of_node_is_a_file_and_a_line(kind: str) -> None:
    assert naming(rf"\bengine\.nodes\.{kind}\b") == {"engine/nodes/__init__.py"}


def test_an_approval_rule_is_a_function_and_a_line() -> None:
    for rule in RULES.values():
        assert naming(rf"def {rule.resolve.__name__}\(_?rule: Json, standing") == {"domain/approval/rules.py"}


def test_an_event_is_named_by_few() -> None:
    """In its aggregate, and in each table that it changes. It was 6.7 once, with topics and audit log beside. Events of AI tasks
    are named by their replay as well, and by the tables of turns and calls, of which there were none when the mark was 5.

    A package that stands for an aggregate's file counts as one, as does the one that plays them again, and one that passes its
    rooms' names on is not counted.
    """
    events = [event.__name__ for aggregate in AGGREGATES for event in aggregate.events]
    words = {file: set(re.findall(r"\w+", text)) for file, text in sources().items() if not file.endswith("/__init__.py")}
    rooms = re.compile(r"^(domain/\w+|engine/what_if)/.*")
    named = [{rooms.sub(r"\1", file) for file, known in words.items() if event in known} for event in events]
    assert all(named)
    assert mean(map(len, named)) < 5.5


@pytest.mark.parametrize("topic", CHAIN)
def test_an_old_topic_is_known_to_upcasting_alone(topic: str) -> None:
    assert naming(rf"\b{re.escape(topic)}\b") == {"store/upcasting.py"}


@pytest.mark.parametrize("table", [table.name for table in TABLES])
def test_a_table_is_a_module_and_a_line(table: str) -> None:
    assert (ROOT / f"src/projections/{table}.py").is_file()
    assert re.search(rf"(^        |\(){table}\.TABLE,", sources()["projections/registry.py"], re.MULTILINE)


@pytest.mark.parametrize(
    ("column", "table"),
    [
        ("turnaround_ms", "approval_requests"),
        ("first_response_ms", "approval_requests"),
        ("running_ms", "workflow_executions"),
    ],
)
def test_a_column_that_nobody_else_asks_for_stands_in_its_table_s_module(column: str, table: str) -> None:
    assert {name for name in naming(rf"\b{column}\b") if not name.startswith("api/")} == {f"projections/{table}.py"}
