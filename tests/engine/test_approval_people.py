"""Whose decisions count while people change: who stands in, who is added or asked instead, who comes, goes and changes roles."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from domain.access import standing
from domain.approval import ApprovalResolved, Decider
from domain.delegation import give
from domain.facts import Decided, Event, Fact, Json, View
from domain.member import MemberAdded, MemberReactivated, MemberRemoved, MemberRolesChanged, MemberSuspended
from engine.delegating import standing_in
from engine.engine import decide_approval
from tests.engine.drawing import ANN, BEN, Play
from tests.engine.people import CAT, COMPANY, DAN, EVA, NobodyKnown, approval, asked, node, output, request_id, role_id
from tests.engine.test_approval_changes import claim, reassign, release, revoke
from tests.engine.test_approval_steps import add, decide, step, stepped

ALL: Json = {"type": "unanimous"}


def decide_for(play: Play, who: UUID, person: UUID, outcome: str = "approved", **more: Any) -> Play:
    """As the route does it, once it was found that a delegation leads there."""
    decider, id = Decider(who, COMPANY[person], on_behalf_of=person), request_id(play)
    return play.step(lambda view: decide_approval(view, play.engine, id, decider, outcome=outcome, **more))


# Only who is asked ----------------------------------------------------------------------------------------------------


def test_who_was_not_asked_may_not_whichever_role_they_name() -> None:
    play = asked(node(rule={"type": "multiple", "count": 2, "members": "at_start"}))
    decide(play, DAN, role="clerk").refused("not_eligible")
    play.choose("ask", "approved", DAN, ("boss",), role="boss").refused("not_eligible")
    decide(play, BEN, role="board")
    assert [(each.user_id, each.role) for each in approval(play).decisions] == [(BEN, "board")]


# Who stands in --------------------------------------------------------------------------------------------------------


def test_who_stood_in_for_another_is_not_waited_for_beside_them() -> None:
    play = decide_for(asked(node(rule=ALL)), BEN, ANN)
    decide(play, BEN).refused("already_decided")
    assert approval(play).status == "pending"
    decide(play, CAT)
    assert approval(play).resolution == ApprovalResolved("approved", "approve", (BEN, CAT))


def test_the_two_count_as_one_of_those_who_are_asked() -> None:
    play = decide_for(asked(node(rule={"type": "majority"})), BEN, ANN)
    assert approval(play).status == "pending", "one of two, not one of three or two of three"
    assert output(decide(play, CAT, "rejected"))["outcome"] == "rejected"
    play = decide_for(asked(node(rule={"type": "multiple", "count": 3, "members": "at_start"})), BEN, ANN)
    assert output(play)["outcome"] == "rejected", "three can no longer be reached"
    play = decide_for(asked(node(rule={"type": "all_answer"})), BEN, ANN)
    assert output(decide(play, CAT, "rejected"))["outcome"] == "approved"


def test_who_takes_back_what_they_decided_for_another_is_waited_for_again() -> None:
    play = revoke(decide_for(asked(node(rule=ALL)), BEN, ANN), BEN)
    for who in (CAT, BEN):
        decide(play, who)
    assert approval(play).status == "pending"
    assert output(decide(play, ANN))["outcome"] == "approved"


def test_who_has_had_their_say_is_not_asked_in_the_place_of_another_nor_added() -> None:
    play = decide_for(asked(node(rule=ALL, ad_hoc=True)), DAN, ANN)
    reassign(play, BEN, DAN).refused("already_decided", "/to_user_id")
    add(play, None, DAN).refused("already_decided", "/user_id")


# Who comes and goes while it is open ------------------------------------------------------------------------------------


def happened(play: Play, who: UUID, *events: Event) -> Play:
    view = play.story.view
    play.story = replace(play.story, view=replace(view, facts=(*view.facts, *(Fact(who, event) for event in events))))
    return play


def removed(play: Play, who: UUID) -> Play:
    return happened(play, who, MemberRemoved(who))


def in_role(play: Play, who: UUID, *keys: str) -> Play:
    return happened(play, who, MemberRolesChanged(who, tuple(role_id(key) for key in keys)))


def deciding(play: Play, who: UUID, outcome: str = "approved", person: UUID | None = None) -> Play:
    """As they are now: who is no active member has no rights, and nobody stands in for them."""

    def decision(view: View) -> Decided:
        rights = standing(view, who, NobodyKnown())
        rights.require("approvals:decide")
        decider = Decider(who, rights.roles)
        if person is not None:
            decider = standing_in(view, play.engine, request_id(play), decider, standing(view, person, NobodyKnown()))
        return decide_approval(view, play.engine, request_id(play), decider, outcome=outcome)

    return play.step(decision)


FIXED: list[Json] = [
    {"type": "multiple", "count": 3, "members": "at_start"},
    {"type": "unanimous"},
    {"type": "weighted", "weights": {"boss": 2}, "threshold": 6, "members": "at_start"},
    {"type": "veto", "veto": ["boss"], "count": 3},
]
"""By which all three bosses are needed."""


@pytest.mark.parametrize("rule", FIXED)
def test_who_left_goes_on_being_counted_until_another_is_asked_in_their_place(rule: Json) -> None:
    play = removed(asked(node(rule=rule)), CAT)
    for who in (ANN, BEN):
        deciding(play, who)
    deciding(play, CAT).refused("not_a_member")
    assert approval(play).status == "pending"
    assert output(deciding(reassign(play, CAT, DAN), DAN))["outcome"] == "approved"


@pytest.mark.parametrize("rule", [*FIXED, {"type": "multiple", "count": 3}])
def test_what_somebody_decided_who_left_stays_decided(rule: Json) -> None:
    play = asked(node(rule=rule))
    for who in (ANN, BEN):
        removed(deciding(play, who), who)
    assert output(deciding(play, CAT))["outcome"] == "approved"


@pytest.mark.parametrize("rule", FIXED)
def test_who_was_counted_may_decide_in_another_role_and_who_came_to_the_role_since_may_not(rule: Json) -> None:
    play = in_role(in_role(asked(node(rule=rule)), ANN, "clerk"), DAN, "boss")
    deciding(play, DAN).refused("not_eligible")
    for who in (ANN, BEN, CAT):
        deciding(play, who)
    assert output(play)["outcome"] == "approved"


@pytest.mark.parametrize("rule", [{"type": "multiple", "count": 2}, {"type": "single"}, {"type": "first"}])
def test_where_people_are_not_fixed_it_goes_by_the_roles_of_now(rule: Json) -> None:
    play = in_role(in_role(asked(node(rule=rule)), ANN, "clerk"), DAN, "boss")
    deciding(play, ANN).refused("not_eligible")
    deciding(play, DAN)
    assert play.end or output(deciding(play, CAT))["outcome"] == "approved"


def test_who_is_named_may_again_once_they_are_reactivated() -> None:
    play = happened(asked(node(by={"users": [str(DAN)]})), DAN, MemberSuspended(DAN))
    deciding(play, DAN).refused("member_suspended")
    assert output(deciding(happened(play, DAN, MemberReactivated(DAN)), DAN))["outcome"] == "approved"


def test_a_claim_outlives_the_role_and_the_membership_until_a_lead_ends_it() -> None:
    for left in (removed, in_role):
        play = left(claim(asked(node()), ANN), ANN)
        deciding(play, BEN).refused("claimed")
        assert output(deciding(release(play, None), BEN))["outcome"] == "approved"
        play = left(claim(asked(node()), ANN), ANN)
        assert output(deciding(claim(play, BEN, override=True), BEN))["outcome"] == "approved"


def test_a_step_asks_those_who_are_there_when_it_is_asked() -> None:
    steps = stepped(step("first", "clerk"), step("all", rule=ALL), step("last", "board", distinct=["all"]))
    play = removed(in_role(asked(steps), DAN, "clerk", "boss"), ANN)
    deciding(play, DAN)
    removed(play, CAT)
    for who in (DAN, BEN):
        deciding(play, who)
    assert [step.name for step in approval(play).open_steps] == ["all"], "who was there when it was asked is counted"
    deciding(reassign(play, CAT, EVA), EVA)
    assert approval(play).status == "pending"
    deciding(play, EVA).refused("kept_apart")
    deciding(in_role(play, EVA, "clerk"), EVA).refused("kept_apart")
    assert output(deciding(in_role(happened(play, ANN, MemberAdded(ANN, (), 1)), ANN, "board"), ANN))["outcome"] == "approved"


def test_a_step_for_which_everybody_has_left_is_the_nodes_error() -> None:
    play = removed(removed(asked(stepped(step("one"), step("two", "board", rule=ALL))), EVA), BEN)
    assert output(deciding(play, ANN))["type"] == "invalid_value"
    assert approval(play).status == "cancelled"


def test_a_substitute_ends_with_either_of_the_two() -> None:
    for left in (ANN, DAN):
        play = asked(node(rule=ALL))
        play.step(lambda view: give(view, ANN, DAN))
        removed(play, left)
        deciding(play, DAN, person=ANN)
        play.refused("not_a_member")
        happened(play, left, MemberAdded(left, (role_id("boss"),), 1))
        deciding(play, DAN, person=ANN).refused("no_delegation")  # it was of the membership before
    play = asked(node(rule=ALL))
    play.step(lambda view: give(view, ANN, DAN))
    removed(removed(deciding(play, DAN, person=ANN), DAN), ANN)
    for who in (BEN, CAT):
        deciding(play, who)
    assert output(play)["outcome"] == "approved", "what was decided before stays"
