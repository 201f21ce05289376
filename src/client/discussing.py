"""Calls of those who ask for a decision, and of all who talk about it: taking it back, asking again, questions, comments."""

from collections.abc import Mapping, Sequence
from typing import TypedDict, Unpack

from client.acting import on_approval
from client.models import Comment, DecisionResult, Json, Page, Said
from client.protocol import Flow, command, get, part


class Changes(TypedDict, total=False):
    """What is not given stays as it is. `attachments`: those that it has from then on."""

    title: str
    description: str | None
    context: Json
    attachments: Sequence[Mapping[str, Json]]


def recall_approval(
    id: str, comment: str | None = None, *, if_match: int | None = None, idempotency_key: str | None = None
) -> Flow[DecisionResult]:
    """Take back what one has asked for. Nobody decides it until it is resubmitted."""
    return (yield from on_approval(id, "recall", {"comment": comment}, if_match, idempotency_key))


def resubmit_approval(
    id: str,
    comment: str | None = None,
    *,
    if_match: int | None = None,
    idempotency_key: str | None = None,
    **changes: Unpack[Changes],
) -> Flow[DecisionResult]:
    """Ask again, with changes. Only those are asked again whose part has changed."""
    return (yield from on_approval(id, "resubmit", {"comment": comment, **changes}, if_match, idempotency_key))


def ask_question(
    id: str,
    text: str,
    to_user_id: str | None = None,
    *,
    attachments: Sequence[Mapping[str, Json]] = (),
    idempotency_key: str | None = None,
) -> Flow[Said]:
    """Of who asked for the decision, or of somebody else. It may be decided meanwhile."""
    body = {"text": text, "to_user_id": to_user_id, "attachments": list(attachments)}
    return Said.of((yield from command(f"/approvals/{part(id)}/ask", body, idempotency_key=idempotency_key)))


def answer_question(
    id: str,
    question_id: str,
    text: str,
    *,
    attachments: Sequence[Mapping[str, Json]] = (),
    idempotency_key: str | None = None,
) -> Flow[Said]:
    """By the one who was asked, once."""
    body = {"question_id": question_id, "text": text, "attachments": list(attachments)}
    return Said.of((yield from command(f"/approvals/{part(id)}/answer", body, idempotency_key=idempotency_key)))


def comment_on_approval(
    id: str, text: str, *, attachments: Sequence[Mapping[str, Json]] = (), idempotency_key: str | None = None
) -> Flow[Said]:
    body = {"text": text, "attachments": list(attachments)}
    return Said.of((yield from command(f"/approvals/{part(id)}/comments", body, idempotency_key=idempotency_key)))


def edit_comment(
    id: str,
    comment_id: str,
    text: str,
    *,
    attachments: Sequence[Mapping[str, Json]] = (),
    idempotency_key: str | None = None,
) -> Flow[Said]:
    """One's own question, answer or comment. `attachments`: those that it has from then on."""
    path, body = _said(id, comment_id), {"text": text, "attachments": list(attachments)}
    return Said.of((yield from command(path, body, method="PATCH", idempotency_key=idempotency_key)))


def delete_comment(id: str, comment_id: str, *, idempotency_key: str | None = None) -> Flow[Said]:
    """One's own. That something was said stays, and the words in the ledger."""
    return Said.of((yield from command(_said(id, comment_id), None, method="DELETE", idempotency_key=idempotency_key)))


def comments(id: str, *, limit: int | None = None, cursor: str | None = None) -> Flow[Page[Comment]]:
    """A page of what was said about it, in its order."""
    found = yield from get(f"/approvals/{part(id)}/comments", {"limit": limit, "cursor": cursor})
    return Page.of(found, Comment.of)


def watch_approval(id: str, user_id: str | None = None, *, idempotency_key: str | None = None) -> Flow[bool]:
    """Be told what becomes of it; `user_id`: have somebody else told. Whether they watch it: true."""
    return (yield from _watching(id, "watch", user_id, idempotency_key))


def unwatch_approval(id: str, user_id: str | None = None, *, idempotency_key: str | None = None) -> Flow[bool]:
    """No longer. Whether they watch it: false."""
    return (yield from _watching(id, "unwatch", user_id, idempotency_key))


def _watching(id: str, what: str, user_id: str | None, idempotency_key: str | None) -> Flow[bool]:
    answer = yield from command(f"/approvals/{part(id)}/{what}", {"user_id": user_id}, idempotency_key=idempotency_key)
    watching: bool = answer["watching"]
    return watching


def _said(id: str, comment_id: str) -> str:
    return f"/approvals/{part(id)}/comments/{part(comment_id)}"
