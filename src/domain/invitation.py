"""An invitation: an address that a tenant would have as a member, until its owner answers. Lives in the tenant's ledger.

Users belong to themselves: a tenant makes nobody a member who did not accept, and learns nothing of an address before. So an
invitation has an id of its own, and nobody looks whether there is a user of that address until somebody answers who is that user.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, assert_never
from uuid import UUID

from domain import member
from domain.access import SuspendedTenant
from domain.facts import Aggregate, Claim, Decided, Event, EventType, Fact, Invalid, Json, NotFound, RuleViolation, View
from domain.member import MEMBER, permissions_of
from domain.names import require_email
from domain.role import ROLE
from domain.user import User
from domain.wording import because, plural

VALID_FOR = timedelta(days=14)
"""Unless its maker says otherwise."""
SCOPE = "invitation.email"


@dataclass(frozen=True)
class InvitationMade(Event):
    """`invited_by`: the person who made it, with whom it ends."""

    email: str
    role_ids: tuple[UUID, ...]
    expires_at: datetime
    invited_by: UUID | None = None


@dataclass(frozen=True)
class InvitationAccepted(Event):
    """`by_platform`: the platform did it for the user."""

    user_id: UUID
    by_platform: bool


@dataclass(frozen=True)
class InvitationDeclined(Event):
    by_platform: bool


@dataclass(frozen=True)
class InvitationWithdrawn(Event):
    reason: str | None = None


InvitationEvent = InvitationMade | InvitationAccepted | InvitationDeclined | InvitationWithdrawn


@dataclass(frozen=True)
class Invitation:
    status: Literal["absent", "pending", "accepted", "declined", "withdrawn"] = "absent"
    email: str = ""
    role_ids: tuple[UUID, ...] = ()
    expires_at: datetime | None = None
    invited_by: UUID | None = None


def evolve(state: Invitation, event: InvitationEvent) -> Invitation:
    match event:
        case InvitationMade():
            return Invitation("pending", event.email, event.role_ids, event.expires_at, event.invited_by)
        case InvitationAccepted():
            return replace(state, status="accepted")
        case InvitationDeclined():
            return replace(state, status="declined")
        case InvitationWithdrawn():
            return replace(state, status="withdrawn")
        case _:
            assert_never(event)


def _by(by_platform: bool) -> str:
    return " by the platform" if by_platform else ""


INVITATION: Aggregate[Invitation] = Aggregate(
    "invitation",
    Invitation(),
    evolve,
    (
        EventType(
            InvitationMade,
            "invitation.made.v1",
            lambda e, _: f"{e.email} was invited, with {plural(len(e.role_ids), 'role')}.",
            note="An address that a tenant would have as a member. Whether it has a user, nobody looked.",
        ),
        EventType(
            InvitationAccepted,
            "invitation.accepted.v1",
            lambda e, invitation: f"The invitation of {invitation.name} was accepted{_by(e.by_platform)}.",
            changes=lambda _: {"status": "accepted"},
            note="By the user of that address, or by the platform for them (`by_platform`). `member.added` comes with it.",
        ),
        EventType(
            InvitationDeclined,
            "invitation.declined.v1",
            lambda e, invitation: f"The invitation of {invitation.name} was declined{_by(e.by_platform)}.",
            changes=lambda _: {"status": "declined"},
        ),
        EventType(
            InvitationWithdrawn,
            "invitation.withdrawn.v1",
            lambda e, invitation: f"The invitation of {invitation.name} was withdrawn{because(e.reason)}.",
            changes=lambda _: {"status": "withdrawn"},
        ),
    ),
    "access",
)


class InvitationClosed(RuleViolation):
    """The invitation is no longer pending."""

    code = "invitation_closed"


class InvitationExpired(InvitationClosed):
    """The invitation has expired."""

    code = "invitation_expired"


class InvitationVoid(RuleViolation):
    """The person who made the invitation could no longer make it."""

    code = "invitation_void"


class NoUserYet(RuleViolation):
    """No user is registered under the invited address: register one first."""

    code = "no_user_yet"


@dataclass(frozen=True)
class Answerer:
    """Who answers an invitation: the user, and the platform's position at which they were known."""

    user_id: UUID
    user: User
    position: int
    by_platform: bool


