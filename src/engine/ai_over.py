"""What goes when an AI task is over: people are asked no longer, and the workflows that it has started are given up."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import UUID

from domain.ai_task import AI_TASK, AiTask
from domain.approval import APPROVAL, ApprovalCancelled
from domain.facts import Decided, Fact, View
from engine.ai_job import is_calling, job_id_of
from engine.ai_time_limit import own_timer
from engine.escalation import with_timers
from engine.own_requests import timers_of

if TYPE_CHECKING:
    from engine.run import Run

NOT_NEEDED = "The AI task that asked is over."


@dataclass(frozen=True)
class GivenUp:
    facts: tuple[Fact, ...] = ()
    dropped_timers: tuple[UUID, ...] = ()
    """Those of the requests' own time, and of its own; the timers of the requests' moments follow from the facts."""
    children: tuple[UUID, ...] = ()


def given_up(view: View, task_id: UUID, task: AiTask, but: Collection[UUID] = ()) -> GivenUp:
    """`task`: as it was before its end. `but`: requests that end by themselves."""
    limit = None if task.requested is None else own_timer(task_id, task.requested)
    facts, timers = list[Fact](), [] if limit is None else [limit.id]
    for question in task.questions:
        approval = view.read(APPROVAL, question.request_id)
        if approval.open and question.request_id not in but:
            facts.append(Fact(question.request_id, ApprovalCancelled(NOT_NEEDED)))
            timers += timers_of(question.request_id, approval)
    return GivenUp(tuple(facts), tuple(timers), task.children)


def leave_task(run: "Run", task_id: UUID) -> None:
    """The visit that asked for it waits for it no longer, whether it is over or given up."""
    task = run.view.read(AI_TASK, task_id)
    if is_calling(task):
        run.family.left_to_leases.add(job_id_of(task_id, task))
    ends = given_up(run.view, task_id, task, run.family.answered)
    run.facts.extend(ends.facts)
    run.family.timed.update(fact.stream_id for fact in ends.facts)
    run.work.dropped_timers.update(dict.fromkeys(ends.dropped_timers))
    for child_id in ends.children:
        run.family.give_up(child_id)


def with_requests_ended(view: View, decided: Decided, ends: GivenUp) -> Decided:
    """Of a task that no visit waits for."""
    ended = with_timers(view, Decided(ends.facts, dropped_timers=ends.dropped_timers))
    return replace(
        decided,
        facts=(*decided.facts, *ended.facts),
        dropped_timers=(*decided.dropped_timers, *ended.dropped_timers),
    )
