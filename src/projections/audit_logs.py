"""projections.audit_logs: one row for each event. Applied before all other tables, so that it sees what was there before."""

from functools import lru_cache
from ipaddress import ip_address
from uuid import UUID, uuid5

from pydantic_core import from_json

from domain.ai_task import (
    AiTaskAttemptFailed,
    AiTaskAttemptStarted,
    AiTaskAttemptSucceeded,
    AiTaskCancelled,
    AiTaskCompleted,
    AiTaskFailed,
    AiTaskRequested,
)
from domain.api_key import ApiKeyCreated, ApiKeyRevoked
from domain.approval import ApprovalCancelled, ApprovalDecided, ApprovalExpired, ApprovalRequested, ApprovalResolved
from domain.envelope import RecordedEvent
from domain.execution import (
    ActivationCancelled,
    ActivationCompleted,
    ActivationFailed,
    ActivationRetried,
    ActivationStarted,
    ExecutionCancelled,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionHeld,
    ExecutionPaused,
    ExecutionResumed,
    ExecutionSignalled,
    ExecutionStarted,
)
from domain.facts import Event, Json
from domain.member import MemberAdded, MemberRemoved, MemberRolesChanged
from domain.permission import PermissionRegistered
from domain.refusal import CommandRefused
from domain.role import RoleChanged, RoleCreated, RoleDeleted
from domain.tenant import TenantChanged, TenantCreated, TenantReactivated, TenantSuspended
from domain.user import UserChanged, UserRegistered
from domain.workflow import WorkflowArchived, WorkflowDrafted, WorkflowPublished
from projections.audit_words import metadata, sentence, tags
from projections.rows import Rows
from projections.table import Table

NAME = "audit_logs"
SECRETS = frozenset({"secret_hash"})
REDACTED = "[redacted]"

RESOURCES: dict[type[Event], str] = {
    **dict.fromkeys((TenantCreated, TenantChanged, TenantSuspended, TenantReactivated), "tenant"),
    **dict.fromkeys((UserRegistered, UserChanged), "user"),
    PermissionRegistered: "permission",
    **dict.fromkeys((MemberAdded, MemberRolesChanged, MemberRemoved), "member"),
    **dict.fromkeys((RoleCreated, RoleChanged, RoleDeleted), "role"),
    **dict.fromkeys((ApiKeyCreated, ApiKeyRevoked), "api_key"),
    **dict.fromkeys((WorkflowDrafted, WorkflowPublished, WorkflowArchived), "workflow"),
    **dict.fromkeys(
        (
            ExecutionStarted,
            ExecutionCompleted,
            ExecutionFailed,
            ExecutionCancelled,
            ExecutionPaused,
            ExecutionResumed,
            ExecutionHeld,
            ExecutionSignalled,
            ActivationStarted,
            ActivationRetried,
            ActivationCompleted,
            ActivationFailed,
            ActivationCancelled,
        ),
        "execution",
    ),
    **dict.fromkeys((ApprovalRequested, ApprovalDecided, ApprovalResolved, ApprovalCancelled, ApprovalExpired), "approval"),
    **dict.fromkeys(
        (
            AiTaskRequested,
            AiTaskAttemptStarted,
            AiTaskAttemptSucceeded,
            AiTaskAttemptFailed,
            AiTaskCompleted,
            AiTaskFailed,
            AiTaskCancelled,
        ),
        "ai_task",
    ),
}
"""The kind of thing whose stream holds an event. An activation belongs to its execution."""

CATEGORIES = {
    "tenant": "tenant",
    "user": "access",
    "permission": "system",
    "member": "access",
    "role": "access",
    "api_key": "access",
    "workflow": "workflow",
    "execution": "workflow",
    "approval": "approval",
    "ai_task": "ai",
}

