"""What comes from outside and is to be recorded: outputs and errors of workers. Nothing is taken on trust."""

import json
import math
import re

from domain.effort import Effort
from domain.facts import FieldError, Invalid, Json
from domain.retry import Failure
from engine.schema import faults

MAX_DEPTH = 64
MAX_NUMBER = 10**64
NAMED_FAULTS = 5
MESSAGE_LIMIT = 2_000  # characters
ERROR_TYPE = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,99}")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class InvalidError(Invalid):
    """An error's type is a word: letters, digits and _ . : -, at most 100."""

    code = "invalid_error_type"


def unacceptable(output: Json, schema: Json, limit: int, effort: Effort) -> str | None:
    """Why an output is not taken; None if it is. `limit`: bytes as JSON; `schema`: None for anything."""
    try:
        _check(output, MAX_DEPTH)
    except ValueError as error:
        return f"The output is not accepted: {error}."
    if len(json.dumps(output, ensure_ascii=False).encode()) > limit:
        return f"The output is larger than {limit} bytes."
    found = () if schema is None else faults(schema, output, effort=effort)
    if not found:
        return None
    named = "; ".join(f"{fault.path or '/'}: {fault.message}" for fault in found[:NAMED_FAULTS])
    return f"The output does not fit the output schema. {named}"[:MESSAGE_LIMIT]


def _check(value: Json, depth: int) -> None:
    match value:
        case None | bool():
            return
        case str():
            _check_text(value)
        case int() if abs(value) >= MAX_NUMBER:
            raise ValueError("a number has more than 64 digits")
        case float() if not math.isfinite(value):
            raise ValueError("a number is not finite")
        case int() | float():
            return
        case dict() | list() if depth == 0:
            raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels")
        case dict():
            for key, item in value.items():
                _check_text(key)
                _check(item, depth - 1)
        case list():
            for item in value:
                _check(item, depth - 1)
        case _:
            raise ValueError(f"a value of type {type(value).__name__} is not JSON")


def _check_text(text: object) -> None:
    if not isinstance(text, str):
        raise ValueError("the keys of an object must be texts")
    if _UNSTORABLE.search(text):
        raise ValueError("a text holds a NUL or half of a surrogate pair")


def recordable(failure: Failure) -> Failure:
    """The failure with a message that can be stored. Raises InvalidError for a type that is no word."""
    if not ERROR_TYPE.fullmatch(failure.type):
        raise InvalidError(path="/error/type", errors=(FieldError("/error/type", InvalidError.code, str(InvalidError())),))
    message = _UNSTORABLE.sub("\ufffd", failure.message[:MESSAGE_LIMIT])
    return Failure(failure.type, message, failure.retryable)
