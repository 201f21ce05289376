"""Values of a statement, as JSON has them, as PostgreSQL's texts."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from api import answers

JSON_TYPES = frozenset({114, 3802})
ELEMENTS = "SELECT t.oid, t.typelem FROM pg_type t WHERE t.oid = ANY(%s::oid[]) AND t.typcategory = 'A' AND t.typelem <> 0"


def has_lists(values: Iterable[Any]) -> bool:
    return any(isinstance(value, list) for value in values)


def texts(values: Sequence[Any], types: Sequence[int], elements: Mapping[int, int]) -> list[str | None]:
    """Each of the type that the statement wants in its place. `elements`: the types of those that are arrays."""
    made = []
    for value, oid in zip_longest(values, types[: len(values)], fillvalue=0):
        element = elements.get(oid)
        made.append(_array(value, element) if isinstance(value, list) and element is not None else text(value))
    return made


def text(value: Any) -> str | None:
    match value:
        case None | str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case _:
            return answers.to_json(value).decode()


def _array(values: list[Any], element: int) -> str:
    return "{" + ",".join([_item(value, element) for value in values]) + "}"


def _item(value: Any, element: int) -> str:
    if isinstance(value, list) and element not in JSON_TYPES:
        return _array(value, element)
    found = answers.to_json(value).decode() if value is not None and element in JSON_TYPES else text(value)
    return "NULL" if found is None else '"' + found.replace("\\", "\\\\").replace('"', '\\"') + '"'
