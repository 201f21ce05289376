"""A foreach at work: which of its items are given to which chunk, and what came of them.

The items of a foreach are run in chunks, so that neither the execution's stream nor any other grows with them. A foreach has so
many slots as items may run at a time. It gives them to chunks; a chunk begins an item in each, and gives slots back when it has
nothing left to begin. What a chunk's items came to is told to the foreach when the last of them has ended.

The decisions are the engine's (`engine.fan_out`). Items themselves are streams that are moved like executions.
"""

from dataclasses import dataclass, field
from typing import Literal, assert_never
from uuid import UUID, uuid5

from rpds import HashTrieMap

from domain.changes import changed
from domain.execution.events import NodeError
from domain.facts import Aggregate, Event, EventType, Json
from domain.wording import because, plural


@dataclass(frozen=True)
class ItemError:
    """An item that failed, as the foreach's output and error name it."""

    index: int
    type: str
    message: str


@dataclass(frozen=True)
class ItemEnd:
    """What an item came to: its output, or its error."""

    index: int
    output: Json = None
    error: NodeError | None = None


# A foreach -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ForeachStarted(Event):
    """`items`: a list. `tolerated`: how many of them may fail; None: all."""

    execution_id: UUID
    parent_id: UUID
    """The stream with the visit: the execution's, or an item's of another foreach."""
    activation_id: UUID
    node_id: str
    items: Json
    max_concurrency: int
    tolerated: int | None = None


@dataclass(frozen=True)
class Opened:
    """A chunk that is opened: of `count` items from `first` on, of which so many may run at a time."""

    chunk_id: UUID
    first: int
    count: int
    slots: int


@dataclass(frozen=True)
class Granted:
    """Slots that are given to a chunk beyond those that it has."""

    chunk_id: UUID
    slots: int


@dataclass(frozen=True)
class ChunkEnd:
    """What the items of a chunk came to, in their order; null where one failed."""

    chunk_id: UUID
    first: int
    results: Json
    errors: tuple[ItemError, ...] = ()
    size: int = 0
    """About the bytes that they take as JSON."""


@dataclass(frozen=True)
class ForeachMoved(Event):
    """All that one command made of it. `returned`: slots that chunks have given back; `failed`: items that have."""

    opened: tuple[Opened, ...] = ()
    granted: tuple[Granted, ...] = ()
    returned: int = 0
    failed: int = 0
    ended: tuple[ChunkEnd, ...] = ()


@dataclass(frozen=True)
class ForeachCompleted(Event):
    """All items have ended, and no more of them failed than may. What they came to is the output of the node."""


@dataclass(frozen=True)
class ForeachFailed(Event):
    """More items failed than may, or their results are too large. `error`: the node's."""

    error: NodeError


@dataclass(frozen=True)
class ForeachCancelled(Event):
    reason: str | None = None


@dataclass(frozen=True)
class ForeachResumed(Event):
    """Its items go on after a pause of the execution. `turn`: which one, from 1; `nested`: those within its items follow."""

    turn: int
    nested: tuple[UUID, ...] = ()


@dataclass(frozen=True)
class ForeachClosed(Event):
    """It was given up, and nothing of it runs any more."""


ForeachEvent = (
    ForeachStarted | ForeachMoved | ForeachCompleted | ForeachFailed | ForeachCancelled | ForeachResumed | ForeachClosed
)


@dataclass(frozen=True)
class Part:
    """An open chunk."""

    first: int
    count: int


@dataclass(frozen=True)
class Foreach:
    status: Literal["absent", "running", "completed", "failed", "cancelled"] = "absent"
    started: ForeachStarted | None = None
    """Without its items once it is over."""
    handed_out: int = 0
    """How many items chunks were opened for."""
    slots: int = 0
    """Those that no chunk has."""
    chunks: "HashTrieMap[UUID, Part]" = field(default_factory=HashTrieMap)
    """The open ones."""
    newest: UUID | None = None
    """The chunk that was opened last: the only one that may have items which have not begun."""
    ends: tuple[ChunkEnd, ...] = ()
    """Of the chunks that are over."""
    size: int = 0
    """About the bytes that what they came to takes as JSON."""
    failed: int = 0
    resumed: int = 0
    """After which pause of the execution its items went on."""
    begun: bool = False
    """Whether its first chunk was opened."""
    closed: bool = False
    """Whether nothing of it runs any more, after it was given up."""


