"""A workflow that models start as a tool of its own, by the Model Context Protocol. Whoever may start executions may call it."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from domain.facts import Json
from domain.trigger import MCP as NAME
from engine.durations import duration
from engine.invalid import InvalidValue
from engine.nodes.kind import Fault
from engine.triggers.kind import STARTING, TriggerSpec

LONGEST_WAIT = timedelta(seconds=55)
"""Many clients give up after a minute."""
LONGEST_DESCRIPTION = 1_000
RESERVED = "gesta_"
"""How the names of Gesta's own tools begin."""


def wait_of(config: Json) -> timedelta:
    """For how long a call waits for the execution's end."""
    return duration(config["wait"]) if "wait" in config else timedelta(0)


def lint(config: Json) -> Iterator[Fault]:
    try:
        if wait_of(config) > LONGEST_WAIT:
            yield Fault("/wait", "invalid_value", f"wait must be at most {LONGEST_WAIT.seconds} seconds")
    except InvalidValue as error:
        yield Fault("/wait", "invalid_value", str(error))
    if str(config.get("tool_name", "")).startswith(RESERVED):
        yield Fault("/tool_name", "reserved", f"Names that begin with {RESERVED} are those of Gesta's own tools.")


def by_hand(_now: datetime, payload: Json) -> Mapping[str, Json]:
    return {"arguments": payload}


MCP = TriggerSpec(
    NAME,
    {
        "tool_name": {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_-]{0,62}$"},
        "description": {"type": "string", "minLength": 1, "maxLength": LONGEST_DESCRIPTION},
        "wait": {"type": "string"},
        **{name: STARTING[name] for name in ("business_key", "priority")},
    },
    variables={"arguments": {"type": "object"}},
    lint=lint,
    input="=arguments",
    starts_as="mcp",
    acts_as="api_key",
    by_hand=by_hand,
)
