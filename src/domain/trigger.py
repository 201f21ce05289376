"""A trigger starts executions of a workflow: by a schedule, by requests from outside, by events.

A workflow's definition publishes it. Here is how it stands: whether it is paused, when it is due next, what waits to be started.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, assert_never
from uuid import UUID, uuid5

from domain.facts import Aggregate, Claim, Due, Event, EventType, Json, Timer, timer_id
from domain.wording import because, plural

SCHEDULE, WEBHOOK, EVENT, MCP = "schedule", "webhook", "event", "mcp"
TOOL = "mcp.tool"
"""The scope of the names under which workflows are tools."""
CLOCK, QUEUE = "clock", "queue"
"""What a trigger's timers are for: its next time, and what waits to be started."""

NOWHERE = UUID(int=0)
RunOutcome = Literal["started", "skipped", "failed", "buffered"]


@dataclass(frozen=True)
class Clock:
    """When a schedule is due: `next_at` by its cron expression, `due_at` with the jitter added. None: never again."""

    next_at: datetime | None = None
    due_at: datetime | None = None


@dataclass(frozen=True)
class TriggerCreated(Event):
    """A version of the workflow brings it, for the first time or again.

    `key`: its id in the definition; `config`: as it stands there.
    """

    workflow_id: UUID
    workflow_key: str
    workflow_version: int
    key: str
    type: str
    config: Json


@dataclass(frozen=True)
class TriggerChanged(Event):
    workflow_version: int
    type: str
    config: Json


@dataclass(frozen=True)
class TriggerRetired(Event):
    """removed: a version of the workflow is without it. archived: the workflow is."""

    why: Literal["removed", "archived"]


@dataclass(frozen=True)
class TriggerPaused(Event):
    reason: str | None = None


@dataclass(frozen=True)
class TriggerResumed(Event):
    reason: str | None = None


@dataclass(frozen=True)
class TriggerScheduled(Event):
    """Its first time since it was created, changed or resumed."""

    clock: Clock


@dataclass(frozen=True)
class TriggerFired(Event):
    """What came of one of its times, of a request or an event. A start that nothing waits for stands with the execution alone.

    `run_id`: the id of the execution that was started, or would have been. `live`: whether that runs on. `clock`: when it is due
    next, where a time of its schedule has come. `count`: so many times at once, where they were missed.
    """

    run_id: UUID
    outcome: RunOutcome
    scheduled_at: datetime | None = None
    live: bool = False
    code: str | None = None
    message: str | None = None
    clock: Clock | None = None
    count: int = 1


@dataclass(frozen=True)
class TriggerFreed(Event):
    """The execution that others wait for is over."""

    execution_id: UUID


@dataclass(frozen=True)
class TriggerBackfilled(Event):
    """Times of the past that are made up for. `concurrent`: all at once; otherwise one after the other."""

    start: datetime
    end: datetime
    times: tuple[datetime, ...]
    concurrent: bool = False


@dataclass(frozen=True)
class TriggerSecretRotated(Event):
    """A webhook has a new address; the one before is no more."""

    secret_hash: str


TriggerEvent = (
    TriggerCreated
    | TriggerChanged
    | TriggerRetired
    | TriggerPaused
    | TriggerResumed
    | TriggerScheduled
    | TriggerFired
    | TriggerFreed
    | TriggerBackfilled
    | TriggerSecretRotated
)


@dataclass(frozen=True)
class Waiting:
    """A time that waits to be started: after the one that runs, or `concurrent` with it."""

    at: datetime
    concurrent: bool = False


@dataclass(frozen=True)
class Trigger:
    exists: bool = False
    paused: bool = False
    retired: bool = False
    workflow_id: UUID = NOWHERE
    key: str = ""
    type: str = ""
    config: Json = None
    clock: Clock | None = None
    """None: it has to be found out from the moment of the last change on."""
    turn: int = 0
    """How often the clock was set."""
    running: UUID | None = None
    """The execution that a schedule started last. It may be over."""
    waiting: tuple[Waiting, ...] = ()
    taken: int = 0
    """How often one of those that waited was taken."""
    secret_hash: str | None = None
    workflow_key: str = ""

    @property
    def live(self) -> bool:
        return self.exists and not self.retired

    @property
    def active(self) -> bool:
        return self.live and not self.paused


