"""A limit: how many of a tenant's jobs are leased at a time, and how many in any span of time; or how many requests a trigger
takes. Lives in the tenant's ledger.

There is one for each thing that is limited; its stream's id follows from that.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal, assert_never
from uuid import UUID, uuid5

from domain.facts import Aggregate, Decided, Event, EventType, Fact, Invalid, Json, NotFound, View
from domain.wording import because

Scope = Literal["tenant", "workflow", "node", "job_type", "key", "trigger"]
OWN = "gesta."


@dataclass(frozen=True)
class LimitSet(Event):
    """`name`: of what in the scope; empty for the tenant. `rate_per`: as it was given, beside its milliseconds."""

    scope: str
    name: str
    concurrency: int | None = None
    rate_count: int | None = None
    rate_per: str | None = None
    rate_milliseconds: int | None = None


@dataclass(frozen=True)
class LimitRemoved(Event):
    reason: str | None = None


LimitEvent = LimitSet | LimitRemoved


@dataclass(frozen=True)
class Limit:
    exists: bool = False
    scope: str = ""
    name: str = ""
    concurrency: int | None = None
    rate_count: int | None = None
    rate_per: str | None = None


def evolve(state: Limit, event: LimitEvent) -> Limit:
    match event:
        case LimitSet():
            return Limit(True, event.scope, event.name, event.concurrency, event.rate_count, event.rate_per)
        case LimitRemoved():
            return replace(state, exists=False)
        case _:
            assert_never(event)


def _of(scope: str, name: str) -> str:
    if scope == "trigger":
        return f"requests to the trigger {name}"
    return "all jobs" if scope == "tenant" else f"jobs of the {scope.replace('_', ' ')} {name}"


def _so_many(event: LimitSet) -> str:
    said = [] if event.concurrency is None else [f"{event.concurrency} at a time"]
    if event.rate_count is not None:
        said.append(f"{event.rate_count} in {event.rate_per}")
    return " and ".join(said)


LIMIT: Aggregate[Limit] = Aggregate(
    "limit",
    Limit(),
    evolve,
    (
        EventType(
            LimitSet,
            "limit.set.v1",
            lambda e, _: f"Of {_of(e.scope, e.name)}, no more than {_so_many(e)} are handed out.",
            note="`scope`: tenant, workflow, node, job_type, key or trigger. The stream's id follows from `scope` and `name`.",
        ),
        EventType(LimitRemoved, "limit.removed.v1", lambda e, _: f"A limit was removed{because(e.reason)}."),
    ),
    "workflow",
)


@dataclass(frozen=True)
class Rate:
    """`per`: as it was given; `span`: what that comes to."""

    count: int
    per: str
    span: timedelta


def limit_id_of(tenant_id: UUID, scope: str, name: str) -> UUID:
    return uuid5(tenant_id, f"limit {scope} {name}")


def set_limit(view: View, scope: Scope, name: str, concurrency: int | None, rate: Rate | None = None) -> Decided:
    """Set the limit of one thing, or change it: what it was before holds no longer."""
    if (scope == "tenant") != (name == ""):
        raise Invalid("The tenant's own limit has no name; every other one names what it limits.", "/name")
    if scope == "job_type" and name.startswith(OWN):
        raise Invalid(f"Types of jobs that begin with {OWN} are Gesta's own.", "/name")
    if scope == "node" and "/" not in name:
        raise Invalid("A node is named by its workflow's key, a slash and its id.", "/name")
    if scope == "trigger":
        _require_of_trigger(name, concurrency)
    if concurrency is None and rate is None:
        raise Invalid("A limit has a concurrency, a rate, or both.", "/concurrency")
    limit_id = limit_id_of(view.tenant_id, scope, name)
    state = view.read(LIMIT, limit_id)
    event = LimitSet(scope, name, concurrency)
    if rate is not None:
        event = LimitSet(scope, name, concurrency, rate.count, rate.per, rate.span // timedelta(milliseconds=1))
    after = evolve(state, event)
    return _answer(view, limit_id, after, None if after == state else event)


def _require_of_trigger(name: str, concurrency: int | None) -> None:
    try:
        known = str(UUID(name)) == name
    except ValueError:
        known = False
    if not known:
        raise Invalid("A trigger is named by its id.", "/name")
    if concurrency is not None:
        raise Invalid("Requests to a trigger have a rate and no concurrency.", "/concurrency")


def remove(view: View, limit_id: UUID, reason: str | None = None) -> Decided:
    """What it held back goes on."""
    state = view.read(LIMIT, limit_id)
    if not state.exists:
        raise NotFound
    return _answer(view, limit_id, state, LimitRemoved(reason))


def _answer(view: View, limit_id: UUID, state: Limit, event: LimitEvent | None) -> Decided:
    rate: Json = None if state.rate_count is None else {"count": state.rate_count, "per": state.rate_per}
    version = view.version(limit_id) + (event is not None)
    result = {"id": str(limit_id), "scope": state.scope, "name": state.name, "concurrency": state.concurrency, "rate": rate}
    return Decided(() if event is None else (Fact(limit_id, event),), result={**result, "version": version})
