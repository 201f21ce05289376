"""What becomes of a call that a model asks for: whether it is a call of a tool that there is, and what the tool's policy says.

{deny, ask, allow}, each CEL or true or false: deny wins, then ask, then allow. Without `allow` everything else is allowed; with
it, nothing but what it says. An expression that cannot be evaluated denies.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from domain.ai_task import AiTask, DenialReason, ToolCall, bounds_of, call_id, digest
from domain.facts import Json
from domain.storable import require_storable, storable_text
from engine.ai_doubles import unanswered
from engine.ai_guards import guard_arguments
from engine.ai_messages import CallMessage
from engine.expressions import Budgeted, ExpressionError
from engine.schema import faults

MOST_ARGUMENTS = 1 << 16
"""Characters of a call's arguments, as JSON."""
MOST_CALLS = 128
"""That one answer may ask for."""
LONGEST_NAME, LONGEST_ID = 64, 200
NAMED_FAULTS = 5

CALLER = {
    "type": "object",
    "properties": {"user_id": {"type": ["string", "null"]}, "roles": {"type": "array", "items": {"type": "string"}}},
    "additionalProperties": False,
}
USAGE: dict[str, Json] = {
    "type": "object",
    "properties": {
        "cost": {"type": "number"},
        "currency": {"type": ["string", "null"]},
        "tokens": {"type": "integer"},
        "tool_calls": {"type": "integer"},
        "turns": {"type": "integer"},
    },
    "additionalProperties": False,
}
SPENT = {**USAGE, "properties": {**USAGE["properties"], "unpriced": {"type": "integer"}}}


@dataclass(frozen=True)
class Denial:
    reason: DenialReason
    message: str


@dataclass(frozen=True)
class Judged:
    """A call, and why it is not made, if it is not. `tool`: None where there is none of the name."""

    call: ToolCall
    tool: Json
    denial: Denial | None = None
    repeated: bool = False
    """It was asked for too often, and people are asked whether to go on."""


def tool_of(task: AiTask, name: str) -> Json:
    """As it was resolved when the task was requested; None: the task may use no such tool."""
    assert task.requested is not None
    return next((each for each in task.requested.tools or () if each["name"] == name), None)


def judged(task_id: UUID, task: AiTask, asked: Sequence[CallMessage], evaluator: Budgeted) -> tuple[Judged, ...]:
    """The calls of an answer, in their order. Each is counted before the next one is judged."""
    found, counts, made = list[Judged](), dict(task.seen), task.totals.tool_calls or 0
    for place, message in enumerate(asked):
        one = _judged(call_id(task_id, task.turn, place), task, message, evaluator)
        key = digest(one.call)
        counts[key] = counts.get(key, 0) + 1
        found.append(one if one.denial is not None else _by_rules(task, one, counts[key], made, evaluator))
        made += found[-1].denial is None
    return tuple(found)


def _by_rules(task: AiTask, one: Judged, times: int, made: int, evaluator: Budgeted) -> Judged:
    """By the policy of the tool and the bounds of the task, of a call that is sound. `times`: how often it was asked for."""
    assert task.requested is not None
    verdict, why = by_policy(one.tool.get("policy"), variables(task, one.call.arguments, made), evaluator)
    beyond = _beyond(task, times, made)
    if beyond is None and verdict == "deny":
        beyond = Denial("policy", why or "")
    if beyond is None and (why_not := unanswered(one.tool, one.call.arguments)) is not None:
        beyond = Denial("policy", why_not)
    if beyond is None:
        return Judged(_with(one.call, verdict, why), one.tool)
    if beyond.reason == "repetition" and verdict == "allow" and task.requested.repetition_by is not None:
        return Judged(_with(one.call, "ask", beyond.message), one.tool, repeated=True)
    return Judged(_with(one.call, "deny", beyond.message), one.tool, beyond)


