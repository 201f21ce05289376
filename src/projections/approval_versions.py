"""projections.approval_versions: what was asked, each time that a request was resubmitted; the first version with the second.

A request that was never resubmitted has no rows: what it asks stands in approval_requests. So this table is applied before that
one, which it reads as it was, and refers to nothing.
"""

from domain.approval import ApprovalResubmitted, Change
from domain.approval.content import attachments_json
from domain.envelope import RecordedEvent
from domain.facts import Json
from projections import approval_requests
from projections.rows import Rows
from projections.table import TENANT_ID, Column, Lookup, Table, stream_row

NAME = "approval_versions"


def resubmitted(rows: Rows, record: RecordedEvent, event: ApprovalResubmitted) -> None:
    if event.number == 2:
        _first(rows, record)
    content = event.content
    row = {
        "request_id": record.stream_id,
        "number": event.number,
        "title": content.title,
        "description": content.description,
        "context": content.context,
        "attachments": attachments_json(content.attachments),
        "changes": [_change_json(each) for each in event.changes],
        "asked_again": list(event.steps),
        "submitted_by": event.user_id,
        "submitted_at": record.occurred_at,
        "comment": event.comment,
    }
    rows.insert(NAME, record, row)


def _first(rows: Rows, record: RecordedEvent) -> None:
    request = rows.get(approval_requests.NAME, record.tenant_id, record.stream_id)
    row = {
        "request_id": record.stream_id,
        "number": 1,
        "title": request["title"],
        "description": request["description"],
        "context": request["request_data"]["context"],
        "attachments": request["attachments"],
        "changes": [],
        "asked_again": [],
        "submitted_by": request["requested_by"],
        "submitted_at": request["created_at"],
        "comment": None,
    }
    rows.insert(NAME, record, row)


def _change_json(change: Change) -> Json:
    return {"path": change.path, "how": change.how}


def rows_needed(record: RecordedEvent) -> tuple[Lookup, ...]:
    return (stream_row(record)._replace(table=approval_requests.NAME),)


TABLE = Table(
    name=NAME,
    key=("tenant_id", "request_id", "number"),
    columns={
        "tenant_id": TENANT_ID,
        "request_id": Column("uuid", "The request."),
        "number": Column("integer", "1, 2, 3 … per request."),
        "title": Column("text", "What was asked."),
        "description": Column("text", "What was asked, at length.", null=True),
        "context": Column("jsonb", "What those who were asked were shown.", null=True, listed=False),
        "attachments": Column("jsonb", "Files that went with it: [{name, reference, sha256, media_type, size}].", listed=False),
        "changes": Column("jsonb", "In what it differs from the version before: [{path (JSON pointer), how}]."),
        "asked_again": Column("jsonb", "The numbers of the steps that were asked again because of it."),
        "submitted_by": Column("uuid", "Who submitted it; null: a service.", null=True),
        "submitted_at": Column("timestamptz", "When it was submitted."),
        "comment": Column("text", "What they said.", null=True),
    },
    appliers={ApprovalResubmitted: resubmitted},
    rows_needed=rows_needed,
    lookups=(("tenant_id", "request_id"),),
)
