"""What a tool answered, as a model is told it: JSON or text, and no more of it than the tool's bound."""

import json
from dataclasses import dataclass

from domain.ai_task import AiTask, Call
from domain.facts import Json
from domain.retry import Failure
from engine.ai_guards import GUARD, guard_result
from engine.ai_policies import tool_of
from engine.expressions import Budgeted

MOST_RESULT, LARGEST_RESULT = 1 << 16, 1 << 18
"""Characters of a result as JSON: unless the tool says otherwise, and at most."""


@dataclass(frozen=True)
class Shown:
    """`cut`: how many characters it had, where it was cut."""

    result: Json
    cut: int | None


def shown(task: AiTask, call: Call, result: Json, evaluator: Budgeted) -> Shown | Failure:
    """What guards leave of it, cut to size; a failure where one keeps it back."""
    tool = tool_of(task, call.asked.tool)
    guarded = guard_result(task, tool, result, evaluator)
    if guarded.kind == "block":
        return Failure(GUARD, guarded.why or "A guard keeps back what the tool answered.", retryable=False)
    return Shown(*told(guarded.value, tool))


def told(result: Json, tool: Json) -> tuple[Json, int | None]:
    """The result, and how many characters it had where it was cut: then it is the beginning of its text."""
    most = MOST_RESULT if tool is None else tool.get("max_result", MOST_RESULT)
    text = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)
    return (result, None) if len(text) <= most else (text[:most], len(text))
