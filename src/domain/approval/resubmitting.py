"""Taking a request back, and asking again: what has changed, and who is asked again because of it."""

from collections.abc import Callable, Collection
from dataclasses import replace
from uuid import UUID

from domain.approval.changing import NotRequester, require_requester
from domain.approval.content import Attachment, Change, Content, differences, outside, within
from domain.approval.deciding import require_open, require_pending
from domain.approval.events import ApprovalRecalled, ApprovalResubmitted, ApprovalSentToRequester, Asked
from domain.approval.state import Approval, Step
from domain.approval.times import Clock
from domain.facts import Due, FieldError, Invalid, Json, RuleViolation

MOST_VERSIONS = 100


class NotRecalled(RuleViolation):
    """The approval request is not with whoever asked: recall it first."""

    code = "not_recalled"


class NoRequester(RuleViolation):
    """Nobody in particular has asked for this decision."""

    code = "no_requester"


class TooManyVersions(RuleViolation):
    """The approval request was resubmitted too often."""

    code = "too_many_versions"


class NotEditable(Invalid):
    """This may not be changed when the request is resubmitted."""

    code = "not_editable"


UNCHANGED: Json = object()
"""Of a field that is not given."""


def recall(
    state: Approval, people: frozenset[UUID] | None, user_id: UUID | None, comment: str | None = None
) -> ApprovalRecalled | None:
    """By who asked for the decision: `people` are those who act. None: it is with them already."""
    require_open(state)
    require_requester(state, people)
    return ApprovalRecalled(user_id, comment) if state.status == "pending" else None


def send_to_requester(state: Approval, user_id: UUID, comment: str) -> ApprovalSentToRequester:
    """By one of those who are asked, which was seen to before."""
    require_pending(state)
    if state.requested_by is None:
        raise NoRequester
    return ApprovalSentToRequester(user_id, comment)


def edited(
    state: Approval,
    people: frozenset[UUID] | None,
    authors: Collection[UUID],
    requesters: Collection[UUID],
    *,
    title: str = UNCHANGED,
    description: str | None = UNCHANGED,
    context: Json = UNCHANGED,
    attachments: tuple[Attachment, ...] = UNCHANGED,
) -> tuple[Content, tuple[Change, ...]]:
    """What is asked from now on, and in what it differs. What is not given stays as it is.

    `authors`: who acts, and who does so on their behalf; `requesters`: who asked, and who did so on theirs. Only these change
    what is asked: it is they whom policies keep from deciding it, and whoever else wrote it could then approve that.
    """
    require_open(state)
    require_requester(state, people)
    if state.status != "with_requester":
        raise NotRecalled
    if state.number >= MOST_VERSIONS:
        raise TooManyVersions(f"An approval request has at most {MOST_VERSIONS} versions.")
    given = {"title": title, "description": description, "context": context, "attachments": attachments}
    content = replace(state.content, **{name: value for name, value in given.items() if value is not UNCHANGED})
    changes = differences(state.content.as_json, content.as_json)
    if changes and not set(authors).issubset(requesters):
        raise NotRequester("Only who asked for the decision, in their own name or as they asked, may change what it is about.")
    barred = () if state.editable is None else outside(changes, state.editable)
    if barred:
        told = f"Only these may be changed: {', '.join(state.editable or ()) or 'nothing'}."
        raise NotEditable(told, barred[0].path, tuple(FieldError(each.path, "not_editable", told) for each in barred))
    return content, changes


def asked_again(state: Approval, changes: tuple[Change, ...], differs: Callable[[str], bool]) -> tuple[int, ...]:
    """The steps that look at something that has changed, of those that were asked or skipped.

    `differs`: whether an expression comes to something else by now.
    """
    return tuple(
        step.number for step in state.steps if step.status != "waiting" and changes and _looks_at(step, changes, differs)
    )


def _looks_at(step: Step, changes: tuple[Change, ...], differs: Callable[[str], bool]) -> bool:
    if step.depends_on is None:
        return True
    return any(differs(each) if each.startswith("=") else within(changes, each) for each in step.depends_on)


def resubmit(
    state: Approval,
    content: Content,
    changes: tuple[Change, ...],
    steps: tuple[int, ...],
    *,
    user_id: UUID | None,
    comment: str | None = None,
    asked: Asked | None = None,
    due: Due | None = None,
    expires: Due | None = None,
    clocks: tuple[Clock, ...] = (),
) -> ApprovalResubmitted:
    """What may be changed, and who is asked again, was found before."""
    again = asked if steps else None
    return ApprovalResubmitted(state.number + 1, content, changes, steps, user_id, comment, again, due, expires, clocks)
