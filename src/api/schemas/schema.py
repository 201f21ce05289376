"""A named schema of the OpenAPI document, and how others refer to it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Schema: TypeAlias = dict[str, Any]
"""JSON Schema 2020-12, as OpenAPI 3.1 has it."""

TEXT: Schema = {"type": "string"}
UUID: Schema = {"type": "string", "format": "uuid"}
TIME: Schema = {"type": "string", "format": "date-time"}
BOOLEAN: Schema = {"type": "boolean"}
INTEGER: Schema = {"type": "integer", "format": "int32"}
BIG: Schema = {"type": "integer", "format": "int64"}
TEXTS: Schema = {"type": "array", "items": TEXT}
UUIDS: Schema = {"type": "array", "items": UUID}
OBJECT: Schema = {"type": "object", "additionalProperties": True}
ANYTHING: Schema = {}


@dataclass(frozen=True)
class ObjectSchema:
    """An object with these fields, all of them but the `optional` ones always there, and no others."""

    name: str
    description: str
    fields: Mapping[str, Schema]
    optional: frozenset[str] = frozenset()
    example: Any = None

    @property
    def schema(self) -> Schema:
        return {
            **({} if self.example is None else {"examples": [self.example]}),
            "type": "object",
            "description": self.description,
            "properties": dict(self.fields),
            "required": [name for name in self.fields if name not in self.optional],
            "additionalProperties": False,
        }


@dataclass(frozen=True)
class Choice:
    """One of these schemas: no value is of two of them."""

    name: str
    description: str
    schemas: tuple[ObjectSchema, ...]

    @property
    def schema(self) -> Schema:
        return {"description": self.description, "oneOf": [ref(schema) for schema in self.schemas]}


class Ref(str):
    """The target of a reference, which knows the schema that it names: what a document refers to, it is given."""

    schema: ObjectSchema | Choice

    def __new__(cls, schema: ObjectSchema | Choice) -> "Ref":
        made = super().__new__(cls, f"#/components/schemas/{schema.name}")
        made.schema = schema
        return made

    def __deepcopy__(self, _memo: Any) -> "Ref":
        return self  # FastAPI copies what it is told of an answer


def ref(schema: ObjectSchema | Choice) -> Schema:
    return {"$ref": Ref(schema)}


def many(schema: ObjectSchema | Choice) -> Schema:
    return {"type": "array", "items": ref(schema)}


def page(item: ObjectSchema) -> ObjectSchema:
    cursor = said(or_null(TEXT), "For the next page, as `cursor`; null: this is the last one.")
    return ObjectSchema(f"{item.name}Page", "A part of a list.", {"items": many(item), "next_cursor": cursor})


def one_of(*words: str) -> Schema:
    return {"type": "string", "enum": list(words)}


def said(schema: Schema, words: str) -> Schema:
    """The same, with a description."""
    return {**schema, "description": words}


def or_null(schema: Schema) -> Schema:
    if "$ref" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    if "type" not in schema:  # anything: null as well
        return schema
    also = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, "type": [schema["type"], "null"], **also}


def referred_to(value: Any) -> Iterator[ObjectSchema | Choice]:
    """The schemas that a part of a document refers to, and those that they refer to, some of them more than once."""
    if isinstance(value, Ref):
        yield value.schema
        yield from referred_to(value.schema.schema)
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from referred_to(each)
    elif isinstance(value, list):
        for each in value:
            yield from referred_to(each)