def evolve(state: Trigger, event: TriggerEvent) -> Trigger:
    match event:
        case TriggerCreated():
            made = replace(_unset(state), exists=True, retired=False, workflow_id=event.workflow_id, key=event.key)
            return replace(made, type=event.type, config=event.config, workflow_key=event.workflow_key)
        case TriggerChanged():
            return replace(_unset(state), type=event.type, config=event.config)
        case TriggerRetired():
            paused = state.paused and event.why == "archived"
            return replace(_unset(state), retired=True, paused=paused, waiting=(), secret_hash=_kept_secret(state, event))
        case TriggerPaused():
            return replace(_unset(state), paused=True)
        case TriggerResumed():
            return replace(_unset(state), paused=False)
        case TriggerScheduled():
            return replace(state, clock=event.clock, turn=state.turn + 1)
        case TriggerFired():
            return _fired(state, event)
        case TriggerFreed():
            return replace(state, running=None)
        case TriggerBackfilled():
            return replace(state, waiting=(*state.waiting, *(Waiting(at, event.concurrent) for at in event.times)))
        case TriggerSecretRotated():
            return replace(state, secret_hash=event.secret_hash)
        case _:
            assert_never(event)


def _unset(state: Trigger) -> Trigger:
    return replace(state, clock=None, turn=state.turn + 1)


def _kept_secret(state: Trigger, event: TriggerRetired) -> str | None:
    """The address of a webhook whose workflow is archived works again when that is restored."""
    return state.secret_hash if event.why == "archived" else None


def _fired(state: Trigger, event: TriggerFired) -> Trigger:
    if event.clock is not None:
        state = replace(state, clock=event.clock, turn=state.turn + 1)
    if event.scheduled_at is not None and event.outcome == "buffered":
        return replace(state, waiting=(*state.waiting, Waiting(event.scheduled_at)))
    left = tuple(each for each in state.waiting if each.at != event.scheduled_at)
    if len(left) != len(state.waiting):
        state = replace(state, waiting=left, taken=state.taken + 1)
    if event.outcome == "started" and event.live:
        return replace(state, running=event.run_id)
    return state


def folded(state: Trigger, events: Iterable[TriggerEvent]) -> Trigger:
    for event in events:
        state = evolve(state, event)
    return state


def id_of(workflow_id: UUID, key: str) -> UUID:
    """A trigger's stream follows from its workflow and its id in the definition."""
    return uuid5(workflow_id, f"trigger {key}")


def run_of(trigger_id: UUID, at: datetime) -> UUID:
    """The execution of a schedule's time: there is one, whoever starts it, and however often that is tried."""
    return uuid5(trigger_id, f"at {at.isoformat()}")


def timers_of(trigger_id: UUID, state: Trigger) -> tuple[Timer, ...]:
    """The timers that a trigger has in this state."""
    if not state.active or state.type != SCHEDULE:
        return ()
    timers = []
    if state.clock is None:
        timers.append(_timer(trigger_id, CLOCK, state.turn, Due(after=timedelta(0))))
    elif state.clock.due_at is not None:
        timers.append(_timer(trigger_id, CLOCK, state.turn, Due(at=state.clock.due_at)))
    if state.waiting and (state.running is None or state.waiting[0].concurrent):
        timers.append(_timer(trigger_id, QUEUE, state.taken, Due(after=timedelta(0))))
    return tuple(timers)


def _timer(trigger_id: UUID, purpose: str, turn: int, due: Due) -> Timer:
    return Timer(timer_id(trigger_id, purpose, turn), due, purpose, TRIGGER.name, trigger_id)


def scope_of(event_type: str) -> str:
    """The scope of the names under which the triggers stand that events of a type start: each by its id."""
    return f"event.trigger:{event_type}"


