"""What comes from outside and is to be recorded: outputs and errors of workers. Nothing is taken on trust."""

import json
import re

from domain.effort import Effort
from domain.facts import FieldError, Invalid, Json
from domain.retry import Failure
from domain.storable import require_storable, storable_text
from engine.schema import faults

NAMED_FAULTS = 5
MESSAGE_LIMIT = 2_000  # characters
ERROR_TYPE = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,99}")


class InvalidError(Invalid):
    """An error's type may have letters, digits and _ . : -, at most 100 characters."""

    code = "invalid_error_type"


def unacceptable(output: Json, schema: Json, limit: int, effort: Effort) -> str | None:
    """Why an output is not taken; None if it is. `limit`: bytes as JSON; `schema`: None for anything."""
    try:
        require_storable(output)
    except ValueError as error:
        return f"The output is not accepted: {error}."
    # With everything but ASCII escaped, which is much quicker, it is never shorter.
    if len(json.dumps(output)) > limit and len(json.dumps(output, ensure_ascii=False).encode()) > limit:
        return f"The output is larger than {limit} bytes."
    found = () if schema is None else faults(schema, output, effort=effort)
    if not found:
        return None
    named = "; ".join(f"{fault.path or '/'}: {fault.message}" for fault in found[:NAMED_FAULTS])
    return f"The output does not fit the output schema. {named}"[:MESSAGE_LIMIT]


def recordable(failure: Failure) -> Failure:
    """The failure with a message that can be stored. Raises InvalidError for a type that is no word."""
    if not ERROR_TYPE.fullmatch(failure.type):
        raise InvalidError(path="/error/type", errors=(FieldError("/error/type", InvalidError.code, str(InvalidError())),))
    message = storable_text(failure.message[:MESSAGE_LIMIT])
    return Failure(failure.type, message, failure.retryable)
