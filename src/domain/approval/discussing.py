"""What people may say about a request, and who watches it."""

from uuid import UUID

from domain.approval.content import Attachment
from domain.approval.deciding import require_asked, require_open, require_there
from domain.approval.eligibility import Decider, NotEligible
from domain.approval.events import (
    ApprovalCommentDeleted,
    ApprovalCommented,
    ApprovalCommentEdited,
    ApprovalQuestionAnswered,
    ApprovalQuestionAsked,
    ApprovalUnwatched,
    ApprovalWatched,
)
from domain.approval.resubmitting import NoRequester
from domain.approval.state import Approval
from domain.approval.thread import Said
from domain.facts import FieldError, Invalid, NotFound, PermissionDenied, RuleViolation

MOST_SAID = 500
"""Questions, answers and comments of one request, those that were taken back included."""
MOST_WATCHERS = 100


class NotConcerned(PermissionDenied):
    """You have neither asked for this decision, nor are you asked for it, nor were you asked a question about it."""

    code = "not_concerned"


class NotYours(PermissionDenied):
    """Somebody else has said this."""

    code = "not_yours"


class NotAsked(PermissionDenied):
    """Somebody else was asked this question."""

    code = "not_asked"


class NoSuchComment(NotFound):
    """There is no such comment."""


class AlreadyAnswered(RuleViolation):
    """The question is answered already."""

    code = "already_answered"


class CommentDeleted(RuleViolation):
    """The comment was deleted."""

    code = "comment_deleted"


class TooManyComments(RuleViolation):
    """There are too many comments on this approval request."""

    code = "too_many_comments"


class TooManyWatchers(RuleViolation):
    """Too many people watch this approval request."""

    code = "too_many_watchers"


def require_concerned(state: Approval, who: Decider) -> None:
    """Who asked for the decision, who is or was asked for it, and who was asked a question."""
    require_there(state)
    if state.requested_by in {who.user_id, *who.behind} or any(said.to == who.user_id for said in state.thread):
        return
    try:
        require_asked(state, who, state.steps)
    except NotEligible:
        raise NotConcerned from None


def ask(
    state: Approval, id: UUID, user_id: UUID, to_user_id: UUID | None, text: str, attachments: tuple[Attachment, ...] = ()
) -> ApprovalQuestionAsked:
    """`to_user_id`: None: whoever asked for the decision. Whether they may see it was asked before."""
    require_open(state)
    _require_room(state, text)
    to_user_id = to_user_id or state.requested_by
    if to_user_id is None:
        raise NoRequester("Nobody in particular has asked for this decision: say whom you ask.", "/to_user_id")
    if to_user_id == user_id:
        told = "Nobody asks themselves."
        raise Invalid(told, "/to_user_id", (FieldError("/to_user_id", "oneself", told),))
    return ApprovalQuestionAsked(id, user_id, to_user_id, text, attachments)


def answer(
    state: Approval, id: UUID, user_id: UUID, question_id: UUID, text: str, attachments: tuple[Attachment, ...] = ()
) -> ApprovalQuestionAnswered:
    _require_room(state, text)
    question = _said(state, question_id)
    if question.kind != "question":
        raise NoSuchComment("There is no such question.", "/question_id")
    if question.deleted:
        raise CommentDeleted(path="/question_id")
    if question.to != user_id:
        raise NotAsked
    if question.answered:
        raise AlreadyAnswered
    return ApprovalQuestionAnswered(id, question_id, user_id, text, attachments)


def comment(state: Approval, id: UUID, user_id: UUID, text: str, attachments: tuple[Attachment, ...] = ()) -> ApprovalCommented:
    _require_room(state, text)
    return ApprovalCommented(id, user_id, text, attachments)


def edit(state: Approval, id: UUID, user_id: UUID, text: str, attachments: tuple[Attachment, ...] = ()) -> ApprovalCommentEdited:
    _require_own(state, id, user_id)
    _require_words(text)
    return ApprovalCommentEdited(id, user_id, text, attachments)


def delete(state: Approval, id: UUID, user_id: UUID) -> ApprovalCommentDeleted:
    _require_own(state, id, user_id)
    return ApprovalCommentDeleted(id, user_id)


def watch(state: Approval, user_id: UUID, added_by: UUID | None = None) -> ApprovalWatched | None:
    """None: they do already. Whether they may see it was asked before."""
    require_there(state)
    if user_id in state.watchers:
        return None
    if len(state.watchers) >= MOST_WATCHERS:
        raise TooManyWatchers(f"At most {MOST_WATCHERS} people watch an approval request.")
    return ApprovalWatched(user_id, added_by)


def unwatch(state: Approval, user_id: UUID) -> ApprovalUnwatched | None:
    """None: they do not."""
    require_there(state)
    return ApprovalUnwatched(user_id) if user_id in state.watchers else None


def _require_room(state: Approval, text: str) -> None:
    require_there(state)
    _require_words(text)
    if len(state.thread) >= MOST_SAID:
        raise TooManyComments(f"There are at most {MOST_SAID} comments on an approval request.")


def _require_words(text: str) -> None:
    if not text.strip():
        told = "There must be something in it beside blanks."
        raise Invalid(told, "/text", (FieldError("/text", "required", told),))


def _require_own(state: Approval, id: UUID, user_id: UUID) -> None:
    require_there(state)
    said = _said(state, id)
    if said.author != user_id:
        raise NotYours
    if said.deleted:
        raise CommentDeleted


def _said(state: Approval, id: UUID) -> Said:
    for said in state.thread:
        if said.id == id:
            return said
    raise NoSuchComment
