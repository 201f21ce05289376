"""The shape of a definition: fields, types, limits. What follows may rely on it."""

from collections.abc import Iterator

from domain.facts import Json
from engine.definition import Finding
from engine.limits import CONCURRENCY, RATE
from engine.limits import faults as limit_faults
from engine.nodes.kind import object_schema
from engine.policies import RETRY
from engine.policies import faults as policy_faults
from engine.schema import SchemaError, check_schema, faults

NODES_LIMIT, EDGES_LIMIT = 10_000, 40_000
CEL_LIMIT = 4_096
TRIGGERS_LIMIT = 50

_NODE = object_schema(
    {
        "id": {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]{0,62}$"},
        "type": {"type": "string", "minLength": 1},
        "name": {"type": "string", "maxLength": 200},
        "position": object_schema({"x": {"type": "number"}, "y": {"type": "number"}}, ("x", "y")),
        "config": {"type": "object"},
        "retry": RETRY,
        "timeout": {"type": "string"},
        "compensate": {"type": "string"},
        "concurrency": CONCURRENCY,
        "rate": RATE,
        "ui": True,
    },
    ("id", "type"),
)
_EDGE = object_schema(
    {
        "id": {"type": "string", "minLength": 1, "maxLength": 200},
        "source": {"type": "string"},
        "source_handle": {"type": "string", "minLength": 1},
        "target": {"type": "string"},
        "when": {"type": "string", "minLength": 1, "maxLength": CEL_LIMIT},
        "ui": True,
    },
    ("source", "target"),
)
DEFINITION = object_schema(
    {
        "key": {"type": "string", "pattern": "^[a-z][a-z0-9-]*$", "maxLength": 63},
        "name": {"type": "string", "minLength": 1, "maxLength": 200},
        "description": {"type": "string", "maxLength": 10_000},
        "input_schema": {"type": ["object", "boolean"]},
        "output_schema": {"type": ["object", "boolean"]},
        "search_attributes": {
            "type": "object",
            "maxProperties": 50,
            "propertyNames": {"pattern": "^[a-z][a-z0-9_]{0,62}$"},
        },
        "timeout": {"type": "string"},
        "triggers": {"type": "array", "maxItems": TRIGGERS_LIMIT, "items": {"type": "object", "required": ["type"]}},
        "nodes": {"type": "array", "minItems": 1, "maxItems": NODES_LIMIT, "items": _NODE},
        "edges": {"type": "array", "maxItems": EDGES_LIMIT, "items": _EDGE},
        "ui": True,
    },
    ("key", "name", "nodes", "edges"),
)
GRAPH = object_schema({name: DEFINITION["properties"][name] for name in ("nodes", "edges")}, ("nodes", "edges"))
"""What is within a node: nodes and edges, as a definition has them."""
LATER = frozenset({"retry"})
"""Fields of nodes, or of the definition, that the reference knows and that are not supported yet."""


def shape(definition: Json) -> Iterator[Finding]:
    yield from _shape(DEFINITION, definition)


def body_shape(body: Json) -> Iterator[Finding]:
    """Paths are within the body."""
    yield from _shape(GRAPH, body)


def too_many(definition: Json) -> Iterator[Finding]:
    """Nodes and edges within others count like all the rest."""
    for field, limit in (("nodes", NODES_LIMIT), ("edges", EDGES_LIMIT)):
        count = sum(len(graph[field]) for graph in _graphs(definition))
        if count > limit:
            message = f"There are {count} {field}, those within others included; {limit} are the most."
            yield Finding("error", None, f"/{field}", "out_of_range", message)


def _graphs(definition: Json) -> Iterator[Json]:
    waiting = [definition]
    while waiting:
        graph = waiting.pop()
        yield graph
        for node in graph["nodes"]:
            config = node.get("config") if isinstance(node, dict) else None
            body = config.get("body") if isinstance(config, dict) else None
            if isinstance(body, dict) and isinstance(body.get("nodes"), list) and isinstance(body.get("edges"), list):
                waiting.append(body)


def _shape(schema: Json, definition: Json) -> Iterator[Finding]:
    found = list(faults(schema, definition))
    for fault in found:
        later = fault.code == "unknown_field" and fault.path.rpartition("/")[2] in LATER and not fault.path.startswith("/edges")
        code, message = ("not_supported_yet", "This is not supported yet.") if later else (fault.code, fault.message)
        yield Finding("error", node_at(definition, fault.path), fault.path, code, message)
    if not found:
        for pointer, said in policy_faults(definition):
            yield Finding("error", None, pointer, "invalid_value", said)
        for index, node in enumerate(definition["nodes"]):
            for pointer, said in (*policy_faults(node), *limit_faults(node)):
                yield Finding("error", node["id"], f"/nodes/{index}{pointer}", "invalid_value", said)


def node_at(definition: Json, path: str) -> str | None:
    """The id of the node that a pointer leads into; of an edge, its source."""
    parts = path.split("/")
    if len(parts) < 3 or parts[1] not in ("nodes", "edges") or not parts[2].isdigit():
        return None
    item = definition[parts[1]][int(parts[2])]
    found = item.get("id" if parts[1] == "nodes" else "source") if isinstance(item, dict) else None
    return found if isinstance(found, str) else None


def schemas(definition: Json) -> Iterator[Finding]:
    for field in ("input_schema", "output_schema"):
        try:
            check_schema(definition.get(field, True))
        except SchemaError as error:
            yield Finding("error", None, f"/{field}{error.pointer}", "invalid_schema", str(error))
