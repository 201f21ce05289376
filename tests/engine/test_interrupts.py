"""An outcome that interrupts others: which visits and tokens are cancelled, and which are not."""

from typing import Any

import pytest

from domain.execution import ActivationCancelled, ActivationCompleted
from domain.facts import Json
from engine.engine import Decider, EngineLimits, decide_approval, pause, resume, start
from tests.engine.drawing import ANN, EXECUTION_ID, WORKFLOW_ID, ask, drawing
from tests.engine.restarting import Ledger
from tests.engine.working import Workplace, check_work, task


def approval(*interrupts: str) -> tuple[str, Json]:
    """It is withdrawn, which interrupts others, or accepted, or asked for again."""
    outcomes = [
        {"name": "withdrawn", "kind": "withdraw", "interrupts": list(interrupts)},
        {"name": "accepted", "kind": "approve"},
    ]
    return "approval", {"title": "Go on?", "outcomes": outcomes}


def side_by_side(*more_edges: str, interrupts: tuple[str, ...] = ("work",), **more: Any) -> Json:
    nodes = {"start": "start", "ask": approval(*interrupts), "work": task("work"), "other": task("other"), "end": "end", **more}
    edges = ("start > ask", "start > work", "start > other", "ask.withdrawn > end", "ask.accepted > end", "other > end")
    return drawing(nodes, *edges, *(more_edges or ("work > end",)))


def play(definition: Json) -> Workplace:
    place = Workplace(definition)
    place.start({})
    return place


def cancelled(place: Workplace) -> list[tuple[str, str]]:
    events = place.view.events(EXECUTION_ID)
    return [(event.node_id, event.reason) for event in events if isinstance(event, ActivationCancelled)]


def test_the_visit_beside_it_is_cancelled_and_others_go_on() -> None:
    place = play(side_by_side())
    late = place.held("work")
    place.choose("ask", "withdrawn")
    assert cancelled(place) == [("work", "interrupted_by_ask")]
    assert place.asking == ["other"]
    check_work(place)
    place.complete_held(late, None).refused("activation_closed")
    place.complete("other").completed()


def test_the_other_outcome_interrupts_nobody() -> None:
    place = play(side_by_side())
    place.choose("ask", "accepted")
    assert cancelled(place) == []
    place.complete("work").complete("other").completed()


def test_what_has_gone_on_to_another_node_is_not_at_this_one() -> None:
    place = play(side_by_side("work > next", "next > end", next=task("next")))
    place.complete("work").choose("ask", "withdrawn")
    assert sorted(place.asking) == ["next", "other"]
    place = play(side_by_side("work > next", "next > end", interrupts=("work", "next"), next=task("next")))
    place.complete("work").choose("ask", "withdrawn")
    assert place.asking == ["other"]


def test_tokens_on_their_way_to_the_node_are_taken_out() -> None:
    """A join is a node as well: what waits there is told in the event of the outcome."""
    place = play(
        side_by_side(
            "work > join",
            "third > join",
            "start > third",
            "join > end",
            interrupts=("join",),
            join=("join", {"mode": "all"}),
            third=task("third"),
        )
    )
    place.complete("work").choose("ask", "withdrawn")
    [event] = [e for e in place.view.events(EXECUTION_ID) if isinstance(e, ActivationCompleted) and e.node_id == "ask"]
    assert len(event.interrupted) == 1
    assert not place.state.tokens
    place.complete("other").complete("third")
    place.failed("stuck", "join")


def test_tokens_that_are_held_are_taken_out() -> None:
    place = play(side_by_side("work > next", "next > end", interrupts=("next",), next=task("next")))
    place.step(lambda view: pause(view, place.engine, EXECUTION_ID))
    place.complete("work")
    [token] = place.state.held
    run_token = place.state.tokens[token]
    assert run_token.target == "next"
    place.step(lambda view: resume(view, place.engine, EXECUTION_ID))
    place.choose("ask", "withdrawn")
    assert place.asking == ["other"]


TWICE = drawing(
    {
        "start": "start",
        "one": ("set", {"values": {}}),
        "two": ("set", {"values": {}}),
        "split": ("set", {"values": {}}),
        "ask": approval("work"),
        "work": task("work"),
        "end": "end",
    },
    "start > one",
    "start > two",
    "one > split",
    "two > split",
    "split > ask",
    "split > work",
    "ask.withdrawn > end",
    "ask.accepted > end",
    "work > end",
)


@pytest.mark.parametrize("done", [False, True])
def test_another_round_of_the_same_split_is_left_alone(done: bool) -> None:
    """Two visits of the split, each with a request and work; where the own work is done, nothing is cancelled."""
    place = play(TWICE)
    first, second = sorted(
        (each for each in place.state.activations.values() if each.node_id == "work"), key=lambda each: each.order
    )
    if done:
        place.complete_held(place.held_by(first.id), None)
    place.choose("ask", "withdrawn")
    running = {each.id for each in place.state.activations.values() if each.node_id == "work"}
    assert running == {second.id}


def test_an_inner_split_that_only_leads_back_is_not_the_scope() -> None:
    """Within the request's branch there is a split whose other branch may send everything back to the beginning."""
    nodes: dict[str, Any] = {
        "start": "start",
        "split": ("set", {"values": {}}),
        "inner": ("set", {"values": {}}),
        "ask": approval("work"),
        "check": ask("again:changes", "ok:approve"),
        "work": task("work"),
        "end": "end",
    }
    edges = (
        "start > split",
        "split > inner",
        "split > work",
        "inner > ask",
        "inner > check",
        "ask.withdrawn > end",
        "ask.accepted > end",
        "check.again > split",
        "check.ok > end",
        "work > end",
    )
    place = play(drawing(nodes, *edges))
    place.choose("ask", "withdrawn")
    assert cancelled(place) == [("work", "interrupted_by_ask")]


def test_where_the_last_token_that_was_held_is_taken_out_verify_expects_no_job_that_takes_it_up() -> None:
    nodes = {"start": "start", "ask": approval("work"), "work": task("work"), "then": approval(), "end": "end"}
    definition = drawing(nodes, "start > ask", "start > work", "ask.withdrawn > then", "ask.accepted > end", "work > end")
    ledger = Ledger(definition, EngineLimits(steps_per_command=2))
    ledger.do(lambda view, engine: start(view, engine, workflow_id=WORKFLOW_ID, execution_id=EXECUTION_ID, input={}))
    assert ledger.state.held
    (visit,) = ledger.state.activations.values()
    (request,) = visit.waits_for("approval")
    ann = Decider(ANN, frozenset())
    ledger.do(lambda view, engine: decide_approval(view, engine, request, ann, outcome="withdrawn"))
    assert (ledger.jobs, list(ledger.work.jobs())) == ({}, [])
