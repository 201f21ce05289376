"""Faults of the moments of an approval, or of a step of one: `remind`, `escalate`, `start_in`."""

from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from typing import Any

from domain.facts import Json
from engine.asking import LONGEST_ROLE, REQUESTER, TOO_LONG, is_user_id
from engine.calendars import durations_in
from engine.durations import duration
from engine.expressions import expressions_in, is_expression
from engine.invalid import InvalidValue
from engine.moments import AFTER_DUE, AFTER_START, ASKED, BEFORE, WHEN_ESCALATED
from engine.nodes.kind import Fault, Formula

Config = Mapping[str, Any]
NEEDS = {BEFORE: "due_in", AFTER_DUE: "due_in", AFTER_START: "start_in"}


def lint(part: Config, outcomes: Collection[str], pointer: str) -> Iterator[Fault]:
    """`outcomes`: names of those that it may come to."""
    yield from spans(part.get("start_in"), f"{pointer}/start_in")
    for number, when in enumerate(part.get("remind", ())):
        yield from _when(part, when, f"{pointer}/remind/{number}")
    levels, latest = part.get("escalate", ()), timedelta(0)
    for number, level in enumerate(levels):
        at = f"{pointer}/escalate/{number}"
        named = [name for name in WHEN_ESCALATED if name in level]
        if len(named) != 1:
            yield Fault(at, "invalid_value", f"A level says when it is reached, by one of {', '.join(WHEN_ESCALATED)}.")
        yield from _when(part, {name: level[name] for name in named}, at)
        yield from _of_level(level, outcomes, at)
        if "outcome" in level and number + 1 < len(levels):
            yield Fault(f"{at}/outcome", "unreachable", "No level is reached after the outcome by default: it is the last one.")
        after = _plain(level.get("after"))
        if after is not None and after <= latest and number:
            yield Fault(f"{at}/after", "invalid_value", "A level is reached after the one before it.")
        latest = latest if after is None else after


def _of_level(level: Config, outcomes: Collection[str], at: str) -> Iterator[Fault]:
    if ("by" in level) == ("outcome" in level):
        yield Fault(at, "invalid_value", "A level says who is asked (`by`), or what it comes to (`outcome`).")
    if "replace" in level and "by" not in level:
        yield Fault(f"{at}/replace", "unknown_field", "Nobody is asked instead where it comes to an outcome.")
    if "outcome" in level and level["outcome"] not in outcomes:
        yield Fault(f"{at}/outcome", "unknown_outcome", f"No outcome is called {level['outcome']}.")
    yield from of_by(level.get("by", {}), f"{at}/by", (REQUESTER, ASKED))


def of_by(by: Config, pointer: str, words: Collection[str] = (REQUESTER,)) -> Iterator[Fault]:
    """`words`: those whose managers may be asked, beside users by their ids."""
    for number, user in enumerate(by.get("users", ())):
        if not is_expression(user) and not is_user_id(user):
            yield Fault(f"{pointer}/users/{number}", "invalid_value", f"{user!r} is not a user's id.")
    for number, role in enumerate(by.get("roles", ())):
        if not is_expression(role) and len(role) > LONGEST_ROLE:
            yield Fault(f"{pointer}/roles/{number}", "invalid_value", TOO_LONG)
    for at, name in below(by):
        if not is_expression(name) and name not in words and not is_user_id(name):
            yield Fault(pointer + at, "invalid_value", f"{name!r} is neither a user's id nor {' nor '.join(words)}.")


def _when(part: Config, when: Config, at: str) -> Iterator[Fault]:
    for name, span in when.items():
        needed = NEEDS.get(name)
        if needed is not None and needed not in part:
            yield Fault(f"{at}/{name}", "required", f"{name} needs {needed}.")
        yield from spans(span, f"{at}/{name}")


def spans(span: Json, pointer: str) -> Iterator[Fault]:
    for at, text in durations_in(span, pointer):
        try:
            duration(text)
        except InvalidValue as error:
            yield Fault(at, "invalid_value", str(error))


def _plain(span: Json) -> timedelta | None:
    try:
        return duration(span) if isinstance(span, str) and not is_expression(span) else None
    except InvalidValue:
        return None


def below(by: Config) -> Iterator[tuple[str, str]]:
    """Whose managers are asked, and where it stands."""
    named = by.get("manager_of", [])
    if isinstance(named, str):
        yield "/manager_of", named
        return
    for number, name in enumerate(named):
        yield f"/manager_of/{number}", name


def formulas(part: Config, pointer: str, seen: Mapping[str, Json], later: Mapping[str, Json]) -> Iterator[Formula]:
    """`seen`: what expressions see when it is asked; `later`: when a level is reached."""
    for name in ("start_in", "remind"):
        for at, source in expressions_in(part.get(name), f"{pointer}/{name}"):
            yield Formula(at, source, want=None, variables=seen)
    for number, level in enumerate(part.get("escalate", ())):
        at = f"{pointer}/escalate/{number}"
        for name in WHEN_ESCALATED:
            for path, source in expressions_in(level.get(name), f"{at}/{name}"):
                yield Formula(path, source, want=None, variables=seen)
        by = level.get("by", {})
        if "expr" in by:
            yield Formula(f"{at}/by/expr", by["expr"], want=None, variables=later)
        for path, source in expressions_in({name: value for name, value in by.items() if name != "expr"}, f"{at}/by"):
            yield Formula(path, source, want=None, variables=later)
