"""A user's membership of a tenant and the roles it carries. Lives in the tenant's ledger; its stream id is the user's id."""

from dataclasses import dataclass, replace
from typing import assert_never
from uuid import UUID

from domain.facts import Aggregate, Event


@dataclass(frozen=True)
class MemberAdded(Event):
    """`platform_position`: the platform ledger's position at which the user was known to exist; projectors wait for it."""

    user_id: UUID
    role_ids: tuple[UUID, ...]
    platform_position: int
    invited_by: UUID | None = None


@dataclass(frozen=True)
class MemberRolesChanged(Event):
    user_id: UUID
    role_ids: tuple[UUID, ...]


@dataclass(frozen=True)
class MemberRemoved(Event):
    user_id: UUID
    reason: str | None = None


MemberEvent = MemberAdded | MemberRolesChanged | MemberRemoved


@dataclass(frozen=True)
class Member:
    active: bool = False
    role_ids: tuple[UUID, ...] = ()


def evolve(state: Member, event: MemberEvent) -> Member:
    match event:
        case MemberAdded():
            return Member(active=True, role_ids=event.role_ids)
        case MemberRolesChanged():
            return replace(state, role_ids=event.role_ids)
        case MemberRemoved():
            return Member()
        case _:
            assert_never(event)


MEMBER: Aggregate[Member] = Aggregate("member", Member(), evolve, (MemberAdded, MemberRolesChanged, MemberRemoved))
