"""Calls of those who are asked to decide: their inbox, what they take on, and many requests at once."""

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, TypeAlias, TypedDict, Unpack
from uuid import uuid4

from client.errors import ApiError, from_problem
from client.models import Decision, DecisionResult, InboxCounts, InboxItem, Json, Page, SavedFilter
from client.protocol import PATIENCE_SECONDS, Flow, Pause, command, get, order, part, usual_pause, will_pass

Order: TypeAlias = Literal["due_at", "-due_at", "priority", "-priority", "created_at", "-created_at"]
Acted: TypeAlias = DecisionResult | ApiError
"""What became of one of many: how it stands, or why it was refused."""


class InboxFilter(TypedDict, total=False):
    """`standing_in_for`: a member's id, or `nobody`: for the caller alone. `due_before`: with its time zone."""

    claimed_by: Literal["me", "nobody", "others"]
    standing_in_for: str
    role: str
    workflow_key: str
    business_key: str
    step: str
    requested_by: str
    priority: int
    overdue: bool
    due_before: datetime
    title: str


def inbox(
    saved: Mapping[str, str] | None = None,
    *,
    sort: Order | None = None,
    limit: int | None = None,
    cursor: str | None = None,
    **filter: Unpack[InboxFilter],
) -> Flow[Page[InboxItem]]:
    """A page of what waits for the caller to decide, beginning with what is due first. `saved`: a saved filter's `filter`."""
    params = {**_query(saved, filter), "order": sort, "limit": limit, "cursor": cursor}
    return Page.of((yield from get("/inbox", params)), InboxItem.of)


def inbox_counts(saved: Mapping[str, str] | None = None, **filter: Unpack[InboxFilter]) -> Flow[InboxCounts]:
    """How much of it there is."""
    return InboxCounts.of((yield from get("/inbox/counts", _query(saved, filter))))


def _query(saved: Mapping[str, str] | None, filter: InboxFilter) -> dict[str, Any]:
    due = filter.get("due_before")
    return {
        **(saved or {}),
        **filter,
        **({} if due is None else {"due_before": due.isoformat()}),
        **({} if filter.get("overdue", True) else {"overdue": None}),
    }


def saved_filters() -> Flow[tuple[SavedFilter, ...]]:
    """The caller's, in their order."""
    return tuple(SavedFilter.of(each) for each in (yield from get("/inbox/filters"))["items"])


def save_filters(filters: Sequence[SavedFilter]) -> Flow[tuple[SavedFilter, ...]]:
    """All that the caller has from now on."""
    items = [{"name": each.name, "filter": dict(each.filter), "order": each.order} for each in filters]
    saved = yield from order("/inbox/filters", {"items": items}, method="PUT")
    return tuple(SavedFilter.of(each) for each in saved["items"])


def claim_approval(
    id: str,
    *,
    step: str | None = None,
    override: bool = False,
    if_match: int | None = None,
    idempotency_key: str | None = None,
) -> Flow[DecisionResult]:
    """Take it on, so that nobody else decides it. `override`: also where another one has, which needs approvals:manage."""
    return (yield from on_approval(id, "claim", {"step": step, "override": override}, if_match, idempotency_key))


def release_approval(
    id: str,
    *,
    step: str | None = None,
    comment: str | None = None,
    if_match: int | None = None,
    idempotency_key: str | None = None,
) -> Flow[DecisionResult]:
    """Give back what was claimed."""
    return (yield from on_approval(id, "release", {"step": step, "comment": comment}, if_match, idempotency_key))


def reassign_approval(
    id: str,
    from_user_id: str,
    to_user_id: str,
    *,
    step: str | None = None,
    comment: str | None = None,
    if_match: int | None = None,
    idempotency_key: str | None = None,
) -> Flow[DecisionResult]:
    """Ask another member in the place of one who is asked by name."""
    body = {"from_user_id": from_user_id, "to_user_id": to_user_id, "step": step, "comment": comment}
    return (yield from on_approval(id, "reassign", body, if_match, idempotency_key))


def revoke_decision(
    id: str,
    *,
    step: str | None = None,
    comment: str | None = None,
    if_match: int | None = None,
    idempotency_key: str | None = None,
) -> Flow[DecisionResult]:
    """Take one's own decision back, while what it is about is open."""
    return (yield from on_approval(id, "revoke", {"step": step, "comment": comment}, if_match, idempotency_key))


def withdraw_approval(
    id: str, reason: str | None = None, *, if_match: int | None = None, idempotency_key: str | None = None
) -> Flow[DecisionResult]:
    """Withdraw what one has asked for."""
    return (yield from on_approval(id, "withdraw", {"reason": reason}, if_match, idempotency_key))


def on_approval(id: str, what: str, body: Json, if_match: int | None, idempotency_key: str | None) -> Flow[DecisionResult]:
    path = f"/approvals/{part(id)}/{what}"
    return DecisionResult.of((yield from command(path, body, idempotency_key=idempotency_key, if_match=if_match)))


# Many at once


def decide_many(
    decisions: Sequence[Decision], *, idempotency_key: str | None = None, patience: float = PATIENCE_SECONDS
) -> Flow[tuple[Acted, ...]]:
    """At most 200, each judged on its own. For each, in their order: how it stands, or why it was refused.

    Those that could not be taken just then are repeated, by sending all of them again: under their key, what was done is known.
    """
    return (yield from _many("decide", [_decision(each) for each in decisions], idempotency_key, patience))


def claim_many(
    ids: Sequence[str], *, override: bool = False, idempotency_key: str | None = None, patience: float = PATIENCE_SECONDS
) -> Flow[tuple[Acted, ...]]:
    """As `claim_approval`, of at most 200."""
    return (yield from _many("claim", [{"id": id, "override": override} for id in ids], idempotency_key, patience))


def release_many(
    ids: Sequence[str], *, comment: str | None = None, idempotency_key: str | None = None, patience: float = PATIENCE_SECONDS
) -> Flow[tuple[Acted, ...]]:
    """As `release_approval`, of at most 200."""
    return (yield from _many("release", [{"id": id, "comment": comment} for id in ids], idempotency_key, patience))


def reassign_many(
    ids: Sequence[str],
    from_user_id: str,
    to_user_id: str,
    *,
    comment: str | None = None,
    idempotency_key: str | None = None,
    patience: float = PATIENCE_SECONDS,
) -> Flow[tuple[Acted, ...]]:
    """As `reassign_approval`, of at most 200."""
    about = {"from_user_id": from_user_id, "to_user_id": to_user_id, "comment": comment}
    return (yield from _many("reassign", [{"id": id, **about} for id in ids], idempotency_key, patience))


def _decision(one: Decision) -> Json:
    given = {name: value for name, value in vars(one).items() if value is not None}
    return {"id": given.pop("approval_id"), **given}


def _many(action: str, items: Sequence[Json], idempotency_key: str | None, patience: float) -> Flow[tuple[Acted, ...]]:
    key, until, attempt = idempotency_key or uuid4().hex, time.monotonic() + patience, 0
    while True:
        body = {"action": action, "items": list(items)}
        answer = yield from command("/approvals/bulk", body, idempotency_key=key, patience=patience)
        told: tuple[Acted, ...] = tuple(
            DecisionResult.of(each) if each["status"] < 400 else from_problem(each["status"], each["problem"])
            for each in answer["items"]
        )
        pause = usual_pause(attempt)
        if not any(isinstance(each, ApiError) and will_pass(each) for each in told) or time.monotonic() + pause > until:
            return told
        yield Pause(pause)
        attempt += 1
