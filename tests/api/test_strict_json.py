"""What is read as JSON, and what is refused, with the path at fault."""

import json
from decimal import Decimal
from typing import Any

import pytest

from api.answers import to_json
from api.strict_json import Unreadable, parse

DEEP = b"[" * 65 + b"]" * 65
LONG = b"1" * 65

REFUSED: list[tuple[bytes, int, str, str]] = [
    (b"{", 400, "malformed", ""),
    (b"", 400, "malformed", ""),
    (b'{"a": 1} x', 400, "malformed", ""),
    (b"\xff", 400, "malformed", ""),
    (b"\xef\xbb\xbf{}", 400, "malformed", ""),
    (b'{"a": "\x00"}', 400, "malformed", ""),
    (b'{"a": NaN}', 400, "malformed", "/a"),
    (b'{"a": [1, -Infinity]}', 400, "malformed", "/a/1"),
    (b'{"a": {"b": 1, "b": 2}}', 422, "duplicate_key", "/a/b"),
    (b'{"a": ["\\u0000"]}', 422, "nul", "/a/0"),
    (b'{"x\\u0000": 1}', 422, "nul", ""),
    (b'{"a/b": "\\ud800"}', 422, "lone_surrogate", "/a~1b"),
    (DEEP, 422, "too_deep", ""),
    (b'{"a": %s}' % LONG, 422, "number_too_long", "/a"),
    (b'{"a": 0.%s}' % LONG, 422, "number_too_long", "/a"),
    (b'{"a": 1e999}', 422, "number_out_of_range", "/a"),
]


@pytest.mark.parametrize(("body", "status", "code", "path"), REFUSED)
def test_is_refused_and_says_where(body: bytes, status: int, code: str, path: str) -> None:
    with pytest.raises(Unreadable) as refused:
        parse(body)
    assert (refused.value.status, refused.value.error.code, refused.value.error.path) == (status, code, path)


def test_a_depth_of_a_million_does_not_exhaust_the_stack() -> None:
    with pytest.raises(Unreadable) as refused:
        parse(b"[" * 500_000)
    assert refused.value.error.code == "too_deep"


ACCEPTED: list[Any] = [
    {"a": 2**200, "b": -1.5, "c": None, "d": [True, False], "e": "ä€😀", "": {}},
    "text with [ and { in it" * 20,
    {'quotes " and \\': "[[[[{{{{" * 30},
    [[[[]]]],
    0,
]


@pytest.mark.parametrize("value", ACCEPTED)
def test_is_read_as_it_was_written(value: Any) -> None:
    assert parse(json.dumps(value).encode()) == value
    assert parse(json.dumps(value, ensure_ascii=False).encode()) == value


def test_64_levels_and_64_digits_are_accepted() -> None:
    parse(b"[" * 64 + b"]" * 64)
    assert parse(b"9" * 64) == 10**64 - 1


def test_money_that_is_nothing_is_written_out() -> None:
    assert to_json({"cost": Decimal("0E-10")}) == b'{"cost":"0.0000000000"}'
