"""A workflow with triggers, played step by step: published, its times come, its executions end."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from domain.event import EventReceived, stream_of
from domain.execution import EXECUTION, ExecutionStarted
from domain.facts import Decided, Fact, Json, Timer, View
from domain.trigger import CLOCK, QUEUE, TRIGGER, Trigger, TriggerFired, id_of, timers_of
from domain.workflow import Checked, WorkflowDrafted
from engine.engine import Engine, terminate
from engine.timers import fire
from engine.triggers import publishing
from engine.triggers.arriving import start_by_event
from tests.engine.drawing import EVALUATOR, WORKFLOW_ID, drawing
from tests.engine.working import Found
from tests.given import MOMENT, FactsView, Story, given

HOURLY: Json = {"type": "schedule", "cron": "0 * * * *"}
WAITS: dict[str, Any] = {"s": "start", "w": ("wait", {"duration": "P1D"}), "e": "end"}


def faultless(_definition: Json) -> Checked:
    return Checked()


def waiting(*triggers: Json, **more: Json) -> Json:
    """A workflow whose executions run until somebody ends them."""
    return drawing(WAITS, "s > w", "w > e", triggers=list(triggers), **more)


def instant(*triggers: Json, **more: Json) -> Json:
    return drawing({"s": "start", "e": ("end", {"output": "=input"})}, "s > e", triggers=list(triggers), **more)


def hour(number: float) -> datetime:
    """MOMENT is nine o'clock."""
    return datetime(2026, 1, 5, tzinfo=UTC) + timedelta(hours=number)


class Playing:
    """`now`: the database's time. Timers fire when they are told to, at their moment or later."""

    def __init__(self, definition: Json, now: datetime = MOMENT) -> None:
        self.engine = Engine(EVALUATOR)
        self.now = now
        self.story = given()
        self.due: dict[UUID, datetime] = {}
        self.publish(definition)

    def publish(self, definition: Json) -> "Playing":
        drafted = Fact(WORKFLOW_ID, WorkflowDrafted(definition["key"], definition["name"], definition))
        self.story = Story(replace(self.view, facts=(*self.view.facts, drafted)), jobs=self.story.jobs, timers=self.story.timers)
        return self.step(lambda view: publishing.publish(view, WORKFLOW_ID, faultless))

    def step(self, decision: Callable[[View], Decided]) -> "Playing":
        self.story = replace(self.story, view=replace(self.view, now=self.now))
        self.story = self.story.when(decision)
        if self.story.refusal is None:
            moments = {timer.id: self.due.get(timer.id) or timer.due.moment(self.now) for timer in self.timers}
            self.due = moments
            self.check()
        return self

    def refused(self, code: str, *paths: str) -> "Playing":
        self.story = self.story.then_refused(code, *paths)
        return self

    def check(self) -> None:
        """The timers there are, are those of the state."""
        for trigger_id in self.triggers:
            wanted = {timer.id for timer in timers_of(trigger_id, self.state(trigger_id))}
            assert {timer.id for timer in self.timers if timer.owner_id == trigger_id} == wanted

    @property
    def view(self) -> FactsView:
        return self.story.view

    @property
    def timers(self) -> list[Timer]:
        return [timer for timer in self.story.timers.values() if timer.owner == TRIGGER.name]

    @property
    def triggers(self) -> set[UUID]:
        return {fact.stream_id for fact in self.view.facts if isinstance(fact.event, TRIGGER.events)}

    @property
    def id(self) -> UUID:
        (only,) = self.triggers
        return only

    def state(self, trigger_id: UUID | None = None) -> Trigger:
        return self.view.read(TRIGGER, trigger_id or self.id)

    def id_of(self, key: str) -> UUID:
        return id_of(WORKFLOW_ID, key)

    def fire(self, timer: Timer) -> "Playing":
        moment = self.due[timer.id]
        self.now = max(self.now, moment)
        found = Found(timer.id, timer.purpose, timer.owner, timer.owner_id, None, due_at=moment, found_at=self.now)
        return self.step(lambda view: fire(view, self.engine, found))

    def tick(self, late: timedelta = timedelta(0)) -> "Playing":
        """The next time comes, or is set."""
        (clock,) = [timer for timer in self.timers if timer.purpose == CLOCK]
        self.now = max(self.now, self.due[clock.id] + late)
        return self.fire(clock)

    def queue(self) -> "Playing":
        """What waits is taken."""
        (timer,) = [timer for timer in self.timers if timer.purpose == QUEUE]
        return self.fire(timer)

    def end(self, execution_id: UUID) -> "Playing":
        return self.step(lambda view: terminate(view, self.engine, execution_id))

    def arrive(
        self, type: str, data: Json, id: str = "1", depth: int | None = None, sent_by: tuple[UUID, ...] | None = None
    ) -> "Playing":
        received = EventReceived("shop", id, type, data, depth=depth, sent_by=sent_by)
        event_id = stream_of("shop", id)
        if not self.view.events(event_id):
            facts = (*self.view.facts, Fact(event_id, received))
            self.story = replace(self.story, view=replace(self.view, facts=facts))
        for trigger_id in sorted(self.triggers):
            self.step(lambda view, trigger_id=trigger_id: start_by_event(view, self.engine, event_id, trigger_id))  # type: ignore[misc]
        return self

    @property
    def started(self) -> list[tuple[UUID, ExecutionStarted]]:
        return [(fact.stream_id, fact.event) for fact in self.view.facts if isinstance(fact.event, ExecutionStarted)]

    @property
    def times(self) -> list[datetime | None]:
        """For which times executions were started, in the order of starting."""
        return [event.scheduled_at for _, event in self.started]

    @property
    def live(self) -> list[UUID]:
        return [id for id, _ in self.started if self.view.read(EXECUTION, id).live]

    @property
    def emitted(self) -> list[int | None]:
        """How deep the events are that executions emitted."""
        events = [fact.event for fact in self.view.facts]
        return [event.depth for event in events if isinstance(event, EventReceived) and event.emitted_by is not None]

    @property
    def fired(self) -> list[tuple[str, str | None]]:
        events = [fact.event for fact in self.view.facts]
        return [(event.outcome, event.code) for event in events if isinstance(event, TriggerFired)]
