"""Invitations: made, answered by whom they are for, and void when they should be."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from domain.facts import Claim, Fact
from domain.invitation import (
    SCOPE,
    VALID_FOR,
    Answerer,
    InvitationAccepted,
    InvitationDeclined,
    InvitationMade,
    InvitationWithdrawn,
    accept,
    decline,
    invite,
    withdraw,
)
from domain.member import MemberAdded, MemberRemoved, MemberRolesChanged
from domain.role import RoleCreated, RoleDeleted
from domain.user import User
from tests.given import MOMENT, Story, given

INVITED, ADA, BEN, CLERK, BOSS = (UUID(int=number) for number in range(1, 6))
ROLES = (
    Fact(CLERK, RoleCreated("clerk", "Clerk", ("executions:read",))),
    Fact(BOSS, RoleCreated("boss", "Boss", ("members:manage", "executions:read"))),
)
BY_BEN = (*ROLES, Fact(BEN, MemberAdded(BEN, (BOSS,), 1)))
HERS = User(True, "ada@Example.org", "Ada", True)
BY_ADA = Answerer(ADA, HERS, 7, False)
UNTIL = MOMENT + VALID_FOR
CLAIM = Claim(SCOPE, "ada@example.org", INVITED)


def invited() -> Story:
    return given(BY_BEN).when(lambda view: invite(view, INVITED, "Ada@example.org", (CLERK,), invited_by=BEN))


def later(story: Story, by: timedelta) -> Story:
    return replace(story, view=replace(story.view, now=MOMENT + by))


def test_an_address_is_invited_once_at_a_time_whatever_its_case() -> None:
    story = invited().then(InvitationMade("Ada@example.org", (CLERK,), UNTIL, BEN))
    assert story.decided.claims == (CLAIM,)
    assert story.result["status"] == "pending"
    story.when(lambda view: invite(view, UUID(int=9), "ADA@example.org", ())).then_refused("name_taken")
    again = later(story, VALID_FOR).when(lambda view: invite(view, UUID(int=9), "ADA@example.org", ()))
    assert [type(fact.event) for fact in again.decided.facts] == [InvitationWithdrawn, InvitationMade]


def test_nobody_invites_to_more_than_they_may_give_or_to_nowhere() -> None:
    mine = frozenset({"executions:read"})
    given(ROLES).when(lambda view: invite(view, INVITED, "a@b.example", (BOSS,), None, None, mine)).then_refused(
        "invalid", "/role_ids/0"
    )
    given(ROLES).when(lambda view: invite(view, INVITED, "nobody", ())).then_refused("invalid", "/email")
    given(ROLES).when(lambda view: invite(view, INVITED, "a@b.example", (), MOMENT)).then_refused("invalid", "/expires_at")


def test_whose_address_it_is_accepts_and_is_a_member() -> None:
    story = invited().when(lambda view: accept(view, INVITED, BY_ADA))
    story.then(InvitationAccepted(ADA, False), MemberAdded(ADA, (CLERK,), 7, BEN, False, INVITED))
    assert story.decided.releases == (CLAIM,)
    assert story.result["status"] == "active"
    story.when(lambda view: accept(view, INVITED, BY_ADA)).then_refused("invitation_closed")
    story.when(lambda view: withdraw(view, INVITED)).then_refused("invitation_closed")


def test_for_everybody_else_there_is_none() -> None:
    other = Answerer(BEN, replace(HERS, email="ben@example.org"), 7, False)
    for answer in (accept, decline):
        invited().when(lambda view, answer=answer: answer(view, INVITED, other)).then_refused("not_found")  # type: ignore[misc]
        given().when(lambda view, answer=answer: answer(view, INVITED, BY_ADA)).then_refused("not_found")  # type: ignore[misc]
    invited().when(lambda view: accept(view, INVITED, other, tenant_active=False)).then_refused("not_found")
    invited().when(lambda view: accept(view, INVITED, BY_ADA, tenant_active=False)).then_refused("tenant_suspended")
    invited().when(lambda view: accept(view, INVITED, None)).then_refused("no_user_yet")
    given().when(lambda view: withdraw(view, INVITED)).then_refused("not_found")


def test_an_invitation_ends() -> None:
    later(invited(), VALID_FOR).when(lambda view: accept(view, INVITED, BY_ADA)).then_refused("invitation_expired")
    declined = invited().when(lambda view: decline(view, INVITED, BY_ADA)).then(InvitationDeclined(False))
    assert declined.decided.releases == (CLAIM,)
    gone = invited().when(lambda view: withdraw(view, INVITED, "a mistake")).then(InvitationWithdrawn("a mistake"))
    gone.when(lambda view: accept(view, INVITED, BY_ADA)).then_refused("invitation_closed")


def test_nobody_comes_in_by_the_word_of_who_could_not_give_it_any_more() -> None:
    for left in (MemberRemoved(BEN), MemberRolesChanged(BEN, ())):
        story = invited()
        after = replace(story, view=replace(story.view, facts=(*story.view.facts, Fact(BEN, left))))
        after.when(lambda view: accept(view, INVITED, BY_ADA)).then_refused("invitation_void")


def test_roles_that_are_gone_by_then_are_left_out() -> None:
    story = invited()
    after = replace(story, view=replace(story.view, facts=(*story.view.facts, Fact(CLERK, RoleDeleted("clerk")))))
    after.when(lambda view: accept(view, INVITED, BY_ADA)).then(
        InvitationAccepted(ADA, False), MemberAdded(ADA, (), 7, BEN, False, INVITED)
    )
