"""What people change about an open request: claims, who is asked, decisions taken back, and the request itself."""

from typing import Any
from uuid import UUID

from domain.approval import ApprovalClaimed, ApprovalResolved, Decider, Voter
from engine.engine import claim_approval, reassign_approval, release_approval, revoke_decision, withdraw_approval
from tests.engine.drawing import ANN, BEN, Play
from tests.engine.people import CAT, COMPANY, DAN, EVA, approval, asked, node, output, request_id
from tests.engine.test_approval_steps import decide, open_now, step, stepped

WITHDRAWABLE = [
    {"name": "approved", "kind": "approve"},
    {"name": "rejected", "kind": "reject"},
    {"name": "gone", "kind": "withdraw", "by": {"users": [str(UUID(int=1))]}},
]


def claim(play: Play, who: UUID, **more: Any) -> Play:
    id = request_id(play)
    return play.step(lambda view: claim_approval(view, play.engine, id, Decider(who, COMPANY[who]), **more))


def release(play: Play, who: UUID | None) -> Play:
    id = request_id(play)
    return play.step(lambda view: release_approval(view, play.engine, id, who))


def reassign(play: Play, who: UUID, to: UUID) -> Play:
    id = request_id(play)
    return play.step(lambda view: reassign_approval(view, play.engine, id, who, to))


def revoke(play: Play, who: UUID) -> Play:
    id = request_id(play)
    return play.step(lambda view: revoke_decision(view, play.engine, id, who))


def withdraw(play: Play, *who: UUID) -> Play:
    id = request_id(play)
    return play.step(lambda view: withdraw_approval(view, play.engine, id, frozenset(who)))


def test_what_one_has_claimed_nobody_else_decides() -> None:
    play = claim(asked(node()), ANN)
    claim(play, BEN).refused("claimed")
    claim(play, DAN).refused("not_eligible")
    decide(play, BEN).refused("claimed")
    assert len(play.view.events(request_id(play))) == len(claim(play, ANN).view.events(request_id(play))), "it is theirs already"
    assert output(decide(play, ANN))["user_id"] == str(ANN)


def test_a_claim_is_given_back_or_taken_over_by_a_lead() -> None:
    play = claim(asked(node()), ANN)
    release(play, BEN).refused("claimed_by_another")
    claim(release(play, ANN), BEN)
    claim(play, CAT, override=True)
    assert play.view.events(request_id(play))[-1] == ApprovalClaimed(CAT, 1, BEN)
    release(release(play, None), None).refused("not_claimed")
    assert output(decide(play, BEN))["outcome"] == "approved"


def test_what_several_decide_is_claimed_by_nobody_and_a_claim_ends_with_its_step() -> None:
    claim(asked(node(rule={"type": "unanimous"})), ANN).refused("not_claimable")
    play = decide(claim(asked(stepped(step("a"), step("b"))), ANN), ANN)
    assert output(decide(play, BEN))["outcome"] == "approved"


def test_another_one_is_asked_in_the_place_of_somebody_who_is_asked_by_name() -> None:
    play = asked(node(by={"users": [str(ANN)]}))
    reassign(play, BEN, EVA).refused("not_reassignable", "/from_user_id")
    reassign(play, ANN, UUID(int=99)).refused("may_not_decide", "/to_user_id")
    reassign(claim(play, ANN), ANN, DAN)
    decide(play, ANN).refused("not_eligible")
    assert output(decide(play, DAN))["user_id"] == str(DAN)


def test_of_those_who_are_counted_one_is_counted_for_another_as_much_as_the_other_was() -> None:
    rule = {"type": "weighted", "weights": {str(ANN): 5}, "threshold": 6, "members": "at_start"}
    play = reassign(asked(node(rule=rule, exclude=["requester"]), created_by=EVA), ANN, DAN)
    assert Voter(DAN, "boss", 5) in (approval(play).steps[0].voters or ())
    reassign(play, BEN, EVA).refused("excluded", "/to_user_id")
    reassign(play, BEN, CAT).refused("asked_already", "/to_user_id")
    decide(play, DAN)
    reassign(play, DAN, ANN).refused("not_reassignable", "/from_user_id")
    assert output(decide(play, CAT))["outcome"] == "approved"


def test_one_takes_one_s_decision_back_while_it_is_open() -> None:
    play = decide(asked(node(rule={"type": "multiple", "count": 2})), ANN)
    revoke(play, BEN).refused("nothing_to_revoke")
    revoke(revoke(play, ANN), ANN).refused("nothing_to_revoke")
    decide(play, BEN)
    assert play.end is None
    assert output(decide(play, ANN))["outcome"] == "approved"
    revoke(play, ANN).refused("approval_closed")


def test_what_a_step_came_to_is_not_taken_back() -> None:
    play = decide(asked(stepped(step("a"), step("b", "board"))), ANN)
    revoke(play, ANN).refused("nothing_to_revoke")
    assert open_now(play) == ["b"]


def test_who_asked_withdraws_it_where_that_is_an_outcome() -> None:
    play = asked(node(outcomes=WITHDRAWABLE), created_by=DAN)
    withdraw(play, ANN).refused("not_requester")
    withdraw(play).refused("not_requester")
    withdraw(play, DAN)
    assert approval(play).resolution == ApprovalResolved("gone", "withdraw")
    assert (output(play)["outcome"], output(play)["user_id"]) == ("gone", None)
    withdraw(asked(node(), created_by=DAN), DAN).refused("not_withdrawable")