def evolve_foreach(state: Foreach, event: ForeachEvent) -> Foreach:
    match event:
        case ForeachStarted():
            return Foreach("running", event, slots=event.max_concurrency)
        case ForeachMoved():
            return _move(state, event)
        case ForeachCompleted():
            return Foreach("completed", _without_items(state), closed=True)
        case ForeachFailed():
            return _given_up(state, "failed")
        case ForeachCancelled():
            return _given_up(state, "cancelled")
        case ForeachClosed():
            return changed(state, closed=True, chunks=HashTrieMap())
        case ForeachResumed(turn=turn):
            return changed(state, resumed=max(turn, state.resumed))
        case _:
            assert_never(event)


def _move(state: Foreach, event: ForeachMoved) -> Foreach:
    chunks, handed_out, newest, given = state.chunks, state.handed_out, state.newest, 0
    for opened in event.opened:
        chunks = chunks.insert(opened.chunk_id, Part(opened.first, opened.count))
        handed_out, newest, given = opened.first + opened.count, opened.chunk_id, given + opened.slots
    for ended in event.ended:
        chunks = chunks.discard(ended.chunk_id)
    return changed(
        state,
        chunks=chunks,
        handed_out=handed_out,
        newest=newest,
        slots=state.slots + event.returned - given - sum(granted.slots for granted in event.granted),
        failed=state.failed + event.failed,
        ends=(*state.ends, *event.ended) if event.ended else state.ends,
        size=state.size + sum(ended.size for ended in event.ended),
        begun=True,
    )


def _given_up(state: Foreach, status: Literal["failed", "cancelled"]) -> Foreach:
    """It keeps the chunks whose items have to be ended, if there are any."""
    return Foreach(status, _without_items(state), chunks=state.chunks, begun=True, closed=not state.chunks)


def _without_items(state: Foreach) -> ForeachStarted:
    assert state.started is not None
    return changed(state.started, items=None)


def start_job(foreach_id: UUID) -> UUID:
    """The job that opens its first chunk."""
    return uuid5(foreach_id, "start")


def close_job(foreach_id: UUID) -> UUID:
    """The job that ends its items once it was given up."""
    return uuid5(foreach_id, "close")


def resume_job(foreach_id: UUID, turn: int) -> UUID:
    """The job that lets its items go on after a pause."""
    return uuid5(foreach_id, f"resume {turn}")


FOREACH: Aggregate[Foreach] = Aggregate(
    "foreach",
    Foreach(),
    evolve_foreach,
    (
        EventType(
            ForeachStarted,
            "foreach.started.v1",
            lambda e, _: f"{e.node_id} began with {plural(len(e.items), 'item')}.",
            severity="debug",
            tags=lambda e, _: (e.node_id,),
            note="The stream of a visit of a foreach. `tolerated`: how many items may fail; null: all.",
        ),
        EventType(
            ForeachMoved,
            "foreach.moved.v1",
            lambda e, _: f"A foreach opened {plural(len(e.opened), 'chunk')} and ended {len(e.ended)}.",
            severity="debug",
            note="What one command made of it: chunks `opened` and `ended`, slots `granted` to chunks and `returned` by them.",
        ),
        EventType(ForeachCompleted, "foreach.completed.v1", lambda _e, _s: "A foreach completed.", severity="debug"),
        EventType(
            ForeachFailed,
            "foreach.failed.v1",
            lambda e, _: f"A foreach failed: {e.error.message}",
            severity="warning",
        ),
        EventType(ForeachCancelled, "foreach.cancelled.v1", lambda e, _: f"A foreach was cancelled{because(e.reason)}."),
        EventType(
            ForeachResumed,
            "foreach.resumed.v1",
            lambda _e, _s: "The items of a foreach go on after a pause.",
            severity="debug",
        ),
        EventType(
            ForeachClosed,
            "foreach.closed.v1",
            lambda _e, _s: "Nothing runs any more of a foreach that was given up.",
            severity="debug",
        ),
    ),
    "workflow",
)


