"""What the configuration of an agent says of people: whom a tool's policy asks, who reviews its output, who may allow it more.

An expression in it that names `arguments`, `output` or `usage`, and every `expr`, is evaluated when they are asked; every other
one when the task is requested.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from domain.ai_task import Bounds
from domain.facts import Json
from engine.ai_policies import USAGE
from engine.ai_tools.kind import partly
from engine.asked_people import PEOPLE, faults
from engine.expressions import Evaluates, expressions_in, is_expression
from engine.nodes.kind import Fault, Formula, object_schema

Config = Mapping[str, Any]
LATER = re.compile(r"\b(arguments|output|usage)\b")
ALWAYS = "always"
REJECTIONS = 1
"""How often an output may be sent back, unless the definition says otherwise."""
WHEN = {"anyOf": [{"const": ALWAYS}, {"type": "string", "pattern": "^=[^=]"}]}
REVIEW = object_schema({"when": WHEN, "rejections": {"type": "integer", "minimum": 0, "maximum": 100}, **PEOPLE}, ("when",))
FIELDS: Mapping[str, Json] = {
    "review": REVIEW,
    "on_budget": {"enum": ["fail", "ask"]},
    "budget_by": object_schema(PEOPLE),
    "repetition_by": object_schema(PEOPLE),
}
RAW = frozenset({"review", "budget_by", "repetition_by"})
"""Of these fields, those whose expressions are evaluated here."""


def when_asked(source: str) -> bool:
    """Whether an expression is evaluated when people are asked."""
    return LATER.search(source) is not None


def people_of(written: Json, evaluator: Evaluates, variables: Mapping[str, Json]) -> Json:
    """With what can be evaluated by now. Raises ExpressionError."""
    if not isinstance(written, dict):
        return written
    return {name: partly(value, evaluator, variables, LATER) if name in PEOPLE else value for name, value in written.items()}


def with_rejections(bounds: Bounds | None, review: Json) -> Bounds | None:
    """`review`: as it is written."""
    if review is None:
        return bounds
    return replace(bounds or Bounds(), rejections=review.get("rejections", REJECTIONS))


def lint(config: Config) -> Iterator[Fault]:
    """Of a configuration whose shape is sound."""
    for place, tool in enumerate(config.get("tools", ())):
        policy, path = tool.get("policy") or {}, f"/tools/{place}/policy"
        asked = sorted(policy.keys() & PEOPLE.keys())
        if policy.get("ask", False) is not False:
            yield from faults(policy, path, "A policy with `ask`")
        elif asked:
            yield Fault(f"{path}/{asked[0]}", "nobody_asked", "This policy asks nobody: it has no `ask`.", "warning")
    if "review" in config:
        yield from faults(config["review"], "/review", "A review")
    if "repetition_by" in config:
        yield from faults(config["repetition_by"], "/repetition_by", "`repetition_by`")
    if config.get("on_budget") == "ask":
        yield from faults(config.get("budget_by", {}), "/budget_by", "`on_budget: ask`")
    elif "budget_by" in config:
        yield Fault("/budget_by", "nobody_asked", "Nobody is asked about a budget: `on_budget` is not `ask`.", "warning")


def formulas(config: Config) -> Iterator[Formula]:
    for place, tool in enumerate(config.get("tools", ())):
        seen = {"arguments": tool["parameters"], "input": None, "output": None}
        yield from _of_people(tool.get("policy") or {}, f"/tools/{place}/policy", seen)
    output = config.get("output_schema", {"type": "string"})
    review = config.get("review") or {}
    if is_expression(review.get("when")):
        yield Formula("/review/when", review["when"][1:], "bool", {"output": output, "input": None, "usage": USAGE}, alone=True)
    yield from _of_people(review, "/review", {"arguments": None, "input": None, "output": output})
    for name in ("budget_by", "repetition_by"):
        yield from _of_people(config.get(name) or {}, f"/{name}", {"arguments": None, "input": None, "output": None})


def _of_people(written: Config, path: str, seen: Mapping[str, Json]) -> Iterator[Formula]:
    people = {name: value for name, value in written.items() if name in PEOPLE}
    for place, source in expressions_in(people, path):
        later = LATER.search(source) is not None
        yield Formula(place, source, None, seen if later else {}, alone=later)
    for place, source in _every_expr(people, path):
        yield Formula(place, source, None, seen, alone=True)


def _every_expr(value: Json, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, each in value.items():
            if name == "expr" and isinstance(each, str):
                yield f"{path}/{name}", each
            else:
                yield from _every_expr(each, f"{path}/{name}")
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _every_expr(each, f"{path}/{number}")
