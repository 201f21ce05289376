"""Whom what happens to an approval request concerns as a person, and what is asked for of that: a delivery by mail for each.

Whom is asked of the request as it stands when somebody looks, a moment after the event: who has decided meanwhile is reminded of
nothing. Where anybody may decide, nobody is asked by name: those find it in their inbox, and in the digest of it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from domain.approval import (
    APPROVAL,
    Approval,
    ApprovalCancelled,
    ApprovalEscalated,
    ApprovalExpired,
    ApprovalOverridden,
    ApprovalQuestionAnswered,
    ApprovalQuestionAsked,
    ApprovalReassigned,
    ApprovalReminded,
    ApprovalRequested,
    ApprovalResolved,
    ApprovalResubmitted,
    ApprovalSentToRequester,
    ApprovalStepStarted,
    ApproverAdded,
    Step,
)
from domain.approval.events import asks_voters
from domain.approval.steps import kept_apart
from domain.approval.times import WHOLE
from domain.envelope import RecordedEvent
from domain.facts import Decided, Event, View
from domain.member import MEMBER
from domain.notices import TYPES
from domain.notification_delivery import DeliveryRequested, delivery_id, request
from domain.notification_preferences import MailKind, wants
from engine.asking import people_of
from engine.context import Engine
from engine.delegating import substitutes_of

MOST_PEOPLE = 5_000
"""Whom one event is told by mail."""
ASKING: frozenset[MailKind] = frozenset({"requested", "reminded", "escalated"})
"""Kinds that ask somebody to decide: of no use when it is decided."""


def asked(view: View, approval: Approval) -> frozenset[UUID]:
    """Who may choose an outcome in an open step and has decided in none of these yet; of a claimed one, who claimed it."""
    return frozenset().union(*(_asked_in(view, approval, step) for step in approval.open_steps))


def _asked_in(view: View, approval: Approval, step: Step) -> frozenset[UUID]:
    found: set[UUID] = set()
    for outcome in step.outcomes:
        if step.voters is not None and asks_voters(outcome, step.outcomes):
            people = frozenset(voter.user_id for voter in step.voters)
        else:
            people = people_of(view, outcome.roles) | {*outcome.users}
        found |= people - {*outcome.exclude}
    if step.claimed_by is not None:
        found &= {step.claimed_by}
    return frozenset(found - kept_apart(approval, step) - step.answered)


def _in_step(view: View, approval: Approval, number: int) -> frozenset[UUID]:
    step = next((each for each in approval.open_steps if each.number == number), None)
    return frozenset() if step is None else _asked_in(view, approval, step)


def involved(approval: Approval) -> frozenset[UUID]:
    """Who asked for the decision, who has had a say in it, and who watches it."""
    requester = frozenset(() if approval.requested_by is None else (approval.requested_by,))
    return requester.union(approval.watchers, *(decision.people for decision in approval.decisions))


def _requested(view: View, approval: Approval, event: ApprovalRequested) -> Iterable[UUID]:
    return () if event.steps else _in_step(view, approval, 1)


def _asked_again(view: View, approval: Approval, event: ApprovalResubmitted) -> Iterable[UUID]:
    """Of a request in steps, those are told as each starts."""
    return _in_step(view, approval, 1) if event.steps and not approval.in_steps else ()


def _answered(_view: View, approval: Approval, event: ApprovalQuestionAnswered) -> Iterable[UUID]:
    return (said.author for said in approval.thread if said.id == event.question_id)


def _given_back(_view: View, approval: Approval, _event: ApprovalSentToRequester) -> Iterable[UUID]:
    return () if approval.requested_by is None else (approval.requested_by,)


def _ended(_view: View, approval: Approval, _event: Event) -> Iterable[UUID]:
    """Where it was overridden, they were told of that."""
    return () if approval.overridden_by is not None else involved(approval)


def _overridden(view: View, approval: Approval, event: ApprovalOverridden) -> Iterable[UUID]:
    """Also who was asked, and now is no longer."""
    return involved(approval).union(event.asked_users, people_of(view, event.asked_roles))


def _expired(view: View, approval: Approval, _event: Event) -> Iterable[UUID]:
    left = (_asked_in(view, approval, step) for step in approval.steps if step.status == "open")
    return involved(approval).union(*left)


def _reminded(view: View, approval: Approval, event: ApprovalReminded) -> Iterable[UUID]:
    return asked(view, approval) if event.step == WHOLE else _in_step(view, approval, event.step)


def _escalated(view: View, approval: Approval, event: ApprovalEscalated) -> Iterable[UUID]:
    """Who is asked since then."""
    since = {*event.users, *(voter.user_id for voter in event.voters or ()), *people_of(view, event.roles)}
    return since & _in_step(view, approval, event.step)


OF: Mapping[type[Event], tuple[MailKind, Callable[[View, Approval, Any], Iterable[UUID]]]] = {
    ApprovalRequested: ("requested", _requested),
    ApprovalStepStarted: ("requested", lambda view, approval, event: _in_step(view, approval, event.step)),
    ApproverAdded: ("requested", lambda _view, _approval, event: (event.user_id,)),
    ApprovalReassigned: ("requested", lambda _view, _approval, event: (event.to_user_id,)),
    ApprovalReminded: ("reminded", _reminded),
    ApprovalEscalated: ("escalated", _escalated),
    ApprovalResubmitted: ("requested", _asked_again),
    ApprovalSentToRequester: ("question", _given_back),
    ApprovalQuestionAsked: ("question", lambda _view, _approval, event: (event.to_user_id,)),
    ApprovalQuestionAnswered: ("question", _answered),
    ApprovalResolved: ("decided", _ended),
    ApprovalOverridden: ("overridden", _overridden),
    ApprovalCancelled: ("decided", _ended),
    ApprovalExpired: ("expired", _expired),
}
"""By the event: the kind of mail, and whom it concerns."""


OF_WHAT_IS_OPEN = frozenset(TYPES[event] for event, (kind, _) in OF.items() if kind in ASKING)
"""Types of events of which a mail asks somebody to decide."""


KINDS_OF_TYPES: Mapping[str, MailKind] = {TYPES[event]: kind for event, (kind, _) in OF.items()}


def kind_of(event: Event) -> MailKind | None:
    """None: no person is told of it."""
    found = OF.get(type(event))
    return None if found is None else found[0]


def is_of_use(event_type: str, approval: Approval) -> bool:
    """Whether a mail of this type says something that is still so: nobody is asked for what is over."""
    return approval.status == "pending" or not asks_to_decide(event_type)


def asks_to_decide(event_type: str) -> bool:
    return event_type in OF_WHAT_IS_OPEN


def concerned(view: View, record: RecordedEvent) -> tuple[UUID, ...]:
    """Whom an event of a request concerns, in a fixed order; not who did it: they know."""
    kind, whom = OF[type(record.event)]
    approval = view.read(APPROVAL, record.stream_id)
    if kind in ASKING and approval.status != "pending":
        return ()
    people = frozenset(whom(view, approval, record.event)) - {record.envelope.user_id}
    return tuple(sorted(people))[:MOST_PEOPLE]


def request_mail(
    view: View, engine: Engine, record: RecordedEvent, happened: UUID, endpoint_id: UUID, people: Sequence[UUID]
) -> Decided:
    """A delivery to each of these whom an event concerns, and, where they are asked, to whoever stands in for them.

    Of those, who is an active member and wants such mail. Each once for an event and an endpoint.
    """
    kind, found = OF[type(record.event)][0], dict.fromkeys(people)
    if kind in ASKING:
        for person in people:
            found |= dict.fromkeys(sorted(substitutes_of(view, engine, record.stream_id, person) - {record.envelope.user_id}))
    asked_for = []
    for one in found:
        if view.read(MEMBER, one).active and wants(view, one, kind):
            told = DeliveryRequested(
                TYPES[type(record.event)], "mail", endpoint_id, record.position, record.stream_id, user_id=one
            )
            asked_for.append(request(view, delivery_id(happened, record.command_id, f"{endpoint_id} {one}"), told))
    return Decided(
        tuple(fact for each in asked_for for fact in each.facts), jobs=tuple(job for each in asked_for for job in each.jobs)
    )
