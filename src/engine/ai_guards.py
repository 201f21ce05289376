"""Guards of an AI task: what may go in and out, and what is taken out of it before it is sent or stored.

At four places: `input` (prompt, system, context and input, when the task is asked for), `tool_arguments`, `tool_results`, and
`output`. Guards of a place are applied in their order, each to what the one before has left.

- regex: of RE2, which takes time linear in the text; each text, name and number is looked at by itself.
- schema: what does not fit is blocked.
- cel: blocks where its expression is true, or cannot be evaluated.
- model: another model judges; whoever does the task asks it (`domain.ai_task.steps.Judge`), and nothing is decided here.

What a guard blocks is recorded without what it found, too.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import re2  # type: ignore[import-untyped]

from domain.ai_task import AiTask
from domain.facts import Json
from engine.expressions import Budgeted, ExpressionError
from engine.nodes.kind import Fault, Formula, object_schema
from engine.regex_weight import regex_weight
from engine.schema import SchemaError, check_schema, faults

STAGES = ("input", "tool_arguments", "tool_results", "output")
JUDGED = ("input", "output")
"""Places at which a model may judge."""
MOST = 20
"""Guards of one place."""
REDACTED = "[redacted]"
LONGEST_PATTERN, HEAVIEST_PATTERN = 1_000, 5_000
NAMED_FAULTS = 3

MESSAGE = {"type": "string", "minLength": 1, "maxLength": 500}
TEXT = {"type": "string", "minLength": 1}
_COMMON: dict[str, Json] = {"message": MESSAGE, "tools": {"type": "array", "items": TEXT, "maxItems": 64}}


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


@dataclass(frozen=True)
class Guarded:
    """pass: `value` as it was. redact: `value` without what is not to be there. block: it goes no further, and `why`; `value` is
    what may be recorded of it."""

    kind: Literal["pass", "redact", "block"]
    value: Json
    why: str | None = None


def guard_input(guards: Json, texts: Json, evaluator: Budgeted) -> Guarded:
    """`texts`: {prompt, system, context, input} of a task that is about to be requested, by its `guards`.

    A schema is of the input alone; `value` of an expression is all four.
    """
    return _applied(guards, "input", texts, {}, evaluator, fits=lambda value: value["input"])


def guard_arguments(task: AiTask, tool: Json, arguments: Json, evaluator: Budgeted) -> Guarded:
    return _applied(_of(task), "tool_arguments", arguments, _seen(task), evaluator, tool["name"])


def guard_result(task: AiTask, tool: Json, result: Json, evaluator: Budgeted) -> Guarded:
    return _applied(_of(task), "tool_results", result, _seen(task), evaluator, tool["name"])


def guard_output(task: AiTask, output: Json, evaluator: Budgeted) -> Guarded:
    return _applied(_of(task), "output", output, _seen(task), evaluator)


def redacted_answer(task: AiTask, said: Json) -> Json:
    """What a model said, without what its guards take out of an output: before it is recorded, whatever becomes of it."""
    for guard in _of(task).get("output", ()):
        if guard["type"] == "regex":
            said = _without(guard, said)
    return said


def models_of(task: AiTask, stage: Literal["input", "output"]) -> tuple[Json, ...]:
    """The guards of a place that are models."""
    return tuple(guard for guard in _of(task).get(stage, ()) if guard["type"] == "model")


def _of(task: AiTask) -> Mapping[str, Json]:
    return (task.requested.guards if task.requested is not None else None) or {}


def _seen(task: AiTask) -> dict[str, Json]:
    return {"input": None if task.requested is None else task.requested.input}


def _applied(
    guards: Json,
    stage: str,
    value: Json,
    seen: Mapping[str, Json],
    evaluator: Budgeted,
    tool: str | None = None,
    fits: Callable[[Json], Json] = lambda value: value,
) -> Guarded:
    changed = False
    for guard in (guards or {}).get(stage, ()):
        if tool is not None and tool not in guard.get("tools", (tool,)):
            continue
        match guard["type"]:
            case "regex":
                without = _without(guard, value) if stage != "input" else {name: _without(guard, value[name]) for name in value}
                if without != value:
                    if guard["action"] == "block":
                        return Guarded("block", without, _why(guard, "It contains what must not be there."))
                    value, changed = without, True
            case "schema":
                found = faults(guard["schema"], fits(value), effort=evaluator.effort)
                if found:
                    named = "; ".join(f"{fault.path or '/'}: {fault.message}" for fault in found[:NAMED_FAULTS])
                    return Guarded("block", value, _why(guard, f"It does not fit what is allowed. {named}"))
            case "cel":
                try:
                    forbidden = evaluator.evaluate_bool(guard["when"], {"value": value, **seen})
                except ExpressionError as error:
                    return Guarded("block", value, _why(guard, f"A guard cannot be evaluated, and so blocks: {error}"))
                if forbidden:
                    return Guarded("block", value, _why(guard, "A guard forbids it."))
    return Guarded("redact" if changed else "pass", value)


def _why(guard: Json, otherwise: str) -> str:
    return str(guard.get("message", otherwise))


# Regular expressions ----------------------------------------------------------------------------------------------------


@lru_cache(512)
def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern, options)


def _without(guard: Json, value: Json) -> Json:
    """The value without what the expression finds, in its texts, names and numbers; the very same where it finds nothing."""
    pattern, instead = _compiled(guard["pattern"]), guard.get("replacement", REDACTED)

    def text(found: str) -> str:
        return str(pattern.sub(lambda _match: instead, found)) if pattern.search(found) is not None else found

    return _mapped(value, text)


def _mapped(value: Json, text: Callable[[str], str]) -> Json:
    match value:
        case str():
            return text(value)
        case bool() | None:
            return value
        case int() | float():
            written = str(value)
            told = text(written)
            return value if told == written else told
        case dict():
            return {text(name): _mapped(each, text) for name, each in value.items()}
        case _:
            return [_mapped(each, text) for each in value]


# What is wrong with them ------------------------------------------------------------------------------------------------


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
        _compiled(pattern)
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
