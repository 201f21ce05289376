"""Who held a permission when, and through what: the decisions' own judgement (domain.access), over the states as they were.

Pure: events in, spans out. A span begins with the event that gave the permission, or changed through which roles, and ends with
the one that took it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

from domain.access import standing
from domain.envelope import PLATFORM, RecordedEvent
from domain.facts import Aggregate, PermissionDenied, Refusal
from domain.member import MEMBER
from domain.role import ROLE
from domain.tenant import TENANT
from domain.user import USER

S = TypeVar("S")
OF_PERSON: tuple[Aggregate[Any], ...] = (MEMBER, ROLE)
OF_PLATFORM: tuple[Aggregate[Any], ...] = (USER, TENANT)


@dataclass(frozen=True)
class Standing:
    """Whether somebody holds a permission. `roles`: through which, by key; `why_not`: what kept them from it, if they had one."""

    holds: bool
    roles: tuple[str, ...] = ()
    why_not: str | None = None


@dataclass
class Span:
    """`until`: the event that ended it; None: it lasts."""

    standing: Standing
    since: RecordedEvent
    until: RecordedEvent | None = None


@dataclass
class States:
    """Streams as they were after some events. What `domain.access` reads."""

    tenant_id: UUID
    _states: dict[tuple[UUID, str], Any] = field(default_factory=dict)

    def read(self, aggregate: Aggregate[S], stream_id: UUID) -> S:
        state: S = self._states.get((stream_id, aggregate.name), aggregate.initial)
        return state

    def take(self, record: RecordedEvent) -> None:
        for aggregate in (*OF_PERSON, *OF_PLATFORM):
            if type(record.event) in aggregate.events:
                key = record.stream_id, aggregate.name
                self._states[key] = aggregate.evolve(self._states.get(key, aggregate.initial), record.event)


def judge(states: States, user_id: UUID, permission: str) -> Standing:
    """As a decision would find it."""
    granting = tuple(
        sorted(
            role.key
            for role in (states.read(ROLE, each) for each in states.read(MEMBER, user_id).role_ids)
            if role.exists and permission in role.permissions
        )
    )
    tenant = states.read(TENANT, states.tenant_id)
    if tenant.exists and not tenant.active:
        return Standing(False, granting, "tenant_suspended")
    try:
        who = standing(states, user_id, states)  # type: ignore[arg-type]  # it reads, and does nothing else
    except Refusal as refusal:
        return Standing(False, granting, refusal.code)
    return Standing(who.allows(permission), granting, None if who.allows(permission) else PermissionDenied.code)


def spans(tenant_id: UUID, user_id: UUID, permission: str, records: Iterable[RecordedEvent]) -> list[Span]:
    """In which somebody held a permission. `records`: of all that it depends on, in order of time."""
    states, found = States(tenant_id), list[Span]()
    before = Standing(False)
    for record in in_order(records):
        states.take(record)
        now = judge(states, user_id, permission)
        if (now.holds, now.holds and now.roles) == (before.holds, before.holds and before.roles):
            continue
        if before.holds:
            found[-1].until = record
        if now.holds:
            found.append(Span(now, record))
        before = now
    return found


def in_order(records: Iterable[RecordedEvent]) -> Sequence[RecordedEvent]:
    """Of two ledgers, by when they were recorded; the platform's first where that is the same."""
    return sorted(records, key=lambda each: (each.recorded_at, each.tenant_id != PLATFORM, each.position))
