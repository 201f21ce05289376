"""How heavy a value is. What expressions share by reference is written out in an event, each time that it occurs."""

from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any
from uuid import UUID

HEAVIEST = 1 << 20
"""About the bytes as JSON of what one node may make."""
DEEPEST = 100
SMALL = frozenset((type(None), bool, int, float, UUID))


class TooLarge(ValueError):
    """The value is too large, or nested too deeply, to be recorded."""


def weight(value: Any) -> int:
    """About the bytes as JSON of a value, or of an event: never more than it takes. Raises TooLarge.

    It stops as soon as the value is known to be too heavy: one that doubles with each of its levels has no end worth waiting for.
    """
    total, waiting = 0, [(value, 0)]
    while waiting:
        item, depth = waiting.pop()
        if depth > DEEPEST:
            raise TooLarge("the result is nested too deeply")
        total += 1
        kind = type(item)
        if kind in SMALL:
            pass
        elif kind is str or isinstance(item, str):
            total += len(item) + 1
        elif kind is dict or isinstance(item, Mapping):
            for key, below in item.items():
                total += len(key) + 3
                waiting.append((below, depth + 1))
        elif isinstance(item, list | tuple):
            waiting.extend([(below, depth + 1) for below in item])
        elif is_dataclass(item):
            waiting.extend([(below, depth + 1) for below in vars(item).values()])
        if total > HEAVIEST:
            raise TooLarge("the result is too large")
    return total
