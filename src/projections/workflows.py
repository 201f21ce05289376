"""projections.workflows: the draft, and the definition published last."""

from domain.envelope import RecordedEvent
from domain.execution import ExecutionStarted
from domain.workflow import WorkflowArchived, WorkflowDrafted, WorkflowPublished
from projections.rows import Rows
from projections.table import Lookup, Table, stream_row

NAME = "workflows"


def drafted(rows: Rows, record: RecordedEvent, event: WorkflowDrafted) -> None:
    key = (record.tenant_id, record.stream_id)
    known = rows.find(NAME, *key)
    draft = {"key": event.key, "name": event.name, "description": event.description, "draft": event.definition}
    if known is not None:
        status = "draft" if known["published_version"] is None else "active"
        rows.update(NAME, record, key, {**draft, "status": status})
        return
    row = {
        "id": record.stream_id,
        **draft,
        "status": "draft",
        "definition": None,
        "input_schema": None,
        "published_version": None,
        "execution_count": 0,
        "created_by": event.created_by,
    }
    rows.insert(NAME, record, row)


def published(rows: Rows, record: RecordedEvent, event: WorkflowPublished) -> None:
    definition = event.definition
    changes = {
        "status": "active",
        "draft": None,
        "definition": definition,
        "input_schema": definition.get("input_schema") if isinstance(definition, dict) else None,
        "published_version": event.number,
    }
    rows.update(NAME, record, (record.tenant_id, record.stream_id), changes)


def archived(rows: Rows, record: RecordedEvent, _event: WorkflowArchived) -> None:
    rows.update(NAME, record, (record.tenant_id, record.stream_id), {"status": "archived"})


def execution_started(rows: Rows, record: RecordedEvent, event: ExecutionStarted) -> None:
    rows.count(NAME, (record.tenant_id, event.workflow_id), "execution_count")


def touched(record: RecordedEvent) -> tuple[Lookup, ...]:
    if isinstance(record.event, ExecutionStarted):
        return (Lookup(("tenant_id", "id"), (record.tenant_id, record.event.workflow_id)),)
    return (stream_row(record),)


TABLE = Table(
    name=NAME,
    key=("tenant_id", "id"),
    own={
        "tenant_id": "uuid",
        "id": "uuid",
        "key": "text",
        "name": "text",
        "description": "text",
        "status": "text",
        "draft": "jsonb",
        "definition": "jsonb",
        "input_schema": "jsonb",
        "published_version": "integer",
        "execution_count": "integer",
        "created_by": "uuid",
    },
    on={
        WorkflowDrafted: drafted,
        WorkflowPublished: published,
        WorkflowArchived: archived,
        ExecutionStarted: execution_started,
    },
    touched=touched,
)
