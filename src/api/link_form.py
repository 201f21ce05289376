"""A JSON Schema as inputs of an HTML form, and what a browser sends of it as JSON again.

What is plain (texts, numbers, yes or no, one of several) gets an input of its own; all else is written as JSON. Nothing is judged
here: the decision holds what comes of it against the schema, and what did not become a number stays the text that it was.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl

from api import strict_json
from api.answers import to_json
from api.problems import Problem
from api.strict_json import Unreadable
from domain.facts import FieldError, Json
from domain.storable import text_fault

Kind = Literal["text", "long", "integer", "number", "boolean", "choice", "date", "json"]

FORM = "form"
"""The name of the input of a schema that is no plain object; the others are `form.<name>`."""
MOST_FIELDS = 200
LONG = 200
"""Characters from which on a text has more than a line."""
MEDIA_TYPE = "application/x-www-form-urlencoded"
SIMPLE = (str, int, float, bool)


@dataclass(frozen=True)
class Field:
    """`name`: of the property; None: it stands for the whole. `key`: the input's."""

    name: str | None
    kind: Kind
    label: str
    hint: str | None = None
    required: bool = False
    default: str = ""
    choices: tuple[Json, ...] = ()

    @property
    def key(self) -> str:
        return FORM if self.name is None else f"{FORM}.{self.name}"


def fields_of(schema: Json) -> tuple[Field, ...]:
    """Empty where there is no form."""
    if schema is None:
        return ()
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict) or not 0 < len(properties) <= MOST_FIELDS or any(" " in name for name in properties):
        return (Field(None, "json", "Form", "As JSON.", True, "{}"),)
    needed = schema.get("required")
    required = [name for name in needed if isinstance(name, str)] if isinstance(needed, list) else []
    return tuple(_field(name, each, name in required) for name, each in properties.items())


def _field(name: str, schema: Json, required: bool) -> Field:
    about = schema if isinstance(schema, dict) else {}
    label, hint, default = about.get("title"), about.get("description"), about.get("default")
    kind, choices = _kind(about)
    hint = hint if isinstance(hint, str) else None
    if kind == "json":
        hint = f"{hint} As JSON." if hint else "As JSON."
    return Field(name, kind, label if isinstance(label, str) else name, hint, required, _shown(kind, choices, default), choices)


def _kind(schema: Mapping[str, Json]) -> tuple[Kind, tuple[Json, ...]]:
    choices = schema.get("enum")
    if isinstance(choices, list) and choices and all(isinstance(each, SIMPLE) for each in choices):
        return "choice", tuple(choices)
    match schema.get("type"):
        case "string" if schema.get("format") == "date":
            return "date", ()
        case "string":
            longest = schema.get("maxLength")
            return ("long" if isinstance(longest, int) and longest > LONG else "text"), ()
        case "integer":
            return "integer", ()
        case "number":
            return "number", ()
        case "boolean":
            return "boolean", ()
        case _:
            return "json", ()


def _shown(kind: Kind, choices: tuple[Json, ...], default: Json) -> str:
    """A default as its input has it."""
    if default is None:
        return ""
    if kind == "choice":
        return str(choices.index(default)) if default in choices else ""
    return default if isinstance(default, str) and kind != "json" else to_json(default).decode()


def key_of(path: str) -> str | None:
    """The input that a JSON pointer into the form leads to, as far as it can be told."""
    first, _, rest = path.removeprefix("/").partition("/")
    if first != FORM:
        return None
    name = rest.partition("/")[0].replace("~1", "/").replace("~0", "~")
    return f"{FORM}.{name}" if name else None


def read(body: bytes) -> dict[str, str]:
    """What a browser sends of a form: each input once. Raises Problem."""
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MOST_FIELDS + 10,
            strict_parsing=bool(body),
        )
    except ValueError:
        raise Problem(400, "malformed", "This is not what the form sends.") from None
    sent = dict(pairs)
    if len(sent) != len(pairs) or any(text_fault(text) is not None for pair in pairs for text in pair):
        raise Problem(400, "malformed", "This is not what the form sends.")
    return {name: value.replace("\r\n", "\n") for name, value in sent.items()}


def value_of(schema: Json, sent: Mapping[str, str]) -> tuple[Json, tuple[FieldError, ...]]:
    """The form's data, and what of it could not be read. What was left empty is left out."""
    fields = fields_of(schema)
    if not fields:
        return None, ()
    found: dict[str, Json] = {}
    faults: list[FieldError] = []
    for field in fields:
        text = sent.get(field.key, "")
        if not text.strip():
            continue
        try:
            value = _read(field, text)
        except Unreadable as error:
            faults.append(FieldError(_path(field), error.error.code, error.error.message))
            continue
        if field.name is None:
            return value, ()
        found[field.name] = value
    return found, tuple(faults)


def _path(field: Field) -> str:
    return f"/{FORM}" if field.name is None else strict_json.child(f"/{FORM}", field.name)


def _read(field: Field, text: str) -> Json:
    """Raises Unreadable."""
    match field.kind:
        case "choice":
            return field.choices[int(text)] if text.isdecimal() and len(text) < 4 and int(text) < len(field.choices) else text
        case "boolean":
            return {"true": True, "false": False}.get(text, text)
        case "integer" | "number":
            try:
                return strict_json.parse(text.strip().encode())
            except Unreadable:
                return text  # the schema says what is wrong with it
        case "json":
            return strict_json.parse(text.encode())
        case _:
            return text
