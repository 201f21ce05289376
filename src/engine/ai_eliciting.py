"""A tool that was called asks for what a form takes: the call ends, people are asked, and it is made again with what they say."""

from datetime import timedelta
from uuid import UUID

from domain import ai_task
from domain.budget import A_TOOL_CALL
from domain.facts import Decided, Json, View
from domain.retry import Failure
from domain.storable import storable_text
from engine.ai_guards import GUARD, guard_result
from engine.ai_policies import tool_of
from engine.ai_questions import INPUT_REQUIRED, elicit
from engine.ai_spending import counted
from engine.ai_tasks import Held
from engine.context import Engine
from engine.jobs import HeldJob

LONGEST_QUESTION = 2_000
MOST_QUESTIONS = 5
"""That one call may ask."""


def elicit_call(
    view: View,
    engine: Engine,
    job: HeldJob,
    call_id: UUID,
    number: int,
    message: str,
    form: Json,
    latency_ms: int | None = None,
) -> Decided:
    """What a tool asks is what a tool answers: the guards of results look at it, before any person does."""
    held = Held.of(view, engine, job)
    call = ai_task.running_call(held.task, call_id, number)
    guarded = guard_result(held.task.state, tool_of(held.task.state, call.asked.tool), [message, form], held.evaluator)
    failure, again = Failure(INPUT_REQUIRED, storable_text(message[:LONGEST_QUESTION])), True
    if guarded.kind == "block":
        failure, again = Failure(GUARD, guarded.why or "A guard keeps back what the tool asks.", retryable=False), False
    elif guarded.value != [message, form]:
        failure, again = Failure(GUARD, "What the tool asks is not for people to see.", retryable=False), False
    elif len(call.elicited) >= MOST_QUESTIONS:
        failure, again = Failure("too_many_questions", f"The tool asks more than {MOST_QUESTIONS} questions.", False), False
    retry = timedelta(0) if again else None
    ai_task.fail_call(held.task, call_id, number, failure, retry=retry, latency_ms=latency_ms)
    held.beside.append(counted(view, held.task.task_id, call_id, call.reserved, A_TOOL_CALL))
    if again and not held.late:
        asked = elicit(view, engine, held.task.task_id, held.task.state, call.asked, message[:LONGEST_QUESTION], form)
        held.beside.append(held.task.taking(asked))
    return held.decided()
