"""JSON Schema, draft 2020-12 unless `$schema` says otherwise: for input, output and forms. References stay within a schema."""

import json
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice

import jsonschema_rs

from domain.facts import FieldError, Json

FAULTS_LIMIT = 50
MESSAGE_LIMIT = 300  # characters: the library's messages repeat the value at fault


class SchemaError(ValueError):
    """Not a JSON Schema that can be used. `pointer` names the place in the schema."""

    def __init__(self, message: str, pointer: str = "") -> None:
        super().__init__(message)
        self.pointer = pointer


def faults(schema: Json, value: Json, pointer: str = "") -> tuple[FieldError, ...]:
    """What is wrong with a value. Each fault's path is a JSON pointer that begins with `pointer`. Raises SchemaError."""
    errors = _validator(json.dumps(schema)).iter_errors(value)
    return tuple(islice((fault for error in errors for fault in _faults(error, pointer)), FAULTS_LIMIT))


def check_schema(schema: Json) -> None:
    """Raises SchemaError where the schema is not valid or refers to the world outside."""
    _validator(json.dumps(schema))


@lru_cache(maxsize=1024)
def _validator(schema: str) -> jsonschema_rs.Validator:
    """Regular expressions are those that run in linear time: no look-around, no back-references."""
    try:
        return jsonschema_rs.validator_for(
            schema,
            validate_formats=True,
            offline=True,
            pattern_options=jsonschema_rs.RegexOptions(size_limit=1 << 20),
        )
    except jsonschema_rs.ValidationError as error:
        raise SchemaError(error.message[:MESSAGE_LIMIT], _pointer(error.instance_path)) from error
    except (jsonschema_rs.ReferencingError, ValueError) as error:
        raise SchemaError(str(error)[:MESSAGE_LIMIT]) from error


def _faults(error: jsonschema_rs.ValidationError, pointer: str) -> Iterator[FieldError]:
    """The library blames the object for a property that is missing or too many; a path names the property itself."""
    place, message = pointer + _pointer(error.instance_path), error.message[:MESSAGE_LIMIT]
    match error.kind:
        case jsonschema_rs.ValidationErrorKind.Required(property=name):
            yield FieldError(place + _pointer([name]), "required", "This property is required.")
        case jsonschema_rs.ValidationErrorKind.AdditionalProperties(unexpected=names):
            for name in names:
                yield FieldError(place + _pointer([name]), "unknown_field", "There is no such property here.")
        case _:
            yield FieldError(place, error.kind.name, message)


def _pointer(path: list[str | int]) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)
