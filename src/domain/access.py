"""What a caller may do: a key's own permissions, intersected with those of its user's roles.

Called inside decisions, so that the key, the membership and the roles become expectations of the command: a right that was
withdrawn a moment ago is never used. What the platform's ledger says of the tenant, of the people and of the platform's keys
cannot be an expectation of a tenant's ledger: it is read when the command comes in, and handed to the decision.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar
from uuid import UUID

from domain.api_key import API_KEY, ApiKey
from domain.changes import changed
from domain.envelope import PLATFORM
from domain.facts import Aggregate, NotFound, PermissionDenied, Refusal, View
from domain.member import MEMBER
from domain.permission import PERMISSIONS
from domain.role import ROLE
from domain.tenant import TENANT
from domain.user import USER

S = TypeVar("S")


class KeyNotValid(Refusal):
    """The API key is not valid."""

    code = "key_not_valid"


class NotAMember(PermissionDenied):
    """This user is not a member of the tenant."""

    code = "not_a_member"


class SuspendedMember(PermissionDenied):
    """This member is suspended."""

    code = "member_suspended"


class DeactivatedUser(PermissionDenied):
    """This user is deactivated."""

    code = "user_deactivated"


class SuspendedTenant(PermissionDenied):
    """The tenant is suspended."""

    code = "tenant_suspended"


class PlatformOnly(PermissionDenied):
    """Only the platform may do this."""

    code = "platform_only"


STAYS_POSSIBLE = frozenset({"tenants:manage", "users:manage", "members:manage", "roles:manage", "api_keys:manage"})
"""What the platform may still do in a suspended tenant: put in order who may what."""


class Platform(Protocol):
    """What is known of the platform's ledger."""

    def read(self, aggregate: Aggregate[S], stream_id: UUID) -> S: ...


@dataclass(frozen=True)
class Caller:
    """Who asks: a key of a tenant or of the platform; without a key the platform itself, from its own command line.

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
    everything: bool = False
    """Also what only a newer release knows of."""
    delegated: bool = False
    """Somebody acts on behalf of `user_id`."""
    behind: frozenset[UUID] = frozenset()
    """Who that is: the person whose key it is, or to whom the service belongs. Of a service in its own name: its owner."""
    acting: UUID | None = None
    """The person, where it is the key of one: what they have chosen in another's name is their say as well."""
    suspended: bool = False
    """The tenant is; only the platform comes this far."""

    @property
    def people(self) -> tuple[UUID, ...]:
        """Who acts, and who does so in fact."""
        return (*(() if self.user_id is None else (self.user_id,)), *sorted(self.behind))

    @property
    def granted(self) -> frozenset[str] | None:
        """What one may give away: no more than one has; None: everything."""
        return None if self.everything else self.permissions

    def allows(self, permission: str) -> bool:
        return permission in self.permissions

    def require(self, permission: str) -> None:
        if not self.allows(permission):
            raise PermissionDenied(f"This needs the permission {permission}.")

    def require_command(self, permission: str | None) -> None:
        """For what changes something: there is less of it in a suspended tenant. None: it needs no permission."""
        if self.suspended and permission not in STAYS_POSSIBLE:
            raise SuspendedTenant
        if permission is not None:
            self.require(permission)

    def require_platform(self, why: str) -> None:
        if not self.platform:
            raise PlatformOnly(why)


@dataclass(frozen=True)
class Asking:
    """Who asks for a command, as its decision found them. `platform`: what is known of the platform's ledger."""

    caller: Caller
    who: Rights
    platform: Platform


def rights(view: View, caller: Caller, platform: Platform) -> Rights:
    """The rights of a caller in the ledger of the view.

    Raises KeyNotValid; NotAMember, SuspendedMember, DeactivatedUser, SuspendedTenant; PermissionDenied where one may not act on
    behalf of another; NotFound where there is no such tenant.
    """
    if caller.key_id is None:
        return Rights(None, frozenset(PERMISSIONS), platform=True, everything=True)
    key = valid_key(view, caller, platform)
    suspended = _suspended(view, platform)
    if suspended and not caller.platform:
        raise SuspendedTenant
    own = _own(view, key, caller, platform)
    on_behalf_of = key.on_behalf_of or caller.on_behalf_of
    if on_behalf_of is None:
        return changed(own, suspended=suspended)
    if caller.on_behalf_of not in (None, on_behalf_of):
        raise PermissionDenied("This key may act only on behalf of another member.")
    own.require("users:act_as")
    other = _member(view, on_behalf_of, key.on_behalf_term, platform)
    behind = frozenset(whose for whose in (key.user_id, key.owner_id) if whose is not None)
    may = own.permissions & other.permissions
    return Rights(on_behalf_of, may, other.roles, delegated=True, behind=behind, acting=key.user_id, suspended=suspended)


def standing(view: View, user_id: UUID, platform: Platform) -> Rights:
    """What a member may do, whoever asks. Raises NotAMember, SuspendedMember, DeactivatedUser."""
    return _member(view, user_id, None, platform)


def valid_key(view: View, caller: Caller, platform: Platform) -> ApiKey:
    """The caller's key. Raises KeyNotValid: it is unknown, revoked or expired, or the one that made it is no more."""
    assert caller.key_id is not None
    ledger: Platform = platform if caller.platform else view
    key = one = ledger.read(API_KEY, caller.key_id)
    if not key.exists or key.revoked or caller.expired(key.expires_at, view.now):
        raise KeyNotValid
    while one.made_by is not None:  # a key ends with the one that made it; none can be valid for longer
        if one.by_platform:
            ledger = platform
        one = ledger.read(API_KEY, one.made_by)
        if one.revoked and one.keeps_made:
            break
        if one.revoked:
            raise KeyNotValid
    return key


def _suspended(view: View, platform: Platform) -> bool:
    if view.tenant_id == PLATFORM:
        return False
    tenant = platform.read(TENANT, view.tenant_id)
    if not tenant.exists:
        raise NotFound
    return not tenant.active


def _own(view: View, key: ApiKey, caller: Caller, platform: Platform) -> Rights:
    """What the key may do by itself. A service's is limited by its owner, with whom it ends."""
    if caller.platform:
        return Rights(None, key.allowed, platform=True, everything=key.all_permissions)
    if key.user_id is not None:
        member = _member(view, key.user_id, key.term, platform)
        return Rights(key.user_id, key.allowed & member.permissions, member.roles)
    if key.owner_id is not None:
        owner = _member(view, key.owner_id, key.term, platform)
        return Rights(None, key.allowed & owner.permissions, behind=frozenset((key.owner_id,)))
    return Rights(None, key.allowed)


def _member(view: View, user_id: UUID, term: int | None, platform: Platform) -> Rights:
    """`term`: the membership that a key is of; None for any."""
    member = view.read(MEMBER, user_id)
    if member.suspended:
        raise SuspendedMember
    if not member.active:
        raise NotAMember
    if term is not None and member.term != term:
        raise KeyNotValid
    user = platform.read(USER, user_id)
    if user.exists and not user.active:
        raise DeactivatedUser
    roles = [role for role in (view.read(ROLE, role_id) for role_id in member.role_ids) if role.exists]
    return Rights(
        user_id,
        frozenset().union(*(role.permissions for role in roles)),
        frozenset(role.key for role in roles),
    )
