"""What an AI task takes of budgets: put aside before a call, of a model or a tool, and counted after it."""

from uuid import UUID

from domain.ai_task import AiTask, Progress, Reservation, ToolCall
from domain.budget import A_TOOL_CALL, Amounts, BudgetRefusal, Reserved, Subjects, note, reserve, settle
from domain.facts import Decided, Fact, View
from engine.ai_asking import NobodyToAsk
from engine.ai_questions import ask_about_budget
from engine.context import Engine

NOT_RECKONED = Amounts(None, None, None, calls=1)
"""A call of a model of which nobody has reckoned what it may take."""


def subjects_of(task_id: UUID, task: AiTask) -> Subjects:
    requested = task.requested
    assert requested is not None
    prompt = requested.prompt_ref
    return Subjects(task_id, requested.execution_id, requested.workflow_key, None if prompt is None else prompt.key)


def put_aside(view: View, task: Progress, call_id: UUID, wanted: Amounts) -> Reserved:
    """`call_id`: the attempt, or the call of a tool."""
    return reserve(view, subjects_of(task.task_id, task.state), call_id, wanted, task.state.beyond)


def counted(view: View, task_id: UUID, call_id: UUID, reserved: tuple[Reservation, ...], used: Amounts) -> Decided:
    """What was used counts, and the rest is free again."""
    return Decided(settle(view, task_id, call_id, reserved, used))


class Noted:
    """What the calls of another agent took of budgets, in one decision: they were made before it. Nothing is refused."""

    def __init__(self, view: View, task: Progress) -> None:
        self._view = view
        self._task = task
        self.facts: tuple[Fact, ...] = ()

    def began(self, call_id: UUID, used: Amounts) -> tuple[Reservation, ...]:
        subjects = subjects_of(self._task.task_id, self._task.state)
        noted = note(self._view, subjects, call_id, used, after=self.facts)
        self.facts += noted.facts
        return noted.reservations

    def ended(self, call_id: UUID, reserved: tuple[Reservation, ...], used: Amounts) -> None:
        self.facts += settle(self._view, self._task.task_id, call_id, reserved, used, after=self.facts)


def asked_instead(
    view: View, engine: Engine, task: Progress, refused: BudgetRefusal, call: ToolCall | None = None
) -> Decided | None:
    """People are asked whether the task may go beyond the budget; None: the task says that nobody is, or nobody can be."""
    if task.requested.on_budget != "ask":
        return None
    try:
        return task.taking(ask_about_budget(view, engine, task.task_id, task.state, refused.budget_id, refused.key, call))
    except NobodyToAsk:
        return None


def a_workflow_tool(view: View, task: Progress, call_id: UUID) -> Reserved:
    """It is counted as it begins: it may take days, and ends without a worker."""
    reserved = put_aside(view, task, call_id, A_TOOL_CALL)
    if reserved.refused is not None:
        return reserved
    used = settle(view, task.task_id, call_id, reserved.reservations, A_TOOL_CALL, after=reserved.facts)
    return Reserved((*reserved.facts, *used))
