"""What the configuration of an agent says of its guards (`engine.ai_guards`): its shape, and what is wrong with it."""

from collections.abc import Iterator

import re2  # type: ignore[import-untyped]

from domain.facts import Json
from engine.ai_guards import compiled
from engine.nodes.kind import Fault, Formula, object_schema
from engine.regex_weight import regex_weight
from engine.schema import SchemaError, check_schema

STAGES = ("input", "tool_arguments", "tool_results", "output")
JUDGED = ("input", "output")
"""Places at which a model may judge."""
MOST = 20
"""Guards of one place."""
LONGEST_PATTERN, HEAVIEST_PATTERN = 1_000, 5_000

MESSAGE = {"type": "string", "minLength": 1, "maxLength": 500}
TEXT = {"type": "string", "minLength": 1}
_COMMON: dict[str, Json] = {"message": MESSAGE, "tools": {"type": "array", "items": TEXT, "minItems": 1, "maxItems": 64}}


def _guard(type: str, needed: tuple[str, ...], **fields: Json) -> Json:
    return object_schema({"type": {"const": type}, **fields, **_COMMON}, ("type", *needed))


GUARD = {
    "oneOf": [
        _guard(
            "regex",
            ("pattern", "action"),
            pattern={**TEXT, "maxLength": LONGEST_PATTERN},
            action={"enum": ["block", "redact"]},
            replacement={"type": "string", "maxLength": 100},
        ),
        _guard("schema", ("schema",), schema={"type": ["object", "boolean"]}),
        _guard("cel", ("when",), when=TEXT),
        _guard("model", ("model", "prompt"), model=TEXT, prompt={**TEXT, "maxLength": 10_000}),
    ]
}
GUARDS = object_schema({stage: {"type": "array", "items": GUARD, "maxItems": MOST} for stage in STAGES})
"""Of a configuration."""


def lint(guards: Json, tools: frozenset[str]) -> Iterator[Fault]:
    """Of guards whose shape is sound. `tools`: the names of those that the task has."""
    for stage, listed in guards.items():
        for place, guard in enumerate(listed):
            path = f"/{stage}/{place}"
            match guard["type"]:
                case "regex":
                    yield from _pattern(guard["pattern"], f"{path}/pattern")
                case "schema":
                    try:
                        check_schema(guard["schema"])
                    except SchemaError as error:
                        yield Fault(f"{path}/schema{error.pointer}", "invalid_schema", str(error))
                case "model" if stage not in JUDGED:
                    message = f"A model may judge {' and '.join(JUDGED)} alone."
                    yield Fault(f"{path}/type", "invalid_value", message)
            if "tools" in guard:
                yield from _tools(guard["tools"], stage, tools, f"{path}/tools")


def _pattern(pattern: str, path: str) -> Iterator[Fault]:
    if regex_weight(pattern) > HEAVIEST_PATTERN:
        yield Fault(path, "too_costly", "This regular expression takes too much computing.")
        return
    try:
        compiled(pattern)
    except re2.error as error:
        said = error.args[0].decode() if isinstance(error.args[0], bytes) else error.args[0]
        yield Fault(path, "invalid_pattern", f"This is no regular expression of RE2: {said}.")


def _tools(named: list[str], stage: str, tools: frozenset[str], path: str) -> Iterator[Fault]:
    if not stage.startswith("tool_"):
        yield Fault(path, "invalid_value", "Only guards of tools are of some tools alone.")
    for place, name in enumerate(named):
        if name not in tools:
            yield Fault(f"{path}/{place}", "unknown_tool", f"The task has no tool {name}.")


def formulas(guards: Json, path: str) -> Iterator[Formula]:
    """Of guards at a place of a configuration."""
    for stage, listed in guards.items():
        for place, guard in enumerate(listed):
            if guard["type"] == "cel":
                seen = {"value": None} if stage == "input" else {"value": None, "input": None}
                yield Formula(f"{path}/{stage}/{place}/when", guard["when"], "bool", seen)
