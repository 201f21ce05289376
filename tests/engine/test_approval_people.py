"""Whose decisions count while people change: who stands in, who is added or asked instead, who comes, goes and changes roles."""

from typing import Any
from uuid import UUID

from domain.approval import ApprovalResolved, Decider
from domain.facts import Json
from engine.engine import decide_approval
from tests.engine.drawing import ANN, BEN, Play
from tests.engine.people import CAT, COMPANY, DAN, approval, asked, node, output, request_id
from tests.engine.test_approval_changes import reassign, revoke
from tests.engine.test_approval_steps import add, decide

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
