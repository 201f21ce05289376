"""What an event of the ledger is in a log: an activity, who did it, in which lifecycle state, and on which objects. Pure.

Activities are called after their nodes: `Approve` begins and completes, `Approve: approved` is a decision, `Approve: claimed`
something else that happens to the request; `Classify: model call` and `Classify: tool refund` begin and end as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from domain import approval
from domain.ai_task import (
    AiTaskAnswered,
    AiTaskAsked,
    AiTaskAttemptFailed,
    AiTaskAttemptStarted,
    AiTaskAttemptSucceeded,
    AiTaskCancelled,
    AiTaskCompleted,
    AiTaskFailed,
    AiTaskRequested,
    AiTaskToolCallDenied,
    AiTaskToolCallFailed,
    AiTaskToolCallStarted,
    AiTaskToolCallSucceeded,
)
from domain.approval import ApprovalCommentDeleted, ApprovalCommentEdited, ApprovalUnwatched, ApprovalWatched
from domain.envelope import RecordedEvent
from domain.execution import (
    ActivationCancelled,
    ActivationCompleted,
    ActivationFailed,
    ActivationRetried,
    ActivationStarted,
    ActivationWaiting,
    ExecutionArchived,
    ExecutionCancelled,
    ExecutionChanged,
    ExecutionCompensating,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionForked,
    ExecutionHeld,
    ExecutionMigrated,
    ExecutionPaused,
    ExecutionResumed,
    ExecutionSignalled,
    ExecutionStarted,
    ItemCancelled,
    ItemCompleted,
    ItemFailed,
    ItemHeld,
    ItemStarted,
)
from domain.facts import Event
from projections.audit_logs import event_id
from projections.process_log.entries import Case, Change, Entry, Kind, Link, ObjectType, Thing, Transition, Value

EXECUTIONS: Mapping[type[Event], tuple[str, Transition, str | None]] = {
    ExecutionStarted: ("Execution started", "complete", "running"),
    ExecutionCompleted: ("Execution completed", "complete", "completed"),
    ExecutionFailed: ("Execution failed", "ate_abort", "failed"),
    ExecutionCancelled: ("Execution cancelled", "pi_abort", "cancelled"),
    ExecutionPaused: ("Execution paused", "suspend", "paused"),
    ExecutionResumed: ("Execution resumed", "resume", "running"),
    ExecutionSignalled: ("Execution signalled", "complete", None),
    ExecutionMigrated: ("Execution migrated", "complete", None),
}
"""The activity, and the execution's status from then on."""

VISITS: Mapping[type[Event], Transition] = {
    ActivationStarted: "start",
    ActivationCompleted: "complete",
    ActivationFailed: "ate_abort",
    ActivationCancelled: "pi_abort",
}

REQUESTS: Mapping[type[Event], tuple[str, str | None]] = {
    approval.ApprovalRequested: ("requested", "pending"),
    approval.ApprovalStepStarted: ("step started", None),
    approval.ApprovalStepSkipped: ("step skipped", None),
    approval.ApprovalStepCompleted: ("step completed", None),
    approval.ApproverAdded: ("approver added", None),
    approval.ApprovalClaimed: ("claimed", None),
    approval.ApprovalReleased: ("released", None),
    approval.ApprovalReassigned: ("reassigned", None),
    approval.ApprovalRevoked: ("decision revoked", None),
    approval.ApprovalReturned: ("returned", None),
    approval.ApprovalReminded: ("reminded", None),
    approval.ApprovalEscalated: ("escalated", None),
    approval.ApprovalOverdue: ("overdue", None),
    approval.ApprovalRecalled: ("recalled", "recalled"),
    approval.ApprovalSentToRequester: ("sent to requester", "recalled"),
    approval.ApprovalResubmitted: ("resubmitted", "pending"),
    approval.ApprovalQuestionAsked: ("question asked", None),
    approval.ApprovalQuestionAnswered: ("question answered", None),
    approval.ApprovalCommented: ("commented", None),
    approval.ApprovalResolved: ("resolved", "resolved"),
    approval.ApprovalCancelled: ("cancelled", "cancelled"),
    approval.ApprovalExpired: ("expired", "expired"),
}
"""What happens to a request, and its status from then on."""
DECISIONS: tuple[type[Event], ...] = (approval.ApprovalDecided, approval.ApprovalOverridden)

