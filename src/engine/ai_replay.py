"""An AI task played again from its events: no model, no tool and nobody is asked anything.

What came from outside is taken from the record: answers of models, results of tools, what people, budgets and clocks had to
say. What follows from it is decided anew, by the same decisions as ever: the step that is due, verdicts of policies and guards,
denials, bounds, repairs, other attempts, and the end. Each event must come out as it stands on record; the first that does not is
named.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID

from domain import ai_task
from domain.ai_task import (
    AI_TASK,
    AiTask,
    AiTaskAnswered,
    AiTaskAsked,
    AiTaskAttemptFailed,
    AiTaskAttemptStarted,
    AiTaskAttemptSucceeded,
    AiTaskCompleted,
    AiTaskEvent,
    AiTaskFailed,
    AiTaskToolCallDenied,
    AiTaskToolCallFailed,
    AiTaskToolCallStarted,
    AiTaskToolCallSucceeded,
    Progress,
    ToolCall,
    evolve,
    exceeded,
)
from domain.ai_task.comparing import NotReplayable, bare, requested_of
from domain.ai_task.steps import CallModel, CallTool, Conclude, Judge, Over, Pause, Step, next_step
from domain.effort import Effort
from domain.facts import Aggregate, Decided, Holders, Json, Refusal
from domain.retry import Failure
from domain.usage_report import UsageReport
from engine.ai_answers import barred, refused
from engine.ai_guards import GUARD
from engine.ai_job import AI
from engine.ai_messages import CallMessage
from engine.ai_questions import INPUT_REQUIRED, NOBODY
from engine.ai_tasks import conclude, fail_attempt, fail_call, start_attempt, succeed_attempt, succeed_call
from engine.ai_time_limit import TIME_LIMIT
from engine.context import Engine
from engine.expressions import Budgeted
from engine.jobs import JobRef

S = TypeVar("S")
Attempt = AiTaskAttemptStarted | AiTaskAttemptSucceeded | AiTaskAttemptFailed
OUTSIDE = frozenset({TIME_LIMIT, "budget_exceeded", NOBODY})
"""Types of failures that follow from what is no part of the task: a clock, a budget, whom there is to ask."""
BY_ITSELF = frozenset({"not_set_up", INPUT_REQUIRED})
"""Types of failures of a tool after which it is called again whatever its policy says."""
BARRED = frozenset({"malformed", "policy", "guard"})
NOBODYS, BEGINNING = UUID(int=0), datetime(1970, 1, 1, tzinfo=UTC)
EVEN = 0.5
"""The jitter that leaves a pause as it is; pauses are not compared."""


@dataclass(frozen=True)
class Difference:
    """`number`: of the event in its stream, from 1. `recorded`, `replayed`: None where there is none."""

    number: int
    recorded: AiTaskEvent | None
    replayed: AiTaskEvent | None
    why: str


@dataclass(frozen=True)
class Replayed:
    """`state`: as it is after the events that came out the same. `events`: how many did. `taken`: decisions that cannot be made
    anew, because what they were about is not on record."""

    state: AiTask
    events: int
    taken: tuple[str, ...] = ()
    difference: Difference | None = None

    @property
    def same(self) -> bool:
        return self.difference is None


def replay(task_id: UUID, events: Sequence[AiTaskEvent], engine: Engine) -> Replayed:
    """`events`: of the task's stream, all of them or its beginning. Raises NotReplayable."""
    if requested_of(events).external:
        raise NotReplayable("An agent elsewhere does this task. Nothing of it is decided here.")
    return _Replay(task_id, tuple(map(bare, events)), engine).run()


def with_policies(events: Sequence[AiTaskEvent], policies: Mapping[str, Json]) -> list[AiTaskEvent]:
    """As if the tools had had these policies: by name of the tool. Raises NotReplayable where there is no such tool."""
    requested, others = requested_of(events), events[1:]
    tools = requested.tools or []
    unknown = sorted(policies.keys() - {tool["name"] for tool in tools})
    if unknown:
        raise NotReplayable(f"The task has no tool {unknown[0]}.")
    changed = [{**tool, "policy": policies.get(tool["name"], tool.get("policy"))} for tool in tools]
    return [replace(requested, tools=changed), *others]


