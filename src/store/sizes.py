"""How much memory states take, roughly: enough to bound a cache in bytes, and cheap enough to know of every event.

What is known for certain is the JSON that an event was stored as. Decoded it takes more, the more values it is made of: a list
of small numbers takes twenty times its text. So the values are counted as well, by the characters between them.
"""

from collections.abc import Mapping, Set
from dataclasses import fields, is_dataclass
from sys import getsizeof
from typing import Any

VALUE_BYTES = 48
"""Of a small value where it is held: its object, and its place in what holds it."""
CONTAINER_BYTES = 80
STATE_BYTES = 512
"""Of a state without its payloads."""
MOST_OBJECTS = 5_000
"""As many are looked at before a state counts as large: about a millisecond's worth."""


def decoded_size(data: bytes) -> int:
    """About the bytes of memory that JSON takes once it is decoded."""
    values = data.count(b",") + data.count(b":")
    containers = data.count(b"{") + data.count(b"[")
    return len(data) + VALUE_BYTES * values + CONTAINER_BYTES * containers


def measured_size(state: Any) -> int | None:
    """The bytes of memory that a state takes. None where it is made of more than `MOST_OBJECTS`."""
    total, seen, waiting = 0, set[int](), [state]
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if len(seen) > MOST_OBJECTS:
            return None
        total += getsizeof(item)
        if isinstance(item, str | bytes | int | float | type(None)):
            continue
        if isinstance(item, Mapping):
            total += VALUE_BYTES * len(item)  # a persistent map does not say what it takes
            waiting.extend(item.keys())
            waiting.extend(item.values())
        elif isinstance(item, list | tuple | Set):
            waiting.extend(item)
        elif is_dataclass(item) and not isinstance(item, type):
            waiting.extend(getattr(item, one.name) for one in fields(item))
    return total
