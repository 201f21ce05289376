"""projections.workflows: the draft, and the definition published last."""

from domain.envelope import RecordedEvent
from domain.execution import ExecutionStarted
from domain.workflow import WorkflowArchived, WorkflowDrafted, WorkflowPublished, WorkflowRestored
from projections.rows import Rows
from projections.table import TENANT_ID, Column, Lookup, Table, row_with_id, stream_row

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


def restored(rows: Rows, record: RecordedEvent, _event: WorkflowRestored) -> None:
    key = (record.tenant_id, record.stream_id)
    status = "draft" if rows.get(NAME, *key)["published_version"] is None else "active"
    rows.update(NAME, record, key, {"status": status})


def execution_started(rows: Rows, record: RecordedEvent, event: ExecutionStarted) -> None:
    rows.count(NAME, (record.tenant_id, event.workflow_id), "execution_count")


def rows_needed(record: RecordedEvent) -> tuple[Lookup, ...]:
    if isinstance(record.event, ExecutionStarted):
        return (row_with_id(record, record.event.workflow_id),)
    return (stream_row(record),)


TABLE = Table(
    name=NAME,
    key=("tenant_id", "id"),
    columns={
        "tenant_id": TENANT_ID,
        "id": Column("uuid", "The workflow's id."),
        "key": Column("text", "As executions name it; unique in the tenant."),
        "name": Column("text", "Its name for people, of the last draft."),
        "description": Column("text", "What it is for, of the last draft.", null=True),
        "status": Column(
            "text",
            "draft until it is first published, then active, or archived.",
            choices=("draft", "active", "archived"),
        ),
        "draft": Column(
            "jsonb", "The definition being worked on; null where it is published unchanged.", null=True, listed=False
        ),
        "definition": Column("jsonb", "The definition published last.", null=True, listed=False),
        "input_schema": Column("jsonb", "JSON Schema of the input, of the definition published last.", null=True, listed=False),
        "published_version": Column("integer", "Number of the version published last.", null=True),
        "execution_count": Column(
            "integer", "How many executions were ever started; counting them leaves version and updated_at as they are."
        ),
        "created_by": Column("uuid", "Who drafted it first.", null=True),
    },
    appliers={
        WorkflowDrafted: drafted,
        WorkflowPublished: published,
        WorkflowArchived: archived,
        WorkflowRestored: restored,
        ExecutionStarted: execution_started,
    },
    rows_needed=rows_needed,
)
