"""Break-glass: a request is decided whomever it asks and whatever its rule, by who may, and not by who asked."""

from typing import Any
from uuid import UUID

import pytest

from domain.approval import ApprovalDecided, ApprovalOverridden, ApprovalResolved
from domain.approval.overriding import Overrider
from domain.approval.proof import Proof
from domain.facts import Json
from domain.totp import Code
from engine.engine import override_approval, pause
from engine.own_requests import Wanted, request
from tests.engine.drawing import ANN, BEN, EVALUATOR, EXECUTION_ID, Play, drawing
from tests.engine.people import CAT, DAN, EVA, approval, asked, employing, node, output, request_id
from tests.given import MOMENT

CHIEF = UUID(int=0xB0)
RULES: list[Json] = [
    {"rule": {"type": "single"}},
    {"rule": {"type": "first"}},
    {"rule": {"type": "multiple", "count": 3}},
    {"rule": {"type": "unanimous"}},
    {"rule": {"type": "majority"}},
    {"rule": {"type": "weighted", "weights": {"boss": 2}, "threshold": 6}},
    {"rule": {"type": "veto", "veto": [str(CAT)]}},
    {"rule": {"type": "all_answer"}},
]


def override(play: Play, who: UUID = CHIEF, outcome: str = "approved", **more: Any) -> Play:
    overrider = Overrider(who, more.pop("behind", ()), more.pop("may_own", False))
    about = {"outcome": outcome, "reason": "The press stands still.", **more}
    return play.step(lambda view: override_approval(view, play.engine, request_id(play), overrider, **about))


def overridden(play: Play) -> ApprovalOverridden:
    (event,) = (each for each in play.view.events(request_id(play)) if isinstance(each, ApprovalOverridden))
    return event


@pytest.mark.parametrize("config", RULES, ids=lambda config: config["rule"]["type"])
@pytest.mark.parametrize("outcome", ["approved", "rejected"])
def test_whatever_the_rule_it_is_decided_and_says_so(config: Json, outcome: str) -> None:
    play = asked(node(**config))
    if config["rule"]["type"] in ("multiple", "majority"):
        play.decide(request_id(play), "approved", ANN, ("boss",))
    override(play, outcome=outcome)
    state = approval(play)
    assert (state.status, state.overridden_by, [step.status for step in state.steps]) == ("resolved", CHIEF, ["overridden"])
    assert state.resolution == ApprovalResolved(outcome, "approve" if outcome == "approved" else "reject", (CHIEF,))
    told = output(play)
    assert (told["outcome"], told["user_id"], told["overridden"]) == (outcome, str(CHIEF), True)
    assert told["comment"] == "The press stands still."
    play.decide(request_id(play), "approved", BEN, ("boss",)).refused("approval_closed")
    override(play).refused("approval_closed")


@pytest.mark.parametrize("steps", [[], [{"name": "one"}, {"name": "two"}]], ids=["at once", "in steps"])
def test_nobody_gets_past_the_proof_that_an_outcome_asks_for(steps: list[Json]) -> None:
    released = {"name": "approved", "kind": "approve", "proof": "totp", "means": "I release it."}
    config = node(outcomes=[released, {"name": "rejected", "kind": "reject"}])
    if steps:
        config["steps"] = [steps[0] | {"outcomes": [{"name": "approved", "kind": "approve"}]}, steps[1]]
    play = asked(config)
    override(play).refused("proof_required", "Gesta-Proof")
    override(play, presented=Code(None, None, MOMENT)).refused("proof_failed")
    override(play, presented=Proof("totp", UUID(int=7)))
    event = overridden(play)
    assert (event.proof, event.proof_id, event.means) == ("totp", UUID(int=7), "I release it.")


def test_who_was_asked_then_is_on_record() -> None:
    play = override(asked(node(rule={"type": "unanimous"}, by={"roles": ["boss"], "users": [str(DAN)]})))
    assert set(overridden(play).asked_users) == {ANN, BEN, CAT, DAN}
    assert overridden(play).asked_roles == ("boss",)
    assert overridden(play).own is None


