"""How deep a JSON text is nested, found in time that grows with its length alone, before a parser sees it."""

import json
import re
from collections.abc import Mapping
from itertools import accumulate
from typing import Any

from domain.facts import Json

# A string is taken whole and never looked at twice: what was matched is not given back, and one that does not end runs to the
# end of the text. Else a text of nothing but quotes, none of which ends a string, would be searched anew from each of them.
STRING = rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)'
STRINGS = re.compile(STRING, re.DOTALL)
TOKENS = re.compile(STRING + rb"|[\[\]{}]", re.DOTALL)
STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
"""One level down, or up: 255 is -1 as a signed byte."""
NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
CLOSING: Mapping[bytes, str] = {b"[": "]", b"{": "}"}


class _Members(tuple[tuple[str, Any], ...]):
    """An object as its members, in their order."""


def too_deep(body: bytes, limit: int) -> bool:
    """Whether brackets are ever open in more than `limit` levels. Strings do not count; what is no JSON may be anything."""
    if body.count(b"[") + body.count(b"{") <= limit:
        return False
    steps = STRINGS.sub(b"", body).translate(STEPS, NO_BRACKETS)
    return max(accumulate(memoryview(steps).cast("b")), default=0) > limit


def place_too_deep(body: bytes, limit: int) -> list[str | int]:
    """The keys and numbers that lead to the first value nested too deeply; none where what comes before it is no JSON.

    The text up to there is closed and parsed: the value is the last one of the last one, and so on.
    """
    opened: list[bytes] = []
    for token in TOKENS.finditer(body):
        bracket = token[0]
        if bracket in CLOSING:
            if len(opened) == limit:
                return _last_of(body[: token.start()].decode() + "null" + "".join(CLOSING[each] for each in reversed(opened)))
            opened.append(bracket)
        elif bracket in (b"]", b"}") and opened:
            opened.pop()
    return []


def _last_of(text: str) -> list[str | int]:
    path: list[str | int] = []
    try:
        value: Json = json.loads(text, object_pairs_hook=_Members)
    except ValueError:
        return path
    while isinstance(value, list | _Members) and value:
        if isinstance(value, list):
            path.append(len(value) - 1)
            value = value[-1]
        else:
            key, value = value[-1]
            path.append(key)
    return path
