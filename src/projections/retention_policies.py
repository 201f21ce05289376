"""projections.retention_policies: after how many days finished executions are archived."""

from domain.envelope import RecordedEvent
from domain.retention import RetentionRemoved, RetentionSet
from projections.rows import Rows
from projections.table import TENANT_ID, Column, Lookup, Table, stream_row

NAME = "retention_policies"


def set_days(rows: Rows, record: RecordedEvent, event: RetentionSet) -> None:
    if rows.find(NAME, record.tenant_id, record.stream_id) is None:
        rows.insert(NAME, record, {"id": record.stream_id, "workflow_key": event.workflow_key, "days": event.days})
    else:
        rows.update(NAME, record, (record.tenant_id, record.stream_id), {"days": event.days})


def removed(rows: Rows, record: RecordedEvent, _event: RetentionRemoved) -> None:
    rows.delete(NAME, (record.tenant_id, record.stream_id))


def rows_needed(record: RecordedEvent) -> tuple[Lookup, ...]:
    return (stream_row(record),)


TABLE = Table(
    name=NAME,
    key=("tenant_id", "id"),
    columns={
        "tenant_id": TENANT_ID,
        "id": Column("uuid", "The policy's id; follows from the workflow."),
        "workflow_key": Column(
            "text", "Of which workflow's executions; null: of all whose workflow has none of its own.", null=True
        ),
        "days": Column("integer", "How many days after their end they are archived."),
    },
    appliers={RetentionSet: set_days, RetentionRemoved: removed},
    rows_needed=rows_needed,
)
