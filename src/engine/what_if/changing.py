"""A definition with some fields of its nodes set otherwise: `approve.rule`, `approve.steps.0.rule`, `charge.timeout`; or with
nodes that are called otherwise."""

import re
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any

from domain.facts import Json

OF_THE_NODE = frozenset({"name", "timeout", "retry", "compensate", "limits"})
"""Fields of a node that are not of its configuration."""


class NoSuchField(Exception):
    """There is no such place in the definition. `str()` says what there is not."""


def with_field(definition: Json, path: Sequence[str], value: Json) -> Json:
    """`path`: a node's id, and fields within its configuration, numbers of lists from 0. Raises NoSuchField."""
    changed = deepcopy(definition)
    node = next((each for each in changed["nodes"] if each["id"] == path[0]), None)
    if node is None:
        raise NoSuchField(f"There is no node {path[0]}.")
    place: Any = node if path[1] in OF_THE_NODE else node.setdefault("config", {})
    for number, name in enumerate(path[1:-1], 2):
        place = _within(place, name, path[:number])
    _put(place, path[-1], value, path)
    return changed


def _within(place: Any, name: str, path: Sequence[str]) -> Any:
    if isinstance(place, dict):
        return place.setdefault(name, {})
    if isinstance(place, list) and name.isdigit() and int(name) < len(place):
        return place[int(name)]
    raise NoSuchField(f"There is no {'.'.join(path)}.")


def _put(place: Any, name: str, value: Json, path: Sequence[str]) -> None:
    if isinstance(place, dict):
        place[name] = value
    elif isinstance(place, list) and name.isdigit() and int(name) < len(place):
        place[int(name)] = value
    else:
        raise NoSuchField(f"There is no {'.'.join(path)}.")


def with_names(definition: Json, names: Mapping[str, str]) -> Json:
    """Nodes called as they are in another version, also where expressions read them."""
    if not names:
        return definition
    read = re.compile(rf"\bnodes\.({'|'.join(map(re.escape, names))})\b")
    changed = _in_texts(definition, lambda text: read.sub(lambda found: f"nodes.{names[found[1]]}", text))
    for node in changed["nodes"]:
        node["id"] = names.get(node["id"], node["id"])
        if "compensate" in node:
            node["compensate"] = names.get(node["compensate"], node["compensate"])
    for edge in changed["edges"]:
        edge |= {end: names.get(edge[end], edge[end]) for end in ("source", "target")}
    return changed


def _in_texts(value: Json, change: Callable[[str], str]) -> Json:
    match value:
        case str():
            return change(value)
        case list():
            return [_in_texts(each, change) for each in value]
        case dict():
            return {name: _in_texts(each, change) for name, each in value.items()}
        case _:
            return value
