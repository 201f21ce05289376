"""How large a value is, at the speed of a serializer; each value once in a command."""

from collections.abc import Mapping

import orjson

from domain.effort import Effort
from domain.facts import Json

MOST = 1 << 26
"""Where counting ends."""


def json_size(value: Json, effort: Effort) -> int:
    """About the bytes as JSON of a value: no fewer than it has parts."""
    if value is None or isinstance(value, bool | int | float):
        return 8
    if isinstance(value, str):
        return len(value) + 2
    known = effort.sizes.get(id(value))
    if known is None:
        known = effort.sizes[id(value)] = value, _written(value)
    return known[1]


def _written(value: Json) -> int:
    try:
        return len(orjson.dumps(value, default=_plain))
    except TypeError:  # whole numbers beyond 64 bits, a depth beyond any that is accepted
        return _counted(value)


def _plain(value: object) -> Json:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def _counted(value: Json) -> int:
    size, waiting = 0, [value]
    while waiting and size < MOST:
        item = waiting.pop()
        size += len(item) if isinstance(item, str) else 8
        if isinstance(item, Mapping):
            size += sum(len(key) for key in item if isinstance(key, str))
            waiting.extend(item.values())
        elif isinstance(item, list | tuple):
            waiting.extend(item)
    return size
