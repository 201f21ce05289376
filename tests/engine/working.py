"""A story's workers: jobs taken up, done and failed, and timers that are due."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from domain.ai_task import AI_TASK
from domain.execution import EXECUTION, TIMEOUT, Activation
from domain.facts import Decided, Job, Json, Timer, View
from domain.retry import Failure
from engine.ai_replay import replay
from engine.ai_tasks import fail_attempt, start_attempt, succeed_attempt
from engine.expired_leases import expire_lease
from engine.jobs import JobRef, complete_job, continue_run, fail_job
from engine.timers import fire
from tests.engine.drawing import EXECUTION_ID, Play
from tests.given import MOMENT


def task(job_type: str = "resize", **more: Json) -> tuple[str, Json, Json]:
    """A task node; `retry` and `timeout` are fields of the node, everything else is its configuration."""
    return _node("task", {"job_type": job_type}, more)


def agent(**more: Json) -> tuple[str, Json, Json]:
    return _node("ai_agent", {"model": "offline/echo", "prompt": "Say it"}, more)


def _node(kind: str, config: Json, more: Json) -> tuple[str, Json, Json]:
    fields = {name: more.pop(name) for name in ("retry", "timeout", "name") if name in more}
    return kind, {**config, **more}, fields


@dataclass(frozen=True)
class Found:
    """A timer as a worker finds it; an `engine.timers.DueTimer`."""

    id: UUID
    purpose: str
    owner: str
    owner_id: UUID | None
    activation_id: UUID | None
    moved: int = 0
    between_attempts: bool = False
    due_at: datetime = MOMENT
    found_at: datetime = MOMENT


def found(timer: Timer, moved: int = 0, *, between_attempts: bool = False) -> Found:
    return Found(timer.id, timer.purpose, timer.owner, timer.owner_id, timer.activation_id, moved, between_attempts)


class Workplace(Play):
    """A play in which work is done. A node is named where exactly one of its visits waits.

    Whatever happens to an AI task comes out the same when it is played again from its events.
    """

    by_hand = False
    """Whether something was decided of an AI task that its loop does not."""

    def step(self, decision: Callable[[View], Decided]) -> "Workplace":
        super().step(decision)
        tasks = {fact.stream_id for fact in self.story.decided.facts if isinstance(fact.event, AI_TASK.events)}
        for task_id in () if self.by_hand else tasks:
            events: Any = self.story.view.events(task_id)
            if not events[0].external:
                assert replay(task_id, events, self.engine).difference is None
        return self

    def held(self, node_id: str) -> JobRef:
        """The job of a node, as a worker holds it."""
        return self.held_by(self.visit(node_id).id)

    def visit(self, node_id: str) -> Activation:
        [found] = [each for each in self.state.activations.values() if each.node_id == node_id]
        return found

    def held_by(self, activation_id: UUID) -> JobRef:
        job = self.story.jobs[activation_id]
        return JobRef(job.id, 1, job.execution_id, job.activation_id, job.task_id, job.type)

    def complete(self, node_id: str, output: Json = None) -> "Workplace":
        return self.complete_held(self.held(node_id), output)

    def complete_held(self, job: JobRef, output: Json) -> "Workplace":
        self.step(lambda view: complete_job(view, self.engine, job, output))
        return self

    def fail(self, node_id: str, type: str = "broken", message: str = "It broke.", retryable: bool = True) -> "Workplace":
        return self.fail_held(self.held(node_id), Failure(type, message, retryable))

    def fail_held(self, job: JobRef, failure: Failure) -> "Workplace":
        self.step(lambda view: fail_job(view, self.engine, job, failure, jitter=0.5))
        return self

    def lapse(self, node_id: str) -> "Workplace":
        return self.lapse_held(self.held(node_id))

    def lapse_held(self, job: JobRef) -> "Workplace":
        self.step(lambda view: expire_lease(view, self.engine, job, jitter=0.5))
        return self

    def expire(self, node_id: str) -> "Workplace":
        return self.fire(node_id, TIMEOUT)

    def timer(self, node_id: str, purpose: str = TIMEOUT) -> Timer:
        visit = self.visit(node_id)
        [found] = [one for one in self.story.timers.values() if (one.activation_id, one.purpose) == (visit.id, purpose)]
        return found

    def fire(self, node_id: str, purpose: str) -> "Workplace":
        timer = self.timer(node_id, purpose)
        return self.expire_timer(found(timer, self.visit(node_id).moved.get(timer.id, 0)))

    def expire_timer(self, timer: Found) -> "Workplace":
        self.step(lambda view: fire(view, self.engine, timer))
        return self

    def go_on(self) -> "Workplace":
        """Do the job that takes up what a command has left."""
        job_id = self.state.continuation
        assert job_id is not None
        job = JobRef(job_id, 1, EXECUTION_ID)
        self.step(lambda view: continue_run(view, self.engine, job))
        return self

    # --- AI tasks -----------------------------------------------------------------------------------------------------

    def task_id(self, node_id: str) -> UUID:
        (found,) = self.visit(node_id).waits_for("ai_task")
        return found

    def attempt(self, node_id: str) -> UUID:
        """Record that an attempt starts; its id."""
        return self.attempt_by(self.held(node_id))

    def attempt_by(self, job: JobRef) -> UUID:
        attempt_id = self.view.new_id()
        self.step(lambda view: start_attempt(view, self.engine, job, attempt_id, provider="offline", model="echo", worker_id="w"))
        return attempt_id

    def answer(self, node_id: str, output: Json, **more: Any) -> "Workplace":
        """Attempt, and succeed."""
        job, attempt_id = self.held(node_id), self.attempt(node_id)
        return self.report(job, attempt_id, output, **more)

    def report(self, job: JobRef, attempt_id: UUID, output: Json, **more: Any) -> "Workplace":
        given: dict[str, Any] = {"jitter": 0.5, "latency_ms": 7, "provider": "offline", "model": "echo", **more}
        self.step(lambda view: succeed_attempt(view, self.engine, job, attempt_id, output, **given))
        return self

    def err(self, node_id: str, failure: Failure, **more: Any) -> "Workplace":
        """Attempt, and fail."""
        job, attempt_id = self.held(node_id), self.attempt(node_id)
        return self.report_failure(job, attempt_id, failure, **more)

    def report_failure(self, job: JobRef, attempt_id: UUID, failure: Failure, **more: Any) -> "Workplace":
        self.step(lambda view: fail_attempt(view, self.engine, job, attempt_id, failure, jitter=0.5, **more))
        return self


def check_work(play: Play) -> None:
    """Jobs and timers are exactly those that something waits for, whatever happened."""
    state = play.view.read(EXECUTION, EXECUTION_ID)
    working = {id for each in state.activations.values() for id in each.waits_for("job")}
    continuing = set() if state.continuation is None else {state.continuation}
    assert play.story.jobs.keys() == working | continuing
    undoing_on = state.compensation is not None and not state.activations and state.live
    assert bool(continuing) == bool((state.held or undoing_on) and state.status == "running")
    limit = set() if state.timeout is None else {state.timeout.id}
    assert play.story.timers.keys() == limit | {id for each in state.activations.values() for id in each.waits_for("timer")}
    for job in play.story.jobs.values():
        assert is_open(play, job)


def is_open(play: Play, job: Job) -> bool:
    """An AI task is open while its job is there."""
    return job.task_id is None or not play.view.read(AI_TASK, job.task_id).closed
