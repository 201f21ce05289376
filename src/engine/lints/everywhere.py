"""All nodes of a definition that may be anything, those in the bodies of others as well."""

from collections.abc import Iterator
from typing import Any

from domain.facts import Json


def nodes_in(definition: Json) -> Iterator[tuple[dict[str, Any], str]]:
    """Each node with its JSON pointer."""
    waiting = [(definition, "")]
    while waiting:
        drawn, pointer = waiting.pop()
        nodes = drawn.get("nodes") if isinstance(drawn, dict) else None
        for index, node in enumerate(nodes if isinstance(nodes, list) else ()):
            if isinstance(node, dict):
                yield node, f"{pointer}/nodes/{index}"
                config = node.get("config")
                if isinstance(config, dict) and "body" in config and node.get("type") == "foreach":
                    waiting.append((config["body"], f"{pointer}/nodes/{index}/config/body"))
