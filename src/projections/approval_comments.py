"""projections.approval_comments: what people say about requests: questions, their answers, and comments."""

from uuid import UUID

from domain.approval import (
    ApprovalCommentDeleted,
    ApprovalCommented,
    ApprovalCommentEdited,
    ApprovalQuestionAnswered,
    ApprovalQuestionAsked,
)
from domain.approval.content import Attachment, attachments_json
from domain.envelope import RecordedEvent
from projections.rows import Rows
from projections.table import TENANT_ID, Column, Lookup, Row, Table, row_with_id

NAME = "approval_comments"


def asked(rows: Rows, record: RecordedEvent, event: ApprovalQuestionAsked) -> None:
    about = {"kind": "question", "to_user_id": event.to_user_id}
    _say(rows, record, event.comment_id, event.user_id, event.text, event.attachments, about)


def answered(rows: Rows, record: RecordedEvent, event: ApprovalQuestionAnswered) -> None:
    about = {"kind": "answer", "question_id": event.question_id}
    _say(rows, record, event.comment_id, event.user_id, event.text, event.attachments, about)
    rows.update(NAME, record, (record.tenant_id, event.question_id), {"answered_at": record.occurred_at})


def commented(rows: Rows, record: RecordedEvent, event: ApprovalCommented) -> None:
    _say(rows, record, event.comment_id, event.user_id, event.text, event.attachments, {"kind": "comment"})


def _say(
    rows: Rows,
    record: RecordedEvent,
    id: UUID,
    user_id: UUID,
    text: str,
    attachments: tuple[Attachment, ...],
    about: Row,
) -> None:
    row = {
        "id": id,
        "request_id": record.stream_id,
        "to_user_id": None,
        "question_id": None,
        "user_id": user_id,
        "text": text,
        "attachments": attachments_json(attachments),
        "said_at": record.occurred_at,
        "answered_at": None,
        "edited_at": None,
        "deleted_at": None,
    }
    rows.insert(NAME, record, {**row, **about})


def edited(rows: Rows, record: RecordedEvent, event: ApprovalCommentEdited) -> None:
    changes = {"text": event.text, "attachments": attachments_json(event.attachments), "edited_at": record.occurred_at}
    rows.update(NAME, record, (record.tenant_id, event.comment_id), changes)


def deleted(rows: Rows, record: RecordedEvent, event: ApprovalCommentDeleted) -> None:
    """That something was said stays, and not what. The question whose answer was taken back is open again."""
    question = rows.get(NAME, record.tenant_id, event.comment_id)["question_id"]
    gone: Row = {"text": None, "attachments": [], "deleted_at": record.occurred_at}
    rows.update(NAME, record, (record.tenant_id, event.comment_id), gone)
    if question is not None:
        rows.update(NAME, record, (record.tenant_id, question), {"answered_at": None})


def rows_needed(record: RecordedEvent) -> tuple[Lookup, ...]:
    match record.event:
        case ApprovalQuestionAnswered(question_id=question_id):
            return (row_with_id(record, question_id),)
        case ApprovalCommentEdited(comment_id=comment_id):
            return (row_with_id(record, comment_id),)
        case ApprovalCommentDeleted():
            return (of_request(record),)
        case _:
            return ()


BY_REQUEST = ("tenant_id", "request_id")


def of_request(record: RecordedEvent) -> Lookup:
    return Lookup(BY_REQUEST, (record.tenant_id, record.stream_id), NAME)


TABLE = Table(
    name=NAME,
    key=("tenant_id", "id"),
    columns={
        "tenant_id": TENANT_ID,
        "id": Column("uuid", "Its id."),
        "request_id": Column("uuid", "The request."),
        "kind": Column("text", "question, answer or comment.", choices=("question", "answer", "comment")),
        "user_id": Column("uuid", "Who said it."),
        "to_user_id": Column("uuid", "Whom a question was asked.", null=True),
        "question_id": Column("uuid", "The question that an answer is to.", null=True),
        "text": Column("text", "What they said; null once they have deleted it.", null=True),
        "attachments": Column("jsonb", "Files that go with it: [{name, reference, sha256, media_type, size}]."),
        "said_at": Column("timestamptz", "When they said it."),
        "answered_at": Column("timestamptz", "When a question was answered.", null=True),
        "edited_at": Column("timestamptz", "When they last changed it.", null=True),
        "deleted_at": Column("timestamptz", "When they deleted it.", null=True),
    },
    appliers={
        ApprovalQuestionAsked: asked,
        ApprovalQuestionAnswered: answered,
        ApprovalCommented: commented,
        ApprovalCommentEdited: edited,
        ApprovalCommentDeleted: deleted,
    },
    rows_needed=rows_needed,
    lookups=(BY_REQUEST,),
)
