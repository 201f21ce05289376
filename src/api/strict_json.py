"""JSON at the edge, read strictly: what jsonb would refuse, or would read in two ways, must never reach a ledger.

Refused as malformed (400): what is not UTF-8 or not JSON, NaN and Infinity among it. Refused as unacceptable (422): a
depth beyond 64, a key that occurs twice, NUL, a lone surrogate, a number of more than 64 digits, one beyond a double's
range, or a fraction that no double holds as it is written: numbers are kept exactly, or not at all. Every refusal names the
place by JSON pointer where there is one. The time it takes grows with the length of the text alone, whatever is in it.
"""

import gc
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from api.json_depth import place_too_deep, too_deep
from domain.facts import FieldError, Json
from domain.storable import MAX_DEPTH, MAX_DIGITS, TextFault, text_fault

TEXT_FAULTS: Mapping[TextFault, str] = {
    "nul": "A text must not contain the character NUL.",
    "lone_surrogate": "A text must not contain half of a surrogate pair.",
}
SAFE_LENGTH = 16
"""Of a number: 15 digits and a point. A double holds every such number as it is written."""
LARGE = 1 << 16

SPECIAL = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
"""What may become NUL or half of a pair."""
LONG_NUMBER = re.compile(rb"[0-9.]{16}|[0-9.][eE]")


class Unreadable(Exception):
    """The body is refused. `status` is 400 where it is no JSON, 422 where it is JSON that is not accepted."""

    def __init__(self, status: int, error: FieldError) -> None:
        super().__init__(error.message)
        self.status = status
        self.error = error


@dataclass(frozen=True)
class _Fault:
    """ExecutionResult in the parsed tree where something unacceptable stood, so that its path can be found."""

    status: int
    code: str
    message: str
    key: str | None = None


def parse(body: bytes) -> Json:
    """The value of a JSON text. Integers are exact, other numbers are doubles. Raises Unreadable."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _malformed(f"The body is not UTF-8 (at byte {error.start}).") from None
    if too_deep(body, MAX_DEPTH):
        path = _pointer(place_too_deep(body, MAX_DEPTH))
        raise Unreadable(422, FieldError(path, "too_deep", f"The body is nested deeper than {MAX_DEPTH} levels."))
    reader = _Reader(plain_numbers=len(body) > LARGE and LONG_NUMBER.search(body) is None)
    try:
        value = reader.decode(text)
    except json.JSONDecodeError as error:
        raise _malformed(f"{error.msg}: line {error.lineno}, column {error.colno}.") from None
    if reader.faulty or (b"\\u" in body and SPECIAL.search(body) is not None):
        _raise_first_fault(value)
    return value


class _Reader:
    """One decoder for one text: it leaves faults in the tree and remembers that it did."""

    def __init__(self, *, plain_numbers: bool) -> None:
        """`plain_numbers`: none is long or has an exponent, so that none needs to be looked at: in a large body that pays."""
        self.faulty = False
        self._decoder = json.JSONDecoder(
            object_pairs_hook=self._object,
            parse_int=None if plain_numbers else self._int,
            parse_float=None if plain_numbers else self._float,
            parse_constant=self._constant,
        )

    def decode(self, text: str) -> Any:
        """Without collecting garbage meanwhile: nothing made here is any, and each look for it goes through all that was made."""
        if len(text) < LARGE or not gc.isenabled():
            return self._decoder.decode(text)
        gc.disable()
        try:
            return self._decoder.decode(text)
        finally:
            gc.enable()

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
            return self._fault("number_too_long", f"A number may have at most {MAX_DIGITS} digits.")
        return int(digits)

    def _float(self, text: str) -> Any:
        if self.faulty:
            return None  # the first fault is told
        if sum(map(str.isdigit, text)) > MAX_DIGITS:
            return self._fault("number_too_long", f"A number may have at most {MAX_DIGITS} digits.")
        value = float(text)
        if not math.isfinite(value):
            return self._fault("number_out_of_range", "The number is out of range.")
        if (len(text) > SAFE_LENGTH or "e" in text or "E" in text) and not _holds(value, text):
            message = f"The number {text} cannot be kept exactly; {value!r} can. Send it as a text if every digit counts."
            return self._fault("number_not_exact", message)
        return value

    def _constant(self, name: str) -> Any:
        return self._fault("malformed", f"{name} is not JSON.", status=400)


def _holds(value: float, text: str) -> bool:
    """Whether a double, written as short as it can be, is the number that was written."""
    if value == 0:
        return not re.search("[1-9]", re.split("[eE]", text)[0])
    return Decimal(repr(value)) == Decimal(text)


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
    fault = text_fault(text)
    if fault is not None:
        yield _Fault(422, fault, TEXT_FAULTS[fault])


def child(path: str, key: str | int) -> str:
    """A JSON pointer (RFC 6901) one step further."""
    return f"{path}/{str(key).replace('~', '~0').replace('/', '~1')}"


def _pointer(path: list[str | int]) -> str:
    pointer = ""
    for step in path:
        pointer = child(pointer, step)
    return pointer


def _malformed(message: str) -> Unreadable:
    return Unreadable(400, FieldError("", "malformed", message))
