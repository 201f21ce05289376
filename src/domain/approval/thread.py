"""What people say about a request: questions, their answers, and comments. A state keeps who said it, not the words."""

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, assert_never
from uuid import UUID

from domain.approval.events import (
    ApprovalCommentDeleted,
    ApprovalCommented,
    ApprovalCommentEdited,
    ApprovalQuestionAnswered,
    ApprovalQuestionAsked,
)

Spoken: TypeAlias = (
    ApprovalQuestionAsked | ApprovalQuestionAnswered | ApprovalCommented | ApprovalCommentEdited | ApprovalCommentDeleted
)


@dataclass(frozen=True)
class Said:
    id: UUID
    author: UUID
    kind: Literal["comment", "question", "answer"]
    to: UUID | None = None
    """Whom a question was asked."""
    about: UUID | None = None
    """The question that is answered."""
    answered: bool = False
    deleted: bool = False


def spoken(thread: tuple[Said, ...], event: Spoken) -> tuple[Said, ...]:
    match event:
        case ApprovalQuestionAsked():
            return (*thread, Said(event.comment_id, event.user_id, "question", event.to_user_id))
        case ApprovalQuestionAnswered():
            thread = tuple(replace(each, answered=True) if each.id == event.question_id else each for each in thread)
            return (*thread, Said(event.comment_id, event.user_id, "answer", about=event.question_id))
        case ApprovalCommented():
            return (*thread, Said(event.comment_id, event.user_id, "comment"))
        case ApprovalCommentEdited():
            return thread
        case ApprovalCommentDeleted():
            about = next((each.about for each in thread if each.id == event.comment_id), None)
            return tuple(_after_deletion(each, event.comment_id, about) for each in thread)
        case _:
            assert_never(event)


def _after_deletion(each: Said, id: UUID, about: UUID | None) -> Said:
    """The question whose answer was taken back is open again."""
    if each.id == id:
        return replace(each, deleted=True)
    return replace(each, answered=False) if each.id == about else each
