"""The canonical form in which a replay compares values: one text for one value, and another for every other.

Made from the folded value on one side and from what the database holds on the other, without the projector's way of writing.
"""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from json import JSONDecoder
from json.encoder import encode_basestring as text_text
from typing import Any
from uuid import UUID

import orjson

Canonical = str | None

PLAIN = frozenset({type(None), str, bool, int, UUID, datetime})
"""Types whose equal values have the same canonical form: not float and Decimal, in which 1, 1.0 and -0.0 are among the equals."""


def surely_same(live: Any, folded: Any) -> bool:
    """Whether the canonical forms are equal, as far as that can be seen without making them: of equal types, all the way down."""
    kind = type(live)
    if kind is not type(folded):
        return False
    if kind is dict or kind is list:
        try:
            return orjson.dumps(live, option=orjson.OPT_SORT_KEYS) == orjson.dumps(folded, option=orjson.OPT_SORT_KEYS)
        except TypeError:  # a number with a fraction, for one, which not every text tells apart
            pass
    if kind is dict:
        return live.keys() == folded.keys() and all(surely_same(live[key], folded[key]) for key in live)
    if kind is list:
        return len(live) == len(folded) and all(map(surely_same, live, folded))
    return kind in PLAIN and bool(live == folded)


def canonical(kind: str, value: Any) -> Canonical:
    """A column's value as text; None for null. `kind` is the column's PostgreSQL type."""
    if value is None:
        return None
    match kind:
        case "jsonb" | "text[]" | "uuid[]":
            return json_text(value)
        case "numeric" | "numeric(20,10)":
            return number_text(value)
        case "timestamptz":
            return moment_text(value)
        case _:
            return str(value)


class Number(Decimal):
    """A JSON number, exactly as it was written. In an event a Decimal is a text: JSON numbers are int and float there."""


DECODER = JSONDecoder(parse_float=Number)


def moment_text(moment: date) -> str:
    """UTC, to the microsecond."""
    if not isinstance(moment, datetime):
        raise TypeError(f"{moment!r} is not a moment")
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def number_text(number: int | float | Decimal) -> str:
    """Every digit, without exponent, as numeric has it: 1 and 1.0 differ, 1e2 and 100 do not."""
    exact = Decimal(repr(number)) if isinstance(number, float) else Decimal(number)
    return format(exact.copy_abs() if exact.is_zero() else exact, "f")


def json_text(value: Any) -> str:
    """JSON with sorted keys. Dataclasses are objects, tuples arrays; ids, moments, spans and amounts are what they are in an
    event's JSON."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float() | Number():
            return number_text(value)
        case str():
            return text_text(value)
        case Decimal():
            return text_text(str(value))
        case timedelta():
            return text_text(span_text(value))
        case UUID():
            return text_text(str(value))
        case datetime():
            return text_text(value.astimezone(UTC).isoformat().replace("+00:00", "Z"))
        case Mapping():
            return "{" + ",".join(f"{json_text(key)}:{json_text(value[key])}" for key in sorted(value)) + "}"
        case list() | tuple():
            return "[" + ",".join(json_text(item) for item in value) + "]"
        case _ if is_dataclass(value):
            return json_text({f.name: getattr(value, f.name) for f in fields(value)})
        case _:
            raise TypeError(f"{value!r} is not JSON")


def span_text(span: timedelta) -> str:
    """ISO 8601, as events have it: a year is 365 days, zero is PT0S."""
    sign, span = ("-", -span) if span < timedelta(0) else ("", span)
    years, days = divmod(span.days, 365)
    minutes, seconds = divmod(span.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{span.microseconds:06}".rstrip("0") if span.microseconds else ""
    date_part = _part(years, "Y") + _part(days, "D")
    time_part = _part(hours, "H") + _part(minutes, "M") + (f"{seconds}{fraction}S" if seconds or fraction else "")
    return f"{sign}P{date_part}" + (f"T{time_part}" if time_part else "" if date_part else "T0S")


def _part(count: int, unit: str) -> str:
    return f"{count}{unit}" if count else ""


def exact_json(text: str | bytes) -> Any:
    """JSON as the database wrote it, without losing a digit."""
    return DECODER.decode(text if isinstance(text, str) else text.decode())
