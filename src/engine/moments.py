"""The moments that an approval's definition names, as they are recorded when it is asked: `remind`, `escalate`, `start_in`."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from domain.approval.times import Level, Moment, Times
from domain.facts import Due, Json
from engine.calendars import DUE_IN, due_of, shifted
from engine.expressions import resolve
from engine.invalid import InvalidValue

if TYPE_CHECKING:
    from engine.asking import Asker

FIELDS = ("remind", "escalate", "start_in")
"""Of an approval, and of a step of one."""
ASKED = "asked"
"""In `manager_of` of a level: who is asked and has not answered."""
BEFORE, AFTER_DUE, AFTER_START = "before_due", "after_due", "after_start_by"
WHEN: Mapping[str, Json] = {"after": DUE_IN, BEFORE: DUE_IN, AFTER_DUE: DUE_IN}
"""How a reminder says when it comes: one of these."""
WHEN_ESCALATED: Mapping[str, Json] = {"after": DUE_IN, AFTER_DUE: DUE_IN, AFTER_START: DUE_IN}
MOST_REMINDERS = 20
MOST_ESCALATIONS = 10
REMIND: Json = {
    "type": "array",
    "minItems": 1,
    "maxItems": MOST_REMINDERS,
    "items": {
        "type": "object",
        "properties": dict(WHEN),
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": False,
    },
}


def escalate_schema(by: Json) -> Json:
    """`by`: of an outcome's."""
    fields = {**WHEN_ESCALATED, "by": by, "replace": {"type": "boolean"}, "outcome": {"type": "string", "minLength": 1}}
    items = {"type": "object", "properties": fields, "additionalProperties": False}
    return {"type": "array", "minItems": 1, "maxItems": MOST_ESCALATIONS, "items": items}


def times_of(asker: "Asker", config: Mapping[str, Any], due: Due | None, turn: int = 0) -> Times | None:
    """`config`: of the whole or of a step. None: it has no moments.

    Raises InvalidValue and ExpressionError.
    """
    levels = config.get("escalate", ())
    written = [{name: level[name] for name in WHEN_ESCALATED if name in level} for level in levels]
    spans = {"start_in": config.get("start_in"), "remind": list(config.get("remind", ())), "escalate": written}
    found = resolve(spans, asker.evaluator, asker.variables)
    start = due_of(asker.view, found["start_in"])
    if due is None and start is None and not found["remind"] and not levels:
        return None
    remind = tuple(_moment(asker, when, due, start) for when in found["remind"])
    escalate = tuple(
        replace(_level(level), moment=_moment(asker, when, due, start))
        for level, when in zip(levels, found["escalate"], strict=True)
    )
    return Times(remind, escalate, start, turn)


def _moment(asker: "Asker", when: Mapping[str, Json], due: Due | None, start: Due | None) -> Moment:
    ((name, span),) = when.items()
    if name == "after":
        counted = due_of(asker.view, span)
        assert counted is not None
        return Moment(counted)
    base = start if name == AFTER_START else due
    if base is None:
        raise InvalidValue(f"{name} needs {'start_in' if name == AFTER_START else 'due_in'}")
    return Moment(base, *shifted(asker.view, base, span, back=name == BEFORE))


def _level(written: Mapping[str, Json]) -> Level:
    """When it is reached is set beside."""
    return Level(
        Moment(Due()), written.get("by"), written.get("replace", False), written.get("outcome"), unstarted=AFTER_START in written
    )
