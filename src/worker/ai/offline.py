"""The offline models: no models at all, but deterministic stand-ins for demonstrations and tests. They call nobody.

`offline/script` plays the answers that it is given (`worker.ai.scripted`).

`offline/echo` understands nothing. Without a schema it repeats what it was sent. With one it builds a value that fits: of an
enum, the value whose words occur most often in the input (else in the prompt, else the first); of a property that the input has
under the same name, that value; otherwise the smallest thing allowed. Tokens are words, and it costs nothing.
"""

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal

from domain.ai_task import Usage
from domain.facts import Json
from engine.schema import SchemaError, faults
from worker.ai.output import check_call
from worker.ai.provider import AiAnswer, AiCall, AiError, CallReport, Price
from worker.ai.scripted import CURRENCY, play, script_price
from worker.ai.scripted import NAME as SCRIPTED

NAME = "offline/echo"
PROVIDER = "offline"
MAX_DEPTH = 32


class OfflineProvider:
    """A `Provider` without a network. `max_output_tokens` and the other settings of a call have no effect on it."""

    url: str | None = None
    """Where its requests go: nowhere."""

    async def call(self, call: AiCall) -> AiAnswer:
        if call.model == SCRIPTED:
            return play(call)
        if call.model != NAME:
            raise AiError("bad_request", f"The offline models are {NAME} and {SCRIPTED}; {call.model!r} is not known.")
        check_call(call)
        sent = f"{call.system_prompt or ''} {call.text}"
        output = call.text if call.output_schema is None else Answering(call).value(call.output_schema, None, MAX_DEPTH)
        usage = Usage(_words(sent), _words(output if isinstance(output, str) else json.dumps(output)))
        report = CallReport(0, usage, Price(Decimal(0), CURRENCY), PROVIDER, NAME, "stop")
        if call.output_schema is not None and (found := faults(call.output_schema, output)):
            message = f"{NAME} finds no output for this schema. {found[0].path or '/'}: {found[0].message}"
            raise AiError("invalid_output", message, retryable=False, report=report)
        return AiAnswer(output, PROVIDER, NAME, report)

    def price_of(self, call: AiCall, used: Usage) -> Price | None:
        return script_price(call, used) if call.model == SCRIPTED else Price(Decimal(0), CURRENCY)

    async def aclose(self) -> None:
        return


class Answering:
    """Builds one answer."""

    def __init__(self, call: AiCall) -> None:
        self.root = call.output_schema
        self.input = call.input
        self.texts = tuple(" ".join(_texts(part)).lower() for part in (call.input, call.context, call.prompt))

    def value(self, schema: Json, name: str | None, depth: int) -> Json:
        """A value for a schema; `name`: of the property that it is for. What fits may still be missed: the caller checks."""
        if not isinstance(schema, dict) or depth == 0:
            return None
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self.chosen(schema["enum"])
        if isinstance(self.input, dict) and name in self.input and self._fits(schema, self.input[name]):
            return self.input[name]
        if "default" in schema:
            return schema["default"]
        for alternatives in ("anyOf", "oneOf"):
            if schema.get(alternatives):
                return self.value(schema[alternatives][0], name, depth - 1)
        return self._of_type(schema, depth)

    def chosen(self, values: list[Json]) -> Json:
        """The value that is mentioned most often, by the first text that mentions any; the earlier one of equals."""
        for text in self.texts:
            counts = [_mentions(text, value) for value in values]
            if max(counts):
                return values[counts.index(max(counts))]
        return values[0]

    def _of_type(self, schema: Mapping[str, Json], depth: int) -> Json:
        kind = schema.get("type", "object" if "properties" in schema else None)
        match kind[0] if isinstance(kind, list) else kind:
            case "object":
                parts = schema.get("properties", {})
                parts = {**parts, **{name: {} for name in schema.get("required", ()) if name not in parts}}
                return {name: self.value(part, name, depth - 1) for name, part in parts.items()}
            case "array":
                return [self.value(schema.get("items", {}), None, depth - 1)] * schema.get("minItems", 0)
            case "string":
                text = self.input if isinstance(self.input, str) else ""
                return text[: schema.get("maxLength")].ljust(schema.get("minLength", 0), ".")
            case "integer" | "number":
                return schema.get("minimum", 0)
            case "boolean":
                return False
            case _:
                return None

    def _resolved(self, schema: Mapping[str, Json]) -> Mapping[str, Json]:
        """The schema that a reference within the root names, as far as that is an object; others are left as they are."""
        seen: set[str] = set()
        while isinstance(reference := schema.get("$ref"), str) and reference.startswith("#/") and reference not in seen:
            seen.add(reference)
            found: Json = self.root
            for part in reference[2:].split("/"):
                found = found.get(part.replace("~1", "/").replace("~0", "~"), {}) if isinstance(found, dict) else {}
            schema = found if isinstance(found, dict) else {}
        return schema

    def _fits(self, schema: Mapping[str, Json], value: Json) -> bool:
        """Whether a value fits a part of the root. One whose references lead elsewhere than to definitions fits nothing."""
        shared = {name: self.root[name] for name in ("$defs", "definitions") if name in self.root}
        try:
            return not faults({**shared, **schema}, value)
        except SchemaError:
            return False


def _texts(value: Json) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for item in value.values():
                yield from _texts(item)
        case list():
            for item in value:
                yield from _texts(item)
        case _:
            return


def _mentions(text: str, value: Json) -> int:
    """How often a value's words stand in a text, which is in lower case."""
    if not isinstance(value, str) or not value:
        return 0
    words = re.escape(value.lower()).replace("_", r"[\s_-]")
    return len(re.findall(rf"\b{words}", text))


def _words(text: str) -> int:
    return len(text.split())
