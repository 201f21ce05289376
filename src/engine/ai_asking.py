"""What an AI task asks people, and whom: an ordinary approval request, made of what the definition says of who is asked.

`by`, `rule`, `steps`, `due_in`, `escalate` and the like are those of an approval node (`PEOPLE`); expressions in them see
`arguments`, `output` and `input`. What is asked, the outcomes and the form follow from what it is about.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any
from uuid import UUID

from domain.ai_task import AI_TASK, AiTask, AiTaskAsked, AiTaskRequested, Purpose
from domain.approval import APPROVAL, Approval, ApprovalEvent, ApprovalRequested, OwnRequest, evolve
from domain.execution import EXECUTION
from domain.facts import Decided, Fact, Invalid, Json, Timer, View
from engine.context import Engine
from engine.definition import Node
from engine.escalation import with_timers
from engine.executions import ExecutionIsPaused, read_live
from engine.expressions import Budgeted, ExpressionError, resolve
from engine.invalid import InvalidValue
from engine.own_asker import OwnAsker
from engine.own_requests import TIMEOUT, Wanted, asked_of, timeout_of

RESOLVED = ("title", "description", "due_in", "priority")
"""What of it is evaluated here; whom it asks is by `engine.asking`."""


class NobodyToAsk(InvalidValue):
    """Nobody can be asked."""


@dataclass(frozen=True)
class TaskAsker(OwnAsker):
    """An AI task asks."""

    engine: Engine
    task_id: UUID


@dataclass(frozen=True)
class Question:
    """`people`: who is asked, as the definition says it. `context`: what they are shown. `form`: what they may fill in."""

    purpose: Purpose
    title: str
    people: Mapping[str, Any]
    context: Json = None
    form: Json = None
    call_id: UUID | None = None
    output: Json = None
    budget_id: UUID | None = None
    arguments: Json = None


def ask(view: View, engine: Engine, task_id: UUID, task: AiTask, question: Question) -> Decided:
    """The request, and that the task waits for it. `task`: as it is by then. Raises NobodyToAsk.

    Joined to the decision that it is a part of. Where the task then waits, its job is done with: fence `done`.
    """
    requested = requested_of(task)
    asker = _asker(view, engine, task_id, task, question.people, {"arguments": question.arguments, "output": question.output})
    try:
        config = _config(asker, question, requested)
        behind = tuple(one for one in asker.requesters if one != asker.requested_by)
        own = OwnRequest(asker.requested_by, behind, config)
        wanted = Wanted(config, question.people.get("timeout"))
        first, *others = asked_of(replace(asker, node=replace(asker.node, config=config)), wanted, own)
    except (InvalidValue, ExpressionError, Invalid) as error:
        raise NobodyToAsk(f"Nobody can be asked: {error}.") from None
    assert isinstance(first, ApprovalRequested)
    first = replace(
        first,
        execution_id=requested.execution_id,
        node_id=requested.node_id,
        item_id=requested.item_id,
        item_index=requested.item_index,
        editable=(),
        ai_task_id=task_id,
        call_id=question.call_id,
        purpose=question.purpose,
    )
    asked = AiTaskAsked(view.new_id(), question.purpose, question.call_id, question.output, question.budget_id)
    return _asked(view, task_id, requested, asked, (first, *others))


def _asked(
    view: View, task_id: UUID, requested: AiTaskRequested, asked: AiTaskAsked, events: tuple[ApprovalEvent, ...]
) -> Decided:
    """Its timers are held while the execution is paused."""
    id, first = asked.request_id, events[0]
    assert isinstance(first, ApprovalRequested)
    state: Approval = reduce(evolve, events, APPROVAL.initial)
    if state.status != "pending":
        raise NobodyToAsk("Nobody can be asked: all its steps are skipped.")
    facts = (*(Fact(id, event) for event in events), Fact(task_id, asked))
    timers = (
        () if first.expires is None else (Timer(timeout_of(id), first.expires, TIMEOUT, APPROVAL.name, id, first.execution_id),)
    )
    decided = with_timers(view, Decided(facts, timers=timers))
    if is_paused(view, requested):
        return replace(decided, timers=tuple(replace(timer, held=True) for timer in decided.timers))
    return decided


def _config(asker: TaskAsker, question: Question, requested: AiTaskRequested) -> dict[str, Json]:
    """As of an approval node."""
    written = {name: value for name, value in question.people.items() if name != "timeout"}
    said = {name: written[name] for name in RESOLVED if name in written}
    asked = {"title": question.title, "priority": requested.priority} | resolve(said, asker.evaluator, asker.variables)
    if not isinstance(asked["title"], str) or not asked["title"]:
        raise InvalidValue("title must be a text")
    priority = asked["priority"]
    if not isinstance(priority, int) or isinstance(priority, bool) or abs(priority) >= 2**31:
        raise InvalidValue("priority must be a whole number within 32 bits")
    form = {} if question.form is None else {"form": question.form}
    return {**written, **asked, "context": question.context, **form}


def asker_of_task(view: View, engine: Engine, request_id: UUID, approval: Approval) -> TaskAsker:
    """Who has asked. Refused while the execution that it works for is paused."""
    assert approval.own is not None
    assert approval.ai_task_id is not None
    if approval.execution_id is not None and read_live(view, approval.execution_id).status == "paused":
        raise ExecutionIsPaused
    task = view.read(AI_TASK, approval.ai_task_id)
    question = task.question(request_id)
    call = None if question is None or question.call_id is None else task.call(question.call_id)
    seen = {
        "arguments": None if call is None else call.arguments,
        "output": None if question is None else question.output,
    }
    asker = _asker(view, engine, approval.ai_task_id, task, approval.own.definition, seen)
    return replace(asker, requested_by=approval.own.requested_by, requesters=approval.own.requesters)


def _asker(view: View, engine: Engine, task_id: UUID, task: AiTask, config: Json, seen: Mapping[str, Json]) -> TaskAsker:
    requested = requested_of(task)
    return TaskAsker(
        view,
        Budgeted(engine.evaluator, view.effort),
        Node("", "approval", config),
        requested.requested_by,
        requesters_of_task(view, requested),
        {"input": requested.input, **seen},
        engine,
        task_id,
    )


def requesters_of_task(view: View, requested: AiTaskRequested) -> tuple[UUID, ...]:
    """Whose wish it is: who asked for it, who started its execution, and who did either on their behalf."""
    started = None if requested.execution_id is None else view.read(EXECUTION, requested.execution_id).started
    of_execution = () if started is None else started.requesters
    people = (requested.requested_by, *(requested.requesters or ()), *of_execution)
    return tuple(dict.fromkeys(one for one in people if one is not None))


def is_paused(view: View, requested: AiTaskRequested) -> bool:
    return requested.execution_id is not None and view.read(EXECUTION, requested.execution_id).status == "paused"


def requested_of(task: AiTask) -> AiTaskRequested:
    assert task.requested is not None
    return task.requested
