"""wait {duration | until}: waits for so long, or until a moment.

`duration` is ISO 8601 and counts from the recorded time at which the visit began; a pause keeps what is left of it. `until` is
RFC 3339 with a zone; a moment that is past is over at once, and a pause does not move it.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

from domain.facts import Due, Json
from engine.definition import Node
from engine.durations import duration
from engine.expressions import is_expression, resolve
from engine.happenings import TimerFired
from engine.invalid import InvalidValue
from engine.nodes.kind import Done, Fault, Handles, NodeType, RunResult, Visit, Waiting, Woken, object_schema

PURPOSE = "wait"
TEXT = {"type": "string", "minLength": 1}


def run(visit: Visit) -> RunResult:
    config = resolve(visit.node.config, visit.evaluator, visit.variables)
    return Waiting(timers=(visit.timer(PURPOSE, due(config)),))


def due(config: Json) -> Due:
    return Due(duration(config["duration"])) if "duration" in config else Due(at=moment(config["until"]))


def moment(text: object) -> datetime:
    """Raises InvalidValue."""
    try:
        if isinstance(text, str) and "T" in text.upper():
            named = datetime.fromisoformat(text)
            if named.tzinfo is not None:
                return named.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise InvalidValue(f"{text!r} is not a moment with a zone such as 2026-03-31T09:00:00+02:00")


def on_timer(_visit: Visit, _fired: TimerFired) -> Woken:
    return Done()


def lint(node: Node) -> Iterator[Fault]:
    for field, value in node.config.items():
        if not is_expression(value):
            try:
                due({field: value})
            except InvalidValue as error:
                yield Fault(f"/{field}", "invalid_value", str(error))


WAIT = NodeType(
    "wait",
    object_schema({"duration": TEXT, "until": TEXT}) | {"minProperties": 1, "maxProperties": 1},
    handles=lambda _node: Handles(("success",), ("error", "timeout")),
    run=run,
    lint=lint,
    waits=True,
    on_timer=on_timer,
)
