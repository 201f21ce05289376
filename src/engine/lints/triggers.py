"""The triggers of a definition: their types, their fields, their expressions, and whether what they start can be started."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from domain.facts import Json
from domain.trigger import MCP, tool_of
from engine.definition import Definition, Finding
from engine.expressions import Evaluator, expressions_in, is_expression
from engine.lints.expressions import TENANT, check
from engine.nodes.kind import Fault
from engine.schema import SchemaError, faults
from engine.triggers import BY_NAME
from engine.triggers.kind import TriggerSpec
from engine.triggers.publishing import key_of


def triggers(definition: Json) -> Iterator[Finding]:
    """Each by itself, and that no two are the same."""
    keys: set[str] = set()
    tools: set[str] = set()
    same: set[str] = set()
    for index, trigger in enumerate(definition.get("triggers", [])):
        path = f"/triggers/{index}"
        spec = BY_NAME.get(trigger["type"]) if isinstance(trigger["type"], str) else None
        if spec is None:
            yield Finding("error", None, f"{path}/type", "unknown_trigger", "There is no such trigger type.")
            continue
        for own in _own(trigger, spec):
            yield Finding(own.severity, None, path + own.path, own.code, own.message)
        key = str(key_of(trigger))
        if key in keys:
            message = f"Another trigger is called {key}: give one of them an id of its own."
            yield Finding("error", None, f"{path}/id", "duplicate_id", message)
        keys.add(key)
        if trigger["type"] == MCP:
            tool = tool_of(trigger, str(definition.get("key")))
            if tool in tools:
                message = f"Another trigger is the tool {tool}: give one of them a tool_name of its own."
                yield Finding("error", None, f"{path}/tool_name", "duplicate_tool", message)
            tools.add(tool)
        text = json.dumps({name: value for name, value in trigger.items() if name not in ("id", "name")}, sort_keys=True)
        if spec.remembers and text in same:
            yield Finding("error", None, path, "duplicate_trigger", "Another trigger does the same.")
        same.add(text)


def _own(trigger: Json, spec: TriggerSpec) -> Iterator[Fault]:
    found = faults(spec.schema, trigger)
    for fault in found:
        yield Fault(fault.path, fault.code, fault.message)
    if not found:
        yield from spec.lint(trigger)


def trigger_expressions(definition: Definition, written: Json, evaluator: Evaluator) -> Iterator[Finding]:
    """Of triggers that are sound by themselves: what their expressions read, and whether the input fits, as far as is known."""
    for index, trigger in enumerate(written.get("triggers", [])):
        spec, path = BY_NAME[trigger["type"]], f"/triggers/{index}"
        types = {**spec.variables, "tenant": TENANT}
        if "when" in trigger:
            yield from check(evaluator, types, trigger["when"], "bool", None, f"{path}/when")
        for field in ("input", "business_key"):
            for pointer, source in expressions_in(trigger.get(field), f"{path}/{field}"):
                yield from check(evaluator, types, source, None, None, pointer)
        if spec.remembers:
            yield from _input(definition.input_schema, trigger, spec, path)
            yield from _circle(definition, trigger, path)


def _input(schema: Json, trigger: Json, spec: TriggerSpec, path: str) -> Iterator[Finding]:
    """What can be said before there is anything to make the input of."""
    given = trigger.get("input", spec.usual_input)
    where = f"{path}/input" if "input" in trigger else path
    if schema is None or is_expression(given):
        return
    if not any(True for _ in expressions_in(given)):
        found = faults(schema, _literal(given))
        if found:
            message = f"No execution can start by it: {found[0].path or 'the input'}: {found[0].message}"
            yield Finding("error", None, where, "invalid_input", message)
    elif isinstance(given, Mapping) and isinstance(schema, Mapping):
        yield from _partly_known(schema, given, where)


def _partly_known(schema: Mapping[str, Any], given: Mapping[str, Json], where: str) -> Iterator[Finding]:
    properties = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in given:
            message = f"No execution can start by it: the input has no {name}, which the input schema requires."
            yield Finding("error", None, where, "invalid_input", message)
    if schema.get("additionalProperties") is False and "patternProperties" not in schema:
        for name in given.keys() - properties.keys():
            message = "No execution can start by it: the input schema does not know this property."
            yield Finding("error", None, f"{where}/{name}", "invalid_input", message)
    for name, value in given.items():
        if name in properties and not any(True for _ in expressions_in(value)):
            yield from _property(properties[name], value, f"{where}/{name}")


def _property(schema: Json, value: Json, where: str) -> Iterator[Finding]:
    try:
        found = faults(schema, _literal(value))
    except SchemaError:  # it refers to the schema around it
        return
    if found:
        yield Finding("error", None, where, "invalid_input", f"No execution can start by it: {found[0].message}")


def _literal(value: Json) -> Json:
    """A value without expressions, as it will be: `==x` is the text `=x`."""
    if isinstance(value, str):
        return value[1:] if value.startswith("==") else value
    if isinstance(value, Mapping):
        return {name: _literal(each) for name, each in value.items()}
    return [_literal(each) for each in value] if isinstance(value, list) else value


def _circle(definition: Definition, trigger: Json, path: str) -> Iterator[Finding]:
    wanted = trigger.get("event_type")
    emitting = [node for node in definition.nodes if node.type == "emit" and node.config.get("event_type") == wanted]
    if wanted is not None and emitting:
        message = (
            f"The workflow emits such events itself (node {emitting[0].id}): each execution may start the next one, without end."
        )
        yield Finding("warning", emitting[0].id, f"{path}/event_type", "starts_itself", message)
