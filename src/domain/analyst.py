"""An analyst: somebody who queries the tenant's tables with SQL, by a login of their own to the database.

The login itself is the database's (`runtime.analysts`); here it is on record who has had one, since when and until when. It is
recorded before the login is made, and that it is dropped once it is gone: nobody has one that is not on record.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never
from uuid import UUID, uuid5

from domain.facts import Aggregate, Decided, Event, EventType, Fact, Invalid, NotFound, RuleViolation, View
from domain.names import require_role_key

MOST_CONNECTIONS = 20
MOST_STATEMENT_SECONDS = 3_600
MOST_IDLE_SECONDS = 600
MOST_TRANSACTION_SECONDS = 7_200


@dataclass(frozen=True)
class AnalystLimits:
    """`connections`: sessions at a time. The others: how long a statement, an idle transaction and a transaction may last."""

    connections: int = 3
    statement_seconds: int = 60
    idle_seconds: int = 30
    transaction_seconds: int = 300


@dataclass(frozen=True)
class AnalystCreated(Event):
    """`login`: the role of the database."""

    name: str
    login: str
    connections: int
    statement_seconds: int
    idle_seconds: int
    transaction_seconds: int
    expires_at: datetime | None = None


@dataclass(frozen=True)
class AnalystRotated(Event):
    """Another password takes the place of the one before."""

    name: str
    login: str
    number: int
    """Of the password: 2, 3 … since the analyst was created."""
    expires_at: datetime | None = None


@dataclass(frozen=True)
class AnalystDropped(Event):
    name: str
    login: str


AnalystEvent = AnalystCreated | AnalystRotated | AnalystDropped


@dataclass(frozen=True)
class Analyst:
    """`login`: None where there is none."""

    name: str = ""
    login: str | None = None
    number: int = 0
    limits: AnalystLimits = AnalystLimits()
    expires_at: datetime | None = None


def evolve(state: Analyst, event: AnalystEvent) -> Analyst:
    match event:
        case AnalystCreated():
            limits = AnalystLimits(event.connections, event.statement_seconds, event.idle_seconds, event.transaction_seconds)
            return Analyst(event.name, event.login, 1, limits, event.expires_at)
        case AnalystRotated():
            return replace(state, number=event.number, expires_at=event.expires_at)
        case AnalystDropped():
            return Analyst()
        case _:
            assert_never(event)


def _until(expires_at: datetime | None) -> str:
    return "" if expires_at is None else f", until {expires_at.isoformat(timespec='minutes')}"


ANALYST: Aggregate[Analyst] = Aggregate(
    "analyst",
    Analyst(),
    evolve,
    (
        EventType(
            AnalystCreated,
            "analyst.created.v1",
            lambda e, _: f"The analyst {e.name} may query the tables with SQL, as {e.login}{_until(e.expires_at)}.",
            severity="warning",
            note="`login`: the role of the database. Never its password.",
        ),
        EventType(
            AnalystRotated,
            "analyst.rotated.v1",
            lambda e, _: f"The analyst {e.name} was given the {e.number}. password{_until(e.expires_at)}.",
            note="`number`: of the password, from 1.",
        ),
        EventType(
            AnalystDropped,
            "analyst.dropped.v1",
            lambda e, _: f"The analyst {e.name} has no login any more.",
            severity="warning",
            note="Its login was dropped before.",
        ),
    ),
    "access",
)


class AnalystExists(RuleViolation):
    """There is an analyst of this name."""

    code = "name_taken"


def analyst_id_of(tenant_id: UUID, name: str) -> UUID:
    """The id follows from tenant and name: whoever is dropped and created again goes on in the same stream."""
    return uuid5(tenant_id, f"analyst:{name}")


def create(
    view: View, analyst_id: UUID, name: str, login: str, limits: AnalystLimits | None = None, expires_at: datetime | None = None
) -> Decided:
    require_role_key(name, "/name", "An analyst's name")
    limits = limits or AnalystLimits()
    _require_limits(limits)
    _require_future(view, expires_at)
    if view.read(ANALYST, analyst_id).login is not None:
        raise AnalystExists(path="/name")
    event = AnalystCreated(
        name,
        login,
        limits.connections,
        limits.statement_seconds,
        limits.idle_seconds,
        limits.transaction_seconds,
        expires_at,
    )
    return Decided((Fact(analyst_id, event),), result={"id": str(analyst_id), "name": name, "login": login})


def rotate(view: View, analyst_id: UUID, expires_at: datetime | None = None) -> Decided:
    """`expires_at`: None: as it was."""
    state, login = _existing(view, analyst_id)
    until = state.expires_at if expires_at is None else expires_at
    _require_future(view, until)
    event = AnalystRotated(state.name, login, state.number + 1, until)
    return Decided((Fact(analyst_id, event),), result={"id": str(analyst_id), "name": state.name, "login": login})


def drop(view: View, analyst_id: UUID) -> Decided:
    state, login = _existing(view, analyst_id)
    result = {"id": str(analyst_id), "name": state.name, "login": login}
    return Decided((Fact(analyst_id, AnalystDropped(state.name, login)),), result=result)


def _existing(view: View, analyst_id: UUID) -> tuple[Analyst, str]:
    state = view.read(ANALYST, analyst_id)
    if state.login is None:
        raise NotFound
    return state, state.login


def _require_future(view: View, expires_at: datetime | None) -> None:
    if expires_at is not None and expires_at <= view.now:
        raise Invalid("That moment is past.", "/expires_at")


def _require_limits(limits: AnalystLimits) -> None:
    for name, most in (
        ("connections", MOST_CONNECTIONS),
        ("statement_seconds", MOST_STATEMENT_SECONDS),
        ("idle_seconds", MOST_IDLE_SECONDS),
        ("transaction_seconds", MOST_TRANSACTION_SECONDS),
    ):
        if not 1 <= getattr(limits, name) <= most:
            raise Invalid(f"It must be from 1 to {most:,}.", f"/{name}")
    if limits.transaction_seconds < limits.statement_seconds:
        raise Invalid("A transaction lasts at least as long as its statement may.", "/transaction_seconds")
