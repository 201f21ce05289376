"""JSON at the edge, read strictly: what jsonb would refuse, or would read in two ways, must never reach a ledger.

Refused as malformed (400): what is not UTF-8 or not JSON, NaN and Infinity among it. Refused as unacceptable (422): a
depth beyond 64, a key that occurs twice, NUL, a lone surrogate, a number of more than 64 digits or beyond a double's
range. Every refusal names the place by JSON pointer where there is one.
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from domain.facts import FieldError, Json

MAX_DEPTH = 64
MAX_DIGITS = 64

STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
BRACKETS = re.compile(rb"[\[\]{}]")
LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class Unreadable(Exception):
    """The body is refused. `status` is 400 where it is no JSON, 422 where it is JSON that is not accepted."""

    def __init__(self, status: int, error: FieldError) -> None:
        super().__init__(error.message)
        self.status = status
        self.error = error


@dataclass(frozen=True)
class _Fault:
    """Stands in the parsed tree where something unacceptable stood, so that its path can be found."""

    status: int
    code: str
    message: str
    key: str | None = None


def parse(body: bytes) -> Json:
    """The value of a JSON text. Integers are exact, other numbers are doubles. Raises Unreadable."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _malformed(f"The body is not UTF-8: byte {error.start}.") from None
    _check_depth(body)
    reader = _Reader()
    try:
        value = reader.decoder.decode(text)
    except json.JSONDecodeError as error:
        raise _malformed(f"{error.msg}: line {error.lineno}, column {error.colno}.") from None
    if reader.faulty or "\\u" in text:
        _raise_first_fault(value)
    return value


class _Reader:
    """One decoder for one text: it leaves faults in the tree and remembers that it did."""

    def __init__(self) -> None:
        self.faulty = False
        self.decoder = json.JSONDecoder(
            object_pairs_hook=self._object, parse_int=self._int, parse_float=self._float, parse_constant=self._constant
        )

    def _fault(self, code: str, message: str, status: int = 422, key: str | None = None) -> _Fault:
        self.faulty = True
        return _Fault(status, code, message, key)

    def _object(self, pairs: list[tuple[str, Any]]) -> Any:
        made = dict(pairs)
        if len(made) == len(pairs):
            return made
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        return self._fault("duplicate_key", f"The key {json.dumps(twice)} occurs twice.", key=twice)

    def _int(self, digits: str) -> Any:
        if len(digits.lstrip("-")) > MAX_DIGITS:
            return self._fault("number_too_long", f"Numbers have at most {MAX_DIGITS} digits.")
        return int(digits)

    def _float(self, text: str) -> Any:
        if sum(map(str.isdigit, text)) > MAX_DIGITS:
            return self._fault("number_too_long", f"Numbers have at most {MAX_DIGITS} digits.")
        value = float(text)
        return value if math.isfinite(value) else self._fault("number_out_of_range", "The number is out of range.")

    def _constant(self, name: str) -> Any:
        return self._fault("malformed", f"{name} is not JSON.", status=400)


def _check_depth(body: bytes) -> None:
    """Before the parser sees it: a depth of a million would exhaust the stack."""
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return
    depth = 0
    for bracket in BRACKETS.findall(STRINGS.sub(b"", body)):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            raise Unreadable(422, FieldError("", "too_deep", f"The body is nested deeper than {MAX_DEPTH} levels."))


def _raise_first_fault(value: Json) -> None:
    for path, fault in _faults(value, ""):
        raise Unreadable(fault.status, FieldError(path, fault.code, fault.message))


def _faults(value: Json, path: str) -> Iterator[tuple[str, _Fault]]:
    match value:
        case _Fault():
            yield (path if value.key is None else child(path, value.key)), value
        case str():
            yield from ((path, fault) for fault in _text_faults(value))
        case dict():
            for key, item in value.items():
                yield from ((path, fault) for fault in _text_faults(key))
                yield from _faults(item, child(path, key))
        case list():
            for number, item in enumerate(value):
                yield from _faults(item, child(path, number))
        case _:
            pass


def _text_faults(text: str) -> Iterator[_Fault]:
    if "\0" in text:
        yield _Fault(422, "nul", "Text cannot hold the character NUL.")
    if LONE_SURROGATE.search(text):
        yield _Fault(422, "lone_surrogate", "Text cannot hold half of a surrogate pair.")


def child(path: str, key: str | int) -> str:
    """A JSON pointer (RFC 6901) one step further."""
    return f"{path}/{str(key).replace('~', '~0').replace('/', '~1')}"


def _malformed(message: str) -> Unreadable:
    return Unreadable(400, FieldError("", "malformed", message))
