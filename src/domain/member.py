"""A user's membership of a tenant: the roles it carries, whom they report to, what else is known of them.

Lives in the tenant's ledger; its stream id is the user's id.
"""

from dataclasses import dataclass, field, replace
from typing import assert_never
from uuid import UUID

from domain.facts import (
    Aggregate,
    Decided,
    Event,
    EventType,
    Fact,
    FieldError,
    Invalid,
    Json,
    NotFound,
    RuleViolation,
    View,
)
from domain.permission import require_within
from domain.role import ROLE, role_id_of
from domain.wording import because, plural


@dataclass(frozen=True)
class MemberAdded(Event):
    """`platform_position`: the platform ledger's position at which the user was known to exist; projectors wait for it."""

    user_id: UUID
    role_ids: tuple[UUID, ...]
    platform_position: int
    invited_by: UUID | None = None
    by_platform: bool = False
    """Added at once, without being asked."""
    invitation_id: UUID | None = None
    """The invitation that they accepted."""


@dataclass(frozen=True)
class MemberRolesChanged(Event):
    user_id: UUID
    role_ids: tuple[UUID, ...]


@dataclass(frozen=True)
class MemberChanged(Event):
    """Whom they report to, and their attributes: both as they are from now on."""

    user_id: UUID
    manager_id: UUID | None = None
    attributes: Json = field(default_factory=dict)


@dataclass(frozen=True)
class MemberSuspended(Event):
    user_id: UUID
    reason: str | None = None


@dataclass(frozen=True)
class MemberReactivated(Event):
    user_id: UUID
    reason: str | None = None


@dataclass(frozen=True)
class MemberRemoved(Event):
    user_id: UUID
    reason: str | None = None


MemberEvent = MemberAdded | MemberRolesChanged | MemberChanged | MemberSuspended | MemberReactivated | MemberRemoved


@dataclass(frozen=True)
class Member:
    """`active`: a member who is not suspended. `term`: how often they became a member; a key is of one term. `suspensions`: how
    often they were suspended in this term.

    `manager_id`: whom they report to. Who was removed keeps it: their reports go to the next one above (`domain.profile`).
    """

    active: bool = False
    suspended: bool = False
    role_ids: tuple[UUID, ...] = ()
    term: int = 0
    manager_id: UUID | None = None
    attributes: Json = field(default_factory=dict)
    suspensions: int = 0

    @property
    def belongs(self) -> bool:
        return self.active or self.suspended


