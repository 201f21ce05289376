"""Commands on what is said about a request, and on who watches it. They move nothing on, and work on a paused execution."""

from uuid import UUID

from domain.approval import APPROVAL, Approval, ApprovalEvent, Attachment, Decider
from domain.approval import discussing as rules
from domain.facts import Decided, Fact, FieldError, Invalid, Json, View
from domain.member import may
from engine.archiving import require_not_archived

READ = "approvals:read"


class MayNotSee(Invalid):
    """There is no active member with this id who may see approvals."""

    code = "may_not_see"


def ask_question(
    view: View,
    request_id: UUID,
    who: Decider,
    text: str,
    to_user_id: UUID | None = None,
    attachments: tuple[Attachment, ...] = (),
    *,
    manages: bool = False,
) -> Decided:
    """`manages`: they manage approvals, and may speak about every one. result {id, approval_id, version}."""
    approval = _heard(view, request_id, who, manages=manages)
    asked = rules.ask(approval, view.new_id(), who.user_id, to_user_id, text, attachments)
    _require_may_see(view, asked.to_user_id, "/to_user_id")
    return _said(view, request_id, asked.comment_id, asked)


def answer_question(
    view: View, request_id: UUID, who: Decider, question_id: UUID, text: str, attachments: tuple[Attachment, ...] = ()
) -> Decided:
    """By the one who was asked. The result is that of a question."""
    answered = rules.answer(view.read(APPROVAL, request_id), view.new_id(), who.user_id, question_id, text, attachments)
    return _said(view, request_id, answered.comment_id, answered)


def comment_on(
    view: View,
    request_id: UUID,
    who: Decider,
    text: str,
    attachments: tuple[Attachment, ...] = (),
    *,
    manages: bool = False,
) -> Decided:
    approval = _heard(view, request_id, who, manages=manages)
    commented = rules.comment(approval, view.new_id(), who.user_id, text, attachments)
    return _said(view, request_id, commented.comment_id, commented)


def edit_comment(
    view: View, request_id: UUID, who: Decider, id: UUID, text: str, attachments: tuple[Attachment, ...] = ()
) -> Decided:
    """One's own, be it a comment, a question or an answer."""
    return _said(view, request_id, id, rules.edit(view.read(APPROVAL, request_id), id, who.user_id, text, attachments))


def delete_comment(view: View, request_id: UUID, who: Decider, id: UUID) -> Decided:
    return _said(view, request_id, id, rules.delete(view.read(APPROVAL, request_id), id, who.user_id))


def watch(view: View, request_id: UUID, user_id: UUID, added_by: UUID | None = None) -> Decided:
    """`added_by`: who has another one watch it. result {id, user_id, watching, version}."""
    watched = rules.watch(view.read(APPROVAL, request_id), user_id, added_by)
    if watched is not None:
        _require_may_see(view, user_id, "/user_id")
    return _watching(view, request_id, user_id, watched, watching=True)


def unwatch(view: View, request_id: UUID, user_id: UUID) -> Decided:
    unwatched = rules.unwatch(view.read(APPROVAL, request_id), user_id)
    return _watching(view, request_id, user_id, unwatched, watching=False)


def _heard(view: View, request_id: UUID, who: Decider, *, manages: bool) -> Approval:
    approval = view.read(APPROVAL, request_id)
    if not manages:
        rules.require_concerned(approval, who)
    return approval


def _require_may_see(view: View, user_id: UUID, path: str) -> None:
    if not may(view, user_id, READ):
        told = "There is no active member with this id who may see approvals."
        raise MayNotSee(told, path, (FieldError(path, MayNotSee.code, told),))


def _said(view: View, request_id: UUID, id: UUID, event: ApprovalEvent) -> Decided:
    require_not_archived(view, request_id)
    result: Json = {"id": str(id), "approval_id": str(request_id), "version": view.version(request_id) + 1}
    return Decided((Fact(request_id, event),), result=result)


def _watching(view: View, request_id: UUID, user_id: UUID, event: ApprovalEvent | None, *, watching: bool) -> Decided:
    facts = () if event is None else (Fact(request_id, event),)
    if facts:
        require_not_archived(view, request_id)
    version = view.version(request_id) + len(facts)
    result: Json = {"id": str(request_id), "user_id": str(user_id), "watching": watching, "version": version}
    return Decided(facts, result=result)
