"""A role: a named set of permissions of a tenant. Rules name roles by key."""

from dataclasses import dataclass, replace
from typing import assert_never
from uuid import UUID, uuid5

from domain.facts import Aggregate, Claim, Decided, Event, EventType, Fact, FieldError, NotFound, RuleViolation, View
from domain.names import require_role_key, require_text
from domain.permission import PERMISSIONS, require_granted, require_within
from domain.wording import plural

ROLE_KEY = "role.key"
"""The scope of the claims on roles' keys."""


@dataclass(frozen=True)
class RoleCreated(Event):
    key: str
    name: str
    permissions: tuple[str, ...]
    description: str | None = None
    is_system: bool = False


@dataclass(frozen=True)
class RoleChanged(Event):
    name: str
    permissions: tuple[str, ...]
    description: str | None = None


@dataclass(frozen=True)
class RoleDeleted(Event):
    key: str


RoleEvent = RoleCreated | RoleChanged | RoleDeleted


@dataclass(frozen=True)
class Role:
    exists: bool = False
    key: str = ""
    name: str = ""
    description: str | None = None
    permissions: frozenset[str] = frozenset()
    is_system: bool = False


def evolve(state: Role, event: RoleEvent) -> Role:
    match event:
        case RoleCreated():
            return Role(True, event.key, event.name, event.description, frozenset(event.permissions), event.is_system)
        case RoleChanged():
            return replace(state, name=event.name, description=event.description, permissions=frozenset(event.permissions))
        case RoleDeleted():
            return Role()
        case _:
            assert_never(event)


ROLE: Aggregate[Role] = Aggregate(
    "role",
    Role(),
    evolve,
    (
        EventType(
            RoleCreated,
            "role.created.v1",
            lambda e, _: f"The role {e.key} was created, with {plural(len(e.permissions), 'permission')}.",
        ),
        EventType(
            RoleChanged,
            "role.changed.v1",
            lambda e, role: f"The role {role.name} was changed, to {plural(len(e.permissions), 'permission')}.",
            changes=lambda e: {"name": e.name, "description": e.description},
        ),
        EventType(RoleDeleted, "role.deleted.v1", lambda e, _: f"The role {e.key} was deleted.", severity="warning"),
    ),
    "access",
)


class RoleExists(RuleViolation):
    """A role with this id exists already."""

    code = "role_exists"


class SystemRole(RuleViolation):
    """Roles that come with every tenant can't be changed or deleted."""

    code = "system_role"


_READS = ("workflows:read", "executions:read", "approvals:read", "ai_tasks:read", "prompts:read", "budgets:read", "jobs:read")

_NOBODYS = ("approvals:override_own",)
"""What no role is seeded with: the platform gives it, to a role of the tenant's own."""
_OWNERS = ("users:act_as", "events:backdate", "approvals:override", *_NOBODYS)

SEEDED_ROLES: dict[str, tuple[str, tuple[str, ...]]] = {
    "owner": ("Owner", tuple(key for key in PERMISSIONS if key not in _NOBODYS)),
    "admin": ("Admin", tuple(key for key in PERMISSIONS if key not in _OWNERS)),
    "designer": (
        "Designer",
        (
            *(*_READS, "workflows:write", "workflows:publish", "executions:start", "secrets:read"),
            *("prompts:write", "prompts:publish"),
            *("approvals:request", "ai_tasks:run", "notifications:read", "notifications:manage", "ai_models:read"),
        ),
    ),
    "operator": (
        "Operator",
        (
            *(*_READS, "executions:start", "executions:control", "ai_tasks:control", "approvals:manage", "secrets:read"),
            *("approvals:request", "ai_tasks:run", "notifications:read", "ai_models:read"),
            *("jobs:enqueue", "jobs:control"),
        ),
    ),
    "approver": ("Approver", ("workflows:read", "executions:read", "approvals:read", "approvals:decide")),
    "analyst": ("Analyst", (*_READS, "audit:read", "users:read", "events:read", "query:run")),
    "viewer": ("Viewer", _READS),
}
"""Key to name and permissions: the roles that every tenant begins with."""