SEVERITIES: dict[type[Event], str] = {
    ActivationStarted: "debug",
    ActivationCompleted: "debug",
    ActivationFailed: "warning",
    ActivationRetried: "warning",
    ExecutionHeld: "debug",
    ApprovalExpired: "warning",
    AiTaskAttemptStarted: "debug",
    AiTaskAttemptFailed: "warning",
    AiTaskFailed: "error",
    ExecutionFailed: "error",
    TenantSuspended: "warning",
    MemberRemoved: "warning",
    ApiKeyRevoked: "warning",
    RoleDeleted: "warning",
    CommandRefused: "warning",
}
"""Everything else is info."""


def happened(rows: Rows, record: RecordedEvent, event: Event) -> None:
    resource = RESOURCES[type(event)]
    about = {
        "action": record.topic.rsplit(".", 1)[0],
        "outcome": "accepted",
        "resource": resource,
        "resource_id": record.stream_id,
        "resource_version": record.version,
        "category": CATEGORIES[resource],
    }
    _insert(rows, record, about)


def refused(rows: Rows, record: RecordedEvent, event: CommandRefused) -> None:
    about = {
        "action": event.command,
        "outcome": "refused",
        "resource": event.resource,
        "resource_id": as_uuid(event.resource_id),
        "resource_version": None,
        "category": CATEGORIES.get(event.resource or "", "system"),
    }
    _insert(rows, record, about)


def _insert(rows: Rows, record: RecordedEvent, about: dict[str, Json]) -> None:
    envelope = record.envelope
    row = {
        "position": record.position,
        "event_id": event_id(record.tenant_id, record.position),
        "user_id": envelope.user_id,
        "actor_type": envelope.actor_type,
        "actor_id": envelope.actor_id,
        "on_behalf_of": envelope.on_behalf_of,
        **about,
        "description": sentence(rows, record),
        "severity": SEVERITIES.get(type(record.event), "info"),
        "ip_address": as_address(envelope.ip),
        "user_agent": envelope.user_agent,
        "metadata": metadata(rows, record),
        "payload": payload(record),
        "tags": tags(rows, record),
        "command_id": record.command_id,
        "correlation_id": envelope.correlation_id,
        "causation_id": envelope.causation_id,
        "reason": envelope.reason,
        "occurred_at": record.occurred_at,
        "recorded_at": record.recorded_at,
    }
    rows.insert(NAME, record, row)


def event_id(tenant_id: UUID, position: int) -> UUID:
    return uuid5(tenant_id, str(position))


def payload(record: RecordedEvent) -> dict[str, Json]:
    """The event as it was written, so that a later release does not change what the log says of it; without its secrets."""
    return {name: REDACTED if name in SECRETS else value for name, value in from_json(record.payload).items()}


@lru_cache(maxsize=4096)
def as_address(text: str | None) -> str | None:
    """An IP address in its normal form, without the zone that inet does not know; None for anything else."""
    if text is None:
        return None
    try:
        return str(ip_address(text.partition("%")[0]))
    except ValueError:
        return None


def as_uuid(text: str | None) -> UUID | None:
    if text is None:
        return None
    try:
        return UUID(text)
    except ValueError:
        return None


TABLE = Table(
    name=NAME,
    key=("tenant_id", "position"),
    own={
        "tenant_id": "uuid",
        "position": "bigint",
        "event_id": "uuid",
        "user_id": "uuid",
        "actor_type": "text",
        "actor_id": "text",
        "on_behalf_of": "uuid",
        "action": "text",
        "outcome": "text",
        "resource": "text",
        "resource_id": "uuid",
        "resource_version": "bigint",
        "description": "text",
        "category": "text",
        "severity": "text",
        "ip_address": "inet",
        "user_agent": "text",
        "metadata": "jsonb",
        "payload": "jsonb",
        "tags": "text[]",
        "command_id": "uuid",
        "correlation_id": "uuid",
        "causation_id": "uuid",
        "reason": "text",
        "occurred_at": "timestamptz",
        "recorded_at": "timestamptz",
    },
    on={**dict.fromkeys(RESOURCES, happened), CommandRefused: refused},
)
