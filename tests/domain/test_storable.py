"""One word on which JSON can be stored, for everybody who takes some."""

import json
from pathlib import Path
from typing import Any

import pytest

import domain
from domain.storable import MAX_DEPTH, MAX_DIGITS, require_storable, storable_text, text_fault
from engine.cel import CelEvaluator
from engine.expressions import ExpressionError


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [None, True, 10**MAX_DIGITS - 1, -1.5, "é\U0001f600", {"a": [1, {"b": None}]}, nested(MAX_DEPTH)],
)
def test_what_can_be_stored_is_taken(value: Any) -> None:
    require_storable(value)


@pytest.mark.parametrize(
    "value",
    [
        "\0",
        "\ud800",
        {"\0": 1},
        [{"a": "\udfff"}],
        float("nan"),
        float("inf"),
        10**MAX_DIGITS,
        -(10**MAX_DIGITS),
        nested(MAX_DEPTH + 1),
        {1: 2},
        {"a": {1, 2}},
        b"a",
    ],
)
def test_what_cannot_be_stored_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        require_storable(value)


def test_a_text_is_made_storable_and_stays_what_it_was_otherwise() -> None:
    assert storable_text("a\0b\ud800c\U0001f600") == "a\ufffdb\ufffdc\U0001f600"
    assert (text_fault("a\ud800\0"), text_fault("a\0"), text_fault("aé")) == ("lone_surrogate", "nul", None)
    json.dumps(storable_text("\udfff")).encode()


def test_expressions_go_by_the_same() -> None:
    for text in ("\0", "\ud800"):
        with pytest.raises(ExpressionError):
            CelEvaluator().evaluate(f'"{text}"', {})


def test_nobody_else_says_it_again() -> None:
    """The client keeps its own, because it imports nothing of the server; what is unprintable in a message is more than that."""
    source = Path(domain.__file__).parents[1]
    said = {path.relative_to(source).as_posix() for path in source.rglob("*.py") if r"\ud800" in path.read_text("utf-8").lower()}
    assert said == {"domain/storable.py", "worker/ai/pydantic_ai_errors.py"}
