"""All projected tables, and what each event means to them.

A new table is one module beside this one, one line in `GROUPS`, and a migration.
"""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from domain.bulk_operation import BulkChunkListed
from domain.envelope import RecordedEvent, Unread
from domain.event import EventDelivered, EventReceived
from domain.facts import Event
from domain.foreach import CHUNK, FOREACH
from domain.limit import LimitRemoved, LimitSet
from domain.notification_preferences import NOTIFICATION_PREFERENCES
from domain.projection_faults import PROJECTION_FAULTS
from domain.refusal import CommandRefused
from domain.totp import TotpEnrolled, TotpRefused, TotpUsed
from projections import (
    ai_agent_attempts,
    ai_agent_tasks,
    ai_agent_tool_calls,
    ai_agent_turns,
    ai_models,
    ai_providers,
    analysts,
    api_keys,
    approval_assignees,
    approval_comments,
    approval_decisions,
    approval_links,
    approval_requests,
    approval_steps,
    approval_versions,
    approval_watchers,
    archived_executions,
    archived_rows,
    audit_logs,
    budget_periods,
    budgets,
    bulk_operations,
    calendars,
    delegations,
    evaluation_results,
    evaluations,
    execution_attributes,
    execution_items,
    execution_labels,
    execution_waits,
    invitations,
    jobs,
    node_activations,
    notification_attempts,
    notification_deliveries,
    notification_endpoints,
    permissions,
    prompt_versions,
    prompts,
    retention_policies,
    role_permissions,
    roles,
    secrets,
    tenant_user_roles,
    tenant_users,
    tenants,
    trigger_runs,
    users,
    workflow_executions,
    workflow_triggers,
    workflow_versions,
    workflows,
)
from projections.rows import Rows, Unappliable
from projections.table import Table

GROUPS: Mapping[str, tuple[Table, ...]] = {
    "audit": (audit_logs.TABLE,),  # applied before the others change the rows that it describes
    "people": (
        tenants.TABLE,
        users.TABLE,
        permissions.TABLE,
        tenant_users.TABLE,
        invitations.TABLE,
        roles.TABLE,
        role_permissions.TABLE,
        tenant_user_roles.TABLE,
        api_keys.TABLE,
        secrets.TABLE,
        analysts.TABLE,
        calendars.TABLE,
        ai_providers.TABLE,
        ai_models.TABLE,
        delegations.TABLE,
    ),
    "work": (
        workflows.TABLE,
        workflow_versions.TABLE,
        prompts.TABLE,
        prompt_versions.TABLE,
        retention_policies.TABLE,
        archived_rows.TABLE,  # has what the others had, before they are rid of it
        archived_executions.TABLE,
        workflow_executions.TABLE,
        workflow_triggers.TABLE,
        trigger_runs.TABLE,
        execution_attributes.TABLE,
        execution_labels.TABLE,
        execution_items.TABLE,
        node_activations.TABLE,
        approval_versions.TABLE,  # reads requests as they were
        approval_requests.TABLE,
        approval_steps.TABLE,
        approval_assignees.TABLE,
        approval_decisions.TABLE,
        approval_links.TABLE,
        approval_comments.TABLE,
        approval_watchers.TABLE,
        ai_agent_tool_calls.TABLE,  # tasks are told by their calls as they become
        ai_agent_turns.TABLE,
        ai_agent_tasks.TABLE,
        ai_agent_attempts.TABLE,
        execution_waits.TABLE,
        budgets.TABLE,
        budget_periods.TABLE,
        evaluations.TABLE,
        evaluation_results.TABLE,
        bulk_operations.TABLE,
        notification_endpoints.TABLE,
        notification_deliveries.TABLE,
        notification_attempts.TABLE,
        jobs.TABLE,
    ),
}
"""What can be built anew by itself: no reference leads from one group to another, and nothing but `NEEDED` is read across.
In foreign-key order within a group: a table comes after those it refers to. Also the order in which an event is applied.
"""

TABLES: tuple[Table, ...] = tuple(table for group in GROUPS.values() for table in group)

IGNORED: dict[type[Event], str] = {
    **dict.fromkeys(
        (*FOREACH.events, *CHUNK.events), "what becomes of a foreach is told by its visit, and of its items by execution_items"
    ),
    EventReceived: "it changes what waited for it, by events of its own; it stands in audit_logs",
    EventDelivered: "as EventReceived",
    BulkChunkListed: "what becomes of those that it lists is told by their own events; it stands in audit_logs",
    **dict.fromkeys(NOTIFICATION_PREFERENCES.events, "whoever asks for mail goes by the ledger; it stands in audit_logs"),
    LimitSet: "whoever leases jobs goes by runtime.limits, which a trigger keeps; it stands in audit_logs",
    LimitRemoved: "as LimitSet",
    TotpEnrolled: "it proves nothing until it is confirmed; it stands in audit_logs",
    TotpUsed: "the decision that it proved has it; it stands in audit_logs",
    TotpRefused: "as TotpEnrolled: a wrong code changes nothing that people query",
    **dict.fromkeys(
        PROJECTION_FAULTS.events,
        "whoever projects goes by runtime.projection_skips and projection_faults; it stands in audit_logs",
    ),
    CommandRefused: "a refusal changes nothing: it is evidence, and stands in audit_logs",
}
"""Events that no table but the audit log applies, and why."""

NEEDED: Mapping[str, tuple[str, ...]] = {"audit": ("people", "work")}
"""Groups whose rows are read when an event is applied to a group: the audit log names things as they were."""

Concerned: TypeAlias = Mapping[type[Event], tuple[Table, ...]]


def concerned(tables: Iterable[Table]) -> Concerned:
    """Those of the tables that an event concerns, in their order, for every event that the audit log knows: that is every one."""
    known = tuple(tables)
    return {event: tuple(table for table in known if event in table.appliers) for event in audit_logs.TABLE.appliers}


CONCERNED = concerned(TABLES)


def apply(rows: Rows, record: RecordedEvent, known: Concerned = CONCERNED) -> None:
    """Apply one event to all tables. Raises Unappliable, or whatever an event that breaks the rules runs into."""
    event = record.event
    tables = known.get(type(event))
    if isinstance(event, Unread):
        raise Unappliable(event.why)
    if tables is None:
        raise Unappliable(f"no table knows {type(event).__name__}")
    for table in tables:
        table.appliers[type(event)](rows, record, event)


def fold(rows: Rows, records: Iterable[RecordedEvent], known: Concerned = CONCERNED) -> None:
    for record in records:
        apply(rows, record, known)