TASKS: Mapping[type[Event], tuple[str, Transition, str | None]] = {
    AiTaskRequested: ("asked for", "schedule", "pending"),
    AiTaskAttemptStarted: ("model call", "start", "running"),
    AiTaskAttemptSucceeded: ("model call", "complete", None),
    AiTaskAttemptFailed: ("model call", "ate_abort", None),
    AiTaskToolCallStarted: ("tool", "start", None),
    AiTaskToolCallSucceeded: ("tool", "complete", None),
    AiTaskToolCallFailed: ("tool", "ate_abort", None),
    AiTaskToolCallDenied: ("tool denied", "complete", None),
    AiTaskAsked: ("people asked", "complete", "waiting"),
    AiTaskAnswered: ("people answered", "complete", "running"),
    AiTaskCompleted: ("completed", "complete", "completed"),
    AiTaskFailed: ("failed", "ate_abort", "failed"),
    AiTaskCancelled: ("cancelled", "pi_abort", "cancelled"),
}

LOGGED: tuple[type[Event], ...] = (*EXECUTIONS, *VISITS, ActivationRetried, *REQUESTS, *DECISIONS, *TASKS)
"""Every event that a log shows."""
NOT_LOGGED: Mapping[type[Event], str] = {
    **dict.fromkeys(
        (ItemStarted, ItemCompleted, ItemFailed, ItemCancelled, ItemHeld), "its visits are shown, as the execution's"
    ),
    **dict.fromkeys((ActivationWaiting, ExecutionHeld, ExecutionForked, ExecutionCompensating), "the engine's book-keeping"),
    ExecutionArchived: "it leaves the tables, long after it was over",
    ExecutionChanged: "labels and priorities are no step of a process",
    **dict.fromkeys((ApprovalWatched, ApprovalUnwatched), "who looks on does nothing"),
    **dict.fromkeys((ApprovalCommentEdited, ApprovalCommentDeleted), "the comment is what was done"),
}
"""Those of executions, requests and tasks that it does not show, and why."""

MOST_TEXT = 500


@dataclass(frozen=True)
class Person:
    name: str
    email: str


@dataclass(frozen=True)
class Words:
    """What things are called: people by id, and nodes by the version of a workflow. `shown`: of a person, name, email or id."""

    people: Mapping[UUID, Person]
    nodes: Mapping[tuple[UUID, int], Mapping[str, str]]
    shown: str = "name"

    def person(self, id: UUID) -> str:
        found = self.people.get(id)
        return str(id) if found is None or self.shown == "id" else found.email if self.shown == "email" else found.name


