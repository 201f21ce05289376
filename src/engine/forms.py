"""Forms: what a decision takes with it, and what is filled in for whoever leaves it out."""

from collections.abc import Iterator, Mapping
from typing import Any

from domain.facts import FieldError, Json
from engine.schema import faults


def with_defaults(form: Json, data: Json) -> Json:
    """The data with the `default` of each property that is left out, also within objects that are there.

    Only what stands under `properties` is filled in: what `$ref`, `allOf`, `if` and the like lead to may or may not apply.
    """
    if not isinstance(form, Mapping) or not isinstance(data, dict):
        return data
    properties = form.get("properties")
    if not isinstance(properties, Mapping):
        return data
    filled = dict(data)
    for name, schema in properties.items():
        if name in filled:
            filled[name] = with_defaults(schema, filled[name])
        elif isinstance(schema, Mapping) and "default" in schema:
            filled[name] = schema["default"]
    return filled


def as_it_is(form: Json) -> Json:
    """What an approval takes where the whole form is left out: its own `default`, as of one that comes with what it is about."""
    return form.get("default") if isinstance(form, Mapping) else None


def wrong_defaults(form: Json, pointer: str = "") -> Iterator[tuple[str, FieldError]]:
    """(JSON pointer into the form, what is wrong) of each default that its own schema does not accept."""
    if not isinstance(form, Mapping) or not isinstance(form.get("properties"), Mapping):
        return
    for name, schema in form["properties"].items():
        at = f"{pointer}/properties/{name.replace('~', '~0').replace('/', '~1')}"
        if isinstance(schema, Mapping) and "default" in schema and not _refers(schema):
            for fault in faults(schema, schema["default"])[:1]:
                yield f"{at}/default", fault
        yield from wrong_defaults(schema, at)


def _refers(schema: Any) -> bool:
    """A part with a reference to the whole cannot be judged by itself."""
    if isinstance(schema, Mapping):
        return any(name in schema for name in ("$ref", "$dynamicRef")) or any(map(_refers, schema.values()))
    return isinstance(schema, list) and any(map(_refers, schema))
