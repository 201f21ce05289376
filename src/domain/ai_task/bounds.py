"""How far one task may go: what it came to, where it would go beyond."""

from domain.ai_task.events import Bounds
from domain.ai_task.state import AiTask
from domain.retry import Failure

NONE = Bounds()


def bounds_of(task: AiTask) -> Bounds:
    return NONE if task.requested is None or task.requested.bounds is None else task.requested.bounds


def exceeded(task: AiTask) -> Failure | None:
    """Why no model may be called for the turn to come; None: one may. What was answered is never taken back for a bound."""
    bounds, totals = bounds_of(task), task.totals
    used = totals.input_tokens + totals.output_tokens
    if bounds.turns is not None and task.turn > bounds.turns:
        return _beyond("too_many_turns", f"It has taken {bounds.turns} turns, which are all that it may.")
    if bounds.tokens is not None and used >= bounds.tokens:
        return _beyond("token_limit", f"It has used {used} tokens of the {bounds.tokens} that it may.")
    if bounds.cost is not None and totals.currency == bounds.currency and (totals.cost or 0) >= bounds.cost:
        return _beyond("cost_limit", f"It has cost {totals.cost} {totals.currency} of the {bounds.cost} that it may.")
    return None


def refused_again(task: AiTask) -> Failure | None:
    """Why a task ends whose model, in the turn that has just come, insists on what it was denied before: it would go on so."""
    if len(task.turns) < 2:
        return None
    bounds, (before, last) = bounds_of(task), task.turns[-2:]
    reasons = {call.denied for call in last.calls}
    if "too_many" in reasons and any(call.denied == "too_many" for call in before.calls):
        return _beyond("too_many_tool_calls", f"It asks for more than the {bounds.tool_calls} calls of tools that it may make.")
    if "repetition" in reasons and any(call.denied == "repetition" for call in before.calls):
        return _beyond("repetition", "It asks for the same call again and again.")
    return None


def _beyond(type: str, message: str) -> Failure:
    return Failure(type, message, retryable=False)
