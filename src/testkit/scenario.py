"""The beginning of a test: a definition, doubles of all that it calls, and where it is played."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from domain.delegation import Kind
from domain.facts import Json
from engine.definition import Finding
from testkit.doubles import Asked, Double, Doubles, plain
from testkit.people import Member
from testkit.playing import Playing
from testkit.publishing import check_doubles, checked, line
from testkit.runs import Run
from testkit.stage import Delegating, Person, Stage
from testkit.world import MORNING

if TYPE_CHECKING:
    from testkit.server import Server


class Scenario:
    """`warnings`: what publishing would warn of, readable."""

    def __init__(self, stage: Stage, doubles: Doubles, warnings: Sequence[Finding]) -> None:
        self._stage = stage
        self._doubles = doubles
        self.warnings = [line(each) for each in warnings]

    def start(self, input: Json = None, *, business_key: str | None = None, priority: int = 0, by: str | None = None) -> Run:
        """Start an execution, and do what can be done at once. `by`: who requests it."""
        given = {} if input is None else plain(input)
        return Run(self._stage, self._stage.start(given, business_key, priority, Person(by)))

    def event(
        self, type: str, data: Json = None, *, id: str | None = None, source: str = "/test", subject: str | None = None
    ) -> None:
        """An event comes from outside: to those who wait for one, and to triggers. Another of its `id` and `source` is none."""
        self._stage.event(type, plain(data), id or uuid4().hex, source, subject)

    def request(
        self,
        body: Json = None,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        id: str | None = None,
        trigger: str = "webhook",
    ) -> str:
        """A request comes to the workflow's webhook. What came of it: `started`, `duplicate`, `ignored` or `skipped`.

        `id`: the sender's name for it. `trigger`: its id, where it has one. Signatures are not played. Raises Refused.
        """
        return self._stage.request(trigger, plain(body), headers or {}, query or {}, id)

    def call(self, arguments: Json = None, *, trigger: str = "mcp", by: str | None = None) -> Run:
        """A model calls the tool that the workflow is. `trigger`: its id, where it has one. Raises Refused."""
        given = {} if arguments is None else plain(arguments)
        return Run(self._stage, self._stage.call(trigger, given, Person(by)))

    # People

    def id_of(self, name: str) -> str:
        """The id of a person of this name, for inputs that name people."""
        return self._stage.id_of(name)

    def change(self, name: str, **changes: Any) -> None:
        """Give a member other `roles`, another `manager`, other `attributes`, each in whole."""
        unknown = changes.keys() - {"roles", "manager", "attributes"}
        if unknown:
            raise TypeError(f"Members have roles, a manager and attributes, and no {', '.join(sorted(unknown))}.")
        self._stage.change(name, changes)

    def suspend(self, name: str) -> None:
        self._stage.member(name, "suspend")

    def reactivate(self, name: str) -> None:
        self._stage.member(name, "reactivate")

    def remove(self, name: str) -> None:
        self._stage.member(name, "remove")

    def delegate(
        self,
        giver: str,
        to: str,
        *,
        kind: Kind = "delegation",
        starts_at: datetime | None = None,
        ends_at: datetime | None = None,
        workflows: Sequence[str] = (),
        condition: str | None = None,
        reason: str | None = None,
    ) -> "Delegation":
        """Have `to` decide in the place of `giver`. Raises Refused."""
        terms = Delegating(kind, starts_at, ends_at, tuple(workflows), condition, reason)
        return Delegation(self._stage, giver, to, self._stage.delegate(giver, to, terms))

    def pass_time(self, span: str) -> None:
        """So long, ISO 8601: what is due until then happens in its order. On a server that is real time."""
        self._stage.pass_time(span)

    @property
    def now(self) -> datetime:
        return self._stage.now

    @property
    def runs(self) -> list[Run]:
        """All executions but children, also those that triggers have started, in the order of their beginning."""
        return [Run(self._stage, id) for id in self._stage.executions]

    @property
    def asked(self) -> Sequence[Asked]:
        """All that doubles were asked, in order."""
        return tuple(self._doubles.asked)

    def asked_of(self, name: str) -> list[Any]:
        """What the double of this name was asked: the inputs, in order."""
        return [each.input for each in self._doubles.asked if each.of == name]


@dataclass(frozen=True)
class Delegation:
    """One that was given in the test."""

    stage: Stage = field(repr=False)
    giver: str
    to: str
    id: str

    def take_back(self) -> None:
        self.stage.end_delegation(self.giver, self.id, self.giver)

    def give_back(self) -> None:
        """By who stands in."""
        self.stage.end_delegation(self.giver, self.id, self.to)


@contextmanager
def scenario(
    definition: Json,
    *,
    workers: Mapping[str, Double] | None = None,
    ai: Mapping[str, Double] | None = None,
    http: Mapping[str, Double] | None = None,
    workflows: Mapping[str, Double] | None = None,
    definitions: Sequence[Json] = (),
    people: Mapping[str, Member] | None = None,
    now: datetime = MORNING,
    strict: bool = False,
    on: "Server | None" = None,
) -> Iterator[Scenario]:
    """Play a definition with doubles: `workers` by job type, `ai` and `http` by node, `workflows` by key.

    `definitions`: of other workflows that it starts, played as they are. `people`: members by name, whose roles and managers are
    known then; on a server they are who they are there. `strict`: warnings of publishing fail the test, too.
    `now`: where the clock begins. `on`: a server instead of the engine. Raises NotPublishable.
    """
    every = [definition, *definitions]
    warnings = [found for each in every for found in checked(each, strict=strict)]
    doubles = Doubles({"worker": workers or {}, "ai": ai or {}, "http": http or {}, "workflow": workflows or {}})
    check_doubles(every, doubles.by_kind)
    if on is None:
        yield Scenario(Playing(every, doubles, now, people), doubles, warnings)
    else:
        with on.staging(every, doubles) as stage:
            yield Scenario(stage, doubles, warnings)
