"""Which JSON can be stored: as `jsonb` takes it, and as everybody reads it back.

Not stored are NUL, halves of surrogate pairs, numbers that are not finite or have more than 64 digits, values nested deeper than
64 levels, and what is no JSON at all. Who reads JSON from outside refuses it at the edge; who decides refuses it again.
"""

import math
import re
from typing import Final, Literal

from domain.facts import Json

MAX_DEPTH: Final = 64
MAX_DIGITS: Final = 64
MAX_NUMBER: Final = 10**MAX_DIGITS
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")

TextFault = Literal["nul", "lone_surrogate"]


def text_fault(text: str) -> TextFault | None:
    """The first thing in a text that cannot be stored."""
    if text.isascii() and "\0" not in text:
        return None
    found = _UNSTORABLE.search(text)
    return None if found is None else "nul" if found[0] == "\0" else "lone_surrogate"


def storable_text(text: str) -> str:
    """A text with a replacement character for each that cannot be stored."""
    return _UNSTORABLE.sub("\ufffd", text)


def require_storable(value: Json, depth: int = MAX_DEPTH) -> None:
    """Raises ValueError, with words that can follow "it is not accepted:", for what cannot be stored."""
    match value:
        case None | bool():
            return
        case str():
            require_storable_text(value)
        case int() if abs(value) >= MAX_NUMBER:
            raise ValueError(f"a number has more than {MAX_DIGITS} digits")
        case float() if not math.isfinite(value):
            raise ValueError("a number is not finite")
        case int() | float():
            return
        case dict() | list() if depth == 0:
            raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")
        case dict():
            for key, item in value.items():
                if not isinstance(key, str):
                    raise ValueError("the keys of an object must be texts")
                require_storable_text(key)
                require_storable(item, depth - 1)
        case list():
            for item in value:
                require_storable(item, depth - 1)
        case _:
            raise ValueError(f"a value of type {type(value).__name__} is not JSON")


def require_storable_text(text: str) -> None:
    """Raises ValueError."""
    if text_fault(text) is not None:
        raise ValueError("a text holds a NUL or half of a surrogate pair")