def _judged(id: UUID, task: AiTask, message: CallMessage, evaluator: Budgeted) -> Judged:
    """By itself: whether there is such a tool, whether its arguments fit, and whether a guard forbids them."""
    name, provider_id = storable_text(message.tool[:LONGEST_NAME]), storable_text(message.id[:LONGEST_ID])
    tool, malformed = tool_of(task, message.tool), _unreadable(message.arguments)
    arguments = None if malformed else message.arguments
    if tool is None:
        call = ToolCall(id, name, arguments, provider_id, "deny", malformed=malformed)
        return Judged(call, None, Denial("not_allowed", f"There is no tool {name} here."))
    malformed = malformed or _unfit(tool["parameters"], arguments, evaluator)
    if malformed:
        recorded = None if arguments is None else guard_arguments(task, tool, arguments, evaluator).value
        call = ToolCall(id, name, recorded, provider_id, "deny", malformed=malformed)
        return Judged(call, tool, Denial("malformed", malformed))
    guarded = guard_arguments(task, tool, arguments, evaluator)
    if guarded.kind == "block":
        told = ToolCall(id, name, guarded.value, provider_id, "deny")
        return Judged(told, tool, Denial("guard", guarded.why or "These arguments are not let through."))
    return Judged(ToolCall(id, name, guarded.value, provider_id), tool)


def _unreadable(arguments: Json) -> str | None:
    if not isinstance(arguments, dict):
        return "The arguments are not a JSON object."
    try:
        require_storable(arguments)
    except ValueError as error:
        return f"The arguments are not accepted: {error}."
    if len(str(arguments)) > MOST_ARGUMENTS:
        return f"The arguments are longer than {MOST_ARGUMENTS} characters."
    return None


def _unfit(schema: Json, arguments: Json, evaluator: Budgeted) -> str | None:
    found = faults(schema, arguments, effort=evaluator.effort)
    if not found:
        return None
    named = "; ".join(f"{fault.path or '/'}: {fault.message}" for fault in found[:NAMED_FAULTS])
    return f"The arguments do not fit the tool's parameters. {named}"[:2_000]


def _beyond(task: AiTask, times: int, made: int) -> Denial | None:
    bounds = bounds_of(task)
    if bounds.repeats is not None and times > bounds.repeats:
        return Denial("repetition", f"This very call was asked for {bounds.repeats} times already. Do something else, or answer.")
    if bounds.tool_calls is not None and made >= bounds.tool_calls:
        return Denial("too_many", f"No more than {bounds.tool_calls} calls of tools may be made. Answer with what there is.")
    return None


def by_policy(policy: Json, seen: Mapping[str, Json], evaluator: Budgeted) -> tuple[Literal["allow", "deny", "ask"], str | None]:
    """What it says of one call, and why where it is no plain yes."""
    policy = policy or {}
    try:
        if _holds(policy.get("deny", False), seen, evaluator):
            return "deny", "The policy of this tool denies the call."
        if _holds(policy.get("ask", False), seen, evaluator):
            return "ask", "The policy of this tool has people decide."
        if not _holds(policy.get("allow", True), seen, evaluator):
            return "deny", "The policy of this tool does not allow the call."
    except ExpressionError as error:
        return "deny", f"The policy of this tool cannot be evaluated, and so denies the call: {error}"
    return "allow", None


def _holds(rule: Json, seen: Mapping[str, Json], evaluator: Budgeted) -> bool:
    return rule if isinstance(rule, bool) else evaluator.evaluate_bool(rule, seen)


def variables(task: AiTask, arguments: Json, made: int | None = None) -> dict[str, Json]:
    """What policies see, and what expressions of a tool see when it is called. `made`: the calls before this one, with those of
    the same answer; None: those that the task has begun."""
    requested, usage = task.requested, usage_of(task)
    assert requested is not None
    user_id = requested.requested_by
    return {
        "arguments": arguments,
        "input": requested.input,
        "caller": {"user_id": None if user_id is None else str(user_id), "roles": list(requested.requester_roles or ())},
        "spent": {**usage, "unpriced": task.totals.unpriced, "tool_calls": usage["tool_calls"] if made is None else made},
    }


def usage_of(task: AiTask) -> dict[str, Json]:
    """What it has used so far, as expressions see it (`USAGE`)."""
    totals = task.totals
    return {
        "cost": float(totals.cost or 0),
        "currency": totals.currency,
        "tokens": totals.input_tokens + totals.output_tokens,
        "tool_calls": totals.tool_calls or 0,
        "turns": len(task.turns),
    }


def types_of(tool: Json) -> dict[str, Json]:
    """The schemas of `variables`, for a tool as it is written."""
    return {"arguments": tool["parameters"], "input": None, "caller": CALLER, "spent": SPENT}


def _with(call: ToolCall, verdict: Literal["allow", "deny", "ask"], why: str | None) -> ToolCall:
    return ToolCall(call.id, call.tool, call.arguments, call.provider_id, verdict, why, call.malformed)
