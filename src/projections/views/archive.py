"""Views of the archive."""

from projections.table import Column
from projections.view import View

ARCHIVE_MONTHS = View(
    name="archive_months",
    meaning="What is in the archive: finished executions by the month in which they ended, and by workflow.",
    columns={
        "month": Column("text", "The month, UTC: 2026-03."),
        "workflow_key": Column("text", "The workflow."),
        "executions": Column("bigint", "How many are in the archive."),
        "completed": Column("bigint", "Of these, completed."),
        "failed": Column("bigint", "Of these, failed."),
        "cancelled": Column("bigint", "Of these, cancelled."),
        "first_ended_at": Column("timestamptz", "When the first of them ended."),
        "last_ended_at": Column("timestamptz", "When the last of them did."),
        "last_archived_at": Column("timestamptz", "When one was archived last."),
    },
)

VIEWS = (ARCHIVE_MONTHS,)