def test_who_asked_may_not_but_by_a_right_of_its_own() -> None:
    play = asked(node(), created_by=DAN, behind=(EVA,))
    for who, behind in ((DAN, ()), (EVA, ()), (CHIEF, (DAN,)), (CHIEF, (EVA,))):
        override(play, who, behind=behind).refused("own_request")
    override(play, DAN, may_own=True)
    assert overridden(play).own is True


def test_who_is_excluded_may() -> None:
    play = override(asked(node(exclude=[str(CHIEF)])))
    assert approval(play).status == "resolved"


def test_what_goes_with_it_is_looked_at() -> None:
    form = {"type": "object", "required": ["price"]}
    play = asked(node(form=form, outcomes=[{"name": "approved", "kind": "approve", "comment": "required"}, _no("cheaper")]))
    override(play, reason="  ").refused("reason_required", "/reason")
    override(play, outcome="paid").refused("unknown_outcome", "/outcome")
    override(play, form={}).refused("invalid_form", "/form/price")
    assert output(override(play, form={"price": 1}))["form"] == {"price": 1}
    override(asked(node()), form={"price": 1}).refused("invalid_form", "/form")
    assert output(override(asked(node(form=form))))["form"] is None


def _no(reason: str) -> Json:
    return {"name": "rejected", "kind": "reject", "reasons": [reason]}


def test_of_steps_all_that_are_left_are_passed_over() -> None:
    steps = [
        {"name": "one", "by": {"roles": ["boss"]}},
        {"name": "two", "by": {"roles": ["board"]}, "outcomes": [{"name": "paid", "kind": "approve"}, _no("price")]},
        {"name": "three", "by": {"roles": ["clerk"]}},
    ]
    play = asked({"title": "Please decide", "steps": steps})
    play.decide(request_id(play), "approved", ANN, ("boss",))
    override(play, outcome="approved")  # offered by a step that is not open
    assert [step.status for step in approval(play).steps] == ["completed", "overridden", "overridden"]
    assert overridden(play).steps == (2, 3)
    assert list(output(play)["steps"]) == ["one"]


def test_while_the_execution_is_paused_nobody_decides() -> None:
    play = asked(node())
    play.step(lambda view: pause(view, play.engine, EXECUTION_ID))
    override(play).refused("execution_paused")


def test_it_leaves_by_its_handle_and_interrupts_as_a_decision_does() -> None:
    outcomes = [{"name": "approved", "kind": "approve", "interrupts": ["other"]}, {"name": "rejected", "kind": "reject"}]
    nodes = {
        "s": "start",
        "ask": ("approval", node(outcomes=outcomes)),
        "other": ("approval", node()),
        "e": ("end", {"output": "=has(nodes.ask.output.overridden) && nodes.ask.output.overridden"}),
        "f": ("fail", {"code": "no", "message": "No."}),
    }
    edges = ("s > ask", "s > other", "ask.approved > e", "ask.rejected > f", "other.approved > e", "other.rejected > f")
    play = employing(Play(drawing(nodes, *edges), evaluator=EVALUATOR)).start()
    override(play).completed(True)


def test_of_a_request_of_its_own_who_asked_may_not_either() -> None:
    play = employing(Play(drawing({"s": "start", "e": "end"}, "s > e")))
    wanted = Wanted({"title": "A press?", "by": {"roles": ["boss"]}}, "P1D")
    play.step(lambda view: request(view, play.engine, wanted, by=DAN, behind=(EVA,)))
    for who in (DAN, EVA):
        override(play, who).refused("own_request")
    override(play)
    assert play.story.timers == {}
    assert [type(fact.event) for fact in play.story.decided.facts] == [ApprovalOverridden, ApprovalResolved]
    assert not any(isinstance(fact.event, ApprovalDecided) for fact in play.view.facts)


def test_no_moment_of_it_comes_any_more() -> None:
    moments = {"due_in": "P1D", "remind": [{"after": "PT1H"}], "escalate": [{"after": "PT4H", "by": {"roles": ["board"]}}]}
    assert asked(node(**moments)).story.timers
    assert override(asked(node(**moments))).story.timers == {}
    play = employing(Play(drawing({"s": "start", "e": "end"}, "s > e")))
    wanted = Wanted({"title": "A press?", "by": {"roles": ["boss"]}, **moments})
    play.step(lambda view: request(view, play.engine, wanted, by=DAN))
    assert override(play).story.timers == {}
