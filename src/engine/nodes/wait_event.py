"""wait_event {event_type, when?, lookback?}: waits for an event, and puts it out: {id, source, type, subject, time, data}.

`when` is CEL over `event` beside all else; an event on which it fails is not the one. Only events that are recorded after the
visit began count, and with `lookback` those of that long before as well. A signal to the execution is an event of its name.
"""

from collections.abc import Iterator
from datetime import timedelta

from domain.execution import Wait
from domain.facts import Json
from engine.definition import Node
from engine.durations import duration
from engine.expressions import ExpressionError, is_expression, resolve
from engine.happenings import JobDone, JobFailed, JobReport, MessageArrived
from engine.invalid import InvalidValue
from engine.nodes.kind import (
    Again,
    Done,
    Fault,
    Formula,
    Handles,
    NodeType,
    Passed,
    RunResult,
    Visit,
    Waiting,
    Woken,
    object_schema,
)

LOOK_BACK = "gesta.lookback"
"""The type of the jobs that look for an event that came before the visit."""
LONGEST_LOOKBACK = timedelta(days=7)
LONGEST_TYPE = 255
PAUSE = timedelta(seconds=1)
TEXT = {"type": "string", "minLength": 1}
EVENT = object_schema(
    {
        "id": {"type": ["string", "null"]},
        "source": {"type": "string"},
        "type": {"type": "string"},
        "subject": {"type": ["string", "null"]},
        "time": {"type": ["string", "null"]},
        "data": True,
    }
)


def run(visit: Visit) -> RunResult:
    plain = {name: value for name, value in visit.node.config.items() if name not in WAIT_EVENT.raw}
    config = resolve(plain, visit.evaluator, visit.variables)
    wanted = Wait("event", visit.view.new_id(), event_type(config["event_type"]))
    if "lookback" not in config:
        return Waiting((wanted,))
    seconds = lookback(config["lookback"]).total_seconds()
    return Waiting((wanted,), jobs=(visit.job(LOOK_BACK, {"wait": str(wanted.id), "type": wanted.about, "seconds": seconds}),))


def event_type(value: Json) -> str:
    if not isinstance(value, str) or not value or len(value) > LONGEST_TYPE:
        raise InvalidValue(f"event_type must be a text of 1 to {LONGEST_TYPE} characters")
    return value


def lookback(value: Json) -> timedelta:
    found = duration(value)
    if found > LONGEST_LOOKBACK:
        raise InvalidValue(f"lookback must not be longer than {LONGEST_LOOKBACK.days} days")
    return found


def on_message(visit: Visit, message: MessageArrived) -> Woken:
    when = visit.node.config.get("when")
    if when is not None:
        try:
            if not visit.evaluator.evaluate_bool(when, {**visit.variables, "event": message.payload}):
                return Passed()
        except ExpressionError:
            return Passed()
    return Done(message.payload)


def on_job(_visit: Visit, report: JobReport) -> Woken:
    """Nothing that came before was wanted; who was lost while looking is followed by another."""
    match report:
        case JobDone():
            return Waiting()
        case JobFailed(failure=failure):
            return Again(failure, PAUSE)


def lint(node: Node) -> Iterator[Fault]:
    for field, check in (("event_type", event_type), ("lookback", lookback)):
        value = node.config.get(field)
        if value is not None and not is_expression(value):
            try:
                check(value)
            except InvalidValue as error:
                yield Fault(f"/{field}", "invalid_value", str(error))


def formulas(node: Node) -> Iterator[Formula]:
    if "when" in node.config:
        yield Formula("/when", node.config["when"], variables={"event": EVENT})


WAIT_EVENT = NodeType(
    "wait_event",
    object_schema({"event_type": TEXT, "when": TEXT, "lookback": TEXT}, ("event_type",)),
    handles=lambda _node: Handles(("success",), ("error", "timeout")),
    run=run,
    output=lambda _node: EVENT,
    lint=lint,
    formulas=formulas,
    raw=frozenset({"when"}),
    waits=True,
    on_job=on_job,
    on_message=on_message,
)
