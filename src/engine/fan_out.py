"""How the items of foreaches move: which begin, what becomes of those that end, and when a foreach is over.

A foreach (`domain.foreach`) keeps the slots that no chunk has; a chunk begins an item in each slot of its own. What ends in a
chunk that has items left is followed by the next of them, and nothing else is touched. A chunk that has none gives the slot back,
and the foreach passes it on to the chunk that it opened last, or opens another one. So as many items run as may, and they begin
in order. All of it happens in the command that brought it about, as far as its share goes; where it stops, a job goes on.

What a foreach has given up is ended by a job (`engine.foreaches`): none of it moves from the moment that its visit is over.
"""

import json
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from domain.execution import EXECUTION, FIRST_TOKEN, ItemCompleted, ItemFailed, ItemStarted, NodeError, evolve
from domain.facts import Event, Fact, Job, Json
from domain.foreach import (
    CHUNK,
    FOREACH,
    Chunk,
    ChunkEnd,
    ChunkMoved,
    ChunkStarted,
    Foreach,
    ForeachCancelled,
    ForeachCompleted,
    ForeachFailed,
    ForeachMoved,
    ForeachResumed,
    ForeachStarted,
    Granted,
    ItemEnd,
    ItemError,
    Opened,
    close_job,
    evolve_chunk,
    evolve_foreach,
    resume_job,
    start_job,
)
from engine.enclosing import execution_of, is_wanted
from engine.happenings import ChildEnded

if TYPE_CHECKING:
    from engine.run import Run

MOVE_ITEMS = "gesta.foreach"
"""The type of the jobs that move the items of a foreach on, or end them."""
USUAL_CHUNK, CHUNK_PER_SLOT = 100, 5
"""Items of a chunk: so many, or so many for each item that may run at a time, if that is more."""

Verdict = ForeachCompleted | ForeachFailed | ForeachCancelled


@dataclass
class ChunkDraft:
    """A chunk as it was, and what the command makes of it."""

    id: UUID
    before: Chunk
    begun: list[UUID] = field(default_factory=list)
    ended: dict[int, ItemEnd] = field(default_factory=dict)
    granted: int = 0
    returned: int = 0
    size: int = 0
    stopped: bool = False
    """Whether items could begin, and the command had done its share."""

    @property
    def started(self) -> ChunkStarted:
        assert self.before.started is not None
        return self.before.started

    @property
    def unbegun(self) -> int:
        return self.before.unbegun - len(self.begun)

    @property
    def idle(self) -> int:
        return self.before.idle + self.granted - self.returned - len(self.begun) + len(self.ended)

    @property
    def wants(self) -> int:
        """How many more slots it could use."""
        return max(self.unbegun - max(self.idle, 0), 0) if self.before.status == "running" else 0

    @property
    def over(self) -> bool:
        return self.before.status == "running" and len(self.before.ends) + len(self.ended) == self.before.count

    def next(self) -> tuple[int, Json]:
        place = self.before.begun + len(self.begun)
        return self.started.first + place, self.started.items[place]

    def end(self) -> ChunkEnd:
        ends = [self.ended.get(index) or self.before.ends[index] for index in self._indexes]
        errors = tuple(ItemError(end.index, end.error.type, end.error.message) for end in ends if end.error is not None)
        size = self.before.size + self.size
        return ChunkEnd(self.id, self.started.first, [end.output for end in ends], errors, size)

    @property
    def _indexes(self) -> range:
        return range(self.started.first, self.started.first + self.before.count)


@dataclass
class ForeachDraft:
    """A foreach as it was, and what the command makes of it."""

    id: UUID
    before: Foreach
    opened: dict[UUID, Opened] = field(default_factory=dict)
    granted: dict[UUID, int] = field(default_factory=dict)
    returned: int = 0
    failed: int = 0
    ended: list[ChunkEnd] = field(default_factory=list)
    resumed: ForeachResumed | None = None
    verdict: Verdict | None = None

    @property
    def slots(self) -> int:
        given = sum(opened.slots for opened in self.opened.values()) + sum(self.granted.values())
        return self.before.slots + self.returned - given

    @property
    def items(self) -> list[Json]:
        assert self.before.started is not None
        items: list[Json] = self.before.started.items
        return items

    @property
    def handed_out(self) -> int:
        return self.before.handed_out + sum(opened.count for opened in self.opened.values())

    @property
    def newest(self) -> UUID | None:
        newest = next(reversed(self.opened), self.before.newest)
        is_open = newest in self.opened or newest in self.before.chunks
        return newest if is_open and all(end.chunk_id != newest for end in self.ended) else None

    @property
    def open_chunks(self) -> int:
        return len(self.before.chunks) + len(self.opened) - len(self.ended)

    @property
    def over(self) -> bool:
        return self.handed_out == len(self.items) and self.open_chunks == 0

    @property
    def running(self) -> bool:
        return self.before.status == "running" and self.verdict is None

    @property
    def size(self) -> int:
        return self.before.size + sum(end.size for end in self.ended)

    def output(self) -> Json:
        ends = sorted((*self.before.ends, *self.ended), key=lambda end: end.first)
        errors = [vars(error) for end in ends for error in end.errors]
        return {"results": [result for end in ends for result in end.results], "errors": errors}


