"""Answers for models are short: some fields of a resource, and of large values the beginning, with a word."""

from collections.abc import Iterable, Mapping
from typing import Any

from api.answers import to_json
from domain.facts import Json

MOST_TEXT, MOST_VALUE = 4_000, 12_000
"""Characters of a text, and of a value's JSON, in one resource."""
LISTED_TEXT, LISTED_VALUE = 500, 600
"""The same, in a list."""


def picked(row: Mapping[str, Any], fields: Iterable[str], *, listed: bool = False) -> dict[str, Json]:
    """These fields, as far as they say something, each cut to what a model can bear."""
    text, value = (LISTED_TEXT, LISTED_VALUE) if listed else (MOST_TEXT, MOST_VALUE)
    return {name: cut(row[name], text, value) for name in fields if row.get(name) not in (None, [], {})}


def cut(value: Json, most_text: int = MOST_TEXT, most_value: int = MOST_VALUE) -> Json:
    """As it is where it is short. Else its beginning as a text, whatever it was."""
    if isinstance(value, str):
        return value if len(value) <= most_text else f"{value[:most_text]}… {_word(len(value))}"
    if not isinstance(value, dict | list):
        return value
    text = to_json(value).decode()
    return value if len(text) <= most_value else f"{text[:most_value]}… {_word(len(text))}"


def _word(size: int) -> str:
    return f"[cut: {size:,} characters in all; the HTTP API has it whole]"
