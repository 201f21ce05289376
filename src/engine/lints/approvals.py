"""Faults of an approval node that its configuration's schema cannot express."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from domain.approval.events import COUNTED
from domain.approval.rules import RULES, WHOLE, are_fixed
from domain.facts import Json
from engine.asking import REQUESTER, is_user_id
from engine.definition import Node
from engine.expressions import expressions_in, is_expression
from engine.forms import wrong_defaults
from engine.lints import moments
from engine.nodes.kind import Fault, Formula, object_schema
from engine.schema import SchemaError, check_schema
from engine.stepping import SINGLE, if_all_are_skipped, kinds_of, outcomes_in

Config = Mapping[str, Any]
RESERVED = ("error", "timeout")


MOST_STEPS = 50


def lint(node: Node) -> Iterator[Fault]:
    config = node.config
    yield from _of_people(config, "")
    yield from _of_form_and_time(config, "")
    yield from _of_proofs(config)
    if "steps" not in config:
        yield from _of_outcomes(config, config.get("outcomes") or (), "")
        yield from _of_rule(config.get("rule", SINGLE), outcomes_in(config, {}), config.get("by"), "")
        yield from _of_too_few(config, config, config.get("rule", SINGLE), outcomes_in(config, {}), "")
        yield from moments.lint(config, kinds_of(config), "")
        return
    for field in ("rule", "ad_hoc"):
        if field in config:
            yield Fault(f"/{field}", "unknown_field", f"Of a request in steps each step has its own {field}.")
    yield from _of_outcomes(config, config.get("outcomes") or (), "")
    yield from moments.lint(config, kinds_of(config), "")
    yield from _of_steps(config)


def _of_proofs(config: Config) -> Iterator[Fault]:
    """Where an outcome asks for proof, nothing comes to it that proves nothing: neither a moment nor who withdraws it."""
    steps = [(f"/steps/{number}", step) for number, step in enumerate(config.get("steps") or ())]
    for pointer, part in (("", config), *steps):
        for index, outcome in enumerate(part.get("outcomes") or ()):
            if "proof" in outcome and outcome["kind"] == "withdraw":
                told = "Who asked withdraws a request without choosing this outcome, and so without proof."
                yield Fault(f"{pointer}/outcomes/{index}/proof", "no_proof", told)
        within = [part] if pointer else [step for _, step in steps] or [{}]
        signed = {outcome["name"] for step in within for outcome in outcomes_in(config, step) if "proof" in outcome}
        for number, level in enumerate(part.get("escalate") or ()):
            if level.get("outcome") in signed:
                told = f"{level['outcome']} asks for proof of who decides, and nobody decides by default."
                yield Fault(f"{pointer}/escalate/{number}/outcome", "no_proof", told)


def _of_steps(config: Config) -> Iterator[Fault]:
    steps, kinds, before = config["steps"], dict[str, str](), list[str]()
    names = [step["name"] for step in steps]
    for index, step in enumerate(steps):
        pointer = f"/steps/{index}"
        if step["name"] in before:
            yield Fault(f"{pointer}/name", "duplicate_step", f"Another step is called {step['name']}.")
        beside = step.get("parallel_with")
        if beside is not None and beside not in before:
            yield Fault(f"{pointer}/parallel_with", "unknown_step", f"No step before this one is called {beside}.")
        before.append(step["name"])
        for number, other in enumerate(step["distinct"] if isinstance(step.get("distinct"), list) else ()):
            if other not in names or other == step["name"]:
                yield Fault(f"{pointer}/distinct/{number}", "unknown_step", f"No other step is called {other}.")
        yield from _of_people(step, pointer)
        yield from _of_form_and_time(step, pointer)
        yield from _of_outcomes({**config, **step}, step.get("outcomes") or (), pointer)
        offered = outcomes_in(config, step)
        yield from _of_rule(step.get("rule", SINGLE), offered, step.get("by", config.get("by")), pointer)
        yield from _of_too_few(config, step, step.get("rule", SINGLE), offered, pointer)
        yield from moments.lint(step, [outcome["name"] for outcome in offered], pointer)
        for outcome in offered:
            if kinds.setdefault(outcome["name"], outcome["kind"]) != outcome["kind"]:
                told = f"{outcome['name']} is of the kind {kinds[outcome['name']]} in another step."
                yield Fault(f"{pointer}/outcomes", "duplicate_handle", told)
    if all("skip_when" in step for step in steps) and if_all_are_skipped(config) is None:
        yield Fault("/steps", "missing_outcome", "All steps may be skipped: that needs an outcome of the kind approve.")


def _of_form_and_time(config: Config, pointer: str) -> Iterator[Fault]:
    if "form" in config:
        try:
            check_schema(config["form"])
        except SchemaError as error:
            yield Fault(f"{pointer}/form{error.pointer}", "invalid_schema", str(error))
        else:
            for at, fault in wrong_defaults(config["form"]):
                told = f"Its own schema does not accept this default: {fault.message}"
                yield Fault(f"{pointer}/form{at}", "invalid_default", told, "warning")
    yield from moments.spans(config.get("due_in"), f"{pointer}/due_in")


def _of_outcomes(config: Config, outcomes: Iterable[Json], pointer: str) -> Iterator[Fault]:
    """`config`: with the form that their decisions take."""
    seen: set[str] = set()
    for index, outcome in enumerate(outcomes):
        name = outcome["name"]
        if name in RESERVED:
            yield Fault(f"{pointer}/outcomes/{index}/name", "reserved", f"{name} is the name of another handle.")
        if name in seen:
            yield Fault(f"{pointer}/outcomes/{index}/name", "duplicate_handle", f"Another outcome is called {name}.")
        seen.add(name)
        if "form" in outcome and "form" not in config and "steps" not in config:
            yield Fault(f"{pointer}/outcomes/{index}/form", "no_form", "There is no form.")
        yield from _of_people(outcome, f"{pointer}/outcomes/{index}")


def _of_people(config: Config, pointer: str) -> Iterator[Fault]:
    """Of `by`, `fallback` and `exclude`."""
    for field in ("by", "fallback"):
        yield from moments.of_by(config.get(field, {}), f"{pointer}/{field}")
    for number, name in enumerate(config.get("exclude", [])):
        if not is_expression(name) and name != REQUESTER and not is_user_id(name):
            told = f"{name!r} is neither a user's id nor {REQUESTER}."
            yield Fault(f"{pointer}/exclude/{number}", "invalid_value", told)


def _of_rule(rule: Json, outcomes: list[Json], by: Json, pointer: str) -> Iterator[Fault]:
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


def _of_too_few(config: Config, part: Config, rule: Json, outcomes: list[Json], pointer: str) -> Iterator[Fault]:
    """`part`: the whole or a step. More than those who are named could never approve it, unless others may join them."""
    needed = rule.get("count") if rule["type"] == "multiple" else None
    levels = [level for each in (config, part) for level in each.get("escalate") or ()]
    if not isinstance(needed, int) or part.get("ad_hoc") or any("by" in level for level in levels):
        return
    whole = part.get("by") or config.get("by") or {}
    approving = [outcome.get("by") or whole for outcome in outcomes if outcome["kind"] == "approve"]
    people = set[str]()
    for by in approving:
        named: list[str] = by.get("users") or []
        if not named or {*by} != {"users"} or any(map(is_expression, named)):
            return
        people |= {each.lower() for each in named}
    if approving and len(people) < needed:
        told = f"{needed} are to approve it, of {len(people)} who are asked."
        yield Fault(f"{pointer}/rule/count", "too_few_people", told)


def formulas(node: Node) -> Iterator[Formula]:
    config = node.config
    if "steps" not in config:
        yield from _formulas_in(config, "", SEEN)
        yield from _formulas_of_rule(config.get("rule", SINGLE), "", SEEN)
        yield from _formulas_of_what_it_looks_at(config, "")
        yield from moments.formulas(config, "", {}, SEEN)
        return
    yield from moments.formulas(config, "", {}, {**SEEN, "steps": steps_schema(config["steps"])})
    yield from _formulas_of_what_it_looks_at(config, "")
    for index, step in enumerate(config["steps"]):
        pointer = f"/steps/{index}"
        before = config["steps"][:index] if "parallel_with" not in step else config["steps"]
        seen = {**SEEN, "steps": steps_schema(before)}
        yield from _formulas_of_what_it_looks_at(step, pointer)
        yield from _formulas_in(config, "", seen)
        yield from _formulas_in(step, pointer, seen)
        yield from _formulas_of_rule(step.get("rule", SINGLE), pointer, seen)
        if "skip_when" in step:
            yield Formula(f"{pointer}/skip_when", step["skip_when"], variables={**seen, "step": STEP})
        yield from moments.formulas(step, pointer, seen, seen)
        for at, source in expressions_in(step.get("due_in"), f"{pointer}/due_in"):
            yield Formula(at, source, want=None, variables=seen)


def _formulas_of_what_it_looks_at(config: Config, pointer: str) -> Iterator[Formula]:
    for number, written in enumerate(config.get("depends_on", ())):
        if is_expression(written):
            yield Formula(f"{pointer}/depends_on/{number}", written[1:], want=None, variables=SEEN)


def _formulas_in(config: Config, pointer: str, seen: Mapping[str, Json]) -> Iterator[Formula]:
    """Of the people of a node or of a step, and of those of its outcomes."""
    yield from _formulas_of_people(config, pointer, seen)
    for index, outcome in enumerate(config.get("outcomes") or ()):
        yield from _formulas_of_people(outcome, f"{pointer}/outcomes/{index}", seen)


def _formulas_of_people(config: Config, pointer: str, seen: Mapping[str, Json]) -> Iterator[Formula]:
    places = [(f"/exclude/{number}", name) for number, name in enumerate(config.get("exclude", []))]
    for field in ("by", "fallback"):
        by = config.get(field, {})
        if "expr" in by:
            yield Formula(f"{pointer}/{field}/expr", by["expr"], want=None, variables=seen)
        for names in ("users", "roles"):
            places += [(f"/{field}/{names}/{number}", name) for number, name in enumerate(by.get(names, []))]
        places += [(f"/{field}{at}", name) for at, name in (*moments.below(by), ("/levels", by.get("levels")))]
    for at, name in places:
        if is_expression(name):
            yield Formula(pointer + at, name[1:], want=None, variables=seen)


def _formulas_of_rule(rule: Json, pointer: str, seen: Mapping[str, Json]) -> Iterator[Formula]:
    for name, schema in RULES[rule["type"]].fields.items():
        if schema is WHOLE and name in rule and is_expression(rule[name]):
            yield Formula(f"{pointer}/rule/{name}", rule[name][1:], want=None, variables=seen)
    for number, name in enumerate(rule.get("veto", ())):
        if is_expression(name):
            yield Formula(f"{pointer}/rule/veto/{number}", name[1:], want=None, variables=seen)


def steps_schema(steps: Iterable[Json]) -> Json:
    """Of `steps`, as expressions see it: what those came to that are done."""
    return object_schema({step["name"]: RESULT for step in steps})


TEXT: Json = {"type": ["string", "null"]}
TEXTS: Json = {"type": "array", "items": {"type": "string"}}
RESULT: Json = object_schema(
    {
        **dict.fromkeys(("outcome", "kind", "user_id", "role", "comment", "reason"), TEXT),
        "form": True,
        "users": TEXTS,
        "skipped": {"type": "boolean"},
    }
)
REQUESTED: Json = object_schema(
    {
        "number": {"type": "integer"},
        "title": {"type": "string"},
        "description": TEXT,
        "context": True,
        "attachments": {
            "type": "array",
            "items": object_schema(
                {
                    "name": {"type": "string"},
                    "reference": {"type": "string"},
                    "sha256": {"type": "string"},
                    "media_type": TEXT,
                    "size": {"type": ["integer", "null"]},
                }
            ),
        },
    }
)
"""Of `request`, as expressions see it: what is asked, as it was last submitted."""
SEEN: Mapping[str, Json] = {"request": REQUESTED}
STEP: Json = object_schema({"name": {"type": "string"}, "users": TEXTS, "roles": TEXTS})
"""Of `step`, as its `skip_when` sees it."""
