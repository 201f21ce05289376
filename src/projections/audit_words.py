"""What the audit log says of an event in words: a sentence, what was before and after, words to find it by.

The rows are those before the event: a tenant's old name, an approval's title, an execution's number.
"""

from typing import Any

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
from domain.facts import Json
from domain.member import MemberAdded, MemberRemoved, MemberRolesChanged
from domain.permission import PermissionRegistered
from domain.refusal import CommandRefused
from domain.role import RoleChanged, RoleCreated, RoleDeleted
from domain.tenant import TenantChanged, TenantCreated, TenantReactivated, TenantSuspended
from domain.user import UserChanged, UserRegistered
from domain.workflow import WorkflowArchived, WorkflowDrafted, WorkflowPublished
from projections.rows import Rows
from projections.table import Row


def sentence(rows: Rows, record: RecordedEvent) -> str:
    """What happened, for people."""
    event: Any = record.event
    match event:
        case ExecutionStarted():
            return f"An execution of {event.workflow_key} (version {event.workflow_version}) was started."
        case ActivationStarted():
            return f"{_execution(rows, record)} entered {event.node_id}."
        case ActivationRetried():
            said = f"{event.error.type}, {event.error.message}"
            return f"{_execution(rows, record)} tries {event.node_id} again: attempt {event.attempt} failed ({said})."
        case ActivationCompleted():
            by = f" by {event.handle}" if event.handle is not None else ""
            return f"{_execution(rows, record)} left {event.node_id}{by}."
        case ActivationFailed():
            return f"{_execution(rows, record)} failed at {event.node_id}: {event.error.message}"
        case ActivationCancelled():
            return f"{_execution(rows, record)} gave up {event.node_id}: {event.reason}"
        case ExecutionCompleted():
            return f"{_execution(rows, record)} completed."
        case ExecutionFailed():
            return f"{_execution(rows, record)} failed: {event.message}"
        case ExecutionCancelled():
            return f"{_execution(rows, record)} was cancelled{_because(event.reason)}."
        case ExecutionPaused():
            return f"{_execution(rows, record)} was paused{_because(event.reason)}."
        case ExecutionResumed():
            return f"{_execution(rows, record)} was resumed{_because(event.reason)}."
        case ExecutionHeld():
            return f"{_execution(rows, record)} holds {_plural(len(event.tokens), 'token')} back until it goes on."
        case ExecutionSignalled():
            return f"{_execution(rows, record)} got the signal {event.name}."
        case ApprovalRequested():
            return f"A decision was asked for: {event.title}"
        case ApprovalDecided():
            role = f" as {event.role}" if event.role else ""
            return f"A member decided{role}, {event.outcome}: {_title(rows, record)}"
        case ApprovalResolved():
            return f"The request was resolved, {event.outcome}: {_title(rows, record)}"
        case ApprovalCancelled():
            return f"The request was cancelled{_because(event.reason)}: {_title(rows, record)}"
        case ApprovalExpired():
            return f"Nobody decided in time: {_title(rows, record)}"
        case CommandRefused():
            return f"{event.command} was refused ({event.code}): {event.message}"
        case _:
            return _sentence_of_ai(rows, record) or _sentence_of_access(rows, record)


def _sentence_of_ai(rows: Rows, record: RecordedEvent) -> str | None:
    event: Any = record.event
    match event:
        case AiTaskRequested():
            return f"An AI task was requested of {event.model}: {event.task_name}"
        case AiTaskAttemptStarted():
            return f"Attempt {event.number} was started, {_model(event)}: {_task(rows, record)}"
        case AiTaskAttemptSucceeded():
            return f"Attempt {event.number} succeeded after {event.latency_ms} ms, {_model(event)}: {_task(rows, record)}"
        case AiTaskAttemptFailed():
            again = "" if event.retry_at is None else ", another one follows"
            return f"Attempt {event.number} failed ({_said(event)}){again}: {_task(rows, record)}"
        case AiTaskCompleted():
            return f"The AI task was completed, with {_plural(event.totals.attempts, 'attempt')}: {_task(rows, record)}"
        case AiTaskFailed():
            return f"The AI task failed ({_said(event)}): {_task(rows, record)}"
        case AiTaskCancelled():
            return f"The AI task was cancelled{_because(event.reason)}: {_task(rows, record)}"
        case _:
            return None


