"""ai_agent {model, prompt, system?, input?, context?, output_schema?, …}: asks a model, and waits for its output.

Its output is the model's text, or with `output_schema` the JSON that fits it. With `tools` the model may call these, turn by
turn, as far as their policies and the `bounds` go. `retry` says how often each turn is tried, `timeout` how long the visit may
take in all.
"""

import re
from collections import ChainMap
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from domain.ai_task import (
    AI_TASK,
    AiTask,
    AiTaskCancelled,
    AiTaskCompleted,
    AiTaskFailed,
    AiTaskRequested,
    Configuration,
    request,
)
from domain.execution import Activation, NodeError, Wait
from domain.facts import Fact, Invalid, Json, View
from domain.member import MEMBER
from domain.retry import RetryPolicy
from domain.role import ROLE
from engine import ai_config, ai_people_config, node_prompts
from engine.ai_config import BOUNDS, TOOLS, bounds_of, guarded, tools_of
from engine.ai_guard_config import GUARDS
from engine.ai_guards import GUARD
from engine.ai_job import job_of
from engine.ai_people_config import people_of, with_rejections
from engine.ai_time_limit import TIME_LIMIT, due_of, out_of_time
from engine.definition import Node
from engine.expressions import Budgeted, expressions_in, is_expression, resolve
from engine.happenings import ChildEnded, TimerFired
from engine.invalid import InvalidValue
from engine.nodes import kind
from engine.nodes.kind import Done, Failed, Fault, Formula, Handles, NodeType, Visit, Waiting, object_schema
from engine.nodes.task import schema_faults
from engine.prompt_references import PROMPT
from engine.prompts import Withheld
from engine.variables import Nodes

WITH_TOOLS = RetryPolicy(max_attempts=3)
"""Of an agent with tools whose node has no policy: the turns that it has behind it are not to be lost with the next one."""
CANCELLED = "cancelled"
"""The type of a node's error whose AI task was cancelled."""
PROVIDERS = ("offline/", "openai:")
"""How the names of models begin that a worker of this release knows a provider for."""
OF_TENANT = re.compile(r"[a-z][a-z0-9_-]{0,62}(:.+)?", re.DOTALL)
"""A name that a tenant gives to models, or a model of one of its providers."""
DEFAULT_MODEL = "default"
EXPRESSION = {"type": "string", "pattern": "^=[^=]"}
TEXT = {"type": "string", "minLength": 1}


def _or_expression(schema: Json) -> Json:
    return {"anyOf": [schema, EXPRESSION]}


CONFIG = object_schema(
    {
        "model": TEXT,
        "prompt": {"anyOf": [TEXT, PROMPT]},
        "system": {"type": "string"},
        "input": True,
        "context": True,
        "output_schema": {"type": ["object", "boolean"]},
        "agent_type": {"type": "string", "minLength": 1, "maxLength": 100},
        "max_output_tokens": _or_expression({"type": "integer", "minimum": 1, "maximum": 2**31 - 1}),
        "temperature": _or_expression({"type": "number", "minimum": 0}),
        "top_p": _or_expression({"type": "number", "minimum": 0, "maximum": 1}),
        "seed": _or_expression({"type": "integer"}),
        "tools": TOOLS,
        "bounds": BOUNDS,
        "guards": GUARDS,
        **ai_people_config.FIELDS,
        "continues": {"type": "string", "minLength": 1},
        "cache": {"type": "boolean"},
        "stream": {"type": "boolean"},
    },
    ("prompt",),
)


def handles(_node: Node) -> Handles:
    return Handles(("success",), ("error", "timeout"))


def run(visit: Visit) -> kind.RunResult:
    task_id, node = visit.view.new_id(), visit.node
    started = visit.execution.started
    assert started is not None
    try:
        requested = requested_of(
            visit.view,
            node,
            visit.evaluator,
            visit.variables,
            execution_id=visit.execution_id,
            activation_id=visit.activation_id,
            node_id=node.id,
            priority=started.priority,
            requested_by=started.created_by,
            correlation_id=started.correlation_id,
            item_id=visit.item_id,
            item_index=visit.item_index,
            workflow_key=started.workflow_key,
            continues=continued(visit),
        )
    except InputBlocked as blocked:
        return Failed(NodeError(GUARD, str(blocked), visit.attempt))
    if requested.tools is not None:
        requested = replace(requested, requesters=visit.requesters, requester_roles=roles_of(visit.view, visit.requested_by))
    job = job_of(task_id, AiTask(requested=requested), None)
    try:
        facts, due = request(visit.view, task_id, requested).facts, due_of(requested)
        timers = () if due is None else (visit.timer(TIME_LIMIT, due),)
        return Waiting((Wait("ai_task", task_id),), facts, (job,), timers=timers)
    except Invalid as refused:
        raise InvalidValue(refused.message) from refused


def continued(visit: Visit) -> UUID | None:
    """The task of the node whose conversation it goes on with, as of the latest visit on this way; None: it begins one."""
    nodes, node_id = visit.variables["nodes"], visit.node.config.get("continues")
    around = nodes.maps if isinstance(nodes, ChainMap) else [nodes]
    for each in around:
        if node_id is not None and isinstance(each, Nodes) and node_id in each:
            return each.task_of(node_id)
    return None


def mentions(node: Node) -> Iterator[tuple[str, str]]:
    if "continues" in node.config:
        yield "/continues", node.config["continues"]


class InputBlocked(InvalidValue):
    """A guard of the input lets it not pass."""