class Course:
    """One case, told event by event, in the order of the ledger."""

    def __init__(self, case: Case, words: Words) -> None:
        self.case = case
        self.words = words
        self._version = case.version
        self._subjects: dict[UUID, str] = {}
        """What requests and tasks are called, by stream."""
        self._nodes: dict[UUID, str | None] = {}
        self._types: dict[UUID, str] = {}
        self._calls: dict[UUID, str] = {}
        """Models by attempt, tools by call."""

    def entry(self, record: RecordedEvent) -> Entry | None:
        """None: it is no step of a process."""
        event = record.event
        if type(event) in EXECUTIONS and self.case.type == "execution" and record.stream_id == self.case.id:
            return self._of_execution(record)
        if type(event) in VISITS or isinstance(event, ActivationRetried):
            return self._of_visit(record)
        if type(event) in REQUESTS or type(event) in DECISIONS:
            return self._of_request(record)
        if type(event) in TASKS:
            return self._of_task(record)
        return None

    def _of_execution(self, record: RecordedEvent) -> Entry:
        event: Any = record.event
        activity, transition, status = EXECUTIONS[type(event)]
        things = (self._itself(), *self._around()) if isinstance(event, ExecutionStarted) else ()
        if isinstance(event, ExecutionMigrated):
            self._version = event.to_version
        more = {"code": event.code, "message": event.message} if isinstance(event, ExecutionFailed) else {}
        return self._entry(record, activity, transition, "execution", str(self.case.id), more, things=things, status=status)

    def _of_visit(self, record: RecordedEvent) -> Entry:
        event: Any = record.event
        if isinstance(event, ActivationStarted):
            self._types[event.activation_id] = event.node_type
        about = {
            "node_id": event.node_id,
            "node_type": self._types.get(event.activation_id),
            "activation_id": event.activation_id,
        }
        name = self._node(event.node_id)
        match event:
            case ActivationStarted():
                about["visit"] = event.visit
            case ActivationCompleted():
                about["handle"] = event.handle
            case ActivationFailed():
                about |= {"handle": event.handle, "error": event.error.type, "message": event.error.message}
            case ActivationRetried():
                about |= {"attempt": event.attempt, "error": event.error.type}
                return self._entry(record, f"{name}: retried", "complete", "node", str(event.activation_id), about)
        return self._entry(record, name, VISITS[type(event)], "node", str(event.activation_id), about)

    def _of_request(self, record: RecordedEvent) -> Entry:
        event: Any = record.event
        things: tuple[Thing, ...] = ()
        if isinstance(event, approval.ApprovalRequested):
            things = (*self._first(record), self._request(record, event))
        subject = self._subjects.get(record.stream_id, "Approval")
        about: dict[str, Any] = {"node_id": self._nodes.get(record.stream_id), "request_id": record.stream_id}
        about |= {name: getattr(event, name, None) for name in ("step", "outcome", "reason", "what", "level")}
        about["step_name"] = getattr(event, "name", None)
        if isinstance(event, DECISIONS):
            decided: Any = event
            about |= {"decision_kind": decided.kind, "via": getattr(decided, "via", None)}
            kind: Kind = "decision"
            activity = f"{subject}: {decided.outcome}"
            links = [Link("user", str(decided.user_id), "decided by")]
            if (principal := getattr(decided, "on_behalf_of", None)) is not None:
                about["on_behalf_of"] = self.words.person(principal)
                links.append(Link("user", str(principal), "on behalf of"))
            return self._entry(
                record,
                activity,
                "complete",
                kind,
                str(decided.decision_id),
                about,
                who=decided.user_id,
                links=links,
                things=things,
            )
        activity, status = REQUESTS[type(event)]
        made = self._entry(record, f"{subject}: {activity}", "complete", "request", str(record.stream_id), about, things=things)
        return self._changed(
            made,
            "approval_request",
            record,
            status,
            {"outcome": event.outcome} if isinstance(event, approval.ApprovalResolved) else {},
        )

    def _request(self, record: RecordedEvent, event: approval.ApprovalRequested) -> Thing:
        self._nodes[record.stream_id] = event.node_id
        self._subjects[record.stream_id] = event.title if event.node_id is None else self._node(event.node_id)
        links = [Link("execution", str(self.case.id), "asked in")] if self.case.type == "execution" else []
        if (task := getattr(event, "ai_task_id", None)) is not None:
            links.append(Link("ai_task", str(task), "asked by"))
        attributes = _values({"title": event.title, "node_id": event.node_id, "priority": event.priority})
        return Thing("approval_request", str(record.stream_id), attributes, links)

    def _of_task(self, record: RecordedEvent) -> Entry:
        event: Any = record.event
        things: tuple[Thing, ...] = ()
        if isinstance(event, AiTaskRequested):
            things = (*self._first(record), self._task(record, event))
        subject = self._subjects.get(record.stream_id, "AI task")
        activity, transition, status = TASKS[type(event)]
        instance = getattr(event, "attempt_id", None) or getattr(event, "call_id", None) or record.stream_id
        about: dict[str, Any] = {"node_id": self._nodes.get(record.stream_id), "task_id": record.stream_id}
        names = (
            "tool",
            "number",
            "model",
            "provider",
            "latency_ms",
            "cost",
            "currency",
            "reason",
            "purpose",
            "outcome",
            "verdict",
        )
        about |= {name: getattr(event, name, None) for name in names}
        usage = getattr(event, "usage", None)
        if usage is not None:
            about |= {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
        if (error := getattr(event, "error", None)) is not None:
            about |= {"error": error.type, "message": error.message}
        if isinstance(event, AiTaskAttemptStarted):
            self._calls[event.attempt_id] = event.model
        if activity.startswith("tool"):
            activity = activity.replace("tool", f"tool {event.tool}", 1)
        model = self._calls.get(event.attempt_id) if hasattr(event, "attempt_id") else None
        links = [] if model is None else [Link("model", model, "called")]
        if isinstance(event, AiTaskAsked | AiTaskAnswered):
            links.append(Link("approval_request", str(event.request_id), "asks by"))
        made = self._entry(
            record, f"{subject}: {activity}", transition, "ai", str(instance), about, links=links, things=things, resource=model
        )
        return self._changed(made, "ai_task", record, status, {})

    def _task(self, record: RecordedEvent, event: AiTaskRequested) -> Thing:
        self._nodes[record.stream_id] = event.node_id
        self._subjects[record.stream_id] = event.task_name if event.node_id is None else self._node(event.node_id)
        links = [Link("execution", str(self.case.id), "asked in")] if self.case.type == "execution" else []
        about = {"task_name": event.task_name, "node_id": event.node_id, "agent_type": event.agent_type, "model": event.model}
        return Thing("ai_task", str(record.stream_id), _values(about), links)

    def _first(self, record: RecordedEvent) -> tuple[Thing, ...]:
        """What is around a case of its own, with the event that begins it."""
        return self._around() if record.stream_id == self.case.id else ()

    def _itself(self) -> Thing:
        case = self.case
        about = {"workflow_key": case.workflow_key, "workflow_version": case.version, "number": case.number}
        links = []
        if case.workflow_id is not None:
            links.append(Link("workflow", self._workflow, "runs"))
        if case.business_key is not None:
            links.append(Link("business_object", case.business_key, "is about"))
        if case.parent_id is not None:
            links.append(Link("execution", str(case.parent_id), "started by"))
        own = {f"attr_{name}": value for name, value in case.attributes.items()}
        return Thing("execution", str(case.id), {**_values({**about, "business_key": case.business_key}), **own}, links)

    @property
    def _workflow(self) -> str:
        return f"{self.case.workflow_key} v{self.case.version}"

    def _around(self) -> tuple[Thing, ...]:
        case, things = self.case, []
        if case.workflow_id is not None:
            things.append(Thing("workflow", self._workflow, _values({"key": case.workflow_key, "version": case.version})))
        if case.business_key is not None:
            things.append(Thing("business_object", case.business_key))
        return tuple(things)

    def _node(self, node_id: str) -> str:
        if self.case.workflow_id is None or self._version is None:
            return node_id
        return self.words.nodes.get((self.case.workflow_id, self._version), {}).get(node_id, node_id)

    def _changed(
        self, made: Entry, type: ObjectType, record: RecordedEvent, status: str | None, more: Mapping[str, str | None]
    ) -> Entry:
        """The request or task is linked, and what became of it is said."""
        id = str(record.stream_id)
        changes = [Change(type, id, name, value) for name, value in {"status": status, **more}.items() if value is not None]
        return replace(made, changes=changes)

    def _entry(
        self,
        record: RecordedEvent,
        activity: str,
        transition: Transition,
        kind: Kind,
        instance: str,
        about: Mapping[str, Any],
        *,
        who: UUID | None = None,
        links: list[Link] | None = None,
        things: tuple[Thing, ...] = (),
        resource: str | None = None,
        status: str | None = None,
    ) -> Entry:
        case, envelope = self.case, record.envelope
        person = who or envelope.user_id
        linked = [Link(case.type, str(case.id), "of"), *(links or ())]
        if record.stream_id != case.id and kind in ("request", "decision"):
            linked.append(Link("approval_request", str(record.stream_id), "about"))
        if record.stream_id != case.id and kind == "ai":
            linked.append(Link("ai_task", str(record.stream_id), "of"))
        if case.workflow_id is not None:
            linked.append(Link("workflow", self._workflow, "by"))
        if case.business_key is not None:
            linked.append(Link("business_object", case.business_key, "about"))
        if person is not None and who is None and resource is None:
            linked.append(Link("user", str(person), "by"))
        known = [
            Thing("user", link.id, {} if self.words.shown == "id" else {"name": self.words.person(UUID(link.id))})
            for link in linked
            if link.type == "user"
        ]
        known += [Thing("model", link.id) for link in linked if link.type == "model"]
        return Entry(
            event_id(record.tenant_id, record.position),
            record.position,
            activity,
            transition,
            kind,
            record.occurred_at,
            instance,
            resource or (self.words.person(person) if person is not None else envelope.actor_type),
            getattr(record.event, "role", None),
            {**_values(about), "actor_type": envelope.actor_type, "position": record.position},
            linked,
            (*things, *known),
            () if status is None else (Change("execution", str(case.id), "status", status),),
        )


def _values(about: Mapping[str, Any]) -> dict[str, Value]:
    """Without what is not known; texts of a length that logs can bear."""
    found: dict[str, Value] = {}
    for name, value in about.items():
        match value:
            case None:
                pass
            case Decimal():
                found[name] = float(value)
            case bool() | int() | float():
                found[name] = value
            case _:
                found[name] = str(value)[:MOST_TEXT]
    return found