def _sentence_of_access(rows: Rows, record: RecordedEvent) -> str:
    event: Any = record.event
    match event:
        case TenantCreated():
            return f"The tenant {event.slug} was created."
        case TenantChanged():
            return f"The tenant {_of(rows, 'tenants', 'slug', record.stream_id)} was changed: {_names(event.changes)}."
        case TenantSuspended():
            return f"The tenant {_of(rows, 'tenants', 'slug', record.stream_id)} was suspended{_because(event.reason)}."
        case TenantReactivated():
            return f"The tenant {_of(rows, 'tenants', 'slug', record.stream_id)} was reactivated{_because(event.reason)}."
        case UserRegistered():
            return f"The user {event.email} was registered."
        case UserChanged():
            return f"The user {_of(rows, 'users', 'email', record.stream_id)} was changed: {_names(event.changes)}."
        case PermissionRegistered():
            return f"The permission {event.key} was registered."
        case MemberAdded():
            return f"A member was added, with {_plural(len(event.role_ids), 'role')}."
        case MemberRolesChanged():
            return f"A member was given {_plural(len(event.role_ids), 'role')}."
        case MemberRemoved():
            return f"A member was removed{_because(event.reason)}."
        case RoleCreated():
            return f"The role {event.key} was created, with {_plural(len(event.permissions), 'permission')}."
        case RoleChanged():
            role = _of(rows, "roles", "key", record.tenant_id, record.stream_id)
            return f"The role {role} was changed, to {_plural(len(event.permissions), 'permission')}."
        case RoleDeleted():
            return f"The role {event.key} was deleted."
        case ApiKeyCreated():
            return f"The API key “{event.name}” was created."
        case ApiKeyRevoked():
            name = _of(rows, "api_keys", "name", record.tenant_id, record.stream_id)
            return f"The API key “{name}” was revoked{_because(event.reason)}."
        case WorkflowDrafted():
            return f"A draft of the workflow {event.key} was saved."
        case WorkflowPublished():
            key = _of(rows, "workflows", "key", record.tenant_id, record.stream_id)
            return f"Version {event.number} of the workflow {key} was published."
        case WorkflowArchived():
            key = _of(rows, "workflows", "key", record.tenant_id, record.stream_id)
            return f"The workflow {key} was archived{_because(event.reason)}."
        case _:
            raise LookupError(f"no sentence for {type(event).__name__}")


def metadata(rows: Rows, record: RecordedEvent) -> dict[str, Json]:
    """{before, after, changes} of what was changed, and {request} where the command came with one."""
    found: dict[str, Json] = _difference(rows, record)
    if record.envelope.request_id is not None:
        found["request"] = {"id": record.envelope.request_id}
    return found


def _difference(rows: Rows, record: RecordedEvent) -> dict[str, Json]:
    event: Any = record.event
    match event:
        case TenantChanged():
            return _before_after(rows.find("tenants", record.stream_id), event.changes)
        case TenantSuspended() | TenantReactivated():
            return _before_after(rows.find("tenants", record.stream_id), {"is_active": isinstance(event, TenantReactivated)})
        case UserChanged():
            return _before_after(rows.find("users", record.stream_id), event.changes)
        case RoleChanged():
            after = {"name": event.name, "description": event.description}
            return _before_after(rows.find("roles", record.tenant_id, record.stream_id), after)
        case ExecutionPaused() | ExecutionResumed() | ExecutionCancelled() | ExecutionCompleted() | ExecutionFailed():
            after = {"status": ENDS[type(event)]}
            return _before_after(rows.find("workflow_executions", record.tenant_id, record.stream_id), after)
        case ApprovalResolved() | ApprovalCancelled() | ApprovalExpired():
            after = {"status": ENDS[type(event)]}
            return _before_after(rows.find("approval_requests", record.tenant_id, record.stream_id), after)
        case AiTaskCompleted() | AiTaskFailed() | AiTaskCancelled():
            after = {"status": ENDS[type(event)]}
            return _before_after(rows.find("ai_agent_tasks", record.tenant_id, record.stream_id), after)
        case CommandRefused():
            return {"refusal": {"code": event.code, "message": event.message, "path": event.path}}
        case _:
            return {}