@dataclass
class _Alone:
    """`domain.facts.View` of nothing but the task: no budgets, no people, no execution."""

    task_id: UUID
    state: AiTask
    tenant_id: UUID = NOBODYS
    now: datetime = BEGINNING
    effort: Effort = field(default_factory=Effort)
    ids: int = 0

    def new_id(self) -> UUID:
        self.ids += 1
        return UUID(int=self.ids)

    def read(self, aggregate: Aggregate[S], stream_id: UUID) -> S:
        if aggregate.name == AI_TASK.name and stream_id == self.task_id:
            return self.state  # type: ignore[return-value]  # S is AiTask by then: there is one aggregate of a kind
        return aggregate.initial

    def version(self, stream_id: UUID) -> int:  # noqa: ARG002 - as `View` has it
        return 0

    def committed(self, stream_id: UUID) -> bool:  # noqa: ARG002 - as `View` has it
        return False

    def owner(self, scope: str, name: str) -> UUID | None:  # noqa: ARG002 - as `View` has it
        return None

    def holders(self, role_ids: frozenset[UUID]) -> Holders:  # noqa: ARG002 - as `View` has it
        return Holders()


class _NotDue(Exception):
    """What is on record was not to be done then. `str()` says what was."""


@dataclass
class _Replay:
    task_id: UUID
    events: tuple[AiTaskEvent, ...]
    engine: Engine
    taken: list[str] = field(default_factory=list)

    def run(self) -> Replayed:
        state, place = evolve(AI_TASK.initial, self.events[0]), 1
        while place < len(self.events):
            recorded = self.events[place:]
            try:
                decided = self._decided(state, recorded)
            except (Refusal, _NotDue) as error:
                return self._ended(state, place, Difference(place + 1, recorded[0], None, str(error)))
            for number, event in enumerate(decided):
                found = recorded[number] if number < len(recorded) else None
                if found is None or not _same(state, event, found):
                    return self._ended(state, place, Difference(place + 1, found, event, _why(event, found)))
                state = evolve(state, found)
                place += 1
        return self._ended(state, place, None)

    def _ended(self, state: AiTask, events: int, difference: Difference | None) -> Replayed:
        return Replayed(state, events, tuple(self.taken), difference)

    def _decided(self, state: AiTask, recorded: tuple[AiTaskEvent, ...]) -> tuple[AiTaskEvent, ...]:
        """What comes of the next thing on record, itself first."""
        step = next_step(state)
        match event := recorded[0]:
            case AiTaskAttemptStarted():
                _require(step, CallModel, Judge)
                return self._by(state, lambda view: self._attempt_started(view, event))
            case AiTaskAttemptSucceeded():
                return self._answered(state, event, recorded)
            case AiTaskAttemptFailed():
                return self._by(state, lambda view: self._attempt_failed(view, event))
            case AiTaskToolCallSucceeded():
                about_call = (event.call_id, event.number, event.result)
                took = event.latency_ms
                return self._by(state, lambda view: succeed_call(view, self.engine, self._job, *about_call, latency_ms=took))
            case AiTaskToolCallFailed():
                return self._call_failed(state, event)
            case AiTaskAnswered():
                return self._people_said(state, event, recorded)
            case AiTaskToolCallStarted():
                return self._call_started(state, step, event)
            case _:
                return self._alone(state, step, event)

    def _by(self, state: AiTask, decide: Callable[[_Alone], Decided]) -> tuple[AiTaskEvent, ...]:
        decided = decide(_Alone(self.task_id, state))
        return ai_task.events_of(self.task_id, decided.facts)

    def _by_task(self, state: AiTask, act: Callable[[Progress], object]) -> tuple[AiTaskEvent, ...]:
        task = Progress(self.task_id, state)
        act(task)
        return tuple(task.events)

    @property
    def _job(self) -> JobRef:
        return JobRef(self.task_id, 1, task_id=self.task_id, type=AI)

    # Models

    def _attempt_started(self, view: _Alone, event: AiTaskAttemptStarted) -> Decided:
        about = self.engine, self._job, event.attempt_id
        return start_attempt(view, *about, provider=event.provider, model=event.model, worker_id=event.worker_id)

    def _answered(
        self, state: AiTask, event: AiTaskAttemptSucceeded, recorded: tuple[AiTaskEvent, ...]
    ) -> tuple[AiTaskEvent, ...]:
        calls = tuple(CallMessage(call.provider_id, call.tool, call.arguments) for call in event.calls or ())
        decided = self._by(
            state,
            lambda view: succeed_attempt(
                view,
                self.engine,
                self._job,
                event.attempt_id,
                event.output,
                jitter=EVEN,
                latency_ms=event.latency_ms,
                provider=event.provider,
                model=event.model,
                report=UsageReport(event.usage, event.cost, event.currency, event.finish_reason),
                calls=calls,
                text=event.text,
            ),
        )
        group = tuple(_consequences(recorded))
        blocked = [each for each in group if _by_guard(each)]
        if len(blocked) > len([each for each in decided if _by_guard(each)]):
            self.taken.append(
                f"What a guard found in the answer of attempt {event.number} is not on record, so its verdict is taken."
            )
            return group
        return decided

    def _attempt_failed(self, view: _Alone, event: AiTaskAttemptFailed) -> Decided:
        return fail_attempt(
            view,
            self.engine,
            self._job,
            event.attempt_id,
            event.error,
            jitter=EVEN,
            latency_ms=event.latency_ms,
            report=UsageReport(event.usage, event.cost, event.currency, event.finish_reason),
            answered=event.answered,
            falls_back=bool(event.falls_back),
        )

    # Tools

    def _call_started(self, state: AiTask, step: Step, event: AiTaskToolCallStarted) -> tuple[AiTaskEvent, ...]:
        _require(step, CallTool)
        assert isinstance(step, CallTool)
        return self._by_task(
            state,
            lambda task: ai_task.start_call(task, step.call_id, worker_id=event.worker_id, child_id=event.child_id),
        )

    def _call_failed(self, state: AiTask, event: AiTaskToolCallFailed) -> tuple[AiTaskEvent, ...]:
        call, took = state.call(event.call_id), event.latency_ms
        if event.error.type in BY_ITSELF or (call is not None and call.child_id is not None):
            again = None if event.retry is None else timedelta(0)
            about = (event.call_id, event.number, event.error)
            return self._by_task(state, lambda task: ai_task.fail_call(task, *about, retry=again, latency_ms=took))
        return self._by(
            state,
            lambda view: fail_call(
                view, self.engine, self._job, event.call_id, event.number, event.error, jitter=EVEN, latency_ms=took
            ),
        )

    # People

    def _people_said(self, state: AiTask, event: AiTaskAnswered, recorded: tuple[AiTaskEvent, ...]) -> tuple[AiTaskEvent, ...]:
        question = state.question(event.request_id)
        if question is None or question.purpose != event.purpose:
            raise _NotDue("Nobody was asked that.")
        call = None if event.call_id is None else state.call(event.call_id)
        if event.outcome not in ("approved", "edited"):
            found = recorded[1] if len(recorded) > 1 else None
            if event.outcome == "rejected" and isinstance(found, AiTaskToolCallDenied) and found.reason in BARRED:
                self.taken.append(f"The arguments that a person wrote for {found.tool} were denied, and are not on record.")
                return (event, found)
            return refused(state, event, call)
        if event.purpose == "review":
            output = event.edited if event.outcome == "edited" else question.output
            return (event, AiTaskCompleted(output, state.totals))
        if event.purpose == "tool" and event.outcome == "edited" and call is not None:
            let_in = barred(state, call, event.edited, Budgeted(self.engine.evaluator, Effort()))
            if isinstance(let_in, AiTaskToolCallDenied):
                return (replace(event, outcome="rejected", edited=None), let_in)
        return (event,)

    # What stands by itself

    def _alone(self, state: AiTask, step: Step, event: AiTaskEvent) -> tuple[AiTaskEvent, ...]:
        match event:
            case _ if not state.closed and evolve(state, event).status == "cancelled":
                return (event,)
            case AiTaskFailed() if isinstance(step, CallModel | Judge) and (beyond := exceeded(state)) is not None:
                return (AiTaskFailed(beyond, state.totals),)
            case AiTaskCompleted() | AiTaskFailed(error=Failure(type="nobody_to_ask")) | AiTaskAsked(purpose="review"):
                _require(step, Conclude)
                return self._by(state, lambda view: conclude(view, self.engine, self._job))
            case AiTaskFailed() if event.error.type in OUTSIDE and not state.closed:
                return (replace(event, totals=state.totals),)
            case AiTaskAsked(purpose="budget") | AiTaskToolCallDenied(reason="budget"):
                _require(step, CallModel, Judge, CallTool)
                return (event,)
            case AiTaskAsked(purpose="elicitation"):
                return (event,)
            case AiTaskToolCallDenied(reason="policy") if isinstance(step, CallTool) and step.number > 0:
                _require_call(step, event.call_id)  # the tool asked for what a form takes, and there was nobody to ask
                return (event,)
            case _:
                raise _NotDue(_due(step))


