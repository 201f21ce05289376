"""JSON and the values of the CEL library, both ways. What is not safe to hand over, or to read, is refused by name.

The library cuts text with NUL and dereferences NULL for lone surrogates; errors are values in it, also inside lists and maps, so
every value is asked for its type before it is read; null is never read (on Python 3.11 that loses a reference to None).
"""

import datetime as dt
import math
from collections.abc import Mapping
from typing import Any

from cel_expr_python import cel  # type: ignore[import-untyped]  # stubs without py.typed

from domain.storable import text_fault
from engine.cel.messages import in_words
from engine.expressions import JSON, ExpressionError

RESULT_LIMIT = 1 << 20  # about the bytes of a result as JSON
DEPTH_LIMIT = 100  # of values, both ways

_BIG_KEY = -(2**63)  # JSON's keys are texts, so no JSON object looks like this
_INT64 = range(-(2**63), 2**63)

Trie = dict[str, Any]
"""Key → the paths below it; None where the whole value is needed."""


def lower_reads(value: JSON, trie: Trie | None, depth: int = 0) -> Any:
    if trie is None:
        return _lower(value, depth)
    if not isinstance(value, Mapping):
        return True  # asked only whether it is there, or for a field, which no text, number or list has
    return {key: lower_reads(value[key], below, depth + 1) for key, below in trie.items() if key in value}


def pick(value: JSON, trie: Trie | None) -> Any:
    """What `lower_reads` looks at, not converted."""
    if trie is None:
        is_plain = isinstance(value, dict) or not isinstance(value, Mapping)
        return value if is_plain else {key: pick(value[key], None) for key in value}
    if not isinstance(value, Mapping):
        return True
    return {key: pick(value[key], below) for key, below in trie.items() if key in value}


def _lower(value: JSON, depth: int) -> Any:
    if depth > DEPTH_LIMIT:
        raise ExpressionError("a value is nested too deeply")
    kind = type(value)
    if kind is str:
        return value if value.isascii() and "\x00" not in value else _text(value)
    if value is None or kind is bool:
        return value
    if kind is int:
        return value if value in _INT64 else {_BIG_KEY: str(value)}
    if kind is float:
        if not math.isfinite(value):
            raise ExpressionError("a number is not finite")
        return value
    if kind is dict or isinstance(value, Mapping):
        return {_key(key): _lower(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_lower(item, depth + 1) for item in value]
    raise ExpressionError(f"a value of type {kind.__name__} is not JSON")


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise ExpressionError("the keys of an object must be texts")
    return _text(key)


def _text(value: str) -> str:
    if text_fault(value) is not None:
        raise ExpressionError("a text holds NUL or a lone surrogate")
    return value


class ResultConverter:
    """Turns one result into JSON, within RESULT_LIMIT. Never calls `value()` on a null or an error."""

    def __init__(self) -> None:
        self.left = RESULT_LIMIT

    def lift(self, value: cel.Value, depth: int) -> JSON:
        kind = value.type().name().partition("<")[0]
        if depth > DEPTH_LIMIT:
            raise ExpressionError("the result is nested too deeply")
        self._spend(8)
        match kind:
            case "NULL":
                return None
            case "BOOL" | "INT" | "UINT":
                return value.value()
            case "DOUBLE":
                number: float = value.value()
                if not math.isfinite(number):
                    raise ExpressionError("the result is not a finite number")
                return number
            case "STRING":
                text: str = value.value()
                self._spend(len(text))
                return _text(text)
            case "LIST":
                items: list[cel.Value] = value.value()
                return [self.lift(item, depth + 1) for item in items]
            case "MAP":
                return self._object(value.value(), depth)
            case "TIMESTAMP":
                return _rfc3339(value.value())
            case "DURATION":
                return _iso8601(value.value())
            case "ERROR":
                raise ExpressionError(in_words(value.value()))
            case _:
                raise ExpressionError(f"a result of type {kind.lower()} is not JSON")

    def _spend(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise ExpressionError("the result is too large")

    def _object(self, entries: dict[Any, cel.Value], depth: int) -> JSON:
        # The library hashes its keys; sorted, the same expression always yields the same bytes.
        if len(entries) == 1 and _BIG_KEY in entries:
            return int(entries[_BIG_KEY].value())
        self._spend(sum(len(key) for key in entries if isinstance(key, str)))
        return {key: self.lift(entries[key], depth + 1) for key in sorted(map(_key, entries))}


def _rfc3339(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat().removesuffix("+00:00") + "Z"


def _iso8601(span: dt.timedelta) -> str:
    """Hours, minutes and seconds: a day is not always 24 hours, an hour is always an hour."""
    micros = span // dt.timedelta(microseconds=1)
    sign, micros = ("-", -micros) if micros < 0 else ("", micros)
    seconds, fraction = divmod(micros, 1_000_000)
    hours, seconds = divmod(seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    exact = f"{seconds}.{fraction:06d}".rstrip("0") if fraction else str(seconds)
    parts = [f"{hours}H" if hours else "", f"{minutes}M" if minutes else "", f"{exact}S" if seconds or fraction else ""]
    return f"{sign}PT{''.join(parts) or '0S'}"


def kind_of(value: JSON) -> str:
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a text", list: "a list", type(None): "null"}
    return names.get(type(value), "an object")
