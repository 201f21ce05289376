"""What is read as JSON, and what is refused, with the path at fault."""

import json
import random
import re
import time
from collections.abc import Callable
from contextlib import suppress
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
    (DEEP, 422, "too_deep", "/0" * 64),
    (b'{"a": [1, {"b": %s}]}' % DEEP, 422, "too_deep", "/a/1/b" + "/0" * 61),
    (b'["]]]", "' + b'\\"' * 9 + b'", {"x~/": 1, "y": 2}, ' + DEEP, 422, "too_deep", "/3" + "/0" * 63),
    (b'{"a": 12345678901234567.89}', 422, "number_not_exact", "/a"),
    (b'{"a": [123456789.123456789]}', 422, "number_not_exact", "/a/0"),
    (b'{"a": 1e-400}', 422, "number_not_exact", "/a"),
    (b'{"a": 1e-9999999999999999999999}', 422, "number_not_exact", "/a"),
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


def test_a_fraction_that_a_double_holds_is_read_as_it_was_written() -> None:
    assert parse(b"[0.1, 1.10, 1e5, 0.30000000000000004, 0e99999999999, 5e-324, 123456789012345.6]") == (
        [0.1, 1.1, 1e5, 0.30000000000000004, 0.0, 5e-324, 123456789012345.6]
    )


MIB = 1 << 20
NASTY: dict[str, Callable[[int], bytes]] = {
    "quotes in a string that does not end": lambda size: b"[" * 70 + b'"' + b'\\"' * (size // 2),
    "backslashes that do not end": lambda size: b"[" * 70 + b'"' + b"\\" * size,
    "quotes": lambda size: b"[" * 70 + b'"' * size,
    "empty lists": lambda size: b"[" + b"[]," * (size // 3) + b"[]]",
    "empty objects": lambda size: b"[" + b"{}," * (size // 3) + b"{}]",
    "small objects": lambda size: b"[" + b'{"a":1},' * (size // 8) + b"1]",
    "deep lists": lambda size: b"[" + (b"[" * 60 + b"]" * 60 + b",") * (size // 121) + b"1]",
    "deep at the end": lambda size: b"[" + b'"",' * (size // 3) + b"[" * 70,
    "opened only": lambda size: b"[" * size,
    "closed only": lambda size: b"[" * 65 + b"]" * size,
    "long numbers": lambda size: b"[" + b"9" * size,
    "numbers that no double holds": lambda size: b"[" + b"12345678901234567.89," * (size // 21) + b"1]",
    "exponents": lambda size: b"[" + b"1e-300," * (size // 7) + b"1]",
    "escapes": lambda size: b'["' + b"\\u0041" * (size // 6) + b'"]',
    "pairs": lambda size: b"[" + b'"\\ud83d\\ude00",' * (size // 15) + b"1]",
    "one key": lambda size: b"{" + b'"a":1,' * (size // 6) + b'"a":1}',
    "keys": lambda size: b"{" + b",".join(b'"%d":1' % number for number in range(size // 11)) + b"}",
}


@pytest.mark.parametrize("body", NASTY.values(), ids=NASTY.keys())
def test_time_grows_with_length_alone(body: Callable[[int], bytes]) -> None:
    """Where it grew with the square, a megabyte took minutes."""
    assert _seconds(body(MIB)) < 0.5


def _seconds(body: bytes) -> float:
    """Of a processor, the best of three: what the machine does beside this is not asked for."""
    times = []
    for _ in range(3):
        began = time.thread_time()
        with suppress(Unreadable):
            parse(body)
        times.append(time.thread_time() - began)
    return min(times)


PIECES = [
    "[",
    "]",
    "{",
    "}",
    '"',
    "\\",
    ",",
    ":",
    '"a"',
    '"b":',
    "1",
    "-",
    "1.5",
    "1e5",
    "NaN",
    "null",
    "\\u0000",
    "\\ud800",
    "[" * 10,
]
PIECES += ["]" * 10, "9" * 65, '"{[\\""', '{"k":[', "]}", "\\\\", " ", '"\\ud83d\\ude00"', '[{"a":' * 9]


def test_any_text_is_judged_as_by_a_reader_that_takes_its_time() -> None:
    chance = random.Random(5)
    for _ in range(10_000):
        text = "[" * chance.choice([0, 0, 1, 55, 63]) + "".join(chance.choices(PIECES, k=chance.randint(1, 40)))
        text += "]" * (text.count("[") - text.count("]")) if chance.random() < 0.5 else ""
        try:
            parse(text.encode())
            verdict = "accepted"
        except Unreadable as refused:
            verdict = refused.error.code
        assert verdict == _slowly(text), text


def _slowly(text: str) -> str:
    """The rules once more, one character at a time."""
    depth, in_string, escaped = 0, False, False
    for char in text:
        if in_string:
            in_string, escaped = escaped or char != '"', char == "\\" and not escaped
            continue
        in_string = char == '"'
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(char, 0)
        if depth > 64:
            return "too_deep"
    faults: list[str] = []

    def members(pairs: list[tuple[str, Any]]) -> Any:
        return dict(pairs) if len(dict(pairs)) == len(pairs) else "(duplicate_key)"

    def number(digits: str) -> Any:
        return float(digits) if len(re.sub("[^0-9]", "", digits)) <= 64 else "(number_too_long)"

    try:
        value = json.loads(
            text, object_pairs_hook=members, parse_int=number, parse_float=number, parse_constant=lambda _: "(malformed)"
        )
    except ValueError:
        return "malformed"
    waiting = [value]
    while waiting:
        item = waiting.pop(0)
        if isinstance(item, dict):
            waiting[:0] = [each for pair in item.items() for each in pair]
        elif isinstance(item, list):
            waiting[:0] = item
        elif isinstance(item, str):
            named = re.fullmatch(r"\((\w+)\)", item)
            faults += [named[1]] if named else ["nul"] if "\0" in item else []
            faults += ["lone_surrogate"] if any("\ud800" <= char <= "\udfff" for char in item) else []
    return faults[0] if faults else "accepted"


def test_money_that_is_nothing_is_written_out() -> None:
    assert to_json({"cost": Decimal("0E-10")}) == b'{"cost":"0.0000000000"}'
