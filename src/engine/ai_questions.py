"""What an AI task asks people: whether a tool may be called, whether its output counts, whether to go on.

Each is an ordinary approval request that the task waits for (`engine.ai_asking`); what becomes of it: `engine.ai_answers`.
"""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from domain.ai_task import AiTask, AiTaskToolCallDenied, AiTaskToolCallFailed, Progress, ToolCall, evolve, fail
from domain.facts import Decided, Due, Fact, Json, View
from domain.retry import Failure
from engine import ai_asking
from engine.ai_asking import requested_of
from engine.ai_forms import as_form, prefilled, question_digest
from engine.ai_people_config import ALWAYS
from engine.ai_policies import tool_of, usage_of
from engine.asked_people import PEOPLE
from engine.context import Engine
from engine.expressions import Budgeted, ExpressionError, is_expression

NOBODY = "nobody_to_ask"
"""The type of the failure of a task whose output nobody can review."""
INPUT_REQUIRED = "input_required"
"""The type of the failure of a call that ends in a question."""


def ask_about_call(view: View, engine: Engine, task_id: UUID, task: AiTask, call: ToolCall) -> Decided:
    """Whether a tool may be called, by its policy: as it is, or with other arguments. `task`: as it is by then.

    Where nobody can be asked, nobody allows it: the call is denied. Joined to the decision in which the model asks for it.
    """
    tool = tool_of(task, call.tool)
    policy = tool.get("policy") or {}
    question = ai_asking.Question(
        "tool",
        f"{_name(task)}: may {call.tool} be called?",
        {name: value for name, value in policy.items() if name in PEOPLE},
        _about(task, tool=call.tool, description=tool.get("description"), arguments=call.arguments),
        prefilled(tool["parameters"], call.arguments),
        call_id=call.id,
        arguments=call.arguments,
    )
    return _or_denied(view, engine, task_id, task, call, question)


def ask_about_repetition(view: View, engine: Engine, task_id: UUID, task: AiTask, call: ToolCall, people: Json) -> Decided:
    """Whether to go on where the same call was made too often: then it is made. `people`: who is asked, as in a policy."""
    question = ai_asking.Question(
        "repetition",
        f"{_name(task)}: {call.tool} was called again and again with the same arguments. May it go on?",
        people or {},
        _about(task, tool=call.tool, arguments=call.arguments),
        call_id=call.id,
        arguments=call.arguments,
    )
    return _or_denied(view, engine, task_id, task, call, question)


def ask_about_budget(
    view: View, engine: Engine, task_id: UUID, task: AiTask, budget_id: UUID, budget: str, call: ToolCall | None = None
) -> Decided:
    """Whether this task may go beyond a budget that is used up. `budget`: what people call it. `call`: a tool's, which it is for.

    Raises NobodyToAsk where it is about a call of a model.
    """
    question = ai_asking.Question(
        "budget",
        f"{_name(task)}: the budget {budget} is used up. May this task go beyond it?",
        requested_of(task).budget_by or {},
        _about(task, budget=budget, **({} if call is None else {"tool": call.tool, "arguments": call.arguments})),
        call_id=None if call is None else call.id,
        budget_id=budget_id,
    )
    if call is None:
        return ai_asking.ask(view, engine, task_id, task, question)
    return _or_denied(view, engine, task_id, task, call, question)


def elicit(
    view: View, engine: Engine, task_id: UUID, task: AiTask, call: ToolCall, message: str, form: Json, people: Json = None
) -> Decided:
    """A tool that was called asks for what a form takes: that call ends, and is made again with that (`Call.elicited`).

    `people`: who is asked; None: as by the tool's policy.
    """
    policy = tool_of(task, call.tool).get("policy") or {}
    asked = policy if people is None else people
    question = ai_asking.Question(
        "elicitation",
        f"{_name(task)}: {call.tool} asks: {message[:500]}",
        {name: value for name, value in asked.items() if name in PEOPLE},
        _about(task, tool=call.tool, arguments=call.arguments, message=message),
        form,
        call_id=call.id,
        output=question_digest(message, form),
        arguments=call.arguments,
    )
    running = task.call(call.id)
    if running is None or running.status != "running":
        return _or_denied(view, engine, task_id, task, call, question)
    asks = Failure(INPUT_REQUIRED, message[:2_000])
    ended = AiTaskToolCallFailed(call.id, call.tool, running.number, asks, retry=Due(after=timedelta(0)))
    asked = _or_denied(view, engine, task_id, evolve(task, ended), call, question)
    return replace(asked, facts=(Fact(task_id, ended), *asked.facts))


def ask_for_review(view: View, engine: Engine, progress: Progress) -> Decided | None:
    """Have its output reviewed, where that is wanted; None: it counts as it is. Where nobody can look at it, the task fails.

    An expression that fails says nothing for the output: it is reviewed.
    """
    task, output = progress.state, progress.state.output
    review, schema = progress.requested.review, progress.requested.output_schema
    if review is None or not _is_reviewed(view, engine, task, output, review["when"]):
        return None
    question = ai_asking.Question(
        "review",
        f"{_name(task)}: does this output count?",
        {name: value for name, value in review.items() if name in PEOPLE},
        _about(task, output=output, input=progress.requested.input),
        as_form(schema, output),
        output=output,
    )
    try:
        return progress.taking(ai_asking.ask(view, engine, progress.task_id, task, question))
    except ai_asking.NobodyToAsk as error:
        fail(progress, Failure(NOBODY, str(error), retryable=False))
        return Decided()


def _is_reviewed(view: View, engine: Engine, task: AiTask, output: Json, when: Json) -> bool:
    if not is_expression(when):
        return bool(when == ALWAYS)
    seen = {"output": output, "input": requested_of(task).input, "usage": usage_of(task)}
    try:
        return Budgeted(engine.evaluator, view.effort).evaluate_bool(when[1:], seen)
    except ExpressionError:
        return True


def _or_denied(view: View, engine: Engine, task_id: UUID, task: AiTask, call: ToolCall, question: ai_asking.Question) -> Decided:
    try:
        return ai_asking.ask(view, engine, task_id, task, question)
    except ai_asking.NobodyToAsk as error:
        return Decided((Fact(task_id, AiTaskToolCallDenied(call.id, call.tool, "policy", str(error))),))


def _name(task: AiTask) -> str:
    return requested_of(task).task_name[:500]


def _about(task: AiTask, **about: Json) -> Json:
    """What people are shown beside the question."""
    return {"task": requested_of(task).task_name, **{name: value for name, value in about.items() if value is not None}}
