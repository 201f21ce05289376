"""projections.workflow_versions: every published definition."""

from domain.envelope import RecordedEvent
from domain.workflow import WorkflowPublished
from projections.rows import Rows
from projections.table import Table

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
    own={
        "tenant_id": "uuid",
        "workflow_id": "uuid",
        "number": "integer",
        "definition": "jsonb",
        "note": "text",
        "published_by": "uuid",
        "published_at": "timestamptz",
    },
    on={WorkflowPublished: published},
)
