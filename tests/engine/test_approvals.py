"""Deciding approval requests: who may, what with, and when no longer."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from domain.approval import APPROVAL, ApprovalCancelled, ApprovalRequested, Outcome
from domain.execution import ExecutionCompleted
from domain.facts import Due, Json
from engine.engine import Decider, Engine, cancel, decide_approval, pause, resume
from engine.validate import validate
from tests.engine.drawing import ANN, BEN, EVALUATOR, EXECUTION_ID, Play, ask, drawing
from tests.given import given

FORM = {
    "type": "object",
    "properties": {"amount": {"type": "integer", "minimum": 1}},
    "required": ["amount"],
    "additionalProperties": False,
}


def asked(*outcomes: str, input: Json = None, by: Any = None, behind: Any = (), **config: Json) -> Play:
    node = ask(*outcomes, **config)
    names = [outcome.partition(":")[0] for outcome in outcomes] or [outcome["name"] for outcome in config.get("outcomes", [])]
    names = names or ["approved", "rejected"]
    edges = ("start > ask", *(f"ask.{name} > end" for name in names), "ask.error > failed")
    nodes = {
        "start": "start",
        "ask": node,
        "end": ("end", {"output": "=nodes.ask.output"}),
        "failed": ("end", {"output": "=nodes.ask.error"}),
    }
    return Play(drawing(nodes, *edges)).start(input, created_by=by, behind=behind)


def request_of(play: Play) -> ApprovalRequested:
    [item] = play.open
    event = play.view.events(UUID(item["id"]))[0]
    assert isinstance(event, ApprovalRequested)
    return event


def role_of(play: Play) -> object:
    assert play.end is not None
    output = getattr(play.end, "output", None)
    assert isinstance(output, dict)
    return output["role"]


def test_a_stranger_may_not_approve() -> None:
    play = asked("ok:approve:boss")
    play.choose("ask", "ok", ANN).refused("not_eligible")
    play.choose("ask", "ok", ANN, ("clerk",)).refused("not_eligible")
    assert role_of(play.choose("ask", "ok", ANN, ("clerk", "boss"))) == "boss"


def test_one_open_request_offers_different_outcomes_to_different_roles() -> None:
    play = asked("ok:approve:boss", "paid:other:cashier")
    play.choose("ask", "paid", ANN, ("boss",)).refused("not_eligible")
    assert role_of(play.choose("ask", "paid", BEN, ("cashier",))) == "cashier"


def test_one_acts_only_in_a_role_that_one_has_and_that_may() -> None:
    by = {"roles": ["boss", "owner"]}
    play = asked(outcomes=[{"name": "ok", "kind": "approve", "by": by}])
    play.choose("ask", "ok", ANN, ("boss",), role="owner").refused("not_eligible", "/role")
    play.choose("ask", "ok", ANN, ("boss", "clerk"), role="clerk").refused("not_eligible")
    assert role_of(play.choose("ask", "ok", ANN, ("boss", "owner"), role="owner")) == "owner"


def test_a_listed_user_needs_no_role() -> None:
    play = asked(outcomes=[{"name": "ok", "kind": "approve", "by": {"users": ["=input.manager"]}}], input={"manager": str(BEN)})
    play.choose("ask", "ok", ANN).refused("not_eligible")
    assert role_of(play.choose("ask", "ok", BEN)) is None


def four_eyes(*exclude: str, by: Json = None) -> Json:
    outcome = {"name": "ok", "kind": "approve", "by": by or {"roles": ["boss"]}, "exclude": list(exclude)}
    return [outcome, {"name": "back", "kind": "withdraw"}]


def test_who_started_it_does_not_approve_it() -> None:
    play = asked(outcomes=four_eyes("requester", "=input.clerk"), input={"clerk": str(BEN)}, by=ANN)
    assert request_of(play).outcomes[0] == Outcome("ok", "approve", (), ("boss",), (ANN, BEN))
    for excluded in (ANN, BEN):
        play.choose("ask", "ok", excluded, ("boss",)).refused("excluded")
    assert role_of(play.choose("ask", "ok", UUID(int=77), ("boss",))) == "boss"


def test_nor_does_who_had_it_started_in_another_s_name() -> None:
    play = asked(outcomes=four_eyes("requester"), by=ANN, behind=(BEN,))
    assert request_of(play).outcomes[0].exclude == (ANN, BEN)
    assert request_of(asked(outcomes=four_eyes("requester"))).outcomes[0].exclude == ()  # a service, in its own name


def test_an_outcome_that_is_left_to_nobody_is_the_node_s_error() -> None:
    play = asked(outcomes=four_eyes("requester", by={"users": [str(ANN)]}), by=ANN)
    assert isinstance(play.end, ExecutionCompleted)
    assert play.end.output["type"] == "invalid_value"


def test_who_is_excluded_is_a_user_or_the_requester() -> None:
    for wrong in ("boss", "=("):
        node = ask(outcomes=four_eyes("requester", "=input.x", str(ANN), wrong))
        drawn = drawing({"start": "start", "ask": node, "end": "end"}, "start > ask", "ask.ok > end", "ask.back > end")
        found = {finding.path.rpartition("/outcomes")[2] for finding in validate(drawn, EVALUATOR) if "/outcomes" in finding.path}
        assert found == {"/0/exclude/3"}


def test_an_expression_may_name_users_and_roles() -> None:
    by = {"expr": "input.amount > 10 ? [input.manager, 'board'] : 'clerk'"}
    outcomes = [{"name": "ok", "kind": "approve", "by": by}]
    manager = str(BEN)
    large = asked(outcomes=outcomes, input={"amount": 11, "manager": manager})
    assert request_of(large).outcomes == (Outcome("ok", "approve", (BEN,), ("board",)),)
    small = asked(outcomes=outcomes, input={"amount": 1, "manager": manager})
    assert request_of(small).outcomes == (Outcome("ok", "approve", (), ("clerk",)),)


def test_an_outcome_that_nobody_may_choose_is_an_error_and_never_open_to_all() -> None:
    outcomes = [{"name": "ok", "kind": "approve", "by": {"expr": "input.who"}}]
    nobody: tuple[Json, ...] = ([], None, 7, "")
    for who in nobody:
        play = asked(outcomes=outcomes, input={"who": who})
        assert play.end is not None
        assert getattr(play.end, "output", {})["type"] == "invalid_value"


def test_an_outcome_must_be_one_of_those_offered() -> None:
    asked("ok:approve").choose("ask", "maybe").refused("unknown_outcome", "/outcome")


def test_a_request_is_decided_once() -> None:
    play = asked("ok:approve")
    request_id = UUID(play.open[0]["id"])
    play.choose("ask", "ok").decide(request_id, "ok").refused("approval_closed")


def test_there_must_be_such_a_request() -> None:
    asked("ok:approve").decide(UUID(int=5), "ok").refused("not_found")


def test_form_data_must_fit_the_form() -> None:
    play = asked("ok:approve", "no:reject", form=FORM)
    play.choose("ask", "ok", form={"amount": 0}).refused("invalid_form", "/form/amount")
    play.choose("ask", "ok", form={"amount": 1, "note": "x"}).refused("invalid_form", "/form/note")
    play.choose("ask", "ok", form={"amount": False}).refused("invalid_form", "/form/amount")
    play.choose("ask", "no", form=[]).refused("invalid_form", "/form")
    play.choose("ask", "ok", form={"amount": 5})
    assert play.end is not None
    assert getattr(play.end, "output", {})["form"] == {"amount": 5}


def test_approving_needs_the_form_and_rejecting_does_not() -> None:
    play = asked("ok:approve", "no:reject", form=FORM)
    play.choose("ask", "ok").refused("invalid_form", "/form")
    play.choose("ask", "no")
    assert play.end is not None


def test_there_is_no_form_data_without_a_form() -> None:
    asked("ok:approve").choose("ask", "ok", form={"amount": 5}).refused("invalid_form", "/form")


def test_a_request_says_what_it_is_about() -> None:
    play = asked(
        "ok:approve",
        title="='Pay ' + string(input.amount)",
        description="==literal",
        context={"amount": "=input.amount"},
        priority="=input.amount",
        due_in="P1DT12H",
        input={"amount": 7},
    )
    request = request_of(play)
    assert (request.title, request.description, request.context, request.priority) == ("Pay 7", "=literal", {"amount": 7}, 7)
    assert request.due == Due(timedelta(hours=36))


def test_a_value_that_a_request_cannot_use_takes_the_error_handle() -> None:
    for config, input in (
        ({"due_in": "=input"}, "-PT1H"),
        ({"due_in": "=input"}, "soon"),
        ({"title": "=input"}, 7),
        ({"priority": "=input"}, 1.5),
    ):
        play = asked("ok:approve", input=input, **config)
        assert getattr(play.end, "output", {})["type"] == "invalid_value", config


def test_nothing_is_decided_while_the_execution_is_paused() -> None:
    play = asked("ok:approve")
    play.step(lambda view: pause(view, play.engine, EXECUTION_ID)).choose("ask", "ok").refused("execution_paused")
    play.step(lambda view: resume(view, play.engine, EXECUTION_ID)).choose("ask", "ok")
    assert play.end is not None


def test_a_request_whose_execution_was_cancelled_is_closed() -> None:
    play = asked("ok:approve")
    request_id = UUID(play.open[0]["id"])
    play.step(lambda view: cancel(view, play.engine, EXECUTION_ID, "no more"))
    assert play.view.events(request_id)[-1] == ApprovalCancelled("execution_cancelled")
    assert play.view.read(APPROVAL, request_id).status == "cancelled"
    play.decide(request_id, "ok").refused("approval_closed")


def test_who_decides_for_another_is_recorded_with_both() -> None:
    play = asked("ok:approve")
    request_id = UUID(play.open[0]["id"])
    play.step(lambda view: decide_approval(view, play.engine, request_id, Decider(ANN, frozenset(), BEN), outcome="ok"))
    decided = play.view.events(request_id)[1]
    assert (getattr(decided, "user_id", None), getattr(decided, "on_behalf_of", None)) == (ANN, BEN)


def test_an_absent_request_cannot_be_decided() -> None:
    engine = Engine(EVALUATOR)
    given().when(lambda view: decide_approval(view, engine, UUID(int=1), Decider(ANN), outcome="ok")).then_refused("not_found")


def test_a_name_that_no_role_can_have_is_the_nodes_error() -> None:
    """Longer ones would not fit into the index by which requests are found."""
    outcomes = [{"name": "ok", "kind": "approve", "by": {"roles": ["=input.who"]}}]
    assert asked(outcomes=outcomes, input={"who": "b" * 63}).asking == ["ask"]
    play = asked(outcomes=outcomes, input={"who": "b" * 64})
    assert play.end is not None
    assert getattr(play.end, "output", {})["type"] == "invalid_value"
