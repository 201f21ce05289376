"""A user's membership of a tenant and the roles it carries. Lives in the tenant's ledger; its stream id is the user's id."""

from dataclasses import dataclass, replace
from typing import assert_never
from uuid import UUID

from domain.facts import Aggregate, Decided, Event, EventType, Fact, FieldError, Invalid, NotFound, RuleViolation, View
from domain.role import ROLE
from domain.wording import because, plural


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


MEMBER: Aggregate[Member] = Aggregate(
    "member",
    Member(),
    evolve,
    (
        EventType(
            MemberAdded,
            "member.added.v2",
            lambda e, _: f"A member was added, with {plural(len(e.role_ids), 'role')}.",
            note="`platform_position`: where the platform's ledger knew the user. Its v1 had none and stays readable.",
        ),
        EventType(
            MemberRolesChanged,
            "member.roles_changed.v1",
            lambda e, _: f"A member was given {plural(len(e.role_ids), 'role')}.",
        ),
        EventType(
            MemberRemoved, "member.removed.v1", lambda e, _: f"A member was removed{because(e.reason)}.", severity="warning"
        ),
    ),
    "access",
)


class AlreadyAMember(RuleViolation):
    """This user is a member already."""

    code = "already_a_member"


def add(
    view: View,
    user_id: UUID,
    role_ids: tuple[UUID, ...],
    platform_position: int,
    invited_by: UUID | None = None,
    granted: frozenset[str] | None = None,
) -> Decided:
    """Make a user a member. That the user exists was read in the platform ledger, at `platform_position`.

    `granted`: the permissions that whoever adds them may give away (None: everything).
    """
    if view.read(MEMBER, user_id).active:
        raise AlreadyAMember
    roles = _roles(view, role_ids, granted)
    return _answer(view, user_id, MemberAdded(user_id, roles, platform_position, invited_by), roles)


def change_roles(view: View, user_id: UUID, role_ids: tuple[UUID, ...], granted: frozenset[str] | None = None) -> Decided:
    """Give a member other roles. Those that are new carry no more than `granted` (None: everything)."""
    kept = _existing(view, user_id).role_ids
    roles = _roles(view, role_ids, granted, kept)
    return _answer(view, user_id, MemberRolesChanged(user_id, roles), roles)


def remove(view: View, user_id: UUID, reason: str | None = None) -> Decided:
    _existing(view, user_id)
    return _answer(view, user_id, MemberRemoved(user_id, reason), ())


def _existing(view: View, user_id: UUID) -> Member:
    state = view.read(MEMBER, user_id)
    if not state.active:
        raise NotFound
    return state


def _roles(
    view: View, role_ids: tuple[UUID, ...], granted: frozenset[str] | None, kept: tuple[UUID, ...] = ()
) -> tuple[UUID, ...]:
    """The role ids without repetitions. Each must exist in this tenant and, unless kept, carry only what may be given away."""
    unique = tuple(dict.fromkeys(role_ids))
    faults = []
    for role_id in unique:
        path = f"/role_ids/{role_ids.index(role_id)}"
        state = view.read(ROLE, role_id)
        if not state.exists:
            faults.append(FieldError(path, "unknown", f"There is no role {role_id} here."))
        elif granted is not None and role_id not in kept and not state.permissions <= granted:
            more = ", ".join(sorted(state.permissions - granted))
            faults.append(FieldError(path, "not_yours", f"The role {state.key} carries more than you may give: {more}."))
    if faults:
        raise Invalid("These roles cannot be given.", "/role_ids", tuple(faults))
    return unique


def _answer(view: View, user_id: UUID, event: MemberEvent, role_ids: tuple[UUID, ...]) -> Decided:
    result = {
        "user_id": str(user_id),
        "status": "removed" if isinstance(event, MemberRemoved) else "active",
        "role_ids": [str(role_id) for role_id in role_ids],
        "version": view.version(user_id) + 1,
    }
    return Decided((Fact(user_id, event),), result=result)
