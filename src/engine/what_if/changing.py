"""A definition with some fields of its nodes set otherwise: `approve.rule`, `approve.steps.0.rule`, `charge.timeout`."""

from collections.abc import Sequence
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
