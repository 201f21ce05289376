"""A model's text as an output: parsed strictly, checked against the schema. What the ledger could not hold never gets there."""

import json
import math
import re
from collections.abc import Mapping
from typing import NoReturn

from domain.facts import Json
from domain.storable import MAX_DIGITS, require_storable, storable_text, text_fault
from engine.schema import SchemaError, check_schema, faults
from worker.ai.provider import AiCall, AiError, CallReport

MAX_CHARACTERS = 1 << 20
MAX_ANSWERED = 1 << 16
"""Of an answer that does not fit, as far as the model is shown it again."""
NAMED_FAULTS = 5
FENCED = re.compile(r"\s*```(?:json)?[ \t]*\r?\n(.*?)\r?\n?[ \t]*```\s*", re.DOTALL | re.IGNORECASE)
"""An answer that is a code block, and nothing beside it."""


def check_call(call: AiCall) -> None:
    """Before anything is sent: a schema that cannot be checked would only be found out when the answer is paid for."""
    if call.output_schema is None:
        return
    try:
        check_schema(call.output_schema)
    except SchemaError as error:
        raise AiError("bad_request", f"The output schema cannot be used: {error}") from None


def unfenced(text: str) -> str | None:
    """What stands in the code fence that models like to put around JSON; None: the text is no such thing."""
    found = FENCED.fullmatch(text)
    return None if found is None or "```" in found[1] else found[1]


def read_arguments(given: Json) -> Json:
    """The arguments that a model gave a tool: an object that can be stored, or the text that is none."""
    text = given if isinstance(given, str) else json.dumps(given if given is not None else {}, ensure_ascii=False, default=str)
    if not text.strip():
        return {}
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_int=_integer, parse_float=_number, parse_constant=_constant)
        require_storable(value)
    except (ValueError, RecursionError):
        return storable_text(text[:MAX_CHARACTERS])
    return value if isinstance(value, dict) else storable_text(text[:MAX_CHARACTERS])


def read_output(text: str, schema: Json, report: CallReport) -> Json:
    """The output that a model's text stands for: itself without a schema, else the JSON in it. Raises AiError invalid_output."""
    try:
        return _read(text, schema, report)
    except AiError as error:
        error.answered = text[:MAX_ANSWERED]
        raise


def _read(text: str, schema: Json, report: CallReport) -> Json:
    if len(text) > MAX_CHARACTERS:
        _invalid(f"The answer is longer than {MAX_CHARACTERS} characters.", report)
    if schema is None:
        if text_fault(text) is not None:
            _invalid("The answer contains a NUL or half of a surrogate pair.", report)
        return text
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_int=_integer, parse_float=_number, parse_constant=_constant)
        require_storable(value)
    except json.JSONDecodeError as error:
        _invalid(f"The answer is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.", report)
    except ValueError as error:
        _invalid(f"The answer is JSON that cannot be stored: {error}.", report)
    except RecursionError:
        _invalid("The answer is nested too deeply.", report)
    found = faults(schema, value)
    if found:
        named = "; ".join(f"{fault.path or '/'}: {fault.message}" for fault in found[:NAMED_FAULTS])
        _invalid(f"The answer does not fit the output schema. {named}", report)
    return value


def _invalid(message: str, report: CallReport) -> NoReturn:
    raise AiError("invalid_output", message, report=report) from None


def _object(pairs: list[tuple[str, Json]]) -> Mapping[str, Json]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a key occurs twice")
    return made


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a number has more than {MAX_DIGITS} digits")
    return int(digits)


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number is out of range")
    return value


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")