def evolve(state: Member, event: MemberEvent) -> Member:
    match event:
        case MemberAdded():
            return Member(active=True, role_ids=event.role_ids, term=state.term + 1)
        case MemberRolesChanged():
            return replace(state, role_ids=event.role_ids)
        case MemberChanged():
            return replace(state, manager_id=event.manager_id, attributes=event.attributes)
        case MemberSuspended():
            return replace(state, active=False, suspended=True, suspensions=state.suspensions + 1)
        case MemberReactivated():
            return replace(state, active=True, suspended=False)
        case MemberRemoved():
            return Member(term=state.term, manager_id=state.manager_id)
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
            lambda e, _: (
                f"A member was added{' by the platform' if e.by_platform else ''}, with {plural(len(e.role_ids), 'role')}."
            ),
            note="`platform_position`: where the platform's ledger knew the user. Its v1 had none and stays readable. "
            "`by_platform`: at once, unasked; `invitation_id`: the one that they accepted.",
        ),
        EventType(
            MemberRolesChanged,
            "member.roles_changed.v1",
            lambda e, _: f"A member was given {plural(len(e.role_ids), 'role')}.",
        ),
        EventType(
            MemberChanged,
            "member.changed.v1",
            lambda e, _: (
                f"A member {'reports to nobody' if e.manager_id is None else 'reports to another'}, "
                f"with {plural(len(e.attributes), 'attribute')}."
            ),
            changes=lambda e: {"manager_id": None if e.manager_id is None else str(e.manager_id), "attributes": e.attributes},
            note="Whom they report to, and their attributes, both in whole.",
        ),
        EventType(
            MemberSuspended,
            "member.suspended.v1",
            lambda e, _: f"A member was suspended{because(e.reason)}.",
            severity="warning",
            changes=lambda _e: {"status": "suspended"},
            note="No rights at all until it is reactivated.",
        ),
        EventType(
            MemberReactivated,
            "member.reactivated.v1",
            lambda e, _: f"A member was reactivated{because(e.reason)}.",
            changes=lambda _e: {"status": "active"},
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


class MemberAlready(RuleViolation):
    """The member is in this state already."""

    code = "member_already"


class LastOwner(RuleViolation):
    """This is the tenant's last owner: make somebody else an owner first."""

    code = "last_owner"


def add(
    view: View,
    user_id: UUID,
    role_ids: tuple[UUID, ...],
    platform_position: int,
    invited_by: UUID | None = None,
    granted: frozenset[str] | None = None,
    *,
    by_platform: bool = False,
    invitation_id: UUID | None = None,
) -> Decided:
    """Make a user a member. That the user exists was read in the platform ledger, at `platform_position`.

    `granted`: the permissions that whoever adds them may give away (None: everything).
    """
    if view.read(MEMBER, user_id).belongs:
        raise AlreadyAMember
    roles = roles_given(view, role_ids, granted)
    return answered(view, user_id, MemberAdded(user_id, roles, platform_position, invited_by, by_platform, invitation_id))


def change_roles(
    view: View,
    user_id: UUID,
    role_ids: tuple[UUID, ...],
    granted: frozenset[str] | None = None,
    owners: tuple[UUID, ...] = (),
) -> Decided:
    """Give a member other roles. Those that are new carry no more than `granted` (None: everything).

    `owners`, here and below: those who may be owners, too, for the last one stays. Each is read before it counts.
    """
    state = existing(view, user_id)
    roles = roles_given(view, role_ids, granted, state.role_ids)
    if not set(state.role_ids) <= set(roles):
        require_within(permissions_of(view, state), granted)
    if _owner_role(view) not in roles:
        _require_another_owner(view, user_id, state, owners)
    return answered(view, user_id, *((MemberRolesChanged(user_id, roles),) if set(roles) != set(state.role_ids) else ()))


def suspend(
    view: View,
    user_id: UUID,
    reason: str | None = None,
    granted: frozenset[str] | None = None,
    owners: tuple[UUID, ...] = (),
) -> Decided:
    """Take all rights from a member, until they are reactivated; they keep their roles."""
    state = existing(view, user_id)
    if state.suspended:
        raise MemberAlready("The member is suspended already.")
    require_within(permissions_of(view, state), granted)
    _require_another_owner(view, user_id, state, owners)
    return answered(view, user_id, MemberSuspended(user_id, reason))


def reactivate(view: View, user_id: UUID, reason: str | None = None, granted: frozenset[str] | None = None) -> Decided:
    """Give a suspended member their rights back: no more than one has oneself."""
    state = existing(view, user_id)
    if not state.suspended:
        raise MemberAlready("The member is active already.")
    require_within(permissions_of(view, state), granted)
    return answered(view, user_id, MemberReactivated(user_id, reason))


def remove(
    view: View,
    user_id: UUID,
    reason: str | None = None,
    granted: frozenset[str] | None = None,
    owners: tuple[UUID, ...] = (),
) -> Decided:
    state = existing(view, user_id)
    require_within(permissions_of(view, state), granted)
    _require_another_owner(view, user_id, state, owners)
    return answered(view, user_id, MemberRemoved(user_id, reason))


def may(view: View, user_id: UUID, permission: str) -> bool:
    """Whether an active member has it."""
    member = view.read(MEMBER, user_id)
    return member.active and permission in permissions_of(view, member)


def permissions_of(view: View, state: Member) -> frozenset[str]:
    """What a member's roles permit."""
    return frozenset[str]().union(*(view.read(ROLE, role_id).permissions for role_id in state.role_ids))


def existing(view: View, user_id: UUID) -> Member:
    state = view.read(MEMBER, user_id)
    if not state.belongs:
        raise NotFound
    return state


def _owner_role(view: View) -> UUID:
    return role_id_of(view.tenant_id, "owner")


def _require_another_owner(view: View, user_id: UUID, state: Member, owners: tuple[UUID, ...]) -> None:
    """Whoever is found to be another owner is an expectation: two owners cannot remove each other at the same time."""
    owner = _owner_role(view)
    if not state.active or owner not in state.role_ids:
        return
    for other_id in owners:
        other = view.read(MEMBER, other_id)
        if other_id != user_id and other.active and owner in other.role_ids:
            return
    raise LastOwner


def roles_given(
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


def answered(view: View, user_id: UUID, *events: MemberEvent) -> Decided:
    state = view.read(MEMBER, user_id)
    for event in events:
        state = evolve(state, event)
    result = {
        "user_id": str(user_id),
        "status": "active" if state.active else "suspended" if state.suspended else "removed",
        "role_ids": [str(role_id) for role_id in state.role_ids],
        "manager_id": None if state.manager_id is None else str(state.manager_id),
        "attributes": state.attributes,
        "version": view.version(user_id) + len(events),
    }
    return Decided(tuple(Fact(user_id, event) for event in events), result=result)
