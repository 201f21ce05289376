"""projections.workflow_versions: every published definition."""

from domain.envelope import RecordedEvent
from domain.workflow import WorkflowPublished
from projections.rows import Rows
from projections.table import TENANT_ID, Column, Table

NAME = "workflow_versions"


def published(rows: Rows, record: RecordedEvent, event: WorkflowPublished) -> None:
    row = {
        "workflow_id": record.stream_id,
        "number": event.number,
        "definition": event.definition,
        "note": event.note,
        "published_by": event.published_by,
        "published_at": record.occurred_at,
    }
    rows.insert(NAME, record, row)


TABLE = Table(
    name=NAME,
    key=("tenant_id", "workflow_id", "number"),
    columns={
        "tenant_id": TENANT_ID,
        "workflow_id": Column("uuid", "The workflow."),
        "number": Column("integer", "1, 2, 3 … in each workflow."),
        "definition": Column("jsonb", "The whole definition.", listed=False),
        "note": Column("text", "What the publisher said about it.", null=True),
        "published_by": Column("uuid", "Who published it.", null=True),
        "published_at": Column("timestamptz", "When it was published."),
    },
    appliers={WorkflowPublished: published},
)