def role_id_of(tenant_id: UUID, key: str) -> UUID:
    """The id of a seeded role follows from tenant and key, so that seeding twice is seeding once."""
    return uuid5(tenant_id, f"role:{key}")


def create(
    view: View,
    role_id: UUID,
    key: str,
    name: str,
    permissions: tuple[str, ...],
    description: str | None = None,
    is_system: bool = False,
    granted: frozenset[str] | None = None,
) -> Decided:
    """Create a role; its key is claimed in the tenant. `granted`: what its maker may give away (None: everything)."""
    require_role_key(key, "/key")
    require_text(name, "/name")
    require_granted(permissions, granted)
    if view.read(ROLE, role_id).exists:
        raise RoleExists
    event = RoleCreated(key, name, tuple(dict.fromkeys(permissions)), description, is_system)
    return _answer(view, role_id, Role(), event, claims=(Claim(ROLE_KEY, key, role_id, "/key"),))


def change(
    view: View,
    role_id: UUID,
    name: str,
    permissions: tuple[str, ...],
    description: str | None,
    granted: frozenset[str] | None = None,
) -> Decided:
    """Change a role. What is new in its permissions, and what goes, is its changer's own (`granted`; None: everything)."""
    state = _own(view, role_id)
    require_text(name, "/name")
    require_granted(permissions, None if granted is None else granted | state.permissions)
    require_within(state.permissions - set(permissions), granted)
    event = RoleChanged(name, tuple(dict.fromkeys(permissions)), description)
    return _answer(view, role_id, state, None if evolve(state, event) == state else event)


def bring_up_to_date(view: View) -> Decided:
    """Seed the roles of a tenant that are missing, and give those that an earlier release seeded what they have today."""
    facts: list[Fact] = []
    claims: list[Claim] = []
    for key, (name, permissions) in SEEDED_ROLES.items():
        role_id = role_id_of(view.tenant_id, key)
        state = view.read(ROLE, role_id)
        if not state.exists:
            if view.owner(ROLE_KEY, key) is not None:
                continue  # a role of the tenant's own had this name before there was one that is seeded
            decided = create(view, role_id, key, name, permissions, is_system=True)
            facts.extend(decided.facts)
            claims.extend(decided.claims)
        elif (state.name, state.permissions) != (name, frozenset(permissions)):
            facts.append(Fact(role_id, RoleChanged(name, permissions, state.description)))
    return Decided(tuple(facts), tuple(claims))


class RoleInUse(RuleViolation):
    """Open requests or published definitions name this role."""

    code = "role_in_use"


def delete(view: View, role_id: UUID, granted: frozenset[str] | None = None, uses: tuple[str, ...] = ()) -> Decided:
    """Delete a role. Members who had it simply lack it from then on; its key may be used again.

    `uses`: what names it, in words; none where it is to be deleted all the same.
    """
    state = _own(view, role_id)
    require_within(state.permissions, granted)
    if uses:
        told = tuple(FieldError("force", RoleInUse.code, each) for each in uses)
        raise RoleInUse("The following need this role. Use force=true to delete it anyway.", errors=told)
    return _answer(view, role_id, state, RoleDeleted(state.key), releases=(Claim(ROLE_KEY, state.key, role_id),))


def _own(view: View, role_id: UUID) -> Role:
    state = view.read(ROLE, role_id)
    if not state.exists:
        raise NotFound
    if state.is_system:
        raise SystemRole
    return state


def _answer(
    view: View,
    role_id: UUID,
    state: Role,
    event: RoleEvent | None,
    claims: tuple[Claim, ...] = (),
    releases: tuple[Claim, ...] = (),
) -> Decided:
    after = state if event is None else evolve(state, event)
    result = {
        "id": str(role_id),
        "key": after.key or state.key,
        "name": after.name or state.name,
        "description": after.description,
        "permissions": sorted(after.permissions),
        "version": view.version(role_id) + (event is not None),
    }
    return Decided(() if event is None else (Fact(role_id, event),), claims, releases, result)
