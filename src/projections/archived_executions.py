"""projections.archived_executions: finished executions that have left the other tables, as the tenant's policy says."""

from domain.envelope import RecordedEvent
from domain.execution import ExecutionArchived
from projections import archived_rows, workflow_executions
from projections.archived_rows import month_of, take_out
from projections.rows import Rows
from projections.table import TENANT_ID, Column, Table

NAME = "archived_executions"
KEPT = (
    "id",
    "workflow_id",
    "workflow_key",
    "workflow_version",
    "execution_number",
    "business_key",
    "status",
    "error",
    "labels",
    "parent_execution_id",
    "correlation_id",
    "started_at",
    "created_by",
)


def archived(rows: Rows, record: RecordedEvent, event: ExecutionArchived) -> None:
    """Its rows are in `archived_rows` by now, and leave the tables."""
    execution = rows.get(workflow_executions.NAME, record.tenant_id, record.stream_id)
    kept = {name: execution[name] for name in KEPT}
    ended = {"ended_at": execution["completed_at"] or execution["cancelled_at"], "month": month_of(execution)}
    counts = take_out(rows, record.tenant_id, record.stream_id)
    rows.insert(NAME, record, {**kept, **ended, "days": event.days, "row_counts": counts})


TABLE = Table(
    name=NAME,
    key=("tenant_id", "id"),
    columns={
        "tenant_id": TENANT_ID,
        **{name: workflow_executions.TABLE.columns[name] for name in KEPT[:6]},
        "status": Column("text", "How it ended: completed, failed or cancelled.", choices=("completed", "failed", "cancelled")),
        **{name: workflow_executions.TABLE.columns[name] for name in KEPT[7:]},
        "ended_at": Column("timestamptz", "When it completed, failed or was cancelled."),
        "month": Column("text", "The month of that, UTC: 2026-03."),
        "days": Column("integer", "After how many days the policy of that time had it archived."),
        "row_counts": Column("jsonb", "How many rows it had, by table; they are in archived_rows."),
    },
    appliers={ExecutionArchived: archived},
    rows_needed=archived_rows.rows_needed,
)
