"""What a caller may do: a key's own permissions, intersected with those of its user's roles.

Called inside decisions, so that the key, the membership and the roles become expectations of the command: a right that was
withdrawn a moment ago is never used.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.api_key import API_KEY
from domain.facts import PermissionDenied, Refusal, View
from domain.member import MEMBER
from domain.role import ROLE


class KeyNotValid(Refusal):
    """The API key is unknown, revoked or expired."""

    code = "key_not_valid"


class NotAMember(PermissionDenied):
    """This user is not a member of the tenant."""

    code = "not_a_member"


@dataclass(frozen=True)
class Caller:
    """Who asks: a tenant's key, or the platform (its own key was checked where it was presented).

    `asked_at`: when, by the clock. A backdated command lives in the past; the key it came with has to be valid today.
    """

    key_id: UUID | None
    platform: bool = False
    on_behalf_of: UUID | None = None
    asked_at: datetime | None = None

    def expired(self, expires_at: datetime | None, now: datetime) -> bool:
        return expires_at is not None and expires_at <= (self.asked_at or now)


@dataclass(frozen=True)
class Rights:
    """`roles` are role keys. `user_id` is the person who acts, None for services and the platform itself."""

    user_id: UUID | None
    permissions: frozenset[str]
    roles: frozenset[str] = frozenset()
    platform: bool = False

    @property
    def granted(self) -> frozenset[str] | None:
        """What one may give away: no more than one has; the platform everything (None)."""
        return None if self.platform else self.permissions

    def allows(self, permission: str) -> bool:
        return self.platform or permission in self.permissions

    def require(self, permission: str) -> None:
        if not self.allows(permission):
            raise PermissionDenied(f"This needs the permission {permission}.")


def rights(view: View, caller: Caller) -> Rights:
    """The rights of a caller in the tenant of the view.

    Raises KeyNotValid, NotAMember, or PermissionDenied where one may not act on behalf of another.
    """
    if caller.key_id is None or caller.platform:
        own = Rights(None, frozenset(), platform=True)
    else:
        key = view.read(API_KEY, caller.key_id)
        if not key.exists or key.revoked or caller.expired(key.expires_at, view.now):
            raise KeyNotValid
        own = Rights(None, key.permissions)
        if key.user_id is not None:
            member = _member(view, key.user_id)
            own = Rights(key.user_id, key.permissions & member.permissions, member.roles)
    if caller.on_behalf_of is None:
        return own
    own.require("users:act_as")
    return _member(view, caller.on_behalf_of)


def _member(view: View, user_id: UUID) -> Rights:
    member = view.read(MEMBER, user_id)
    if not member.active:
        raise NotAMember
    roles = [role for role in (view.read(ROLE, role_id) for role_id in member.role_ids) if role.exists]
    return Rights(
        user_id,
        frozenset().union(*(role.permissions for role in roles)),
        frozenset(role.key for role in roles),
    )
