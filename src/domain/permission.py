"""The permissions that the platform knows. Each is a stream of the platform ledger, registered once by `gesta db seed`."""

from dataclasses import dataclass
from typing import assert_never
from uuid import UUID, uuid5

from domain.envelope import PLATFORM
from domain.facts import Aggregate, Event, EventType, PermissionDenied
from domain.names import require_known


@dataclass(frozen=True)
class PermissionRegistered(Event):
    key: str
    resource: str
    action: str
    description: str


PermissionEvent = PermissionRegistered


@dataclass(frozen=True)
class Permission:
    exists: bool = False


def evolve(_state: Permission, event: PermissionEvent) -> Permission:
    match event:
        case PermissionRegistered():
            return Permission(exists=True)
        case _:
            assert_never(event)


PERMISSION: Aggregate[Permission] = Aggregate(
    "permission",
    Permission(),
    evolve,
    (
        EventType(
            PermissionRegistered,
            "permission.registered.v1",
            lambda e, _: f"The permission {e.key} was registered.",
            note="In the platform's ledger, by `gesta db seed`.",
        ),
    ),
    "system",
)


class BeyondYours(PermissionDenied):
    """You cannot take rights from others that you do not have yourself."""

    code = "beyond_yours"


def require_within(permissions: frozenset[str], granted: frozenset[str] | None) -> None:
    """Nobody takes away what goes beyond their own rights (`granted`; None: everything). Raises BeyondYours."""
    if granted is not None and not permissions <= granted:
        more = ", ".join(sorted(permissions - granted))
        raise BeyondYours(f"They have permissions that you do not have: {more}.")


def require_granted(permissions: tuple[str, ...], granted: frozenset[str] | None) -> None:
    """Nobody gives what they do not have themselves (`granted`; None: everything). Raises Invalid."""
    require_known(permissions, PERMISSIONS, "/permissions", "permission")
    if granted is not None:
        require_known(permissions, granted, "/permissions", "permission among your own called")


def permission_id(key: str) -> UUID:
    """The id of a permission follows from its key, so that seeding twice is seeding once."""
    return uuid5(PLATFORM, f"permission:{key}")


def registered(key: str, description: str) -> PermissionRegistered:
    """The event that makes a permission known; its key is `resource:action`."""
    resource, _, action = key.partition(":")
    return PermissionRegistered(key, resource, action, description)


PERMISSIONS: dict[str, str] = {
    "tenants:read": "See the tenant and its settings",
    "tenants:manage": "Change the tenant and its settings",
    "workflows:read": "See workflows and their versions",
    "workflows:write": "Draft workflow definitions",
    "workflows:publish": "Publish and archive workflows",
    "executions:read": "See executions and their history",
    "executions:start": "Start executions",
    "executions:control": "Cancel, pause, resume and signal executions",
    "approvals:read": "See approval requests",
    "approvals:request": "Ask for decisions without a workflow, and withdraw what one has asked",
    "approvals:decide": "Decide approval requests that are addressed to one",
    "approvals:manage": "Reassign and withdraw anybody's approval requests",
    "approvals:override": "Decide any approval request, whomever it asks, with a reason",
    "approvals:override_own": "Override also what one has asked for oneself",
    "ai_tasks:read": "See AI tasks and what they cost",
    "ai_tasks:run": "Ask for AI tasks without a workflow",
    "ai_tasks:control": "Cancel, retry and review AI tasks",
    "prompts:read": "See prompts and their versions",
    "prompts:write": "Draft prompts",
    "prompts:publish": "Publish, roll back and archive prompts",
    "budgets:read": "See budgets of AI tasks and what was used of them",
    "budgets:manage": "Set and remove budgets of AI tasks",
    "ai_models:read": "See providers of AI models and the names of models, never a secret",
    "ai_models:manage": "Set up providers of AI models, and give models names",
    "jobs:read": "See jobs of their own and what came of them",
    "jobs:enqueue": "Enqueue jobs of their own",
    "jobs:control": "Cancel and retry jobs of their own",
    "jobs:work": "Lease and complete jobs",
    "audit:read": "Read the audit log",
    "query:run": "Query all tables of the tenant with SQL, whatever else one may read",
    "users:read": "See users and members",
    "users:manage": "Register and change users",
    "members:manage": "Add and remove members and give them roles",
    "roles:manage": "Create and change roles",
    "api_keys:manage": "Create and revoke API keys",
    "secrets:read": "See which secrets there are, never their values",
    "secrets:manage": "Create, rotate and delete secrets",
    "notifications:read": "See notification endpoints and what was delivered to them",
    "notifications:manage": "Have events delivered to endpoints, with what they tell of executions and approvals",
    "totp:reset": "Take one-time passwords from members who lost them",
    "users:act_as": "Act on behalf of another member",
    "events:backdate": "Record events with an earlier time of occurrence",
    "events:read": "Read the event stream",
}
