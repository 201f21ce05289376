"""JSON Schema, draft 2020-12 unless `$schema` says otherwise: for input, output and forms. References stay within a schema."""

import json
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice

import jsonschema_rs

from domain.effort import COMMAND, HERE, Effort, TooCostly
from domain.facts import FieldError, Json
from engine.measure import json_size
from engine.schema_weight import DEEPEST, Weights

FAULTS_LIMIT = 50
LARGE = 1 << 15  # characters of a schema that is not even weighed here
EXPLAINED = 4096  # bytes of a value whose every fault is looked for here
EXPLAINED_ALONE = 16 * EXPLAINED  # the same, where there is nobody to ask
PLACE_LIMIT = 20_000  # keywords that may look at one value
PATTERN_LIMIT = 50_000  # states of all patterns that may look at one text
LEVELS_LIMIT = 1_000
COMPILED = 400  # units of any look
PLACES, CHARACTERS = 8, 8  # bytes for which a keyword, or a state of a pattern, takes a unit
MESSAGE_LIMIT = 300  # characters: the library's messages repeat the value at fault


class SchemaError(ValueError):
    """Not a JSON Schema that can be used. `pointer` names the place in the schema."""

    def __init__(self, message: str, pointer: str = "") -> None:
        super().__init__(message)
        self.pointer = pointer


def faults(schema: Json, value: Json, pointer: str = "", effort: Effort | None = None) -> tuple[FieldError, ...]:
    """What is wrong with a value. Each fault's path is a JSON pointer that begins with `pointer`. Raises SchemaError.

    `effort`: what may be computed. Where that is not enough, the value is not accepted, and the fault says so.
    """
    effort = effort or Effort()
    text = json.dumps(schema)
    try:
        size = json_size(value, effort)
        if effort.is_light(_units(text, value, size)):
            if _validator(text).is_valid(value):
                return ()
            alone = effort.ask is None
            if alone or size <= EXPLAINED:
                return faults_here(text, value, pointer, every=size <= (EXPLAINED_ALONE if alone else EXPLAINED))
        return _faults_elsewhere(effort, text, value, pointer)
    except TooCostly:
        return (
            FieldError(pointer, "too_costly", "Checking this against its schema takes more computing than one command may use."),
        )


def faults_here(text: str, value: Json, pointer: str, *, every: bool) -> tuple[FieldError, ...]:
    """`every`: the first ones, else the very first alone. The library finds all of them before it tells one: 30 µs for each."""
    if _validator(text).is_valid(value):
        return ()
    if every:
        return _first_faults(text, value, pointer)
    try:
        _validator(text).validate(value)
    except jsonschema_rs.ValidationError as error:
        return tuple(islice(_faults(error, pointer), FAULTS_LIMIT))
    return ()


def _first_faults(text: str, value: Json, pointer: str) -> tuple[FieldError, ...]:
    errors = iter(_validator(text).iter_errors(value))
    return tuple(islice((fault for error in errors for fault in _faults(error, pointer)), FAULTS_LIMIT))


def _faults_elsewhere(effort: Effort, text: str, value: Json, pointer: str) -> tuple[FieldError, ...]:
    try:
        found = effort.elsewhere(("faults", text, value, pointer, True))
    except TooCostly:  # to find every fault takes longer than to find one
        found = effort.elsewhere(("faults", text, value, pointer, False))
    return tuple(FieldError(*each) for each in found)


def check_schema(schema: Json) -> None:
    """Raises SchemaError where the schema is not valid, refers to the world outside, or is heavier than any value would bear."""
    text = json.dumps(schema)
    try:
        weights = Weights(schema)
        weight = weights.of(DEEPEST)
    except ValueError as error:
        raise SchemaError(str(error)) from error
    if weights.of(0).here > PLACE_LIMIT:
        raise SchemaError(f"Expanded, the schema applies more than {PLACE_LIMIT} keywords to one value.")
    if weight.levels > LEVELS_LIMIT:
        raise SchemaError(f"Schemas are nested, or refer to one another, in more than {LEVELS_LIMIT} levels.")
    if weight.text > PATTERN_LIMIT:
        raise SchemaError("The schema's patterns are too costly.")
    _validator(text)


def _units(text: str, value: Json, size: int) -> int:
    """An estimate from above of what it takes to hold a value against a schema."""
    if len(text) > LARGE:
        return COMMAND
    weights = _weights(text)
    if weights is None:
        return COMMAND
    weight = weights.of(DEEPEST)
    if weight.most * size > HERE:
        weight = weights.of(_depth(value))
    return COMPILED + weight.most * size // PLACES + weight.text * size // CHARACTERS


@lru_cache(maxsize=1024)
def _weights(text: str) -> Weights | None:
    """None where it cannot be told."""
    try:
        weights = Weights(json.loads(text))
        weights.of(DEEPEST)
    except ValueError:
        return None
    return None if weights.foreign else weights


def _depth(value: Json) -> int:
    depth, level = 0, _items([value])
    while level:
        depth, level = depth + 1, _items(level)
    return depth


def _items(values: Iterable[Json]) -> list[Json]:
    """One level down."""
    inner = (each.values() if isinstance(each, dict) else each for each in values if isinstance(each, dict | list))
    return [item for items in inner for item in items]


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
        case (
            jsonschema_rs.ValidationErrorKind.AdditionalProperties(unexpected=names)
            | jsonschema_rs.ValidationErrorKind.UnevaluatedProperties(unexpected=names)
        ):
            for name in names:
                yield FieldError(place + _pointer([name]), "unknown_field", "There is no such property here.")
        case _:
            yield FieldError(place, error.kind.name, message)


def _pointer(path: list[str | int]) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)
