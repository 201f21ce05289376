"""AI tasks of their own, that no execution asks for: what is checked when one is requested, and how it runs out of time.

They have the fields of an `ai_agent` node. Of expressions, only those that are evaluated later: there is nothing that the others
could see.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from domain import ai_task
from domain.ai_task import AI_TASK
from domain.facts import Decided, Fact, FieldError, Invalid, Json, NotForThisRelease, View
from domain.role import ROLE_KEY
from domain.storable import require_storable
from engine import ai_people_config
from engine.ai_follow import follow
from engine.ai_job import dropped_at_end, job_of
from engine.ai_people_config import when_asked
from engine.ai_time_limit import TIME_LIMIT, DueTimer, out_of_time, own_timer
from engine.ai_tools import TOOL_TYPES
from engine.ai_tools.kind import at_the_call
from engine.context import Engine
from engine.definition import Node
from engine.expressions import Budgeted, ExpressionError, expressions_in
from engine.invalid import InvalidValue
from engine.lints.people import asked
from engine.nodes import BY_NAME
from engine.nodes.ai_agent import requested_of, roles_of
from engine.policies import RETRY, read_retry
from engine.policies import faults as policy_faults
from engine.prompts import Withheld
from engine.schema import faults

NODE = BY_NAME["ai_agent"]
"""The type of node that asks for the same."""
LATER: Mapping[str, Callable[[str], bool]] = {"tools": at_the_call, **dict.fromkeys(ai_people_config.RAW, when_asked)}
"""By field of the configuration: which of its expressions are evaluated later."""
NAME = "AI task"
LONGEST_NAME = 500


@dataclass(frozen=True)
class Wanted:
    """What is to be done, as a client gave it. `definition`: as the configuration of an `ai_agent` node, not checked yet.

    `retry`: as of a node. `callback`: as `domain.callbacks.callback` gives it. How long it may take: `bounds.time`.
    """

    definition: Mapping[str, Json]
    name: str | None = None
    retry: Json = None
    priority: int = 0
    callback: Json = None
    external: bool = False
    """Another agent does it, and reports its turns."""
    sealed: Mapping[str, Withheld] | None = None
    """By variable of the prompt: what stands for values that were given, and are not in the definition."""


def request(
    view: View,
    engine: Engine,
    wanted: Wanted,
    *,
    by: UUID | None,
    behind: tuple[UUID, ...] = (),
    correlation_id: UUID | None = None,
    task_id: UUID | None = None,
) -> Decided:
    """Ask for it. `by`: who asks; `behind`: who does so on their behalf; `task_id`: where something was kept under it before.

    result {id, status, version}.

    Raises Invalid for what is wrong with it, each field named.
    """
    found = tuple(_faults(view, engine, wanted))
    if found:
        raise Invalid(found[0].message, found[0].path, found)
    require_storable(dict(wanted.definition))
    retry = read_retry({} if wanted.retry is None else {"retry": wanted.retry})
    node = Node("", NODE.name, dict(wanted.definition), wanted.name or NAME, retry)
    people = tuple(dict.fromkeys(one for one in (by, *behind) if one is not None))
    try:
        requested = requested_of(
            view,
            node,
            Budgeted(engine.evaluator, view.effort),
            {},
            sealed=wanted.sealed,
            execution_id=None,
            activation_id=None,
            node_id=None,
            priority=wanted.priority,
            requested_by=by,
            correlation_id=correlation_id,
            requesters=people,
            requester_roles=roles_of(view, by),
            external=True if wanted.external else None,
            callback=wanted.callback,
        )
    except (InvalidValue, ExpressionError) as error:
        told = _sentence(error)
        raise Invalid(told, "", (FieldError("", "invalid_value", told),)) from None
    task_id = task_id or view.new_id()
    decided = ai_task.request(view, task_id, requested)
    jobs = () if wanted.external else (job_of(task_id, ai_task.AiTask(requested=requested), None),)
    timer = own_timer(task_id, requested)
    return replace(
        decided,
        jobs=jobs,
        timers=() if timer is None else (timer,),
        result={name: decided.result[name] for name in ("id", "status", "version")},
        correlation_id=correlation_id,
    )


def expire(view: View, engine: Engine, timer: DueTimer) -> Decided:
    """It has taken too long. An attempt that is under way still ends on record."""
    if timer.owner_id is None or timer.purpose != TIME_LIMIT:
        raise NotForThisRelease(timer.purpose)
    task = view.read(AI_TASK, timer.owner_id)
    gone = Decided(dropped_timers=(timer.id,), result={"execution": None})
    if task.closed or task.requested is None:
        return gone
    gone = replace(gone, dropped_jobs=dropped_at_end(timer.owner_id, task))
    return follow(view, engine, timer.owner_id, gone, (Fact(timer.owner_id, out_of_time(task)),))


# What is wrong with it ---------------------------------------------------------------------------------------------------


def _faults(view: View, engine: Engine, wanted: Wanted) -> Iterator[FieldError]:
    config = dict(wanted.definition)
    if wanted.name is not None and not 0 < len(wanted.name) <= LONGEST_NAME:
        yield FieldError("/name", "invalid_value", f"A name has 1 to {LONGEST_NAME} characters.")
    of_shape = faults(NODE.config, config)  # a schema of ours, as of definitions: it is large, and what it takes is bounded
    yield from of_shape
    yield from _of_retry(wanted.retry)
    if of_shape:
        return
    if wanted.external:
        of_ours = tuple(_of_ours(wanted))
        yield from of_ours
        if of_ours:
            return
    plain = [FieldError(path, "no_expression", NO_EXPRESSION) for path in _too_early(config)]
    yield from plain
    if plain:
        return
    node = Node("", NODE.name, config)
    if "continues" in config:
        yield FieldError("/continues", "unknown_field", "A task of its own has no earlier one.")
    linted = [fault for fault in NODE.lint(node) if fault.severity == "error"]
    yield from (FieldError(fault.path, fault.code, _sentence(fault.message)) for fault in linted)
    if not linted:
        yield from _of_formulas(engine, node)
        yield from _unknown_roles(view, config)


NO_EXPRESSION = "There is no execution that this could be about: only what is evaluated later takes expressions. Double the =."


NOT_OURS = "Another agent does it, and has done what it reports: this would come too late."
OF_OURS = ("guards", "on_budget", "budget_by", "repetition_by", "cache", "stream", "continues")
"""What only our own workers go by."""


def _of_ours(wanted: Wanted) -> Iterator[FieldError]:
    config = wanted.definition
    paths = [f"/{name}" for name in OF_OURS if name in config]
    paths += [f"/tools/{place}/policy" for place, tool in enumerate(config.get("tools") or ()) if "policy" in tool]
    paths += [] if wanted.retry is None else ["/retry"]
    yield from (FieldError(path, "not_applicable", NOT_OURS) for path in paths)


def _of_retry(retry: Json) -> Iterator[FieldError]:
    if retry is None:
        return
    written = {"retry": retry}
    of_shape = faults({"type": "object", "properties": {"retry": RETRY}}, written)
    yield from of_shape
    if not of_shape:
        yield from (FieldError(path, "invalid_value", _sentence(message)) for path, message in policy_faults(written))


def _too_early(config: Mapping[str, Any]) -> Iterator[str]:
    for name, value in config.items():
        if name == "output_schema":
            continue
        for path, source in expressions_in([_evaluated(tool) for tool in value] if name == "tools" else value, f"/{name}"):
            if name not in LATER or not LATER[name](source):
                yield path


def _evaluated(tool: Mapping[str, Json]) -> Json:
    """Of a tool, what may have expressions."""
    return {name: value for name, value in tool.items() if name not in TOOL_TYPES[tool["type"]].plain}


def _of_formulas(engine: Engine, node: Node) -> Iterator[FieldError]:
    for formula in NODE.formulas(node):
        for finding in engine.evaluator.check(formula.source, formula.variables, formula.want):
            if finding.severity == "error":
                yield FieldError(formula.path, finding.code, finding.message)


def _unknown_roles(view: View, config: Mapping[str, Any]) -> Iterator[FieldError]:
    named = asked({"nodes": [{"id": "", "config": config}]})
    for key, places in named.roles.items():
        if view.owner(ROLE_KEY, key) is None:
            for _, path in places:
                yield FieldError(path.removeprefix("/nodes/0/config"), "unknown_role", f"There is no role {key}.")


def _sentence(error: object) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"
