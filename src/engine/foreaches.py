"""Decisions about the items of a foreach that a job makes: they begin, go on where a command had to stop, or are ended."""

from datetime import timedelta
from uuid import UUID

from domain.execution import EXECUTION
from domain.facts import Decided, Fact, View
from domain.foreach import CHUNK, FOREACH, ChunkCancelled, Foreach, ForeachClosed, close_job
from engine.context import Engine
from engine.enclosing import execution_of, is_wanted
from engine.executions import load_run
from engine.fan_out import in_order
from engine.jobs import HeldJob, discarded, fence, job_json, put_off, reported
from engine.run import Run

GIVEN_UP = "Its foreach waits for it no longer."


def move_items(
    view: View, engine: Engine, job: HeldJob, foreach_id: UUID, *, chunk_id: UUID | None = None, turn: int | None = None
) -> Decided:
    """Begin its items, or those of one chunk; end them where it was given up. `turn`: of a pause after which they go on.

    One who comes too late finds nothing to do. result as `engine.jobs`.
    """
    foreach = view.read(FOREACH, foreach_id)
    if foreach.started is None or foreach.closed:
        return discarded(job)
    run = load_run(view, engine, foreach.started.parent_id, view.read(EXECUTION, foreach.started.parent_id))
    if foreach.status != "running":
        return _close(run, job, foreach_id, foreach)
    if not is_wanted(run):
        return put_off(job)
    if execution_of(run).state.status == "paused":
        again = timedelta(0)
        return Decided(fences=(fence(job, again),), result={"job": job_json(job, None, again), "execution": None})
    if turn is not None:
        run.family.fan_out.resume(run, foreach_id, turn)
    elif chunk_id is not None:
        run.family.fan_out.go_on(run, chunk_id)
    else:
        run.family.fan_out.start(run, foreach_id)
    run.family.settle(run)
    return reported(run, job, None)


def _close(run: Run, job: HeldJob, foreach_id: UUID, foreach: Foreach) -> Decided:
    """End its items, as many as one command may; whoever has the job next ends the others."""
    for chunk_id in in_order(foreach):
        chunk = run.view.read(CHUNK, chunk_id)
        if chunk.status != "running":
            continue
        for _, item_id in sorted(chunk.running.items()):
            item = run.family.run(run, item_id)
            if item.state.live:
                if run.has_done_enough:
                    run.family.settle(run)
                    return reported(run, job, None, timedelta(0))
                run.family.steps += 1 + len(item.state.activations)
                item.cancel(GIVEN_UP, None)
        if chunk.job_id is not None and chunk.job_id != job.id:
            run.family.work.drop_job(chunk.job_id)
        run.facts.append(Fact(chunk_id, ChunkCancelled()))
    if job.id != close_job(foreach_id):
        run.family.work.drop_job(close_job(foreach_id))
    run.facts.append(Fact(foreach_id, ForeachClosed()))
    run.family.settle(run)
    return reported(run, job, None)
