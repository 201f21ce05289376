"""Where a scenario is played: in the engine itself, or on a server. What both can do."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.delegation import Kind
from domain.facts import Json


class Refused(Exception):
    """A command was refused. `code` is what the API answers."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


@dataclass(frozen=True)
class Happening:
    """An event of an execution's history. `topic` without its version: `activation.started`."""

    topic: str
    data: Mapping[str, Json]
    at: datetime


@dataclass(frozen=True)
class Person:
    """Who acts. `roles`: in the engine, those that they have; on a server, who has the key has them."""

    name: str | None = None
    roles: tuple[str, ...] = ()


@dataclass(frozen=True)
class Deciding:
    """What is said in a decision."""

    outcome: str
    role: str | None = None
    comment: str | None = None
    form: Json = None
    reason: str | None = None
    step: str | None = None
    on_behalf_of: str | None = None


@dataclass(frozen=True)
class Delegating:
    """What a delegation is for, and how long."""

    kind: Kind = "delegation"
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    workflows: Sequence[str] = ()
    condition: str | None = None
    reason: str | None = None


class Stage(Protocol):
    """Commands raise Refused."""

    def start(self, input: Json, business_key: str | None, priority: int, who: Person) -> str: ...

    def history(self, execution_id: str) -> Sequence[Happening]: ...

    def decide(self, request_id: str, who: Person, said: Deciding) -> None: ...

    def asked(self, request_id: str) -> Json:
        """Who may decide now: {users, roles}."""

    def id_of(self, name: str) -> str: ...

    def change(self, name: str, changes: Mapping[str, Json]) -> None:
        """Of a member: {roles, manager, attributes}."""

    def member(self, name: str, what: str) -> None:
        """suspend, reactivate, remove."""

    def delegate(self, giver: str, to: str, terms: Delegating) -> str:
        """The delegation's id."""

    def end_delegation(self, giver: str, id: str, by: str) -> None: ...

    def do(self, execution_id: str, what: str, body: Mapping[str, Json]) -> None:
        """cancel, terminate, pause, resume {reason}, signal {name, payload}."""

    def event(self, type: str, data: Json, id: str, source: str, subject: str | None) -> None: ...

    def items(self, execution_id: str, node: str) -> Sequence[str]:
        """The streams of the items of a foreach, in the order of the list."""

    def due(self, request_id: str) -> datetime | None:
        """From when on an approval request is overdue."""

    def outcomes(self, request_id: str) -> Sequence[tuple[str, str]]:
        """Names and kinds that an approval request offers."""

    def request(self, trigger: str, body: Json, headers: Mapping[str, str], query: Mapping[str, str], id: str | None) -> str:
        """To a webhook of the workflow, by the trigger's key. What came of it."""

    def call(self, trigger: str, arguments: Json, who: Person) -> str:
        """Of a tool that is the workflow, by the trigger's key. The execution's id."""

    def report(self, job_id: str, output: Json, error: tuple[str, str, bool] | None) -> None:
        """By hand, of a job that no double does. `error`: type, message, whether another attempt may follow."""

    def pass_time(self, span: str) -> None: ...

    def unserved(self, execution_id: str) -> Mapping[str, str]:
        """Job ids that no double does: why."""

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait for what happens by itself, where that takes time."""

    @property
    def now(self) -> datetime: ...

    @property
    def executions(self) -> Sequence[str]:
        """Those that no other one started, in order."""
