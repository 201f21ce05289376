"""Faults of an approval node that its configuration's schema cannot express."""

from collections.abc import Iterator, Mapping
from typing import Any

from domain.approval.events import COUNTED
from domain.approval.rules import RULES, WHOLE, are_fixed
from domain.facts import Json
from engine.asking import LONGEST_ROLE, REQUESTER, TOO_LONG, is_user_id
from engine.expressions import is_expression
from engine.nodes.kind import Fault, Formula

Config = Mapping[str, Any]
RESERVED = ("error", "timeout")


def faults_of_outcomes(outcomes: list[Json]) -> Iterator[Fault]:
    seen: set[str] = set()
    for index, outcome in enumerate(outcomes):
        name = outcome["name"]
        if name in RESERVED:
            yield Fault(f"/outcomes/{index}/name", "reserved", f"{name} is the name of another handle.")
        if name in seen:
            yield Fault(f"/outcomes/{index}/name", "duplicate_handle", f"Another outcome is called {name}.")
        seen.add(name)
        yield from faults_of_people(outcome, f"/outcomes/{index}")


def faults_of_people(config: Config, pointer: str) -> Iterator[Fault]:
    """Of `by` and `exclude`."""
    by = config.get("by", {})
    for number, user in enumerate(by.get("users", [])):
        if not is_expression(user) and not is_user_id(user):
            yield Fault(f"{pointer}/by/users/{number}", "invalid_value", f"{user!r} is not a user's id.")
    for number, role in enumerate(by.get("roles", [])):
        if not is_expression(role) and len(role) > LONGEST_ROLE:
            yield Fault(f"{pointer}/by/roles/{number}", "invalid_value", TOO_LONG)
    for number, name in enumerate(config.get("exclude", [])):
        if not is_expression(name) and name != REQUESTER and not is_user_id(name):
            told = f"{name!r} is neither a user's id nor {REQUESTER}."
            yield Fault(f"{pointer}/exclude/{number}", "invalid_value", told)


def faults_of_rule(rule: Json, outcomes: list[Json], by: Json, pointer: str = "") -> Iterator[Fault]:
    """`by`: who is asked where an outcome does not say. `pointer`: of what the rule is of."""
    known = RULES[rule["type"]]
    for name in sorted(rule.keys() - {"type", "members"} - known.fields.keys()):
        yield Fault(f"{pointer}/rule/{name}", "unknown_field", f"The rule {rule['type']} has no {name}.")
    for name in known.needed:
        if name not in rule:
            yield Fault(f"{pointer}/rule", "required", f"The rule {rule['type']} needs {name}.")
    if known.counts_people and not are_fixed(rule):
        told = f"The rule {rule['type']} goes by how many are asked: they are fixed at_start."
        yield Fault(f"{pointer}/rule/members", "invalid_value", told)
    for kind in ("approve", "reject") if known.counts else ():
        if all(outcome["kind"] != kind for outcome in outcomes):
            told = f"The rule {rule['type']} needs an outcome of the kind {kind}."
            yield Fault(f"{pointer}/outcomes", "missing_outcome", told)
    if are_fixed(rule):
        counted = [outcome for outcome in outcomes if outcome["kind"] in COUNTED]
        asked = [(outcome.get("by", by), outcome.get("exclude", [])) for outcome in counted]
        if not counted or any(who is None for who, _ in asked):
            told = "Whose decisions count is fixed when they are asked: say who is asked (`by`)."
            yield Fault(f"{pointer}/rule", "nobody_named", told)
        elif any(each != asked[0] for each in asked):
            told = "Where people are counted, the outcomes of the kinds approve, reject and other ask the same (`by`, `exclude`)."
            yield Fault(f"{pointer}/outcomes", "different_people", told)


def formulas_of_people(config: Config, pointer: str) -> Iterator[Formula]:
    by = config.get("by", {})
    if "expr" in by:
        yield Formula(f"{pointer}/by/expr", by["expr"], want=None)
    named = {"by/users": by.get("users", []), "by/roles": by.get("roles", []), "exclude": config.get("exclude", [])}
    for field, names in named.items():
        for number, name in enumerate(names):
            if is_expression(name):
                yield Formula(f"{pointer}/{field}/{number}", name[1:], want=None)


def formulas_of_rule(rule: Json, pointer: str = "") -> Iterator[Formula]:
    for name, schema in RULES[rule["type"]].fields.items():
        if schema is WHOLE and name in rule and is_expression(rule[name]):
            yield Formula(f"{pointer}/rule/{name}", rule[name][1:], want=None)
    for number, name in enumerate(rule.get("veto", ())):
        if is_expression(name):
            yield Formula(f"{pointer}/rule/veto/{number}", name[1:], want=None)