def invite(
    view: View,
    invitation_id: UUID,
    email: str,
    role_ids: tuple[UUID, ...],
    expires_at: datetime | None = None,
    invited_by: UUID | None = None,
    granted: frozenset[str] | None = None,
) -> Decided:
    """Invite an address: one invitation at a time. `granted`: what its maker may give away (None: everything)."""
    email = require_email(email, "/email")
    until = view.now + VALID_FOR if expires_at is None else expires_at
    if until <= view.now:
        raise Invalid("expires_at must be in the future.", "/expires_at")
    event = InvitationMade(email, member.roles_given(view, role_ids, granted), until, invited_by)
    made = Fact(invitation_id, event)
    claims = (Claim(SCOPE, email.lower(), invitation_id),)
    result = _described(invitation_id, evolve(Invitation(), event), 1)
    earlier = view.owner(SCOPE, email.lower())
    if earlier is None or not _expired(view, view.read(INVITATION, earlier)):
        return Decided((made,), claims, result=result)
    withdrawn = Fact(earlier, InvitationWithdrawn("expired"))
    return Decided((withdrawn, made), claims, (Claim(SCOPE, email.lower(), earlier),), result)


def accept(view: View, invitation_id: UUID, answerer: Answerer | None, tenant_active: bool = True) -> Decided:
    """Become a member, with those of the roles that there still are. None: nobody is registered under the address."""
    state, by = _answered(view, invitation_id, answerer, tenant_active)
    if state.invited_by is not None:
        inviter = view.read(MEMBER, state.invited_by)
        given = frozenset[str]().union(*(view.read(ROLE, role_id).permissions for role_id in state.role_ids))
        if not inviter.active or not given <= permissions_of(view, inviter):
            raise InvitationVoid
    roles = tuple(role_id for role_id in state.role_ids if view.read(ROLE, role_id).exists)
    added = member.add(view, by.user_id, roles, by.position, state.invited_by, invitation_id=invitation_id)
    accepted = Fact(invitation_id, InvitationAccepted(by.user_id, by.by_platform))
    return Decided((accepted, *added.facts), releases=_released(invitation_id, state), result=added.result)


def decline(view: View, invitation_id: UUID, answerer: Answerer | None, tenant_active: bool = True) -> Decided:
    state, by = _answered(view, invitation_id, answerer, tenant_active)
    return _close(view, invitation_id, state, InvitationDeclined(by.by_platform))


def withdraw(view: View, invitation_id: UUID, reason: str | None = None) -> Decided:
    state = view.read(INVITATION, invitation_id)
    if state.status == "absent":
        raise NotFound
    _require_pending(state)
    return _close(view, invitation_id, state, InvitationWithdrawn(reason))


def _answered(view: View, invitation_id: UUID, answerer: Answerer | None, tenant_active: bool) -> tuple[Invitation, Answerer]:
    """For everybody but whom it is for, there is no such invitation."""
    state = view.read(INVITATION, invitation_id)
    if state.status == "absent":
        raise NotFound
    if answerer is None:
        raise NoUserYet
    if answerer.user.email.lower() != state.email.lower():
        raise NotFound
    if not tenant_active:
        raise SuspendedTenant
    _require_pending(state)
    if _expired(view, state):
        raise InvitationExpired
    return state, answerer


def _require_pending(state: Invitation) -> None:
    if state.status != "pending":
        raise InvitationClosed(f"The invitation was {state.status}.")


def _expired(view: View, state: Invitation) -> bool:
    return state.status == "pending" and state.expires_at is not None and state.expires_at <= view.now


def _close(view: View, invitation_id: UUID, state: Invitation, event: InvitationDeclined | InvitationWithdrawn) -> Decided:
    result = _described(invitation_id, evolve(state, event), view.version(invitation_id) + 1)
    return Decided((Fact(invitation_id, event),), releases=_released(invitation_id, state), result=result)


def _released(invitation_id: UUID, state: Invitation) -> tuple[Claim, ...]:
    return (Claim(SCOPE, state.email.lower(), invitation_id),)


def _described(invitation_id: UUID, state: Invitation, version: int) -> Json:
    assert state.expires_at is not None
    return {
        "id": str(invitation_id),
        "email": state.email,
        "role_ids": [str(role_id) for role_id in state.role_ids],
        "status": state.status,
        "expires_at": state.expires_at.isoformat().replace("+00:00", "Z"),
        "version": version,
    }
