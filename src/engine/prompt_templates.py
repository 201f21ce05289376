"""The language of prompts: a text with places for values, `{{ name }}` or `{{ name.field.0 }}`, and nothing else.

There is no logic in it, and nothing is executed. A value is put where its place is and is never read as a template itself,
whatever it says. `{{{{` stands for the text `{{`; a `}}` that closes nothing is text.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from domain.facts import Json
from domain.prompt import VARIABLE

OPEN, ESCAPED = "{{", "{{{{"
PLACE = re.compile(rf"\s{{0,20}}({VARIABLE.pattern}(?:\.(?:{VARIABLE.pattern}|0|[1-9][0-9]{{0,5}}))*)\s{{0,20}}\}}\}}")
LONGEST = 1_000_000
"""Characters of a text with all its values."""
DEEPEST = 20
"""Names in a path."""


@dataclass(frozen=True)
class Place:
    """Where a value goes. `path`: the variable's name, then the fields and indices within its value."""

    path: tuple[str, ...]
    at: int
    """The character of the template at which it begins."""

    @property
    def variable(self) -> str:
        return self.path[0]

    def __str__(self) -> str:
        return ".".join(self.path)


Template: TypeAlias = tuple[str | Place, ...]


class TemplateFault(ValueError):
    """A text that is no template. `line`, `column`: from 1."""

    def __init__(self, message: str, text: str, at: int) -> None:
        self.line = text.count("\n", 0, at) + 1
        self.column = at - (text.rfind("\n", 0, at) + 1) + 1
        super().__init__(f"Line {self.line}, column {self.column}: {message}")


class NoSuchPart(ValueError):
    """A path leads nowhere in a value."""


class TooLong(ValueError):
    """With its values, the text is longer than may be sent."""


def parse(text: str) -> Template:
    """Raises TemplateFault for the first fault."""
    parts: list[str | Place] = []
    end = 0
    while (start := text.find(OPEN, end)) >= 0:
        parts.append(text[end:start])
        if text.startswith(ESCAPED, start):
            parts.append(OPEN)
            end = start + len(ESCAPED)
            continue
        found = PLACE.match(text, start + len(OPEN))
        if found is None:
            raise TemplateFault(
                "after {{ comes the name of a variable, with a path as in {{ order.items.0 }}, and then }}. "
                "To write {{ itself, write {{{{.",
                text,
                start,
            )
        path = tuple(found[1].split("."))
        if len(path) > DEEPEST:
            raise TemplateFault(f"a path has at most {DEEPEST} names.", text, start)
        parts.append(Place(path, start))
        end = found.end()
    parts.append(text[end:])
    return tuple(part for part in parts if part != "")


def places(template: Template) -> tuple[Place, ...]:
    return tuple(part for part in template if isinstance(part, Place))


@dataclass(frozen=True)
class Span:
    """From which character of the text, to before which, the value of a variable is."""

    variable: str
    start: int
    end: int


def fill(template: Template, text_of: Callable[[Place], str]) -> tuple[str, tuple[Span, ...]]:
    """The text with all values in their places, and where they are. Raises TooLong."""
    parts: list[str] = []
    spans: list[Span] = []
    size = 0
    for part in template:
        text = part if isinstance(part, str) else text_of(part)
        if isinstance(part, Place):
            spans.append(Span(part.variable, size, size + len(text)))
        parts.append(text)
        size += len(text)
        if size > LONGEST:
            raise TooLong(f"With its values the text is longer than {LONGEST} characters.")
    return "".join(parts), tuple(spans)


def within(value: Json, path: tuple[str, ...]) -> Json:
    """What a path leads to in a value. Raises NoSuchPart."""
    for number, name in enumerate(path):
        if isinstance(value, Mapping) and name in value:
            value = value[name]
        elif isinstance(value, list | tuple) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            raise NoSuchPart(
                f"there is no {name} in it" if number == 0 else f"there is no {name} in its {'.'.join(path[:number])}"
            )
    return value


def as_text(value: Json) -> str:
    """A text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
