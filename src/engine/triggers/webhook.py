"""A request to an address that nobody can guess starts an execution."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from domain.facts import Json
from domain.trigger import WEBHOOK as NAME
from engine.durations import duration
from engine.invalid import InvalidValue
from engine.limits import MAX_LIMIT, span
from engine.nodes.kind import Fault, object_schema
from engine.triggers.kind import STARTING, TEXT, TriggerSpec

WINDOW, LONGEST_WINDOW = timedelta(minutes=5), timedelta(hours=24)
"""How old, or how far in the future, the time of a signed request may be."""


def window(config: Json) -> timedelta:
    return duration(config["replay_window"]) if "replay_window" in config else WINDOW


def rate(config: Json) -> tuple[int, timedelta] | None:
    """How many requests start something in any span of that length, if that is limited."""
    given = config.get("rate")
    return None if given is None else (given["count"], span(given["per"]))


def lint(config: Json) -> Iterator[Fault]:
    try:
        rate(config)
    except InvalidValue as error:
        yield Fault("/rate/per", "invalid_value", str(error))
    try:
        if not timedelta(seconds=1) <= window(config) <= LONGEST_WINDOW:
            yield Fault("/replay_window", "invalid_value", "replay_window must be between a second and 24 hours")
    except InvalidValue as error:
        yield Fault("/replay_window", "invalid_value", str(error))
    if "replay_window" in config and "secret" not in config:
        yield Fault(
            "/replay_window", "unknown_field", "Only signed requests have a replay window: name the secret that signs them."
        )


def by_hand(_now: datetime, payload: Json) -> Mapping[str, Json]:
    return {"headers": {}, "query": {}, "body": payload}


VARIABLES = {
    "headers": {"type": "object", "additionalProperties": {"type": "string"}},
    "query": {"type": "object", "additionalProperties": {"type": "string"}},
    "body": True,
}
WEBHOOK = TriggerSpec(
    NAME,
    {
        "secret": {"type": "string", "pattern": "^[a-z][a-z0-9_-]{0,62}$"},
        "replay_window": {"type": "string"},
        "rate": object_schema(
            {"count": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT}, "per": {"type": "string"}}, ("count", "per")
        ),
        "when": TEXT,
        **STARTING,
    },
    variables=VARIABLES,
    lint=lint,
    input="=body",
    starts_as="webhook",
    acts_as="webhook",
    by_hand=by_hand,
)
