"""projections.retention_policies: after how many days finished executions are archived."""

from domain.envelope import RecordedEvent
from domain.retention import RetentionRemoved, RetentionSet
from projections.rows import Rows
from projections.table import TENANT_ID, Column, Table, its_own

NAME = "retention_policies"


def set_days(rows: Rows, record: RecordedEvent, event: RetentionSet) -> None:
    rows.put(NAME, record, {"id": record.stream_id, "workflow_key": event.workflow_key, "days": event.days})


def removed(rows: Rows, record: RecordedEvent, _event: RetentionRemoved) -> None:
    rows.delete(NAME, (record.tenant_id, record.stream_id))


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
    rows_needed=its_own,
)