@dataclass
class FanOut:
    """The foreaches and chunks that a command moves. `taken`: the job that it does, of which nothing is left."""

    chunks: dict[UUID, ChunkDraft] = field(default_factory=dict)
    foreaches: dict[UUID, ForeachDraft] = field(default_factory=dict)
    taken: UUID | None = None
    _moving: deque[tuple["Run", ChunkDraft | ForeachDraft]] = field(default_factory=deque)

    @property
    def moving(self) -> bool:
        return bool(self._moving)

    def begin(self, run: "Run", foreach_id: UUID, event: ForeachStarted) -> None:
        """A visit has begun it. Its items begin by a job, so that a visit costs the same however many they are."""
        run.facts.append(Fact(foreach_id, event))
        foreach = self.foreaches[foreach_id] = ForeachDraft(foreach_id, evolve_foreach(FOREACH.initial, event))
        self._add_job(run, foreach, start_job(foreach_id))

    def start(self, run: "Run", foreach_id: UUID) -> None:
        self._moving.append((run, self.foreach(run, foreach_id)))

    def go_on(self, run: "Run", chunk_id: UUID) -> None:
        self._moving.append((run, self.chunk(run, chunk_id)))

    def resume(self, run: "Run", foreach_id: UUID, turn: int) -> None:
        """What was held in its items goes on, and others begin."""
        foreach, nested = self.foreach(run, foreach_id), list[UUID]()
        if not foreach.before.begun:
            run.family.work.drop_job(start_job(foreach_id))
        for earlier in range(foreach.before.resumed + 1, turn):
            run.family.work.drop_job(resume_job(foreach_id, earlier))
        for chunk_id in in_order(foreach.before):
            for _, item_id in sorted(self.chunk(run, chunk_id).before.running.items()):
                item = run.family.run(run, item_id)
                if is_wanted(item):  # one before it may have failed, and the foreach with it
                    nested += [each for visit in item.state.in_order for each in visit.waits_for("foreach")]
                    item.move()
            self.go_on(run, chunk_id)
        left = [each for each in nested if foreach.running and self.foreach(run, each).running]
        foreach.resumed = ForeachResumed(turn, tuple(left))
        for each in left:
            self.resume_later(run, each, turn)
        self.start(run, foreach_id)

    def resume_later(self, run: "Run", foreach_id: UUID, turn: int) -> None:
        self._add_job(run, self.foreach(run, foreach_id), resume_job(foreach_id, turn), turn=turn)

    def item_ended(self, run: "Run", event: ItemCompleted | ItemFailed) -> None:
        item = run.state.item
        assert item is not None
        chunk = self.chunk(run, item.chunk_id)
        if isinstance(event, ItemCompleted):
            end = ItemEnd(item.index, event.output)
        else:
            end = ItemEnd(item.index, error=NodeError(event.code, event.message, index=item.index))
        chunk.ended[item.index] = end
        chunk.size += _size(end)
        if end.error is not None:
            self._failed(run, chunk, end.error)
        elif chunk.before.size + chunk.size > run.engine.limits.output_bytes:
            self._fail(run, self.foreach(run, item.foreach_id), _too_large(run))
        self._moving.append((run, chunk))

    def give_up(self, run: "Run", foreach_id: UUID) -> None:
        """Its visit waits for it no longer. One that is over stays as it is."""
        foreach = self.foreach(run, foreach_id)
        if foreach.running:
            self._end(run, foreach, ForeachCancelled("Its visit is over."))

    # --- One step after the other -------------------------------------------------------------------------------------

    def step(self) -> None:
        run, draft = self._moving.popleft()
        if isinstance(draft, ChunkDraft):
            self._move_chunk(run, draft)
        else:
            self._move_foreach(run, draft)

    def _move_chunk(self, run: "Run", chunk: ChunkDraft) -> None:
        started, known = chunk.started, self.foreaches.get(chunk.started.foreach_id)
        if chunk.before.status != "running" or (known is not None and not known.running):
            return
        parent = run.family.run(run, started.parent_id)
        if not self._waits(parent, started.activation_id, started.foreach_id):
            return
        if execution_of(parent).state.status == "running":
            while chunk.unbegun and chunk.idle > 0 and not run.has_done_enough:
                self._begin_item(parent, chunk)
            chunk.stopped = chunk.unbegun > 0 and chunk.idle > 0
        if chunk.unbegun == 0 and chunk.idle > 0:
            foreach = self.foreach(run, started.foreach_id)
            foreach.returned += chunk.idle
            chunk.returned += chunk.idle
            if chunk.over:
                self._end_chunk(run, foreach, chunk)
            self._moving.append((run, foreach))

    def _end_chunk(self, run: "Run", foreach: ForeachDraft, chunk: ChunkDraft) -> None:
        foreach.ended.append(chunk.end())
        if foreach.size > run.engine.limits.output_bytes:
            self._fail(run, foreach, _too_large(run))

    def _begin_item(self, parent: "Run", chunk: ChunkDraft) -> None:
        """It moves when it is its turn."""
        about, started, item = chunk.started, parent.state.started, parent.state.item
        assert started is not None
        index, value = chunk.next()
        item_id = parent.view.new_id()
        event = ItemStarted(
            about.execution_id,
            about.parent_id,
            about.activation_id,
            about.foreach_id,
            chunk.id,
            (*(() if item is None else item.path), about.node_id),
            index,
            value,
            started.workflow_id,
            started.workflow_key,
            started.workflow_version,
            parent.plan.bodies[about.node_id].start,
            started.priority,
            started.correlation_id,
            started.created_by,
            started.behind,
            started.depth,
            started.event_depth,
        )
        chunk.begun.append(item_id)
        parent.facts.append(Fact(item_id, event))
        run = parent.relative(item_id, evolve(EXECUTION.initial, event), new=True)
        run.pending.append(FIRST_TOKEN)
        run.family.move_later(run)
        run.family.steps += 1

    def _move_foreach(self, run: "Run", foreach: ForeachDraft) -> None:
        started = foreach.before.started
        if not foreach.running or started is None:
            return
        parent = run.family.run(run, started.parent_id)
        if not self._waits(parent, started.activation_id, foreach.id):
            return
        if foreach.over:
            self._end(run, foreach, ForeachCompleted())
        elif execution_of(parent).state.status == "running":
            while foreach.slots > 0 and self._pass_on(run, foreach):
                pass

    def _pass_on(self, run: "Run", foreach: ForeachDraft) -> bool:
        """Slots go to the chunk that was opened last, as long as it can use them, and then to another one."""
        started, newest = foreach.before.started, foreach.newest
        assert started is not None
        chunk = None if newest is None else self.chunk(run, newest)
        if chunk is not None and chunk.wants:
            slots = min(foreach.slots, chunk.wants)
            chunk.granted += slots
            foreach.granted[chunk.id] = foreach.granted.get(chunk.id, 0) + slots
        else:
            first = foreach.handed_out
            count = min(len(foreach.items) - first, max(USUAL_CHUNK, CHUNK_PER_SLOT * started.max_concurrency))
            if count == 0:
                return False
            chunk = self._open(run, foreach, first, count)
        self._moving.append((run, chunk))
        return True

    def _open(self, run: "Run", foreach: ForeachDraft, first: int, count: int) -> ChunkDraft:
        about = foreach.before.started
        assert about is not None
        chunk_id, slots = run.view.new_id(), min(foreach.slots, count)
        items = foreach.items[first : first + count]
        event = ChunkStarted(
            foreach.id, about.execution_id, about.parent_id, about.activation_id, about.node_id, first, items, slots
        )
        foreach.opened[chunk_id] = Opened(chunk_id, first, count, slots)
        run.facts.append(Fact(chunk_id, event))
        chunk = self.chunks[chunk_id] = ChunkDraft(chunk_id, evolve_chunk(CHUNK.initial, event))
        return chunk

    # --- How it ends --------------------------------------------------------------------------------------------------

    def _failed(self, run: "Run", chunk: ChunkDraft, error: NodeError) -> None:
        foreach = self.foreach(run, chunk.started.foreach_id)
        foreach.failed += 1
        assert foreach.before.started is not None
        tolerated = foreach.before.started.tolerated
        if tolerated is not None and foreach.before.failed + foreach.failed > tolerated:
            self._fail(run, foreach, error)

    def _fail(self, run: "Run", foreach: ForeachDraft, error: NodeError) -> None:
        if foreach.running:
            self._end(run, foreach, ForeachFailed(error))

    def _end(self, run: "Run", foreach: ForeachDraft, verdict: Verdict) -> None:
        """Its visit is told, if it still waits. What runs of it is ended by a job."""
        foreach.verdict = verdict
        if not foreach.before.begun:
            run.family.work.drop_job(start_job(foreach.id))
        for turn in range(foreach.before.resumed + 1, execution_of(run).state.resumes + 1):
            run.family.work.drop_job(resume_job(foreach.id, turn))
        if foreach.open_chunks:
            self._add_job(run, foreach, close_job(foreach.id))
        started = foreach.before.started
        if isinstance(verdict, ForeachCancelled) or started is None:
            return
        parent = run.family.run(run, started.parent_id)
        if self._waits(parent, started.activation_id, foreach.id):
            output = foreach.output() if isinstance(verdict, ForeachCompleted) else None
            parent.wake(started.activation_id, ChildEnded(foreach.id, (verdict,), output))
            run.family.move_later(parent)

    @staticmethod
    def _waits(parent: "Run", activation_id: UUID, foreach_id: UUID) -> bool:
        activation = parent.state.activations.get(activation_id)
        return activation is not None and foreach_id in activation.waits_for("foreach") and is_wanted(parent)

    # --- What it comes to ---------------------------------------------------------------------------------------------

    def chunk(self, run: "Run", chunk_id: UUID) -> ChunkDraft:
        found = self.chunks.get(chunk_id)
        if found is None:
            found = self.chunks[chunk_id] = ChunkDraft(chunk_id, run.view.read(CHUNK, chunk_id))
        return found

    def foreach(self, run: "Run", foreach_id: UUID) -> ForeachDraft:
        found = self.foreaches.get(foreach_id)
        if found is None:
            found = self.foreaches[foreach_id] = ForeachDraft(foreach_id, run.view.read(FOREACH, foreach_id))
        return found

    def conclude(self, run: "Run") -> Iterator[Fact]:
        """The events of all chunks and foreaches, once nothing moves any more."""
        for chunk in self.chunks.values():
            job_id = self._job_of(run, chunk)
            begun, ended = tuple(chunk.begun), tuple(chunk.ended.values())
            moved = ChunkMoved(begun, ended, chunk.granted, chunk.returned, chunk.size, job_id)
            if moved != ChunkMoved(job_id=chunk.before.job_id):
                yield Fact(chunk.id, moved)
        for foreach in self.foreaches.values():
            for event in _of_foreach(foreach):
                yield Fact(foreach.id, event)

    def _job_of(self, run: "Run", chunk: ChunkDraft) -> UUID | None:
        before = chunk.before.job_id
        if chunk.stopped and chunk.unbegun > 0 and chunk.idle > 0:
            if before is not None and before != self.taken:
                return before
            job_id = run.view.new_id()
            self._add_job(run, self.foreach(run, chunk.started.foreach_id), job_id, chunk=str(chunk.id))
            return job_id
        if before is not None and before != self.taken:
            if not (chunk.begun or chunk.over):
                return before
            run.family.work.drop_job(before)
        return None

    @staticmethod
    def _add_job(run: "Run", foreach: ForeachDraft, job_id: UUID, **about: Json) -> None:
        """A pause of the execution holds it."""
        started, around = foreach.before.started, run.state.started
        assert started is not None
        assert around is not None
        what = {"foreach": str(foreach.id), **about}
        run.family.work.add_job(Job(job_id, MOVE_ITEMS, what, started.execution_id, priority=around.priority))


def in_order(foreach: Foreach) -> list[UUID]:
    """Its chunks. A decision that is made again comes to the same: a map does not keep an order."""
    return sorted(foreach.chunks, key=lambda chunk_id: foreach.chunks[chunk_id].first)


def _of_foreach(foreach: ForeachDraft) -> Iterator[Event]:
    granted = tuple(Granted(chunk_id, slots) for chunk_id, slots in foreach.granted.items())
    moved = ForeachMoved(tuple(foreach.opened.values()), granted, foreach.returned, foreach.failed, tuple(foreach.ended))
    if moved != ForeachMoved():
        yield moved
    if foreach.resumed is not None:
        yield foreach.resumed
    if foreach.verdict is not None:
        yield foreach.verdict


def _size(end: ItemEnd) -> int:
    """About the bytes as JSON of what an item adds to the output."""
    if end.error is not None:
        return len(end.error.type) + len(end.error.message) + 50
    return len(json.dumps(end.output, ensure_ascii=False).encode()) + 1


def _too_large(run: "Run") -> NodeError:
    message = f"The results take more than {run.engine.limits.output_bytes} bytes as JSON, the most that a node may give."
    return NodeError("output_too_large", message)