def _consequences(recorded: tuple[AiTaskEvent, ...]) -> Iterator[AiTaskEvent]:
    """The answer of a model, and what was decided of it in the same moment."""
    yield recorded[0]
    for event in recorded[1:]:
        if not isinstance(event, AiTaskToolCallDenied | AiTaskAsked | AiTaskFailed | AiTaskCompleted):
            return
        yield event


def _by_guard(event: AiTaskEvent) -> bool:
    match event:
        case AiTaskToolCallDenied():
            return event.reason == "guard"
        case AiTaskFailed():
            return event.error.type == GUARD
        case _:
            return False


def _require(step: Step, *due: type) -> None:
    if not isinstance(step, due):
        raise _NotDue(_due(step))


def _require_call(step: CallTool, call_id: UUID) -> None:
    if step.call_id != call_id:
        raise _NotDue(_due(step))


def _due(step: Step) -> str:
    match step:
        case CallModel():
            return f"A model was to be called, for turn {step.turn}."
        case Judge():
            return f"The guard {step.place} was to judge."
        case CallTool():
            return f"The call {step.call_id} of a tool was to be started."
        case Conclude():
            return "The output was to be looked at."
        case Pause():
            return f"The task was to wait for the end of what is under way ({step.on})."
        case Over():
            return "The task was over."


