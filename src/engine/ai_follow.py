"""What follows from what happened to an AI task: it goes on by a job, or whoever waits for it is told of its end."""

from collections.abc import Collection
from dataclasses import replace
from uuid import UUID

from domain.ai_task import AI_TASK, AiTask
from domain.execution import EXECUTION
from domain.facts import Decided, Fact, Json, View
from engine.ai_job import job_of
from engine.ai_over import given_up, with_requests_ended
from engine.context import Engine
from engine.executions import answer, asking_run, load_run
from engine.family import GIVEN_UP, Family
from engine.happenings import ChildEnded
from engine.run import Run


def follow(
    view: View,
    engine: Engine,
    task_id: UUID,
    decided: Decided,
    facts: tuple[Fact, ...],
    answered: Collection[UUID] = (),
) -> Decided:
    """The decision with these facts, those of the task among them. `answered`: requests that end by them.

    Where it is over, its visit is told, and what it waited for otherwise is given up; where it had waited and goes on, it has its
    job again. Whoever holds its job while it moves says itself what becomes of that (`Fence`).
    """
    before = view.read(AI_TASK, task_id)
    after = AI_TASK.after(before, task_id, facts)
    requested = after.requested
    assert requested is not None
    decided = replace(decided, facts=facts, correlation_id=requested.correlation_id)
    run = None
    if requested.execution_id is not None:
        run = asking_run(view, engine, requested.execution_id, requested.item_id)
    if after.closed and run is not None:
        return _visit_told(run, task_id, requested.activation_id, decided, answered)
    if after.closed:
        return _given_up(view, engine, task_id, before, replace(decided, result=_result(decided, None)), answered)
    goes_on = before.status == "waiting" and after.status != "waiting" and not requested.external
    jobs = (job_of(task_id, after, run),) if goes_on else ()
    return replace(decided, jobs=(*decided.jobs, *jobs), result=_result(decided, None if run is None else answer(run)))


def _visit_told(run: Run, task_id: UUID, activation_id: UUID | None, decided: Decided, answered: Collection[UUID]) -> Decided:
    assert activation_id is not None
    run.family.answered.update(answered)
    run.facts.extend(decided.facts)
    events = tuple(fact.event for fact in decided.facts if fact.stream_id == task_id)
    run.wake(activation_id, ChildEnded(task_id, events))
    run.advance()
    return _beside(decided, run.decided(_result(decided, answer(run))))


def _given_up(view: View, engine: Engine, task_id: UUID, before: AiTask, decided: Decided, answered: Collection[UUID]) -> Decided:
    """Of one that no visit waits for."""
    ends = given_up(view, task_id, before, answered)
    decided = with_requests_ended(view, decided, ends)
    states = {child_id: view.read(EXECUTION, child_id) for child_id in ends.children}
    living = [(child_id, state) for child_id, state in states.items() if state.live]
    if not living:
        return decided
    facts, family = list(decided.facts), Family()
    runs = [load_run(view, engine, child_id, state, facts, family) for child_id, state in living]
    for run in runs:
        run.give_up(GIVEN_UP)
    return _beside(decided, runs[0].decided(decided.result))


def _beside(decided: Decided, moved: Decided) -> Decided:
    """What a run came to that has the facts of the decision in its own; with whatever else was decided."""
    timers, dropped = {each.id for each in moved.timers}, set(moved.dropped_timers)
    return replace(
        moved,
        fences=(*moved.fences, *decided.fences),
        jobs=(*moved.jobs, *decided.jobs),
        dropped_jobs=tuple(dict.fromkeys((*moved.dropped_jobs, *decided.dropped_jobs))),
        timers=(*moved.timers, *(each for each in decided.timers if each.id not in timers)),
        dropped_timers=(*moved.dropped_timers, *(each for each in decided.dropped_timers if each not in dropped)),
        correlation_id=decided.correlation_id,
    )


def _result(decided: Decided, execution: Json) -> Json:
    return {**decided.result, "execution": execution} if isinstance(decided.result, dict) else decided.result
