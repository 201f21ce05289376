"""Which name each event class has in the database. Module paths never get there.

A topic that was ever released stays known: replaced ones live on in `store.upcasting.CHAIN`, which leads to those of this table.
"""

from types import MappingProxyType

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
from domain.facts import Event
from domain.member import MemberAdded, MemberRemoved, MemberRolesChanged
from domain.permission import PermissionRegistered
from domain.refusal import CommandRefused
from domain.role import RoleChanged, RoleCreated, RoleDeleted
from domain.tenant import TenantChanged, TenantCreated, TenantReactivated, TenantSuspended
from domain.user import UserChanged, UserRegistered
from domain.workflow import WorkflowArchived, WorkflowDrafted, WorkflowPublished
from store.upcasting import CHAIN, current_topic

TOPICS: dict[type[Event], str] = {
    TenantCreated: "tenant.created.v1",
    TenantChanged: "tenant.changed.v1",
    TenantSuspended: "tenant.suspended.v1",
    TenantReactivated: "tenant.reactivated.v1",
    UserRegistered: "user.registered.v1",
    UserChanged: "user.changed.v1",
    PermissionRegistered: "permission.registered.v1",
    MemberAdded: "member.added.v2",
    MemberRolesChanged: "member.roles_changed.v1",
    MemberRemoved: "member.removed.v1",
    RoleCreated: "role.created.v1",
    RoleChanged: "role.changed.v1",
    RoleDeleted: "role.deleted.v1",
    ApiKeyCreated: "api_key.created.v1",
    ApiKeyRevoked: "api_key.revoked.v1",
    WorkflowDrafted: "workflow.drafted.v1",
    WorkflowPublished: "workflow.published.v1",
    WorkflowArchived: "workflow.archived.v1",
    ExecutionStarted: "execution.started.v1",
    ExecutionCompleted: "execution.completed.v1",
    ExecutionFailed: "execution.failed.v1",
    ExecutionCancelled: "execution.cancelled.v1",
    ExecutionPaused: "execution.paused.v1",
    ExecutionResumed: "execution.resumed.v1",
    ExecutionHeld: "execution.held.v1",
    ExecutionSignalled: "execution.signalled.v1",
    ActivationStarted: "activation.started.v1",
    ActivationRetried: "activation.retried.v1",
    ActivationCompleted: "activation.completed.v1",
    ActivationFailed: "activation.failed.v1",
    ActivationCancelled: "activation.cancelled.v1",
    ApprovalRequested: "approval.requested.v1",
    ApprovalDecided: "approval.decided.v1",
    ApprovalResolved: "approval.resolved.v1",
    ApprovalCancelled: "approval.cancelled.v1",
    ApprovalExpired: "approval.expired.v1",
    AiTaskRequested: "ai_task.requested.v1",
    AiTaskAttemptStarted: "ai_task.attempt_started.v1",
    AiTaskAttemptSucceeded: "ai_task.attempt_succeeded.v1",
    AiTaskAttemptFailed: "ai_task.attempt_failed.v1",
    AiTaskCompleted: "ai_task.completed.v1",
    AiTaskFailed: "ai_task.failed.v1",
    AiTaskCancelled: "ai_task.cancelled.v1",
    CommandRefused: "command.refused.v1",
}

CLASSES: MappingProxyType[str, type[Event]] = MappingProxyType({topic: cls for cls, topic in TOPICS.items()})


class UnknownTopic(LookupError):
    """No event class is known by this topic: it was written by a newer release, or not by Gesta."""

    def __init__(self, topic: str) -> None:
        super().__init__(f"unknown topic: {topic!r}")
        self.topic = topic


class NoTopic(LookupError):
    """An event class has no topic in `store.topics`."""


def topic_of(cls: type[Event]) -> str:
    try:
        return TOPICS[cls]
    except KeyError:
        raise NoTopic(cls.__qualname__) from None


def class_of(topic: str) -> type[Event]:
    """The class that events of a topic, current or old, are decoded to."""
    try:
        return CLASSES[current_topic(topic)]
    except KeyError:
        raise UnknownTopic(topic) from None


def topics_of(*classes: type[Event]) -> tuple[str, ...]:
    """All topics, current and old, under which events of these classes may be stored: what a reader must select by."""
    current = [topic_of(cls) for cls in classes]
    return (*current, *(old for old in CHAIN if current_topic(old) in current))
