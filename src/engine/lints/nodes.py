"""Each node by itself: its id, its type, its configuration."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from engine.definition import Definition, Finding, Node
from engine.nodes import BY_NAME
from engine.nodes.kind import NodeType
from engine.plan import entries_of
from engine.schema import faults

# fmt: off
CEL_WORDS = frozenset({
    "as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in", "let", "loop", "namespace",
    "null", "package", "return", "true", "var", "void", "while",
})
# fmt: on
"""Reserved words of CEL: `nodes.in.output` could not be written."""


@dataclass(frozen=True)
class Sound:
    """A node whose configuration was found sound, so that its hooks may be asked. `path`: its JSON pointer."""

    path: str
    node: Node
    type: NodeType


def nodes(
    definition: Definition, node_types: Mapping[str, NodeType] = BY_NAME, *, is_body: bool = False
) -> tuple[list[Finding], list[Sound]]:
    findings: list[Finding] = []
    sound: list[Sound] = []
    seen: set[str] = set()
    for index, node in enumerate(definition.nodes):
        path = f"/nodes/{index}"
        if node.id in seen:
            findings.append(Finding("error", node.id, f"{path}/id", "duplicate_id", f"Another node has the id {node.id}."))
        if node.id in CEL_WORDS:
            findings.append(
                Finding("error", node.id, f"{path}/id", "reserved", f"{node.id} is a reserved word of the expression language.")
            )
        seen.add(node.id)
        node_type = node_types.get(node.type)
        if node_type is None:
            message = f"There is no node type {node.type}."
            findings.append(Finding("error", node.id, f"{path}/type", "unknown_node_type", message))
            continue
        found = [*_config(node, node_type, f"{path}/config"), *_policies(node, node_type, path)]
        findings.extend(found)
        if not any(finding.severity == "error" for finding in found):
            sound.append(Sound(path, node, node_type))
    findings.extend(_starts(definition, is_body=is_body))
    return findings, sound


def _config(node: Node, node_type: NodeType, path: str) -> Iterator[Finding]:
    found = faults(node_type.config, node.config)
    for fault in found:
        name = fault.path.rpartition("/")[2]
        if fault.code == "unknown_field" and name in node_type.later:
            yield Finding("error", node.id, path + fault.path, "not_supported_yet", f"{name} is not supported yet.")
        else:
            yield Finding("error", node.id, path + fault.path, fault.code, fault.message)
    if not found:
        for own in node_type.lint(node):
            yield Finding(own.severity, node.id, path + own.path, own.code, own.message)


def _policies(node: Node, node_type: NodeType, path: str) -> Iterator[Finding]:
    if node.retry is not None and not node_type.works:
        message = f"Nodes of type {node.type} make no attempts, so they take no retry policy."
        yield Finding("error", node.id, f"{path}/retry", "unknown_field", message)
    if node.compensate is not None and not does_something(node, node_type):
        message = f"Nodes of type {node.type} do nothing that could be undone."
        yield Finding("error", node.id, f"{path}/compensate", "unknown_field", message)
    for name, given in (("concurrency", node.limits.concurrency), ("rate", node.limits.rate)):
        if given is not None and not node_type.works:
            message = f"Nodes of type {node.type} have no jobs for workers to limit."
            yield Finding("error", node.id, f"{path}/{name}", "unknown_field", message)
    if node.timeout is not None and not node_type.waits:
        yield Finding(
            "error",
            node.id,
            f"{path}/timeout",
            "unknown_field",
            f"Nodes of type {node.type} do not wait, so they take no timeout.",
        )


def does_something(node: Node, node_type: NodeType) -> bool:
    """Whether a visit can be undone, or can undo one: it may fail by itself."""
    return "error" in node_type.handles(node).errors


def _starts(definition: Definition, *, is_body: bool) -> Iterator[Finding]:
    starts = [(index, node) for index, node in enumerate(definition.nodes) if node.type == "start"]
    if not starts and is_body:
        entries = entries_of(definition)
        if len(entries) != 1:
            found = "Every node has one" if not entries else f"These have none: {', '.join(entries)}"
            message = f"A body begins at its start node, or at the only node without an incoming edge. {found}."
            yield Finding("error", None, "/nodes", "missing_start", message)
    elif not starts:
        yield Finding("error", None, "/nodes", "missing_start", "A definition needs a start node.")
    for index, node in starts[1:]:
        yield Finding("error", node.id, f"/nodes/{index}/type", "duplicate_start", "A definition may have only one start node.")
