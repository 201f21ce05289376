"""Requests that ask in steps: one after another, beside each other, skipped, sent back, with somebody added."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.approval import (
    ApprovalCancelled,
    ApprovalResolved,
    ApprovalReturned,
    ApprovalStepCompleted,
    ApprovalStepSkipped,
    ApprovalStepStarted,
    Decider,
    Voter,
)
from domain.facts import Due, Json
from engine.engine import add_approver, decide_approval, return_approval
from engine.validate import validate
from tests.engine.drawing import ANN, BEN, EVALUATOR, Play, drawing
from tests.engine.people import CAT, COMPANY, DAN, EVA, approval, asked, employing, node, output, request_id, requested


def step(name: str, role: str = "boss", **more: Json) -> Json:
    return {"name": name, "by": {"roles": [role]}, **more}


def stepped(*steps: Json, **config: Json) -> Json:
    return {"title": "Please decide", "steps": list(steps), **config}


def decide(play: Play, who: UUID, outcome: str = "approved", **more: Any) -> Play:
    return play.decide(request_id(play), outcome, who, tuple(COMPANY[who]), **more)


def send_back(play: Play, who: UUID, to: str) -> Play:
    decider, id = Decider(who, COMPANY[who]), request_id(play)
    return play.step(lambda view: return_approval(view, play.engine, id, decider, step=to, comment="Once more."))


def add(play: Play, who: UUID | None, user_id: UUID, **more: Any) -> Play:
    decider, id = None if who is None else Decider(who, COMPANY[who]), request_id(play)
    return play.step(lambda view: add_approver(view, play.engine, id, decider, user_id, **more))


def open_now(play: Play) -> list[str]:
    return [each.name for each in approval(play).open_steps]


def facts(play: Play, kind: type) -> list[Any]:
    return [event for event in play.view.events(request_id(play)) if isinstance(event, kind)]


def test_steps_are_asked_one_after_another_each_with_its_own_people() -> None:
    play = asked(stepped(step("boss"), step("board", "board", due_in="P1D", form={"type": "object"})))
    assert [each.name for each in requested(play).steps] == ["boss", "board"]
    assert requested(play).required_approvals == 2
    assert open_now(play) == ["boss"]
    decide(play, EVA).refused("not_eligible")
    decide(play, ANN)
    assert (open_now(play), play.end) == (["board"], None)
    [_, second] = facts(play, ApprovalStepStarted)
    assert (second.due, second.form) == (Due(timedelta(days=1)), {"type": "object"})
    decide(play, ANN).refused("not_eligible")
    decide(play, EVA).refused("invalid_form", "/form")
    decide(play, EVA, form={"a": 1}, comment="Fine.")
    assert approval(play).resolution == ApprovalResolved("approved", "approve", (ANN, EVA), {"a": 1})
    assert output(play)["outcome"] == "approved"
    assert output(play)["steps"]["boss"]["users"] == [str(ANN)]
    assert (output(play)["steps"]["board"]["comment"], output(play)["steps"]["board"]["form"]) == ("Fine.", {"a": 1})


def test_a_rejection_ends_it_and_later_steps_are_not_asked() -> None:
    play = decide(asked(stepped(step("boss"), step("board", "board"))), ANN, "rejected")
    assert (output(play)["outcome"], len(facts(play, ApprovalStepStarted))) == ("rejected", 1)
    assert list(output(play)["steps"]) == ["boss"]


def test_steps_beside_each_other_are_all_waited_for() -> None:
    play = asked(stepped(step("a"), step("b", "board", parallel_with="a"), step("last", "clerk")))
    assert open_now(play) == ["a", "b"]
    decide(play, EVA)
    assert open_now(play) == ["a"]
    decide(play, ANN)
    assert open_now(play) == ["last"]
    assert output(decide(play, DAN))["outcome"] == "approved"


def test_who_may_decide_in_several_open_steps_decides_in_the_first_or_says_where() -> None:
    play = asked(stepped(step("a"), step("b", "board", parallel_with="a")))
    decide(play, BEN, step="b")
    assert open_now(play) == ["a"]
    decide(play, BEN, step="b").refused("unknown_step", "/step")
    assert output(decide(play, BEN))["outcome"] == "approved"  # distinct is not asked for


def test_each_step_has_its_rule_and_a_rejection_beside_ends_the_others() -> None:
    play = asked(stepped(step("all", rule={"type": "unanimous"}), step("one", "board", parallel_with="all")))
    assert [each.voters for each in facts(play, ApprovalStepStarted)] == [
        tuple(Voter(each, "boss") for each in (ANN, BEN, CAT)),
        None,
    ]
    decide(play, ANN)
    decide(play, EVA, "rejected")
    assert output(play)["outcome"] == "rejected"
    decide(play, CAT).refused("approval_closed")


def test_a_step_is_skipped_where_its_expression_says_so() -> None:
    config = stepped(step("boss"), step("board", "board", skip_when="input.amount < 1000"))
    small = decide(asked(config, {"amount": 10}), ANN)
    assert facts(small, ApprovalStepSkipped) == [ApprovalStepSkipped(2, "board", "skip_when")]
    assert (output(small)["outcome"], output(small)["steps"]["board"]["skipped"]) == ("approved", True)
    assert approval(small).resolution == ApprovalResolved("approved", "approve", (ANN,))
    large = decide(asked(config, {"amount": 1000}), ANN)
    assert open_now(large) == ["board"]


def test_a_step_is_skipped_where_the_same_person_would_be_asked_as_in_the_one_before() -> None:
    config = stepped(
        {"name": "manager", "by": {"users": ["=input.manager"]}},
        {"name": "owner", "by": {"users": ["=input.owner"]}, "skip_when": "step.users == [steps.manager.user_id]"},
    )
    same = decide(asked(config, {"manager": str(ANN), "owner": str(ANN)}), ANN)
    assert output(same)["steps"]["owner"]["skipped"]
    other = decide(asked(config, {"manager": str(ANN), "owner": str(BEN)}), ANN)
    assert open_now(other) == ["owner"]


def test_a_step_asks_whom_those_before_came_to() -> None:
    config = stepped(step("boss"), {"name": "again", "by": {"users": ["=steps.boss.user_id"]}})
    play = decide(asked(config), CAT)
    decide(play, ANN).refused("not_eligible")
    assert output(decide(play, CAT))["outcome"] == "approved"


def test_where_all_steps_are_skipped_it_is_approved_and_nobody_asked() -> None:
    play = asked(stepped(step("a", skip_when="true"), step("b", skip_when="input.n > 1")), {"n": 2})
    assert (output(play)["outcome"], output(play)["user_id"]) == ("approved", None)
    assert facts(play, ApprovalResolved) == [ApprovalResolved("approved", "approve")]


def test_a_step_that_is_skipped_needs_nobody_and_one_that_is_asked_and_has_nobody_is_the_nodes_error() -> None:
    config = stepped(
        step("boss"), {"name": "cfo", "by": {"expr": "input.cfo"}, "skip_when": "input.amount < 5"}, step("last", "board")
    )
    assert open_now(decide(asked(config, {"amount": 1, "cfo": None}), ANN)) == ["last"]
    play = decide(asked(config, {"amount": 9, "cfo": None}), ANN)
    assert output(play)["type"] == "invalid_value"
    assert isinstance(play.view.events(request_id(play))[-1], ApprovalCancelled)
    failing = decide(asked(stepped(step("boss"), step("b", skip_when="input.nope > 1")), {"amount": 1}), ANN)
    assert output(failing)["type"] == "expression_error"


# Nobody twice ---------------------------------------------------------------------------------------------------------


def test_nobody_decides_in_two_steps_that_are_kept_apart() -> None:
    play = decide(asked(stepped(step("boss"), step("board", "board", distinct=["boss"]))), BEN)
    decide(play, BEN).refused("kept_apart")
    play.step(lambda view: _behind(view, play, EVA, BEN)).refused("kept_apart")
    assert output(decide(play, EVA))["outcome"] == "approved"


def _behind(view: Any, play: Play, who: UUID, behind: UUID) -> Any:
    return decide_approval(view, play.engine, request_id(play), Decider(who, COMPANY[who], behind=(behind,)), outcome="approved")


def test_who_decided_before_is_not_counted_among_those_who_are_asked() -> None:
    play = decide(asked(stepped(step("one"), step("all", rule={"type": "unanimous"}, distinct=True))), ANN)
    [_, started] = facts(play, ApprovalStepStarted)
    assert (started.voters, started.required_approvals) == ((Voter(BEN, "boss"), Voter(CAT, "boss")), 2)


def test_beside_each_other_who_decides_in_one_is_not_waited_for_in_the_other() -> None:
    config = stepped(step("any", "board"), step("all", rule={"type": "unanimous"}, parallel_with="any", distinct=True))
    play = asked(config)
    for who in (ANN, CAT):
        decide(play, who)
    assert open_now(play) == ["any", "all"]
    decide(play, BEN, step="any")  # who was asked in both, and is no longer waited for
    assert output(play)["outcome"] == "approved"
    assert [each.step for each in facts(play, ApprovalStepCompleted)] == [1, 2]


def test_a_step_for_which_nobody_is_left_is_the_nodes_error() -> None:
    by = {"users": [str(ANN)]}
    play = asked(stepped({"name": "a", "by": by}, {"name": "b", "by": by, "distinct": True}))
    decide(play, ANN)
    assert output(play)["type"] == "invalid_value"


# Sent back ------------------------------------------------------------------------------------------------------------


def test_sent_back_it_is_asked_again_from_there_and_what_was_decided_since_counts_no_longer() -> None:
    play = asked(stepped(step("one"), step("two", "board"), step("three", "clerk")))
    for who in (ANN, EVA):
        decide(play, who)
    send_back(play, ANN, "one").refused("not_eligible")
    send_back(play, DAN, "three").refused("step_not_passed", "/step")
    send_back(play, DAN, "zero").refused("unknown_step", "/step")
    send_back(play, DAN, "two")
    assert facts(play, ApprovalReturned) == [ApprovalReturned(2, "two", DAN, "Once more.", (2, 3))]
    assert open_now(play) == ["two"]
    assert [each.user_id for each in approval(play).decisions] == [ANN]
    decide(play, BEN)
    assert output(decide(play, DAN))["steps"]["two"]["users"] == [str(BEN)]
    assert len([event for event in play.view.events(request_id(play)) if event in approval(play).decisions]) == 3


def test_only_the_step_itself_of_those_beside_it_is_asked_again() -> None:
    play = asked(stepped(step("a"), step("b", "board", parallel_with="a"), step("c", "clerk")))
    for who in (ANN, EVA):
        decide(play, who)
    send_back(play, DAN, "b")
    assert open_now(play) == ["b"]
    decide(play, BEN)
    assert open_now(play) == ["c"]


def test_what_was_kept_apart_is_so_no_longer_when_it_is_asked_again() -> None:
    play = decide(asked(stepped(step("boss"), step("board", "board", distinct=True))), BEN)
    send_back(play, EVA, "boss")
    decide(play, ANN)
    assert output(decide(play, BEN))["outcome"] == "approved"


# Somebody is added -----------------------------------------------------------------------------------------------------


def test_one_more_is_asked_where_that_is_allowed() -> None:
    play = asked(stepped(step("boss", ad_hoc=True, rule={"type": "unanimous"}), step("last", "board")))
    add(play, DAN, DAN).refused("not_eligible")
    add(play, ANN, BEN).refused("asked_already", "/user_id")
    add(play, ANN, UUID(int=99)).refused("may_not_decide")
    add(play, ANN, DAN, comment="She knows.")
    for who in (ANN, BEN, CAT):
        decide(play, who)
    assert open_now(play) == ["boss"]
    decide(play, DAN)
    add(play, EVA, DAN).refused("not_ad_hoc")
    assert output(decide(play, EVA))["outcome"] == "approved"


def test_who_manages_approvals_adds_without_being_asked_and_nobody_adds_who_is_excluded() -> None:
    play = asked(node(ad_hoc=True, exclude=["requester"]), created_by=DAN)
    add(play, None, DAN).refused("not_eligible", "/user_id")
    assert output(decide(add(play, None, EVA), EVA))["outcome"] == "approved"


# Beside other requests --------------------------------------------------------------------------------------------------


def test_requests_of_branches_loops_and_items_do_not_mix_up() -> None:
    """Two branches ask in the same steps; each has its own request, and a decision is of one."""
    config = stepped(step("one"), step("two", "board"))
    nodes = {
        "s": "start",
        "l": ("approval", config),
        "r": ("approval", config),
        "j": ("join", {"mode": "all"}),
        "e": ("end", {"output": {"l": "=nodes.l.output.steps.two.users", "r": "=nodes.r.output.steps.two.users"}}),
        "f": ("fail", {"code": "no", "message": "No."}),
    }
    edges = ("s > l", "s > r", "l.approved > j", "r.approved > j", "l.rejected > l", "r.rejected > f", "j > e")
    play = employing(Play(drawing(nodes, *edges), evaluator=EVALUATOR)).start()
    boss, board = ("boss",), ("board",)
    play.choose("l", "approved", ANN, boss).choose("r", "approved", CAT, boss)
    play.choose("l", "rejected", EVA, board)  # and it is asked again, from the first step on
    play.choose("l", "approved", EVA, board).refused("not_eligible")
    play.choose("r", "approved", BEN, board)
    play.choose("l", "approved", ANN, boss).choose("l", "approved", EVA, board)
    play.completed({"l": [str(EVA)], "r": [str(BEN)]})


# What is refused at publishing ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "code", "path"),
    [
        (stepped(step("a"), step("a")), "duplicate_step", "/steps/1/name"),
        (stepped(step("a", parallel_with="b"), step("b")), "unknown_step", "/steps/0/parallel_with"),
        (stepped(step("a", distinct=["a"])), "unknown_step", "/steps/0/distinct/0"),
        (stepped(step("a", skip_when="steps.b.skipped"), step("b")), "unknown_field", "/steps/0/skip_when"),
        (stepped(step("a"), step("b", skip_when="steps.a.sipped")), "unknown_field", "/steps/1/skip_when"),
        (stepped(step("a", skip_when="step.name")), "not_bool", "/steps/0/skip_when"),
        (stepped(step("a", due_in="soon")), "invalid_value", "/steps/0/due_in"),
        (stepped(step("a", rule={"type": "multiple"})), "required", "/steps/0/rule"),
        (stepped(step("a"), rule={"type": "single"}), "unknown_field", "/rule"),
        (stepped(step("a"), ad_hoc=True), "unknown_field", "/ad_hoc"),
        (stepped(step("a", form={"type": "nope"})), "invalid_schema", "/steps/0/form/type"),
        (stepped(*(step(f"s{n}") for n in range(51))), "maxItems", "/steps"),
        (
            stepped(step("a", skip_when="true", outcomes=[{"name": "approved", "kind": "submit"}])),
            "missing_outcome",
            "/steps",
        ),
        (
            stepped(step("a"), step("b", outcomes=[{"name": "approved", "kind": "other"}])),
            "duplicate_handle",
            "/steps/1/outcomes",
        ),
    ],
)
def test_steps_that_cannot_work_are_refused_when_they_are_published(config: Json, code: str, path: str) -> None:
    edges = ("start > ask", "ask.approved > end", *(() if "submit" in str(config) else ("ask.rejected > end",)))
    drawn = drawing({"start": "start", "ask": ("approval", config), "end": "end"}, *edges)
    found = {
        (each.code, each.path.removeprefix("/nodes/1/config")) for each in validate(drawn, EVALUATOR) if each.severity == "error"
    }
    assert found == {(code, path)}
