"""Stories that are over, as the record of a ledger has them, to be played through other versions."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from domain.envelope import Envelope, RecordedEvent
from domain.facts import Decided, Event, Fact, Json, View
from domain.workflow import WORKFLOW
from engine.context import Engine, EngineLimits
from engine.definition import parse
from engine.plan import compile_plan
from engine.what_if.changing import with_names
from engine.what_if.comparing import Compared, compare
from engine.what_if.kinds import NODE_TYPES
from engine.what_if.playing import Played, Version, played
from engine.what_if.record import PastExecution, opened_by, past_of
from engine.what_if.view import ViewAt
from store.topics import topic_of
from tests.engine.drawing import ANN, EVALUATOR, EXECUTION_ID
from tests.engine.people import COMPANY, employing
from tests.engine.working import Workplace
from tests.given import TENANT_ID, FactsView

NOBODY = Envelope("system")


def recorded(position: int, stream_id: UUID, version: int, event: Event, command: int, at: datetime) -> RecordedEvent:
    about = (topic_of(type(event)), event, at, at, UUID(int=command), NOBODY, b"{}")
    return RecordedEvent(TENANT_ID, position, stream_id, version, *about)


class Remembered(Workplace):
    """A story that knows which events came by one command, and when."""

    def __init__(self, definition: Json, company: Mapping[UUID, Sequence[str]] = COMPANY, **more: Any) -> None:
        super().__init__(definition, **more)
        self.definition = definition
        self.commands: list[tuple[int, datetime]] = []
        employing(self, company)

    def start(self, input: Json = None, **more: Any) -> "Remembered":
        super().start(input, **more)
        return self

    def choose(self, node_id: str, outcome: str, by: UUID = ANN, roles: tuple[str, ...] = (), **more: Any) -> "Remembered":
        super().choose(node_id, outcome, by, roles, **more)
        return self

    def later(self, span: timedelta) -> "Remembered":
        super().later(span)
        return self

    def add(self, *facts: Fact) -> None:
        """What happened elsewhere."""
        self.story = replace(self.story, view=replace(self.view, facts=(*self.view.facts, *facts)))

    def step(self, decision: Callable[[View], Decided]) -> "Remembered":
        self._keep()
        super().step(decision)
        if self.story.refusal is None:
            self._keep(together=True)
        return self

    def _keep(self, *, together: bool = False) -> None:
        """What was not decided by a step of the story is of commands of its own."""
        new, last = len(self.view.facts) - len(self.commands), len(self.commands)
        self.commands += [(last if together else last + number, self.view.now) for number in range(new)]

    @property
    def records(self) -> list[RecordedEvent]:
        self._keep()
        versions, found = Counter[UUID](), []
        for position, (fact, (command, at)) in enumerate(zip(self.view.facts, self.commands, strict=True), 1):
            versions[fact.stream_id] += 1
            found.append(recorded(position, fact.stream_id, versions[fact.stream_id], fact.event, command, at))
        return found

    def view_at(self, position: int, now: datetime) -> View:
        return FactsView(self.view.facts[:position], self.view.claims, now)

    @property
    def past(self) -> PastExecution:
        return past(self.records)

    def through(self, definition: Json = None, names: Mapping[str, str] | None = None, **more: Any) -> tuple[Played, Compared]:
        return through(past(self.records, names=names), self.view_at, definition, names=names, **more)

    def with_config(self, node_id: str, **config: Json) -> tuple[Played, Compared]:
        """Through a version in which this node says otherwise."""
        return self.with_node(node_id, lambda node: {**node, "config": {**node["config"], **config}})

    def with_node(self, node_id: str, change: Callable[[Json], Json]) -> tuple[Played, Compared]:
        nodes = [change(node) if node["id"] == node_id else node for node in self.definition["nodes"]]
        return self.through({**self.definition, "nodes": nodes})


def past(
    records: Sequence[RecordedEvent], execution_id: UUID = EXECUTION_ID, names: Mapping[str, str] | None = None
) -> PastExecution:
    def of(stream_id: UUID) -> list[RecordedEvent]:
        return [each for each in records if each.stream_id == stream_id]

    events = of(execution_id)
    return past_of(execution_id, events, {id: of(id) for _, id in opened_by(events)}, names)


def through(
    found: PastExecution,
    view_at: ViewAt,
    definition: Json = None,
    limits: EngineLimits | None = None,
    names: Mapping[str, str] | None = None,
    **more: Any,
) -> tuple[Played, Compared]:
    """Played through a definition; None: through its own version."""
    started, last = found.started, found.events[-1]
    workflow = view_at(last.position, last.occurred_at).read(WORKFLOW, started.workflow_id)
    own = workflow.versions[started.workflow_version]
    before = compile_plan(parse(with_names(own, names or {})))
    engine = Engine(EVALUATOR, limits or EngineLimits(), NODE_TYPES)
    if definition is None:
        version = Version(own, started.workflow_version, engine)
    else:
        version = Version(definition, started.workflow_version + 1, engine)
    result = played(found, before, version, view_at, **more)
    return result, compare(found, result, before.nodes)