# A chunk ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ChunkStarted(Event):
    foreach_id: UUID
    execution_id: UUID
    """The execution that it is a part of, however deep it is nested."""
    parent_id: UUID
    activation_id: UUID
    node_id: str
    first: int
    items: Json
    slots: int


@dataclass(frozen=True)
class ChunkMoved(Event):
    """All that one command made of it.

    `begun`: the streams of the items that began, in the order of the items; `ended`: what others came to, about `size` bytes as
    JSON. `granted`, `returned`: slots that it got and gave back. `job_id`: the job that begins further items, where a command had
    done its share.
    """

    begun: tuple[UUID, ...] = ()
    ended: tuple[ItemEnd, ...] = ()
    granted: int = 0
    returned: int = 0
    size: int = 0
    job_id: UUID | None = None


@dataclass(frozen=True)
class ChunkCancelled(Event):
    """What of it still ran was given up, and nothing of it runs any more."""


@dataclass(frozen=True)
class Chunk:
    status: Literal["absent", "running", "ended", "cancelled"] = "absent"
    started: ChunkStarted | None = None
    """Without its items once it is over."""
    begun: int = 0
    running: "HashTrieMap[int, UUID]" = field(default_factory=HashTrieMap)
    """The streams of the items that run, by index."""
    ends: "HashTrieMap[int, ItemEnd]" = field(default_factory=HashTrieMap)
    slots: int = 0
    size: int = 0
    """About the bytes that what they came to takes as JSON."""
    job_id: UUID | None = None
    """The job that begins further items, where a command had done its share."""

    @property
    def count(self) -> int:
        return 0 if self.started is None else len(self.started.items or ())

    @property
    def unbegun(self) -> int:
        """How many items have not begun."""
        return self.count - self.begun

    @property
    def idle(self) -> int:
        """Slots in which nothing runs."""
        return self.slots - len(self.running)


def evolve_chunk(state: Chunk, event: ChunkStarted | ChunkMoved | ChunkCancelled) -> Chunk:
    match event:
        case ChunkStarted():
            return Chunk("running", event, slots=event.slots)
        case ChunkMoved():
            return _chunk_moved(state, event)
        case ChunkCancelled():
            assert state.started is not None
            return Chunk("cancelled", changed(state.started, items=None))
        case _:
            assert_never(event)


def _chunk_moved(state: Chunk, event: ChunkMoved) -> Chunk:
    assert state.started is not None
    running, ends, begun = state.running, state.ends, state.begun
    for item_id in event.begun:
        running = running.insert(state.started.first + begun, item_id)
        begun += 1
    for end in event.ended:
        running, ends = running.remove(end.index), ends.insert(end.index, end)
    if len(ends) == state.count:
        return Chunk("ended", changed(state.started, items=None))
    slots = state.slots + event.granted - event.returned
    size = state.size + event.size
    return changed(state, begun=begun, running=running, ends=ends, slots=slots, size=size, job_id=event.job_id)


CHUNK: Aggregate[Chunk] = Aggregate(
    "foreach_chunk",
    Chunk(),
    evolve_chunk,
    (
        EventType(
            ChunkStarted,
            "foreach_chunk.started.v1",
            lambda e, _: f"A chunk of {plural(len(e.items), 'item')} was opened, from item {e.first} on.",
            severity="debug",
            note="Some of the items of a foreach; `slots`: how many of them may run at a time.",
        ),
        EventType(
            ChunkMoved,
            "foreach_chunk.moved.v1",
            lambda e, _: f"{plural(len(e.begun), 'item')} began, {len(e.ended)} ended.",
            severity="debug",
            note="What one command made of it. `begun`: the streams of items that began; `ended`: `{index, output, error}`.",
        ),
        EventType(
            ChunkCancelled,
            "foreach_chunk.cancelled.v1",
            lambda _e, _s: "The items of a chunk that still ran were given up.",
            severity="debug",
        ),
    ),
    "workflow",
)
