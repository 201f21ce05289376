"""Executions that belong together, as one command moves them: parents that wait for a child's end, children that are given up.

All of it happens in the command that brought it about, as far as its share goes. What is left goes on by jobs, one for each
child: whoever does it finds from the states what is to be done (`engine.children`).
"""

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from domain.execution import (
    EXECUTION,
    FIRST_TOKEN,
    Execution,
    ExecutionCancelled,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionStarted,
    evolve,
)
from domain.facts import Fact, Job, Json
from domain.retry import Failure
from engine.enclosing import is_wanted
from engine.fan_out import FanOut
from engine.happenings import ChildEnded
from engine.work import Work

if TYPE_CHECKING:
    from engine.run import Run

CHILD = "gesta.child"
"""The type of the jobs that bring a child and the visit that waits for it back into step."""
MOST_GIVEN_UP = 32
"""Children that one command cancels whose streams it has to read; the others go on by jobs of their own."""
GIVEN_UP = "Its parent waits for it no longer."

End = ExecutionCompleted | ExecutionFailed | ExecutionCancelled


def came_to(end: End) -> Json | Failure:
    """Its output, or why it has none."""
    match end:
        case ExecutionCompleted():
            return end.output
        case ExecutionFailed():
            return Failure(end.code, end.message, retryable=False)
        case ExecutionCancelled():
            return Failure("cancelled", end.reason or "It was cancelled.", retryable=False)


@dataclass
class Family:
    """`steps`, `weight`: what the command has done in all of them. `work`: the jobs that go on where it stops."""

    runs: dict[UUID, "Run"] = field(default_factory=dict)
    steps: int = 0
    weight: int = 0
    work: Work = field(default_factory=Work)
    terminating: bool = False
    """Whether children that are given up are over at once, and undo nothing."""
    timed: set[UUID] = field(default_factory=set)
    """Approval requests that are ended with their visits and have moments."""
    answered: set[UUID] = field(default_factory=set)
    """Approval requests that an AI task asked and that end by themselves in this command."""
    tools_ended: deque[tuple[UUID, UUID, End]] = field(default_factory=deque)
    """Executions that are over and were AI tasks' tools: the task, the execution and its end."""
    held_tasks: set[UUID] = field(default_factory=set)
    """AI tasks whose job is held by who gave the command."""
    left_to_leases: set[UUID] = field(default_factory=set)
    """Jobs of AI tasks that nobody waits for any more, while a call is under way: they go when that ends, or their lease does."""
    _fan_out: FanOut | None = None
    _begun: deque["Run"] = field(default_factory=deque)
    _ended: deque[tuple["Run", End]] = field(default_factory=deque)
    _given_up: deque[UUID] = field(default_factory=deque)
    _read: int = 0
    _settling: bool = False

    @property
    def fans_out(self) -> bool:
        """Whether the command has to do with items of a list; most have not."""
        return self._fan_out is not None

    @property
    def fan_out(self) -> FanOut:
        if self._fan_out is None:
            self._fan_out = FanOut()
        return self._fan_out

    def begin(self, parent: "Run", execution_id: UUID, started: ExecutionStarted) -> None:
        """It has begun at once, and moves when its parent has moved."""
        parent.facts.append(Fact(execution_id, started))
        run = parent.relative(execution_id, evolve(EXECUTION.initial, started), new=True)
        run.pending.append(FIRST_TOKEN)
        self.move_later(run)

    def move_later(self, run: "Run") -> None:
        self._begun.append(run)

    def ended(self, run: "Run", event: End) -> None:
        self._ended.append((run, event))

    def compensates(self, run: "Run") -> None:
        """It ends by itself, once what it has done is undone: nobody has to give it up."""
        started = run.state.started
        if started is not None and (started.parent_activation_id or started.parent_task_id) and not run.new:
            self.work.drop_job(give_up_job(run.execution_id))

    def give_up(self, child_id: UUID) -> None:
        """Nobody waits for it any more; what is over already stays as it is."""
        self._given_up.append(child_id)

    def settle(self, run: "Run") -> None:
        """Until nothing follows any more. `run`: any of them."""
        if self._settling:
            return
        self._settling = True
        while self._given_up or self._ended or self._begun or (self.fans_out and self.fan_out.moving):
            if self._given_up:
                self._cancel(run, self._given_up.popleft())
            elif self._ended:
                self._tell(*self._ended.popleft())
            elif self.fans_out and self.fan_out.moving:
                self.fan_out.step()
            else:
                begun = self._begun.popleft()
                if is_wanted(begun):
                    begun.move()
        self._settling = False

    def _tell(self, child: "Run", event: End) -> None:
        """The parent's visit is told, if it still waits: nobody else is, and whoever caused the end need not know."""
        started = child.state.started
        assert started is not None
        if started.parent_task_id is not None:
            if not child.new:
                self.work.drop_job(give_up_job(child.execution_id))
            self.tools_ended.append((started.parent_task_id, child.execution_id, event))
            return
        if started.parent_stream_id is None or started.parent_activation_id is None:
            return
        if not child.new:
            self.work.drop_job(give_up_job(child.execution_id))
        parent = self.run(child, started.parent_stream_id)
        if not waits_for(parent.state, started.parent_activation_id, child.execution_id):
            return
        if child.has_done_enough or not is_wanted(parent):  # an item whose foreach is given up is ended in a moment
            self._leave(tell_job(child.execution_id), child.execution_id)
            return
        parent.wake(started.parent_activation_id, ChildEnded(child.execution_id, (event,)))
        parent.move()

    def _cancel(self, run: "Run", child_id: UUID) -> None:
        known = child_id in self.runs
        if not known and (self._read >= MOST_GIVEN_UP or run.has_done_enough):
            self.work.drop_job(tell_job(child_id))
            self._leave(give_up_job(child_id), child_id)
            return
        self._read += not known
        child = self.run(run, child_id)
        if child.state.live:
            self.steps += len(child.state.activations)
            child.give_up(GIVEN_UP)
        elif not known:
            self.work.drop_job(tell_job(child_id))

    def _leave(self, job_id: UUID, child_id: UUID) -> None:
        self.work.add_job(Job(job_id, CHILD, {"execution": str(child_id), **({"terminate": True} if self.terminating else {})}))

    def run(self, run: "Run", execution_id: UUID) -> "Run":
        """Another one of the command's. `run`: any of them."""
        found = self.runs.get(execution_id)
        return run.relative(execution_id, run.view.read(EXECUTION, execution_id)) if found is None else found


def tell_job(child_id: UUID) -> UUID:
    """The job that is there while a child is over and its parent's visit still waits for it."""
    return uuid5(child_id, "tell its parent")


def give_up_job(child_id: UUID) -> UUID:
    """The job that is there while a child lives and its parent's visit waits for it no longer."""
    return uuid5(child_id, "give it up")


def waits_for(parent: Execution, activation_id: UUID, child_id: UUID) -> bool:
    activation = parent.activations.get(activation_id)
    return activation is not None and child_id in activation.waits_for("execution")
