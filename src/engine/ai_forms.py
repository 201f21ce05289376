"""The forms in which people change what an AI task asks them about: arguments of a tool, an output."""

import json
from collections.abc import Mapping
from hashlib import sha256

from domain.facts import Json

OUTPUT = "output"
"""The field of a review's form that takes an output which is no object."""


def prefilled(schema: Json, value: Json) -> Json:
    """The form for an object: what it is now is taken for what is left out, be it a field or all of it (`engine.forms`)."""
    form = dict(schema) if isinstance(schema, dict) else {"type": "object"}
    written = form.get("properties")
    if isinstance(written, dict) and isinstance(value, dict):
        form["properties"] = {name: _with_default(each, name, value) for name, each in written.items()}
    return {**form, "default": value}


def _with_default(schema: Json, name: str, value: Mapping[str, Json]) -> Json:
    if name not in value:
        return {field: said for field, said in schema.items() if field != "default"} if isinstance(schema, dict) else schema
    return {**schema, "default": value[name]} if isinstance(schema, dict) else {"default": value[name]}


def as_form(schema: Json, output: Json) -> Json:
    """The form for an output; one that is no object is a field of it."""
    return prefilled(schema, output) if is_form(schema) else prefilled(_wrapped(schema), {OUTPUT: output})


def is_form(schema: Json) -> bool:
    return isinstance(schema, dict) and schema.get("type") == "object"


def _wrapped(schema: Json) -> Json:
    """References within it are to its own root, which it is not here: what is said is then held against it afterwards."""
    inner = {"type": "string"} if schema is None else {} if _refers(schema) else schema
    return {"type": "object", "properties": {OUTPUT: inner}, "required": [OUTPUT], "additionalProperties": False}


def _refers(schema: Json) -> bool:
    if isinstance(schema, dict):
        return any(name in schema for name in ("$ref", "$dynamicRef", "$id")) or any(map(_refers, schema.values()))
    return isinstance(schema, list) and any(map(_refers, schema))


def edited_of(form: Json, was: Json, schema: Json) -> Json:
    """What the form makes of an object: fields that it has no place for stay. None: nothing was changed."""
    if form is None:
        return None
    listed = schema.get("properties", {}) if isinstance(schema, dict) else {}
    kept = {name: value for name, value in was.items() if name not in listed} if isinstance(was, dict) else {}
    edited = {**kept, **form} if isinstance(form, dict) else form
    return None if edited == was else edited


def question_digest(message: str, form: Json) -> str:
    """Of what a tool asks for: by it an answer is known to be one to the same question."""
    return sha256(json.dumps([message, form], sort_keys=True).encode()).hexdigest()[:32]
