"""The workflows that a definition starts: whoever knows which there are says what is wrong with them."""

from collections.abc import Iterator, Mapping

from domain.facts import Json
from engine.definition import Finding
from engine.expressions import is_expression
from engine.lints.everywhere import nodes_in

Statuses = Mapping[str, str]
"""By key, of the workflows that there are."""


def called(definition: Json) -> dict[str, list[tuple[str, str]]]:
    """By key: node id and JSON pointer of each node that names it. The definition may be anything."""
    found: dict[str, list[tuple[str, str]]] = {}
    for node, pointer in nodes_in(definition):
        config = node.get("config") if node.get("type") == "workflow" else None
        key = config.get("workflow_key") if isinstance(config, dict) else None
        if isinstance(key, str) and not is_expression(key) and key != definition.get("key"):
            place = str(node.get("id")), f"{pointer}/config/workflow_key"
            found.setdefault(key.removeprefix("=") if key.startswith("==") else key, []).append(place)
    return found


def unknown_workflows(definition: Json, statuses: Statuses) -> Iterator[Finding]:
    """Warnings: they may be there by the time that they are started."""
    for key, places in called(definition).items():
        code, said = {
            "active": ("", ""),
            "draft": ("workflow_not_published", "has no published version yet"),
            "archived": ("workflow_archived", "is archived"),
            "": ("unknown_workflow", "does not exist"),
        }[statuses.get(key, "")]
        if code:
            for node_id, path in places:
                yield Finding("warning", node_id, path, code, f"The workflow {key} {said}.")
