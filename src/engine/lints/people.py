"""The people whom a definition asks: whoever knows which there are says who is missing."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from domain.facts import Json
from engine.definition import Finding
from engine.expressions import is_expression

Places = dict[str, list[tuple[str, str]]]
"""By name: node id and JSON pointer of each place where it stands."""


@dataclass(frozen=True)
class Asked:
    """Those that are named outright; who is found by an expression is not known before it runs."""

    roles: Places = field(default_factory=dict)
    users: Places = field(default_factory=dict)


def asked(definition: Json) -> Asked:
    """Everybody named by a `by` in a node's configuration. The definition may be anything."""
    found = Asked()
    nodes = definition.get("nodes") if isinstance(definition, dict) else None
    for index, node in enumerate(nodes if isinstance(nodes, list) else ()):
        if isinstance(node, dict):
            for pointer, by in _every_by(node.get("config"), f"/nodes/{index}/config"):
                for word, places in (("roles", found.roles), ("users", found.users)):
                    names = by.get(word)
                    for number, name in enumerate(names if isinstance(names, list) else ()):
                        if isinstance(name, str) and not is_expression(name):
                            place = str(node.get("id")), f"{pointer}/{word}/{number}"
                            places.setdefault(name.removeprefix("=") if name.startswith("==") else name, []).append(place)
    return found


def _every_by(config: Json, pointer: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    waiting = [(config, pointer)]
    while waiting:
        item, at = waiting.pop()
        if isinstance(item, dict):
            for word in ("by", "fallback"):
                if isinstance(item.get(word), dict):
                    yield f"{at}/{word}", item[word]
            waiting += [(value, f"{at}/{str(key).replace('~', '~0').replace('/', '~1')}") for key, value in item.items()]
        elif isinstance(item, list):
            waiting += [(value, f"{at}/{number}") for number, value in enumerate(item)]


def unknown_people(named: Asked, roles: Collection[str], members: Collection[str]) -> Iterator[Finding]:
    """Warnings: they may be there by the time that they are asked. `roles`: keys; `members`: ids of active users."""
    for key, places in named.roles.items():
        if key not in roles:
            for node_id, path in places:
                yield Finding("warning", node_id, path, "unknown_role", f"There is no role {key}.")
    for name, places in named.users.items():
        if name.lower() not in members:
            for node_id, path in places:
                yield Finding("warning", node_id, path, "unknown_user", f"{name} is not an active member.")


def user_ids(named: Asked) -> list[UUID]:
    """Of those whose names are ids."""
    found = []
    for name in named.users:
        try:
            found.append(UUID(name))
        except ValueError:
            continue
    return found