ENDS: dict[type[Any], str] = {
    ExecutionPaused: "paused",
    ExecutionResumed: "running",
    ExecutionCancelled: "cancelled",
    ExecutionCompleted: "completed",
    ExecutionFailed: "failed",
    ApprovalResolved: "resolved",
    ApprovalCancelled: "cancelled",
    ApprovalExpired: "expired",
    AiTaskCompleted: "completed",
    AiTaskFailed: "failed",
    AiTaskCancelled: "cancelled",
}


def _before_after(row: Row | None, after: dict[str, Json]) -> dict[str, Json]:
    before = {name: row.get(name) for name in after} if row is not None else {}
    changed = sorted(name for name, value in after.items() if before.get(name) != value)
    return {"before": before, "after": after, "changes": changed}


def tags(rows: Rows, record: RecordedEvent) -> list[str]:
    """The workflow's key and the node's id, where there is one."""
    event: Any = record.event
    match event:
        case ExecutionStarted() | WorkflowDrafted():
            return [event.workflow_key if isinstance(event, ExecutionStarted) else event.key]
        case ActivationStarted() | ActivationRetried() | ActivationCompleted() | ActivationFailed() | ActivationCancelled():
            return [_of(rows, "workflow_executions", "workflow_key", record.tenant_id, record.stream_id), event.node_id]
        case ApprovalRequested() | AiTaskRequested():
            return [event.node_id]
        case ApprovalDecided() | ApprovalResolved() | ApprovalCancelled() | ApprovalExpired():
            return [_of(rows, "approval_requests", "node_id", record.tenant_id, record.stream_id)]
        case AiTaskAttemptStarted() | AiTaskAttemptSucceeded() | AiTaskAttemptFailed():
            return _tags_of_ai(rows, record)
        case AiTaskCompleted() | AiTaskFailed() | AiTaskCancelled():
            return _tags_of_ai(rows, record)
        case _:
            return []


def _tags_of_ai(rows: Rows, record: RecordedEvent) -> list[str]:
    return [_of(rows, "ai_agent_tasks", "node_id", record.tenant_id, record.stream_id)]


def _task(rows: Rows, record: RecordedEvent) -> str:
    return _of(rows, "ai_agent_tasks", "task_name", record.tenant_id, record.stream_id)


def _model(event: AiTaskAttemptStarted | AiTaskAttemptSucceeded) -> str:
    return f"by {event.model} of {event.provider}"


def _said(event: AiTaskAttemptFailed | AiTaskFailed) -> str:
    return f"{event.error.type}, {event.error.message}"


def _execution(rows: Rows, record: RecordedEvent) -> str:
    row = rows.get("workflow_executions", record.tenant_id, record.stream_id)
    return f"Execution {row['execution_number']} of {row['workflow_key']}"


def _title(rows: Rows, record: RecordedEvent) -> str:
    return _of(rows, "approval_requests", "title", record.tenant_id, record.stream_id)


def _of(rows: Rows, table: str, column: str, *key: object) -> str:
    return str(rows.get(table, *key)[column])


def _because(reason: str | None) -> str:
    return f" ({reason})" if reason else ""


def _names(changes: dict[str, Json]) -> str:
    return ", ".join(sorted(changes)) or "nothing"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
