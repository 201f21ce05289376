"""Node types where an execution is played again: they say what they would ask for, and nothing begins by it.

Whatever is decided is only looked at, so jobs, timers and requests need not be kept from anybody. What is kept from happening is
what would go on within the same decision: children and items of a list. And what asks for much that is no matter of the way,
an agent's prompts and tools, is left at what its node says.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from domain.execution import ActivationCompleted, ActivationFailed, Wait
from domain.facts import Json
from engine.expressions import resolve
from engine.invalid import InvalidValue
from engine.nodes import BY_NAME
from engine.nodes.kind import Done, Failed, NodeType, RunResult, Visit, Waiting
from engine.what_if.record import NO_WAY_OUT, PastVisit
from engine.what_if.view import PlayedView

RunHook = Callable[[Visit], RunResult]
ANOTHER = "played"
"""What a visit waits for in the place of a stream that it would open."""


def recorded(visit: Visit) -> PastVisit | None:
    """The visit of this node that is on record, of the same number."""
    view = visit.view
    assert isinstance(view, PlayedView)
    return view.past_visit(visit.node.id, visit.execution.visits.get(visit.node.id, 0) + 1)


def under_its_id(run: RunHook) -> RunHook:
    """What a node tells others of its visit is what it told them then."""

    def as_then(visit: Visit) -> RunResult:
        past = recorded(visit)
        return run(visit if past is None else replace(visit, activation_id=past.started.activation_id))

    return as_then


def child(visit: Visit) -> RunResult:
    config = resolve(visit.node.config, visit.evaluator, visit.variables)
    key, input = config["workflow_key"], config.get("input", {})
    if not isinstance(key, str) or not key:
        raise InvalidValue("workflow_key must be a text")
    if not isinstance(input, dict):
        raise InvalidValue("input must be an object")
    waits, end = config.get("wait", True), at_once(visit)
    if end is not None and is_as_it_was(visit):
        return end
    if not waits:
        return Done({"id": str(visit.view.new_id()), "workflow_key": key, "version": config.get("version")})
    return waiting(visit, {"workflow_key": key, "version": config.get("version"), "input": input})


def items(visit: Visit) -> RunResult:
    outcome = BY_NAME["foreach"].run(visit)
    if not isinstance(outcome, Waiting):
        return outcome
    started: Any = outcome.facts[0].event
    return waiting(visit, {"items": started.items})


def agent(visit: Visit) -> RunResult:
    raw = BY_NAME["ai_agent"].raw
    plain = {name: value for name, value in visit.node.config.items() if name not in raw}
    config, end = resolve(plain, visit.evaluator, visit.variables), at_once(visit)
    return end if isinstance(end, Failed) and is_as_it_was(visit) else waiting(visit, config)


def is_as_it_was(visit: Visit) -> bool:
    assert isinstance(visit.view, PlayedView)
    before = visit.view.before.get(visit.node.id)
    return before is not None and before.config == visit.node.config


def at_once(visit: Visit) -> Done | Failed | None:
    """How the visit ended that is on record, where it did so without waiting for anything."""
    past = recorded(visit)
    if past is None or past.waited:
        return None
    match past.end:
        case ActivationFailed(error=error) if error.type not in NO_WAY_OUT:
            return Failed(error)
        case ActivationCompleted(output=output):
            return Done(output)
        case _:
            return None


def waiting(visit: Visit, input: Json) -> Waiting:
    return Waiting((Wait("job", visit.view.new_id(), ANOTHER),), input=input)


NODE_TYPES: Mapping[str, NodeType] = {
    **BY_NAME,
    **{name: replace(BY_NAME[name], run=under_its_id(BY_NAME[name].run)) for name in ("task", "http", "emit")},
    "workflow": replace(BY_NAME["workflow"], run=child),
    "foreach": replace(BY_NAME["foreach"], run=items),
    "ai_agent": replace(BY_NAME["ai_agent"], run=agent),
}