def requested_of(
    view: View,
    node: Node,
    evaluator: Budgeted,
    variables: Mapping[str, Json],
    *,
    sealed: Mapping[str, Withheld] | None = None,
    **about: Any,
) -> AiTaskRequested:
    """What a node asks for, or whoever asks as one would. `about`: fields of the event that are not of its configuration.
    `sealed`: as of `node_prompts.by_prompt`.

    Raises ExpressionError, and InvalidValue, of which InputBlocked is one.
    """
    plain = {name: value for name, value in node.config.items() if name not in AI_AGENT.raw}
    by_name = node_prompts.by_prompt(view, node, resolve(plain, evaluator, variables), sealed)
    node, config = by_name.node, by_name.config
    let_in = guarded({**config, "guards": node.config.get("guards")}, evaluator)
    if let_in.kind == "block":
        raise InputBlocked(let_in.why or "A guard blocks the input.")
    config = {**config, **{name: value for name, value in let_in.value.items() if name in config}}
    tools, review = tools_of(node.config, evaluator, variables), node.config.get("review")
    return AiTaskRequested(
        task_name=node.name or node.id,
        model=_text(config, "model"),
        prompt=_text(config, "prompt"),
        configuration=_configuration(config),
        retry=node.retry or (RetryPolicy() if tools is None else WITH_TOOLS),
        agent_type=_text(config, "agent_type") if "agent_type" in config else None,
        system_prompt=_text(config, "system") if "system" in config else None,
        context=config.get("context"),
        input=config.get("input"),
        output_schema=node.config.get("output_schema"),
        tools=tools,
        guards=node.config.get("guards"),
        bounds=with_rejections(bounds_of({**config, "tools": tools, "output_schema": node.config.get("output_schema")}), review),
        review=people_of(review, evaluator, variables),
        on_budget=config.get("on_budget"),
        budget_by=people_of(node.config.get("budget_by"), evaluator, variables),
        repetition_by=people_of(node.config.get("repetition_by"), evaluator, variables),
        cache=config.get("cache") or None,
        stream=config.get("stream") or None,
        **by_name.pin(_text(config, "prompt"), config.get("system")),
        **about,
    )


def roles_of(view: View, person: UUID | None) -> tuple[str, ...]:
    """Keys of the roles that whoever asks has, as they are."""
    if person is None:
        return ()
    member = view.read(MEMBER, person)
    return tuple(sorted(view.read(ROLE, one).key for one in (member.role_ids if member.active else ())))


def _text(config: Json, field: str) -> str:
    text = config[field]
    if not isinstance(text, str):
        raise InvalidValue(f"{field} must be a text")
    return text


def _configuration(config: Json) -> Configuration:
    return Configuration(
        _whole(config, "max_output_tokens", 1, 2**31),
        _number(config, "temperature", 100),
        _number(config, "top_p", 1),
        _whole(config, "seed", -(2**63), 2**63),
    )


def _whole(config: Json, field: str, least: int, below: int) -> int | None:
    value = config.get(field)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or not least <= value < below):
        raise InvalidValue(f"{field} must be a whole number of at least {least}")
    return value


def _number(config: Json, field: str, most: float) -> float | None:
    value = config.get(field)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= most:
        raise InvalidValue(f"{field} must be a number from 0 to {most}")
    return float(value)


def on_child(visit: Visit, ended: ChildEnded) -> kind.Woken:
    """The AI task is over: its output is the node's, its failure the node's error."""
    match ended.events[-1]:
        case AiTaskCompleted(output):
            return Done(output)
        case AiTaskFailed(error):
            return Failed(NodeError(error.type, error.message, visit.attempt))
        case AiTaskCancelled(reason):
            return Failed(NodeError(CANCELLED, reason or "The AI task was cancelled.", visit.attempt))
        case event:
            raise AssertionError(f"an AI task does not end by {type(event).__name__}")


def on_timer(visit: Visit, fired: TimerFired) -> kind.Woken:
    """The time is up that the task may take."""
    assert fired.purpose == TIME_LIMIT
    (task_id,) = (wait.id for wait in visit.waits if wait.kind == "ai_task")
    failed = out_of_time(visit.view.read(AI_TASK, task_id))
    return Failed(NodeError(failed.error.type, failed.error.message, visit.attempt), facts=(Fact(task_id, failed),))


def output(node: Node) -> Json:
    if "output_schema" not in node.config and not isinstance(node.config["prompt"], str):
        return None  # the prompt may say what its output is
    return node.config.get("output_schema", {"type": "string"})


def formulas(node: Node) -> Iterator[Formula]:
    return ai_config.formulas(node.config)


def lint(node: Node) -> Iterator[Fault]:
    yield from schema_faults(node)
    yield from ai_config.lint(node.config)
    if not any(expressions_in(node.config.get("bounds", {}))):
        yield from ai_config.checked("/bounds", lambda: bounds_of(node.config))
    yield from node_prompts.lint(node)
    model = node.config.get("model", DEFAULT_MODEL)
    if not is_expression(model) and not any(model.startswith(each) for each in PROVIDERS) and not OF_TENANT.fullmatch(model):
        known = ", ".join(f"{each}…" for each in PROVIDERS)
        message = (
            f"No provider is known for the model {model}. Names begin with a provider's key and a colon, or with one of: {known}"
        )
        yield Fault("/model", "unknown_provider", message, "warning")


def cancel(activation: Activation, reason: str) -> tuple[Fact, ...]:
    return tuple(Fact(task, AiTaskCancelled(reason)) for task in activation.waits_for("ai_task"))


def expire(activation: Activation) -> tuple[Fact, ...]:
    return cancel(activation, "timeout")


AI_AGENT = NodeType(
    "ai_agent",
    CONFIG,
    handles,
    run,
    output,
    lint,
    formulas,
    mentions,
    raw=frozenset({"output_schema", "continues", "tools", "guards"}) | ai_people_config.RAW,
    waits=True,
    works=True,
    on_child=on_child,
    on_timer=on_timer,
    cancel=cancel,
    expire=expire,
)
