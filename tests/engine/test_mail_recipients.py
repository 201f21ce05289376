"""Whom an event of an approval request is told by mail: who is asked, who asked, who had a say; and who wants to be told."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from domain.approval import (
    ApprovalEscalated,
    ApprovalExpired,
    ApprovalOverridden,
    ApprovalQuestionAnswered,
    ApprovalQuestionAsked,
    ApprovalReminded,
    ApprovalRequested,
    ApprovalResolved,
    ApprovalResubmitted,
    ApprovalSentToRequester,
    ApprovalStepStarted,
    ApprovalWatched,
    ApproverAdded,
    Content,
    Decider,
    decide,
)
from domain.approval.overriding import Overrider
from domain.delegation import DelegationGiven, delegations_of
from domain.envelope import Envelope, RecordedEvent
from domain.facts import Event, Fact
from domain.member import MemberSuspended
from domain.notices import TYPES
from domain.notification_delivery import DeliveryRequested
from domain.notification_endpoint import NotificationEndpointChanged, NotificationEndpointCreated, NotificationEndpointDisabled
from domain.notification_preferences import PreferencesChanged, preferences_of
from engine.context import Engine
from engine.engine import override_approval
from engine.mail_recipients import OF, concerned, is_of_use, request_mail
from engine.notice_messages import message
from engine.notice_words import words
from engine.notices import Begun, deliveries_of, endpoints_after, mail_endpoints
from tests.engine.drawing import ANN, BEN, EVALUATOR, Play
from tests.engine.people import CAT, DAN, EVA, approval, asked, node, request_id
from tests.given import MOMENT, TENANT_ID, Story

ENDPOINT, HAPPENED = UUID(int=0xE1), UUID(int=0xE2)
ENGINE = Engine(EVALUATOR)
BOSSES = [ANN, BEN, CAT]


def recorded(play: Play, event: Event, by: UUID | None = None) -> RecordedEvent:
    who = Envelope("user", user_id=by)
    return RecordedEvent(TENANT_ID, 9, request_id(play), 2, "topic", event, MOMENT, MOMENT, UUID(int=77), who, b"{}")


def first(play: Play, of: type[Event]) -> Event:
    return next(fact.event for fact in play.view.facts if isinstance(fact.event, of))


def told(play: Play, event: Event, by: UUID | None = None) -> list[UUID]:
    return list(concerned(play.view, recorded(play, event, by)))


def also(play: Play, stream: UUID, event: Event) -> Play:
    view = play.story.view
    play.story = replace(play.story, view=replace(view, facts=(*view.facts, Fact(stream, event))))
    return play


def mailed(play: Play, *people: UUID, event: Event | None = None) -> list[UUID | None]:
    record = recorded(play, event or first(play, ApprovalRequested))
    story = Story(play.view).when(lambda view: request_mail(view, ENGINE, record, HAPPENED, ENDPOINT, people))
    found = [fact.event for fact in story.decided.facts if isinstance(fact.event, DeliveryRequested)]
    assert len(found) == len(story.decided.facts) == len(story.decided.jobs)
    assert all((each.kind, each.endpoint_id, each.position) == ("mail", ENDPOINT, 9) for each in found)
    again = story.when(lambda view: request_mail(view, ENGINE, record, HAPPENED, ENDPOINT, people))
    assert again.decided.facts == (), "once"
    return [each.user_id for each in found]


def test_those_are_told_who_are_asked_and_not_who_did_it() -> None:
    play = asked(node())
    event = first(play, ApprovalRequested)
    assert told(play, event) == BOSSES
    assert told(play, event, by=BEN) == [ANN, CAT]
    excluded = asked(node(outcomes=[{"name": "yes", "kind": "approve", "exclude": [str(ANN)]}, {"name": "no", "kind": "reject"}]))
    assert told(excluded, first(excluded, ApprovalRequested)) == BOSSES, "ann may say no"
    everybody = asked({"title": "Please decide"})
    assert told(everybody, first(everybody, ApprovalRequested)) == [], "nobody by name"


def test_who_has_decided_or_is_too_late_is_asked_nothing() -> None:
    play = asked(node(rule={"type": "multiple", "count": 2}))
    event = first(play, ApprovalRequested)
    play = decided(play, ANN)
    assert told(play, event) == [BEN, CAT]
    play = decided(play, BEN)
    assert approval(play).status == "resolved"
    assert told(play, event) == []
    assert told(play, first(play, ApprovalResolved), by=BEN) == [ANN]
    assert not is_of_use("approval.requested", approval(play))
    assert is_of_use("approval.resolved", approval(play))


def test_who_has_not_answered_is_reminded_and_who_is_asked_at_a_level_is_told_that() -> None:
    config = node(rule={"type": "multiple", "count": 2}, remind=[{"after": "PT1H"}])
    play = decided(asked({**config, "escalate": [{"after": "PT2H", "by": {"users": [str(EVA)]}}]}), ANN)
    assert told(play, ApprovalReminded(1, 1, (), ("boss",))) == [BEN, CAT]
    escalated = ApprovalEscalated(1, 1, (EVA,), ("boss",), None, ("approved", "rejected"))
    assert told(also(play, request_id(play), escalated), escalated) == [BEN, CAT, EVA]
    assert told(decided(play, BEN), escalated) == [], "it is over"


def decided(play: Play, who: UUID) -> Play:
    events = decide(approval(play), Decider(who, ("boss",)), "approved", UUID(int=who.int + 1_000))
    for event in events:
        also(play, request_id(play), event)
    return play


def test_steps_are_asked_one_after_another_and_who_is_added_alone() -> None:
    steps = [{"name": "first", "by": {"roles": ["boss"]}}, {"name": "second", "by": {"users": [str(EVA)]}}]
    play = asked({"title": "Please decide", "steps": steps})
    assert told(play, first(play, ApprovalRequested)) == [], "each step asks its own"
    assert told(play, first(play, ApprovalStepStarted)) == BOSSES
    assert told(play, ApproverAdded(DAN, ANN)) == [DAN]


def test_who_asked_is_told_the_end() -> None:
    play = asked(node())
    state = replace(approval(play), requested_by=DAN, status="expired")
    kind, whom = OF[ApprovalExpired]
    assert (kind, sorted(whom(play.view, state, ApprovalExpired()))) == ("expired", [*BOSSES, DAN])


def test_only_active_members_who_want_it_are_mailed() -> None:
    play = asked(node())
    assert mailed(play, ANN) == [ANN]
    also(play, preferences_of(TENANT_ID, None), PreferencesChanged(mail=("decided",)))
    assert mailed(play, ANN) == []
    also(play, preferences_of(TENANT_ID, ANN), PreferencesChanged(ANN, ("requested",)))
    assert mailed(play, ANN) == [ANN]
    also(play, ANN, MemberSuspended(ANN))
    assert mailed(play, ANN) == []


def test_who_stands_in_is_asked_as_well() -> None:
    play = asked(node())
    given = DelegationGiven(UUID(int=5), ANN, DAN, "absence", MOMENT - timedelta(days=1), MOMENT + timedelta(days=1))
    also(play, delegations_of(TENANT_ID, ANN), given)
    assert mailed(play, ANN) == [ANN, DAN]
    assert mailed(play, ANN, event=ApprovalResolved("approved", "approve")) == [ANN], "told, not asked"
    for_ben = replace(given, delegation_id=UUID(int=6), from_user_id=BEN)
    also(play, delegations_of(TENANT_ID, BEN), for_ben)
    assert mailed(play, ANN, BEN) == [ANN, BEN, DAN], "once for both"


def test_people_are_told_of_all_that_happens_to_a_request_but_single_decisions() -> None:
    """And but that it was taken back, for a while: who is asked then is told when they are asked again."""
    untold = {type for event, type in TYPES.items() if type.startswith("approval.") and event not in OF}
    assert "approval.decided" in untold
    assert untold <= {"approval.decided", "approval.recalled"}


def endpoints(*events: Event) -> Any:
    found: Any = {}
    for event in events:
        record = RecordedEvent(TENANT_ID, 1, ENDPOINT, 1, "t", event, MOMENT, MOMENT, UUID(int=7), Envelope("system"), b"{}")
        found = endpoints_after(found, record)
    return found


def test_mail_goes_by_endpoints_of_mail_as_they_were_and_webhooks_by_the_others() -> None:
    play = asked(node())
    event = first(play, ApprovalRequested)
    created = NotificationEndpointCreated("smtp:", ("approval.*",), "secret", format="mail")
    begun = Begun(event)
    assert mail_endpoints(event, endpoints(created), begun) == (ENDPOINT,)
    changed = NotificationEndpointChanged("smtp:", ("approval.requested",))
    assert mail_endpoints(event, endpoints(created, changed), begun) == (ENDPOINT,), "it stays one of mail"
    assert mail_endpoints(event, endpoints(created, NotificationEndpointDisabled("by_hand")), begun) == ()
    assert mail_endpoints(event, endpoints(replace(created, workflow_key="other")), begun) == ()
    assert mail_endpoints(event, endpoints(replace(created, format="slack")), begun) == ()
    assert list(deliveries_of(recorded(play, event), HAPPENED, endpoints(created), begun)) == []
    assert len(list(deliveries_of(recorded(play, event), HAPPENED, endpoints(replace(created, format="slack")), begun))) == 1
    assert TYPES[ApprovalRequested] == "approval.requested"


def test_all_who_are_concerned_are_told_once_of_an_override_and_why() -> None:
    chief = UUID(int=0xB0)
    play = asked(node(rule={"type": "multiple", "count": 2}), created_by=DAN)
    play = decided(play, ANN)
    about: Any = {"outcome": "approved", "reason": "The press stands still."}
    play.step(lambda view: override_approval(view, play.engine, request_id(play), Overrider(chief), **about))
    event = first(play, ApprovalOverridden)
    assert told(play, event, by=chief) == [*BOSSES, DAN], "who asked, who was asked, and who had decided"
    assert told(play, first(play, ApprovalResolved), by=chief) == []
    wanted = DeliveryRequested("approval.overridden", "mail", ENDPOINT, 9, request_id(play))
    said = words(message(wanted, recorded(play, event, chief), recorded(play, first(play, ApprovalRequested))))
    assert said.headline == "Decided by an override"
    assert ("Reason", "The press stands still.") in said.facts


def test_who_watches_is_told_the_end_and_who_is_asked_a_question_is_told_it() -> None:
    play = asked(node(), created_by=DAN)
    also(play, request_id(play), ApprovalWatched(EVA))
    asks = ApprovalQuestionAsked(UUID(int=5), ANN, DAN, "Why?")
    also(play, request_id(play), asks)
    assert told(play, asks, by=ANN) == [DAN]
    answers = ApprovalQuestionAnswered(UUID(int=6), UUID(int=5), DAN, "So.")
    also(play, request_id(play), answers)
    assert told(play, answers, by=DAN) == [ANN]
    back = ApprovalSentToRequester(ANN, "Which?")
    also(play, request_id(play), back)
    assert told(play, back, by=ANN) == [DAN]
    again = ApprovalResubmitted(2, Content("Else?"), (), (1,), DAN)
    also(play, request_id(play), again)
    assert told(play, again, by=DAN) == BOSSES
    play = decided(play, ANN)
    assert told(play, first(play, ApprovalResolved), by=ANN) == [DAN, EVA]
