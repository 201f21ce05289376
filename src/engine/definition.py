"""A workflow definition as the engine reads it, and the findings about one. Shape and meaning: docs/reference."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from domain.facts import Json
from domain.retry import RetryPolicy
from engine.limits import NONE, NodeLimits, read_limits
from engine.policies import read_retry, read_timeout


@dataclass(frozen=True)
class Finding:
    """Something about a definition, for its author. `path` is a JSON pointer into it. Errors prevent publishing."""

    severity: Literal["error", "warning"]
    node_id: str | None
    path: str
    code: str
    message: str


@dataclass(frozen=True)
class Node:
    id: str
    type: str
    config: Json
    name: str | None = None
    retry: RetryPolicy | None = None
    """None: one attempt."""
    timeout: timedelta | None = None
    compensate: str | None = None
    """The node that undoes a completed visit."""
    limits: NodeLimits = NONE


@dataclass(frozen=True)
class Edge:
    """`index`: its place in the definition, by which events name it. `when`: CEL; None holds always."""

    index: int
    source: str
    handle: str
    target: str
    when: str | None


@dataclass(frozen=True)
class Definition:
    key: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    input_schema: Json = None
    output_schema: Json = None
    search_attributes: Mapping[str, Json] = field(default_factory=dict)
    timeout: timedelta | None = None
    """Of a whole execution."""


def parse(definition: Json) -> Definition:
    """Read a definition whose shape is sound (`engine.validate`: no findings of the shape)."""
    return Definition(
        definition["key"],
        tuple(_node(node) for node in definition["nodes"]),
        tuple(
            Edge(index, edge["source"], edge.get("source_handle") or "success", edge["target"], edge.get("when"))
            for index, edge in enumerate(definition["edges"])
        ),
        definition.get("input_schema"),
        definition.get("output_schema"),
        definition.get("search_attributes") or {},
        read_timeout(definition),
    )


def _node(node: Json) -> Node:
    return Node(
        node["id"],
        node["type"],
        node.get("config") or {},
        node.get("name"),
        read_retry(node),
        read_timeout(node),
        node.get("compensate"),
        read_limits(node),
    )
