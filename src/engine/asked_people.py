"""Who is asked for a decision, by which rule and by when, as definitions say it: of approval nodes, and of AI agents that ask."""

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from domain.approval import Visibility
from domain.approval.rules import RULES
from domain.facts import Json
from engine.asking import MOST_LEVELS
from engine.calendars import DUE_IN
from engine.definition import Node
from engine.lints.approvals import lint
from engine.moments import REMIND, escalate_schema
from engine.nodes.kind import Fault, object_schema
from engine.policies import faults as policy_faults

EXPRESSION = {"type": "string", "pattern": "^=[^=]"}
VISIBILITY: Json = {"enum": list(get_args(Visibility))}
POLICY = {"enum": ["forbid", "skip", "escalate"]}
NAMES = {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1}
BY = object_schema(
    {
        "users": NAMES,
        "roles": NAMES,
        "expr": {"type": "string", "minLength": 1},
        "manager_of": {"anyOf": [{"type": "string", "minLength": 1}, NAMES]},
        "levels": {"anyOf": [{"type": "integer", "minimum": 1, "maximum": MOST_LEVELS}, EXPRESSION]},
    }
) | {"minProperties": 1, "dependentRequired": {"levels": ["manager_of"]}}
RULE = object_schema(
    {
        "type": {"enum": list(RULES)},
        "members": {"enum": ["at_start", "at_decision"]},
        **{name: schema for each in RULES.values() for name, schema in each.fields.items()},
    },
    ("type",),
)
PEOPLE: Mapping[str, Json] = {
    "title": {"type": "string", "minLength": 1, "maxLength": 2000},
    "description": {"type": "string"},
    "priority": {"anyOf": [{"type": "integer"}, EXPRESSION]},
    "by": BY,
    "exclude": NAMES,
    "fallback": BY,
    "requester": POLICY,
    "rule": RULE,
    "visibility": VISIBILITY,
    "ad_hoc": {"type": "boolean"},
    "due_in": DUE_IN,
    "start_in": DUE_IN,
    "remind": REMIND,
    "escalate": escalate_schema(BY),
    "timeout": {"type": "string", "minLength": 1},
}
"""JSON Schemas of the fields by which an AI agent asks people, beside what is its own: of a tool's policy, a review, a budget."""


def faults(written: Mapping[str, Any], pointer: str, what: str) -> Iterator[Fault]:
    """Of these fields, whose shape is sound. `pointer`: where they are in the configuration; `what`: who asks, in words."""
    people = {name: value for name, value in written.items() if name in PEOPLE and name != "timeout"}
    if "by" not in people:
        yield Fault(pointer, "nobody_asked", f"{what} asks people: `by` says whom.")
    for fault in lint(Node("", "approval", {"title": "?", **people})):
        yield Fault(f"{pointer}{fault.path}", fault.code, fault.message, fault.severity)
    for path, message in policy_faults({name: written[name] for name in ("timeout",) if name in written}):
        yield Fault(f"{pointer}{path}", "invalid_value", message)
