"""A scenario played by the engine itself: no server, no database, and time passes when the test says so."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from domain import workflow
from domain.access import Rights
from domain.approval import APPROVAL, ApprovalRequested, Outcome
from domain.approval.proof import Proof
from domain.execution import ExecutionStarted, ItemStarted
from domain.facts import Decided, Json, Refusal, View
from domain.trigger import TRIGGER, WEBHOOK, id_of, tool_of
from domain.workflow import Checked
from engine import events
from engine.approvals import decide_approval
from engine.context import Engine
from engine.delegating import standing_in
from engine.durations import duration
from engine.engine import Decider, cancel, fire, pause, resume, signal, start, terminate
from engine.triggers import publishing
from engine.triggers.arriving import start_by_request
from engine.triggers.calling import start_by_call
from engine.triggers.commands import rotate
from testkit.doubles import Doubles
from testkit.people import MAY, Member, People, user_id
from testkit.publishing import EVALUATOR, STUB, nodes_of, stub
from testkit.stage import Deciding, Delegating, Happening, Person, Refused
from testkit.work import Work
from testkit.world import TimerRow, World, topic_of

T = TypeVar("T")
ADDRESS = "known to the test alone"
"""Of webhooks."""
MOST_STEPS = 100_000
"""Things done without time passing, after which a scenario is taken for endless."""
ORDERED: Mapping[str, Callable[[View, Engine, UUID, str | None], Decided]] = {
    "cancel": cancel,
    "terminate": terminate,
    "pause": pause,
    "resume": resume,
}


@dataclass(frozen=True)
class Found:
    """A timer as a worker finds it; an `engine.timers.DueTimer`."""

    id: UUID
    purpose: str
    owner: str
    owner_id: UUID | None
    activation_id: UUID | None
    moved: int
    between_attempts: bool
    due_at: datetime
    found_at: datetime


class Playing:
    """A `testkit.stage.Stage`."""

    def __init__(
        self, definitions: Sequence[Json], doubles: Doubles, start_at: datetime, people: Mapping[str, Member] | None = None
    ) -> None:
        self.world = World(now=start_at)
        self.people = People(self.world, people or {})
        self.engine = Engine(EVALUATOR)
        self._work = Work(self.world, self.engine, doubles)
        stubs = [stub(key, STUB + key) for key in doubles.by_kind["workflow"]]
        ids = [self._publish(each) for each in (*stubs, *(_unversioned(each, doubles) for each in definitions))]
        self._main = ids[len(stubs)]
        self._settle()

    def _publish(self, definition: Json) -> UUID:
        workflow_id = self.world.new_id()
        self._do(lambda view: workflow.draft(view, workflow_id, definition))
        self._do(lambda view: publishing.publish(view, workflow_id, _faultless))
        return workflow_id

    # What a test does

    def start(self, input: Json, business_key: str | None, priority: int, who: Person) -> str:
        decided = self._do(
            lambda view: start(
                view,
                self.engine,
                workflow_id=self._main,
                input=input,
                business_key=business_key,
                priority=priority,
                created_by=user_id(who.name),
            )
        )
        self._settle()
        return str(decided.result["id"])

    def decide(self, request_id: str, who: Person, said: Deciding) -> None:
        id, about = UUID(request_id), vars(said) | {}
        person = about.pop("on_behalf_of")
        decider = self._decider(who)

        def decide(view: View) -> Decided:
            standing = decider if person is None else self._standing_in(view, id, decider, person)
            return decide_approval(view, self.engine, id, standing, presented=Proof("key", UUID(int=0)), **about)

        self._do(decide)
        self._settle()

    def _decider(self, who: Person) -> Decider:
        """Of people that the test has, their roles are known. Raises Refused where they are no longer members."""
        if not self.people.names or who.name is None:
            return Decider(user_id(who.name or "somebody") or UUID(int=0), frozenset(who.roles))
        id = self.people.known(who.name)
        if who.roles:
            raise ValueError(f"{who.name} is one of the people of this test, and has the roles that they have there.")
        if not self.people.is_active(id):
            raise Refused("not_a_member", f"{who.name} is no active member.")
        return Decider(id, self.people.roles_of(id))

    def _standing_in(self, view: View, request_id: UUID, decider: Decider, person: str) -> Decider:
        id = self.people.known(person)
        may = frozenset(MAY) if self.people.is_active(id) else frozenset[str]()
        return standing_in(view, self.engine, request_id, decider, Rights(id, may, self.people.roles_of(id)))

    def asked(self, request_id: str) -> Json:
        return self._by_name(self.world.read(APPROVAL, UUID(request_id)).outcomes)

    def _by_name(self, outcomes: Sequence[Outcome]) -> Json:
        users = dict.fromkeys(user for outcome in outcomes for user in outcome.users)
        roles = dict.fromkeys(role for outcome in outcomes for role in outcome.roles)
        return {"users": [self.people.names.get(user, str(user)) for user in users], "roles": list(roles)}

    def id_of(self, name: str) -> str:
        return str(self.people.id(name))

    def change(self, name: str, changes: Mapping[str, Any]) -> None:
        self._refusing(lambda: self.people.change(name, changes))

    def member(self, name: str, what: str) -> None:
        self._refusing(lambda: self.people.do(name, what))
        self._settle()

    def delegate(self, giver: str, to: str, terms: Delegating) -> str:
        return self._refusing(lambda: self.people.delegate(giver, to, EVALUATOR, **vars(terms)))

    def end_delegation(self, giver: str, id: str, by: str) -> None:
        self._refusing(lambda: self.people.end_delegation(giver, id, by))

    def do(self, execution_id: str, what: str, body: Mapping[str, Json]) -> None:
        id = UUID(execution_id)
        if what == "signal":
            self._do(lambda view: signal(view, self.engine, id, body["name"], body["payload"]))
        else:
            self._do(lambda view: ORDERED[what](view, self.engine, id, body["reason"]))
        self._settle()

    def event(self, type: str, data: Json, id: str, source: str, subject: str | None) -> None:
        self._do(lambda view: events.receive(view, source=source, id=id, type=type, data=data, subject=subject))
        self._settle()

    def request(self, trigger: str, body: Json, headers: Mapping[str, str], query: Mapping[str, str], id: str | None) -> str:
        trigger_id = id_of(self._main, trigger)
        state = self.world.read(TRIGGER, trigger_id)
        if state.type == WEBHOOK and state.secret_hash is None:
            self._do(lambda view: rotate(view, trigger_id, ADDRESS))
        given = {"headers": {name.lower(): value for name, value in headers.items()}, "query": dict(query), "body": body}
        said = self._do(lambda view: start_by_request(view, self.engine, trigger_id, ADDRESS, id, given)).result
        self._settle()
        if said["outcome"] == "failed":
            raise Refused(said["code"], said["message"])
        return str(said["outcome"])

    def call(self, trigger: str, arguments: Json, who: Person) -> str:
        state = self.world.read(TRIGGER, id_of(self._main, trigger))
        name, rights = tool_of(state.config or {}, state.workflow_key), Rights(user_id(who.name), frozenset())
        decided = self._do(lambda view: start_by_call(view, self.engine, name, arguments, rights))
        self._settle()
        return str(decided.result["execution"]["id"])

    def report(self, job_id: str, output: Json, error: tuple[str, str, bool] | None) -> None:
        self._refusing(lambda: self._work.report_by_hand(UUID(job_id), output, error))
        self._settle()

    # Time

    @property
    def now(self) -> datetime:
        return self.world.now

    def pass_time(self, span: str) -> None:
        """What is due until then happens, in the order of its moments."""
        until = self.world.now + duration(span)
        while (moment := self._next(until)) is not None:
            self.world.now = max(self.world.now, moment)
            self._settle()
        self.world.now = until

    def _next(self, until: datetime) -> datetime | None:
        moments = [*self._work.moments(), *(row.due_at for row in self.world.timers.values() if row.left is None)]
        return min((one for one in moments if one <= until), default=None)

    def _settle(self) -> None:
        """Everything that happens by itself at this moment: jobs that are ready, and timers that are due."""
        for _ in range(MOST_STEPS):
            if not (self._fire_one() or self._work.do_one()):
                return
        raise AssertionError(f"Within {MOST_STEPS} steps it has not come to rest, and no time has passed.")

    def _fire_one(self) -> bool:
        due = [row for row in self.world.timers.values() if row.left is None and row.due_at <= self.world.now]
        if not due:
            return False
        row = min(due, key=lambda one: (one.due_at, one.order))
        found = self._found(row)
        self.world.do(lambda view: fire(view, self.engine, found))
        still = self.world.timers.get(row.timer.id)
        if still is row:
            # It has done what it does once; whoever goes on with it sets it anew.
            del self.world.timers[row.timer.id]
        return True

    def _found(self, row: TimerRow) -> Found:
        timer = row.timer
        between = any(
            job.job.activation_id == timer.activation_id and not job.asked and job.asks
            for job in self.world.jobs.values()
            if timer.activation_id is not None
        )
        return Found(
            timer.id,
            timer.purpose,
            timer.owner,
            timer.owner_id,
            timer.activation_id,
            row.moved,
            between,
            row.due_at,
            self.world.now,
        )

    def until(self, holds: Callable[[], bool]) -> None:
        """Whatever happens by itself has happened."""

    # What happened

    def history(self, execution_id: str) -> Sequence[Happening]:
        return [
            Happening(
                topic_of(record.event), {f.name: told(getattr(record.event, f.name)) for f in fields(record.event)}, record.at
            )
            for record in self.world.of(UUID(execution_id))
        ]

    @property
    def executions(self) -> Sequence[str]:
        started = [record for record in self.world.records if isinstance(record.event, ExecutionStarted)]
        return [
            str(record.stream_id)
            for record in started
            if isinstance(record.event, ExecutionStarted) and record.event.parent_execution_id is None
        ]

    def items(self, execution_id: str, node: str) -> Sequence[str]:
        begun = [(each.event, each.stream_id) for each in self.world.records if isinstance(each.event, ItemStarted)]
        of_node = [(event.index, id) for event, id in begun if str(event.parent_id) == execution_id and event.path[-1] == node]
        return [str(id) for _, id in sorted(of_node)]

    def due(self, request_id: str) -> datetime | None:
        (asked, *_) = self.world.of(UUID(request_id))
        assert isinstance(asked.event, ApprovalRequested)
        return None if asked.event.due is None else asked.event.due.moment(asked.at)

    def outcomes(self, request_id: str) -> Sequence[tuple[str, str]]:
        offered = self.world.read(APPROVAL, UUID(request_id)).outcomes
        return list(dict.fromkeys((each.name, each.kind) for each in offered))

    def unserved(self, execution_id: str) -> Mapping[str, str]:
        return self._work.unserved(UUID(execution_id))

    def _do(self, decide: Callable[[View], Decided]) -> Decided:
        return self._refusing(lambda: self.world.do(decide))

    def _refusing(self, do: Callable[[], T]) -> T:
        try:
            return do()
        except Refusal as refusal:
            faults = [f"{each.path}: {each.message}" for each in refusal.errors if each.message not in refusal.message]
            raise Refused(refusal.code, " ".join([refusal.message, *faults])) from None


def told(value: Any) -> Json:
    """As JSON, as far as a history needs it."""
    match value:
        case UUID():
            return str(value)
        case datetime():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case tuple():
            return [told(each) for each in value]
        case _ if is_dataclass(value) and not isinstance(value, type):
            return {field.name: told(getattr(value, field.name)) for field in fields(value)}
        case _:
            return value


def _unversioned(definition: Json, doubles: Doubles) -> Json:
    """Of a workflow that a double stands for there is one version."""
    called = [node["config"] for node in nodes_of(definition) if node["type"] == "workflow"]
    if not any("version" in config and doubles.has("workflow", config["workflow_key"]) for config in called):
        return definition
    return _without(definition, doubles)


def _without(value: Json, doubles: Doubles) -> Json:
    match value:
        case {"workflow_key": str(key), "version": _} if doubles.has("workflow", key):
            return {name: each for name, each in value.items() if name != "version"}
        case dict():
            return {name: _without(each, doubles) for name, each in value.items()}
        case list():
            return [_without(each, doubles) for each in value]
        case _:
            return value


def _faultless(_definition: Json) -> Checked:
    """It was checked before, with more to say."""
    return Checked()
