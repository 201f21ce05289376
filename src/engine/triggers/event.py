"""An event starts an execution: one of this type, for which `when` holds."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from domain.facts import Json
from domain.trigger import EVENT as NAME
from engine.invalid import InvalidValue
from engine.nodes.kind import Fault
from engine.nodes.wait_event import EVENT as SCHEMA
from engine.nodes.wait_event import event_type
from engine.triggers.kind import STARTING, TEXT, TriggerSpec


def lint(config: Json) -> Iterator[Fault]:
    try:
        event_type(config["event_type"])
    except InvalidValue as error:
        yield Fault("/event_type", "invalid_value", str(error))


def by_hand(_now: datetime, payload: Json) -> Mapping[str, Json]:
    return {"event": {"id": None, "source": "", "type": "", "subject": None, "time": None, "data": payload}}


EVENT = TriggerSpec(
    NAME,
    {"event_type": {"type": "string", "minLength": 1}, "when": TEXT, **STARTING},
    ("event_type",),
    {"event": SCHEMA},
    lint,
    input="=event.data",
    starts_as="event",
    acts_as="event",
    by_hand=by_hand,
)
