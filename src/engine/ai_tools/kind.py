"""What a type of tools is: each is a file that fills in a `ToolType`, and a line in `engine.ai_tools.TOOL_TYPES`.

An expression of a tool that names `arguments` (or the `response` that it is given) is evaluated when the model calls it, and
sees what policies see (`engine.ai_policies.variables`); every other one when the task is requested, as the node's own.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from domain.facts import Json
from engine.ai_policies import types_of
from engine.expressions import Evaluates, expressions_in, is_expression, resolve
from engine.nodes.kind import Fault, Formula

LATER = re.compile(r"\b(arguments|response)\b")


def no_faults(_tool: Json) -> Iterator[Fault]:
    return iter(())


@dataclass(frozen=True)
class ToolType:
    """`fields`: JSON Schemas of its own fields; `needed`: those that it must have. `with_expressions`: those that have some."""

    name: str
    fields: Mapping[str, Json]
    needed: tuple[str, ...] = ()
    with_expressions: tuple[str, ...] = ()
    also: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    """By JSON pointer within the tool: what expressions there see besides, when it is called."""
    lint: Callable[[Json], Iterator[Fault]] = no_faults
    """Faults of a tool whose shape is sound. Paths: within the tool."""
    resolved: Callable[[Json, Json], Json] = lambda _written, resolved: resolved
    """Given the tool as it is written, and with what can be evaluated by now: as the task has it on record."""
    plain: tuple[str, ...] = ()
    """Fields that are taken as they stand, whatever they begin with."""


def at_the_call(source: str) -> bool:
    """Whether an expression is evaluated when the tool is called."""
    return LATER.search(source) is not None


def partly(value: Json, evaluator: Evaluates, variables: Mapping[str, Json], later: re.Pattern[str] = LATER) -> Json:
    """With what can be evaluated by now. A text that comes of it stays a text: `=` at its beginning is doubled.

    `later`: what is in the expressions that cannot be yet.
    """
    if isinstance(value, dict):
        return {name: partly(each, evaluator, variables, later) for name, each in value.items()}
    if isinstance(value, list):
        return [partly(each, evaluator, variables, later) for each in value]
    if is_expression(value) and not later.search(value):
        return literal(resolve(value, evaluator, variables))
    return value


def literal(value: Json) -> Json:
    """What `resolve` makes of it is the value itself."""
    match value:
        case str():
            return f"={value}" if value.startswith("=") else value
        case dict():
            return {name: literal(each) for name, each in value.items()}
        case list():
            return [literal(each) for each in value]
        case _:
            return value


def formulas(tool: Json, type: ToolType, path: str) -> Iterator[Formula]:
    """Every expression of a tool, and its policy. `path`: of the tool, within the node's configuration."""
    seen = types_of(tool)
    for name in type.with_expressions:
        for place, source in expressions_in(tool.get(name), f"/{name}"):
            if at_the_call(source):
                besides = {key: each for at, all in type.also.items() if place.startswith(at) for key, each in all.items()}
                yield Formula(path + place, source, None, {**seen, **besides}, alone=True)
            else:
                yield Formula(path + place, source, None)
    for rule, source in (tool.get("policy") or {}).items():
        if rule in ("deny", "ask", "allow") and isinstance(source, str):
            yield Formula(f"{path}/policy/{rule}", source, "bool", seen, alone=True)