# Whether two events are the same ------------------------------------------------------------------------------------------


def _same(state: AiTask, replayed: AiTaskEvent, recorded: AiTaskEvent) -> bool:
    """`state`: as it is before them."""
    if _asked(state, replayed) is not None:
        return _asked(state, replayed) == _asked(state, recorded)
    match replayed, recorded:
        case AiTaskFailed(), AiTaskFailed() if replayed.error.type.startswith("review_"):
            return replace(replayed, error=recorded.error) == recorded and replayed.error.type == recorded.error.type
        case AiTaskToolCallDenied(), AiTaskToolCallDenied() if _is_unreadable(state, recorded):
            return replace(replayed, message=recorded.message) == recorded
        case _:
            return _comparable(replayed, recorded) == _comparable(recorded, recorded)


def _asked(state: AiTask, event: AiTaskEvent) -> object:
    """What people are asked about, where they are, or where there is nobody to ask, which is no matter of the task's."""
    match event:
        case AiTaskAsked(purpose="review") | AiTaskFailed(error=Failure(type="nobody_to_ask")):
            return "review"
        case AiTaskAsked(purpose="tool" | "repetition") | AiTaskToolCallDenied():
            call = None if event.call_id is None else state.call(event.call_id)
            fresh = call is not None and call.asked.verdict == "ask" and call.request_id is None and call.status != "denied"
            return event.call_id if fresh else None
        case _:
            return None


def _is_unreadable(state: AiTask, denied: AiTaskToolCallDenied) -> bool:
    call = state.call(denied.call_id)
    return denied.reason == "malformed" and call is not None and _unread(state, call.asked)


def _unread(state: AiTask, call: ToolCall) -> bool:
    """Whether what the model wrote is not on record as it was."""
    guarded = state.requested is not None and "tool_arguments" in (state.requested.guards or {})
    return call.malformed is not None and (call.arguments is None or guarded)


def _comparable(event: AiTaskEvent, recorded: AiTaskEvent) -> AiTaskEvent:
    """Events of before there were turns name none; why arguments cannot be read is not known any more."""
    event = bare(event)
    if isinstance(event, Attempt) and isinstance(recorded, Attempt) and recorded.turn is None:
        event = replace(event, turn=None)
    match event, recorded:
        case AiTaskAttemptFailed(), AiTaskAttemptFailed():
            return replace(event, provider=recorded.provider, model=recorded.model)
        case AiTaskAttemptSucceeded(calls=calls), AiTaskAttemptSucceeded() if calls is not None:
            return replace(event, calls=tuple(map(_readable, calls)))
        case _:
            return event


def _readable(call: ToolCall) -> ToolCall:
    return replace(call, malformed=None if call.malformed is None else "")


def _why(replayed: AiTaskEvent, recorded: AiTaskEvent | None) -> str:
    if recorded is None:
        return "The record ends before what follows."
    if type(replayed) is not type(recorded):
        return "Something else follows."
    mine, theirs = _comparable(replayed, recorded), _comparable(recorded, recorded)
    names = [name for name in vars(mine) if getattr(mine, name) != getattr(theirs, name)]
    return f"It differs in {', '.join(names)}." if names else "Something else follows."
