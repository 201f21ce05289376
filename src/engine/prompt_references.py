"""A prompt as an agent names it: {key, version?, variables?}, where a variable's value may be a secret, {"secret": name}."""

from collections.abc import Mapping

from domain.facts import Json
from domain.prompt import KEY, MOST_VARIABLES, VARIABLE

PROMPT = {
    "type": "object",
    "properties": {
        "key": {"type": "string", "pattern": f"^{KEY.pattern}$"},
        "version": {"type": "integer", "minimum": 1, "maximum": 2**31 - 1},
        "variables": {
            "type": "object",
            "propertyNames": {"pattern": f"^{VARIABLE.pattern}$"},
            "maxProperties": MOST_VARIABLES,
        },
    },
    "required": ["key"],
    "additionalProperties": False,
}


def secrets_in(written: Json) -> dict[str, Json]:
    """By variable, the secret that the definition itself names."""
    variables = written.get("variables") if isinstance(written, Mapping) else None
    given = variables.items() if isinstance(variables, Mapping) else ()
    return {name: value["secret"] for name, value in given if isinstance(value, Mapping) and value.keys() == {"secret"}}
