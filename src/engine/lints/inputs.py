"""An input schema that no start can fit. Only what is certain is told: a schema may be impossible in more ways than these."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from domain.facts import Json
from engine.definition import Finding
from engine.schema import SchemaError, faults_here

DEEPEST, MOST_LOOKS, MOST_VALUES = 8, 2_000, 100
BOUNDS = (
    ("minimum", "maximum"),
    ("minLength", "maxLength"),
    ("minItems", "maxItems"),
    ("minProperties", "maxProperties"),
    ("minContains", "maxContains"),
)


def no_input(schema: Json) -> Iterator[Finding]:
    found = None if schema is None else _Search(schema).impossible(schema, "", 0)
    if found is not None:
        yield Finding("warning", None, f"/input_schema{found.pointer}", "no_input_fits", f"No input fits: {found.why}.")


@dataclass(frozen=True)
class _Impossible:
    pointer: str
    why: str


@dataclass
class _Search:
    """`document`: what references lead into. It ends after so many looks: schemas that refer to themselves have no end."""

    document: Json
    looks: int = 0

    def impossible(self, schema: Json, pointer: str, depth: int) -> _Impossible | None:
        """Where and why nothing fits a schema."""
        self.looks += 1
        if schema is False:
            return _Impossible(pointer, "the schema is false")
        if not isinstance(schema, Mapping) or depth > DEEPEST or self.looks > MOST_LOOKS:
            return None
        return (
            self._reference(schema, pointer, depth)
            or _bounds(schema, pointer)
            or self._values(schema, pointer)
            or self._properties(schema, pointer, depth)
            or self._choices(schema, pointer, depth)
        )

    def _reference(self, schema: Mapping[str, Any], pointer: str, depth: int) -> _Impossible | None:
        reference = schema.get("$ref")
        if not isinstance(reference, str) or not reference.startswith("#/"):
            return None
        target = self.document
        for part in reference[2:].split("/"):
            part = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(target, Mapping) or part not in target:
                return None
            target = target[part]
        return self.impossible(target, pointer, depth + 1)

    def _values(self, schema: Mapping[str, Any], pointer: str) -> _Impossible | None:
        values = schema.get("enum", [schema["const"]] if "const" in schema else None)
        if not isinstance(values, list) or len(values) > MOST_VALUES or "$ref" in json.dumps(schema):
            return None
        text = json.dumps(schema)
        try:
            if any(not faults_here(text, value, "", every=False) for value in values):
                return None
        except SchemaError:
            return None
        word = "enum" if "enum" in schema else "const"
        return _Impossible(f"{pointer}/{word}", "none of the values that it names fits the rest of the schema")

    def _properties(self, schema: Mapping[str, Any], pointer: str, depth: int) -> _Impossible | None:
        """Only where it must be an object: what is none needs no properties."""
        required, properties = schema.get("required"), schema.get("properties", {})
        if schema.get("type") != "object" or not isinstance(required, list) or not isinstance(properties, Mapping):
            return None
        closed = schema.get("additionalProperties") is False and not schema.get("patternProperties")
        for name in required:
            if name not in properties and closed:
                return _Impossible(f"{pointer}/required", f"{name} is required, and no such property is allowed")
            escaped = str(name).replace("~", "~0").replace("/", "~1")
            found = self.impossible(properties.get(name), f"{pointer}/properties/{escaped}", depth + 1)
            if found is not None:
                return found
        return None

    def _choices(self, schema: Mapping[str, Any], pointer: str, depth: int) -> _Impossible | None:
        for number, each in enumerate(_listed(schema, "allOf")):
            found = self.impossible(each, f"{pointer}/allOf/{number}", depth + 1)
            if found is not None:
                return found
        for word in ("anyOf", "oneOf"):
            choices = _listed(schema, word)
            if choices and all(self.impossible(each, pointer, depth + 1) is not None for each in choices):
                return _Impossible(f"{pointer}/{word}", "none of the schemas to choose from can be fitted")
        return None


def _bounds(schema: Mapping[str, Any], pointer: str) -> _Impossible | None:
    for least, most in BOUNDS:
        low, high = schema.get(least), schema.get(most)
        if isinstance(low, int | float) and isinstance(high, int | float) and low > high and _is_asked(schema, least):
            return _Impossible(f"{pointer}/{least}", f"{least} is more than {most}")
    return None


KINDS = {"minimum": {"number", "integer"}, "minLength": {"string"}, "minProperties": {"object"}}


def _is_asked(schema: Mapping[str, Any], word: str) -> bool:
    """Whether all that fits is of the type that the keyword speaks of: it says nothing of others."""
    kind = schema.get("type")
    return kind in KINDS.get(word, {"array"}) if isinstance(kind, str) else False


def _listed(schema: Mapping[str, Any], word: str) -> list[Json]:
    found = schema.get(word)
    return found if isinstance(found, list) else []
