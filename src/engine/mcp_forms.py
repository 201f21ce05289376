"""The forms for which servers of the Model Context Protocol may ask: an object of texts, numbers, yes or no, and choices.

What comes of a schema is made anew of the words that are known here: a server's schema is not taken over as it is.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from domain.facts import Json
from domain.storable import require_storable
from engine.invalid import InvalidValue
from engine.schema import SchemaError, check_schema

MOST_FIELDS, MOST_CHOICES, LONGEST_TEXT = 50, 200, 2_000
COMMON: Mapping[str, type] = {"title": str, "description": str}
WORDS: Mapping[str, Mapping[str, Any]] = {
    "string": {"minLength": int, "maxLength": int, "format": str, "default": str},
    "number": {"minimum": (int, float), "maximum": (int, float), "default": (int, float)},
    "integer": {"minimum": (int, float), "maximum": (int, float), "default": (int, float)},
    "boolean": {"default": bool},
    "array": {"minItems": int, "maxItems": int, "default": list},
}
FORMATS = ("email", "uri", "date", "date-time")


def form_of(schema: Json) -> Json:
    """Raises InvalidValue where it asks for more than a form of this kind can."""
    if not isinstance(schema, dict) or schema.get("type") != "object" or not isinstance(schema.get("properties"), dict):
        raise InvalidValue("the form that is asked for must be an object with properties")
    properties, required = schema["properties"], schema.get("required", [])
    if not 0 < len(properties) <= MOST_FIELDS or any(len(name) > 200 for name in properties):
        raise InvalidValue(f"the form that is asked for must have 1 to {MOST_FIELDS} fields")
    if not isinstance(required, list) or not all(isinstance(name, str) and name in properties for name in required):
        raise InvalidValue("required must name fields of the form")
    fields = {name: _field(name, each) for name, each in properties.items()}
    form = {"type": "object", "properties": fields, "required": sorted(set(required)), "additionalProperties": False}
    try:
        require_storable(form)
        check_schema(form)
    except (SchemaError, ValueError) as error:
        raise InvalidValue(f"the form that is asked for is no schema: {error}") from None
    return form


def _field(name: str, schema: Json) -> Json:
    kind = schema.get("type") if isinstance(schema, dict) else None
    if not isinstance(kind, str) or kind not in WORDS:
        raise InvalidValue(f"the field {name[:100]} must be a text, a number, a boolean or a choice")
    found = {"type": kind, **dict(_kept(schema, {**COMMON, **WORDS[kind]}))}
    if found.get("format") not in (None, *FORMATS):
        del found["format"]
    if kind == "string" and ("enum" in schema or "oneOf" in schema):
        return found | _choices(name, schema, "oneOf")
    if kind == "array":
        items = schema.get("items")
        if not isinstance(items, dict):
            raise InvalidValue(f"the field {name[:100]} must say what may be chosen")
        return found | {"items": {"type": "string"} | _choices(name, items, "anyOf"), "uniqueItems": True}
    return found


def _kept(schema: Mapping[str, Json], words: Mapping[str, Any]) -> Iterator[tuple[str, Json]]:
    for word, kind in words.items():
        value = schema.get(word)
        if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
            yield word, value[:LONGEST_TEXT] if isinstance(value, str) else value


def _choices(name: str, schema: Mapping[str, Json], titled: str) -> Json:
    """{enum}, or {oneOf, anyOf: [{const, title}]}."""
    listed = schema.get("enum", schema.get(titled))
    if not isinstance(listed, list) or not 0 < len(listed) <= MOST_CHOICES:
        raise InvalidValue(f"the field {name[:100]} must have 1 to {MOST_CHOICES} choices")
    if all(isinstance(each, str) for each in listed):
        return {"enum": list(dict.fromkeys(listed))}
    if not all(isinstance(each, dict) and isinstance(each.get("const"), str) for each in listed):
        raise InvalidValue(f"the choices of the field {name[:100]} must be texts")
    return {titled: [{"const": each["const"], "title": str(each.get("title", each["const"]))[:LONGEST_TEXT]} for each in listed]}
