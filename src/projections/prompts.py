"""projections.prompts: what models are told by name: the draft, and the version that is current."""

from domain.envelope import RecordedEvent
from domain.prompt import PromptArchived, PromptDrafted, PromptPublished, PromptRestored, PromptRolledBack, content_json
from projections import prompt_versions
from projections.rows import Rows
from projections.table import TENANT_ID, Column, Row, Table, its_own

NAME = "prompts"


def drafted(rows: Rows, record: RecordedEvent, event: PromptDrafted) -> None:
    draft = {"description": event.description, "draft": content_json(event.content), "draft_note": event.note}
    known = rows.find(NAME, record.tenant_id, record.stream_id)
    if known is not None:
        status = "draft" if known["current_version"] is None else "active"
        _update(rows, record, {**draft, "status": status})
        return
    row = {
        "id": record.stream_id,
        "key": event.key,
        **draft,
        "status": "draft",
        "current_version": None,
        "latest_version": None,
        "model": None,
        "created_by": event.drafted_by,
    }
    rows.insert(NAME, record, row)


def published(rows: Rows, record: RecordedEvent, event: PromptPublished) -> None:
    changes = {
        "status": "active",
        "draft": None,
        "draft_note": None,
        "current_version": event.number,
        "latest_version": event.number,
        "model": event.content.model,
    }
    _update(rows, record, changes)


def rolled_back(rows: Rows, record: RecordedEvent, event: PromptRolledBack) -> None:
    version = rows.get(prompt_versions.NAME, record.tenant_id, record.stream_id, event.number)
    _update(rows, record, {"current_version": event.number, "model": version["model"]})


def archived(rows: Rows, record: RecordedEvent, _event: PromptArchived) -> None:
    _update(rows, record, {"status": "archived"})


def restored(rows: Rows, record: RecordedEvent, _event: PromptRestored) -> None:
    row = rows.get(NAME, record.tenant_id, record.stream_id)
    _update(rows, record, {"status": "draft" if row["current_version"] is None else "active"})


def _update(rows: Rows, record: RecordedEvent, changes: Row) -> None:
    rows.update(NAME, record, (record.tenant_id, record.stream_id), changes)


TABLE = Table(
    name=NAME,
    key=("tenant_id", "id"),
    columns={
        "tenant_id": TENANT_ID,
        "id": Column("uuid", "The prompt's id; follows from its key."),
        "key": Column("text", "As nodes and tasks name it; unique in the tenant."),
        "description": Column("text", "What it is for, of the last draft.", null=True),
        "status": Column(
            "text",
            "draft until it is first published, then active, or archived.",
            choices=("draft", "active", "archived"),
        ),
        "draft": Column(
            "jsonb",
            "The draft being worked on: {template, variables, model, defaults, output_schema}; null where it is published.",
            null=True,
            listed=False,
        ),
        "draft_note": Column("text", "What its author said of the draft.", null=True, listed=False),
        "current_version": Column("integer", "The version that tasks get which name none.", null=True),
        "latest_version": Column("integer", "The version published last; above the current one after a rollback.", null=True),
        "model": Column("text", "Of the current version: the model that it is for, if it says so.", null=True),
        "created_by": Column("uuid", "Who drafted it first.", null=True),
    },
    appliers={
        PromptDrafted: drafted,
        PromptPublished: published,
        PromptRolledBack: rolled_back,
        PromptArchived: archived,
        PromptRestored: restored,
    },
    rows_needed=its_own,
)