def tool_of(config: Json, workflow_key: str) -> str:
    """What a workflow is called as a tool: as its trigger says, or by its key."""
    return str(config.get("tool_name", workflow_key))


def claims_of(trigger_id: UUID, state: Trigger) -> tuple[Claim, ...]:
    """The names that a trigger holds in this state."""
    if not state.live:
        return ()
    if state.type == MCP:
        return (Claim(TOOL, tool_of(state.config, state.workflow_key), trigger_id),)
    if state.type != EVENT:
        return ()
    return (Claim(scope_of(state.config["event_type"]), str(trigger_id), trigger_id),)


def _told(event: TriggerFired) -> str:
    why = because(event.message or event.code)
    match event.outcome:
        case "started":
            return "started an execution"
        case "skipped":
            return f"started nothing{why}"
        case "failed":
            return f"could not start an execution{why}"
        case "buffered":
            return "waits for the execution before it to be over"


TRIGGER: Aggregate[Trigger] = Aggregate(
    "trigger",
    Trigger(),
    evolve,
    (
        EventType(
            TriggerCreated,
            "trigger.created.v1",
            lambda e, _: f"The trigger {e.key} of the workflow {e.workflow_key} was created by its version {e.workflow_version}.",
            tags=lambda e, _: (e.workflow_key,),
            note="By publishing a version that has it, or by restoring its workflow. `config`: as it stands in the definition.",
        ),
        EventType(
            TriggerChanged,
            "trigger.changed.v1",
            lambda e, trigger: f"The trigger {trigger.name} was changed by version {e.workflow_version} of its workflow.",
            tags=lambda _, trigger: (trigger.tag,),
        ),
        EventType(
            TriggerRetired,
            "trigger.retired.v1",
            lambda e, trigger: f"The trigger {trigger.name} was retired ({e.why}).",
            tags=lambda _, trigger: (trigger.tag,),
            note="`why`: a version of the workflow is without it (removed), or the workflow is archived.",
        ),
        EventType(
            TriggerPaused,
            "trigger.paused.v1",
            lambda e, trigger: f"The trigger {trigger.name} was paused{because(e.reason)}.",
            tags=lambda _, trigger: (trigger.tag,),
        ),
        EventType(
            TriggerResumed,
            "trigger.resumed.v1",
            lambda e, trigger: f"The trigger {trigger.name} was resumed{because(e.reason)}.",
            tags=lambda _, trigger: (trigger.tag,),
        ),
        EventType(
            TriggerScheduled,
            "trigger.scheduled.v1",
            lambda _, trigger: f"The next time of the trigger {trigger.name} was set.",
            severity="debug",
            tags=lambda _, trigger: (trigger.tag,),
            note="`clock`: the next time, and with jitter when it is due.",
        ),
        EventType(
            TriggerFired,
            "trigger.fired.v1",
            lambda e, trigger: f"The trigger {trigger.name} {_told(e)}.",
            tags=lambda _, trigger: (trigger.tag,),
            note="What came of a schedule's time; of a request or an event, where no execution was started. "
            "`run_id`: the id of the execution that was started, or would have been.",
        ),
        EventType(
            TriggerFreed,
            "trigger.freed.v1",
            lambda _, trigger: f"What waits at the trigger {trigger.name} can go on: an execution is over.",
            severity="debug",
            tags=lambda _, trigger: (trigger.tag,),
        ),
        EventType(
            TriggerBackfilled,
            "trigger.backfilled.v1",
            lambda e, trigger: f"{plural(len(e.times), 'time')} of the trigger {trigger.name} are made up for.",
            tags=lambda _, trigger: (trigger.tag,),
        ),
        EventType(
            TriggerSecretRotated,
            "trigger.secret_rotated.v1",
            lambda _, trigger: f"The webhook {trigger.name} was given a new address.",
            severity="warning",
            tags=lambda _, trigger: (trigger.tag,),
        ),
    ),
    "workflow",
)
