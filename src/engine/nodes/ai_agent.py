"""ai_agent {model, prompt, system?, input?, context?, output_schema?, …}: asks a model, and waits for its output.

Its output is the model's text, or with `output_schema` the JSON that fits it. With `tools` the model may call these, turn by
turn, as far as their policies and the `bounds` go. `retry` says how often each turn is tried, `timeout` how long the visit may
take in all.
"""

from collections.abc import Iterator

from domain.ai_task import AiTaskCancelled, AiTaskCompleted, AiTaskFailed, AiTaskRequested, Configuration, request
from domain.execution import Activation, NodeError, Wait
from domain.facts import Fact, Invalid, Job, Json
from domain.member import MEMBER
from domain.retry import RetryPolicy
from domain.role import ROLE
from engine import ai_config
from engine.ai_config import BOUNDS, TOOLS, bounds_of, guarded, tools_of
from engine.ai_guard_config import GUARDS
from engine.definition import Node
from engine.expressions import expressions_in, is_expression, resolve
from engine.happenings import ChildEnded
from engine.invalid import InvalidValue
from engine.nodes import kind
from engine.nodes.kind import Done, Failed, Fault, Formula, Handles, NodeType, Visit, Waiting, object_schema
from engine.nodes.task import schema_faults

JOB = "gesta.ai"
"""The type of the jobs that are attempts at AI tasks."""
WITH_TOOLS = RetryPolicy(max_attempts=3)
"""Of an agent with tools whose node has no policy: the turns that it has behind it are not to be lost with the next one."""
CANCELLED = "cancelled"
"""The type of a node's error whose AI task was cancelled."""
PROVIDERS = ("offline/", "openai:")
"""How the names of models begin that a worker of this release knows a provider for."""
DEFAULT_MODEL = "default"
GUARD = "guard"
"""The type of a node's error whose input a guard blocks."""
EXPRESSION = {"type": "string", "pattern": "^=[^=]"}
TEXT = {"type": "string", "minLength": 1}


def _or_expression(schema: Json) -> Json:
    return {"anyOf": [schema, EXPRESSION]}


CONFIG = object_schema(
    {
        "model": TEXT,
        "prompt": TEXT,
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
    },
    ("model", "prompt"),
)


def handles(_node: Node) -> Handles:
    return Handles(("success",), ("error", "timeout"))


def run(visit: Visit) -> kind.RunResult:
    task_id, node = visit.view.new_id(), visit.node
    plain = {name: value for name, value in node.config.items() if name not in AI_AGENT.raw}
    config = resolve(plain, visit.evaluator, visit.variables)
    let_in = guarded({**config, "guards": node.config.get("guards")}, visit.evaluator)
    if let_in.kind == "block":
        return Failed(NodeError(GUARD, let_in.why or "A guard blocks the input.", visit.attempt))
    config = {**config, **{name: value for name, value in let_in.value.items() if name in config}}
    started = visit.execution.started
    assert started is not None
    tools = tools_of(node.config, visit.evaluator, visit.variables)
    retry = node.retry or (RetryPolicy() if tools is None else WITH_TOOLS)
    requested = AiTaskRequested(
        visit.execution_id,
        visit.activation_id,
        node.id,
        node.name or node.id,
        _text(config, "model"),
        _text(config, "prompt"),
        _configuration(config),
        retry,
        agent_type=_text(config, "agent_type") if "agent_type" in config else None,
        system_prompt=_text(config, "system") if "system" in config else None,
        context=config.get("context"),
        input=config.get("input"),
        output_schema=node.config.get("output_schema"),
        priority=started.priority,
        requested_by=started.created_by,
        correlation_id=started.correlation_id,
        item_id=visit.item_id,
        item_index=visit.item_index,
        tools=tools,
        bounds=bounds_of({**config, "tools": tools, "output_schema": node.config.get("output_schema")}),
        guards=node.config.get("guards"),
        requesters=None if tools is None else visit.requesters,
        requester_roles=None if tools is None else roles_of(visit),
    )
    job = Job(
        visit.activation_id,
        JOB,
        None,
        visit.execution_id,
        visit.activation_id,
        task_id,
        max_attempts=retry.max_attempts,
        priority=started.priority,
    )
    try:
        return Waiting((Wait("ai_task", task_id),), request(visit.view, task_id, requested).facts, (job,))
    except Invalid as refused:
        raise InvalidValue(refused.message) from refused


def roles_of(visit: Visit) -> tuple[str, ...]:
    """Keys of the roles that whoever asks has, as they are."""
    person = visit.requested_by
    if person is None:
        return ()
    member = visit.view.read(MEMBER, person)
    return tuple(sorted(visit.view.read(ROLE, one).key for one in (member.role_ids if member.active else ())))


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


def output(node: Node) -> Json:
    return node.config.get("output_schema", {"type": "string"})


def formulas(node: Node) -> Iterator[Formula]:
    return ai_config.formulas(node.config)


def lint(node: Node) -> Iterator[Fault]:
    yield from schema_faults(node)
    yield from ai_config.lint(node.config)
    if not any(expressions_in(node.config.get("bounds", {}))):
        yield from ai_config.checked("/bounds", lambda: bounds_of(node.config))
    model = node.config["model"]
    if not is_expression(model) and model != DEFAULT_MODEL and not any(model.startswith(each) for each in PROVIDERS):
        known = ", ".join(f"{each}…" for each in PROVIDERS)
        message = f"No provider is known for the model {model}. Names begin with one of: {known}"
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
    raw=frozenset({"output_schema", "tools", "guards"}),
    waits=True,
    works=True,
    on_child=on_child,
    cancel=cancel,
    expire=expire,
)
