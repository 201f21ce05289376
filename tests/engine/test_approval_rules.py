"""Approvals that several people decide: whom they ask, whose decisions count, and what must come with one."""

from dataclasses import replace
from uuid import UUID

import pytest

from domain.approval import ApprovalResolved, Voter
from domain.facts import Fact, Json
from domain.member import MemberRemoved, MemberRolesChanged, MemberSuspended
from engine.validate import validate
from tests.engine.drawing import ANN, BEN, EVALUATOR, Play, drawing
from tests.engine.people import CAT, COMPANY, DAN, EVA, approval, asked, employing, node, output, play_of, requested, role_id

BOSS = ("boss",)
FORM = {"type": "object", "properties": {"amount": {"type": "integer"}}, "required": ["amount"]}


def decide(play: Play, *decisions: tuple[UUID, str]) -> Play:
    for who, outcome in decisions:
        play.choose("ask", outcome, who, tuple(COMPANY[who]))
    return play


def test_two_of_three_bosses_approve() -> None:
    play = asked(node(rule={"type": "multiple", "count": 2, "members": "at_start"}))
    assert requested(play).voters == (Voter(ANN, "boss"), Voter(BEN, "boss"), Voter(CAT, "boss"))
    assert requested(play).required_approvals == 2
    decide(play, (BEN, "approved"), (CAT, "rejected"))
    assert play.end is None
    decide(play, (ANN, "approved"))
    assert approval(play).resolution == ApprovalResolved("approved", "approve", (BEN, ANN))
    assert (output(play)["outcome"], output(play)["user_id"]) == ("approved", str(ANN))


def test_a_minimum_that_cannot_be_reached_any_more_is_rejected_at_once() -> None:
    play = decide(asked(node(rule={"type": "multiple", "count": 2, "members": "at_start"})), (ANN, "rejected"))
    assert play.end is None
    decide(play, (CAT, "rejected"))
    assert approval(play).resolution == ApprovalResolved("rejected", "reject", (ANN, CAT))


def test_how_many_is_data() -> None:
    rule = {"type": "multiple", "count": "=input.count", "rejections": "=input.count"}
    play = asked(node(rule=rule), {"count": 2})
    assert requested(play).rule == {"type": "multiple", "count": 2, "rejections": 2}
    decide(play, (ANN, "rejected"), (BEN, "approved"), (CAT, "rejected"))
    assert output(play)["outcome"] == "rejected"
    for wrong in (0, "2", 1.5, True, None, 2_000_000):
        assert output(asked(node(rule=rule), {"count": wrong}))["type"] == "invalid_value"


def test_a_person_decides_once() -> None:
    play = decide(asked(node(rule={"type": "multiple", "count": 2})), (ANN, "approved"))
    play.choose("ask", "approved", ANN, BOSS).refused("already_decided")
    play.choose("ask", "rejected", ANN, BOSS).refused("already_decided")
    assert output(decide(play, (BEN, "approved")))["outcome"] == "approved"


def test_members_are_those_of_the_start_or_those_of_the_decision() -> None:
    def joins(play: Play, who: UUID) -> Play:
        changed = Fact(who, MemberRolesChanged(who, (role_id("boss"),)))
        play.story = replace(play.story, view=replace(play.view, facts=(*play.view.facts, changed)))
        return play

    at_start = asked(node(rule={"type": "multiple", "count": 2, "members": "at_start"}))
    joins(at_start, DAN).choose("ask", "approved", DAN, BOSS).refused("not_eligible")
    at_start.choose("ask", "approved", ANN, ())  # no boss any more, but was asked as one
    assert [each.role for each in approval(at_start).decisions] == ["boss"]
    at_decision = asked(node(rule={"type": "multiple", "count": 2}))
    joins(at_decision, DAN).choose("ask", "approved", DAN, BOSS)
    at_decision.choose("ask", "approved", ANN, ()).refused("not_eligible")


def test_who_is_suspended_or_gone_or_excluded_when_it_is_asked_is_not_counted() -> None:
    play = employing(play_of(node(rule={"type": "unanimous"}, exclude=["requester"])))
    left = (Fact(BEN, MemberSuspended(BEN)), Fact(EVA, MemberRemoved(EVA)))
    play.story = replace(play.story, view=replace(play.view, facts=(*play.view.facts, *left)))
    play.start(created_by=ANN)
    assert requested(play).voters == (Voter(CAT, "boss"),)
    assert requested(play).required_approvals == 1
    play.choose("ask", "approved", ANN, BOSS).refused("excluded")
    assert output(decide(play, (CAT, "approved")))["outcome"] == "approved"


@pytest.mark.parametrize(
    "config",
    [
        node(rule={"type": "multiple", "count": 4, "members": "at_start"}),
        node(rule={"type": "weighted", "weights": {"boss": 2}, "threshold": 7, "members": "at_start"}),
        node(rule={"type": "unanimous"}, by={"roles": ["nobody"]}),
        node(rule={"type": "majority"}, by={"roles": ["clerk"]}, exclude=[str(DAN)]),
    ],
)
def test_what_the_people_who_are_asked_can_never_come_to_is_the_nodes_error(config: Json) -> None:
    assert output(asked(config))["type"] == "invalid_value"


def test_weights_are_of_roles_and_of_people() -> None:
    weights = {"boss": 1, "board": 3, str(CAT): 2}
    rule = {"type": "weighted", "weights": weights, "threshold": 4, "members": "at_start"}
    play = asked(node(by={"roles": ["boss", "board"]}, rule=rule))
    assert requested(play).voters == (
        *(Voter(ANN, "boss", 1), Voter(BEN, "board", 3), Voter(CAT, "boss", 2), Voter(EVA, "board", 3)),
    )
    decide(play, (CAT, "approved"), (ANN, "approved"))
    assert play.end is None
    decide(play, (EVA, "rejected"), (BEN, "approved"))
    assert output(play)["outcome"] == "approved"
    assert [each.weight for each in approval(play).decisions] == [2, 1, 3, 3]


def test_a_weight_goes_by_the_role_in_which_one_acts_where_anybody_may_come() -> None:
    rule = {"type": "weighted", "weights": {"boss": 1, "board": 3}, "threshold": 4}
    play = asked(node(by={"roles": ["boss", "board"]}, rule=rule))
    play.choose("ask", "approved", BEN, ("boss", "board"), role="boss")
    play.choose("ask", "approved", EVA, ("board",))
    assert output(play)["outcome"] == "approved"


def test_who_has_a_veto_is_waited_for() -> None:
    config = node(by={"roles": ["boss", "board"]}, rule={"type": "veto", "veto": ["board"], "count": 1})
    play = decide(asked(config), (ANN, "approved"), (CAT, "rejected"), (EVA, "approved"))
    assert play.end is None
    assert output(decide(play, (BEN, "rejected")))["outcome"] == "rejected"


def test_all_answer_and_then_one_yes_is_enough() -> None:
    play = decide(asked(node(rule={"type": "all_answer"})), (ANN, "approved"), (BEN, "rejected"))
    assert play.end is None
    assert output(decide(play, (CAT, "rejected")))["outcome"] == "approved"


def test_changes_that_one_person_asks_for_end_it_whatever_the_rule() -> None:
    outcomes = [{"name": "ok", "kind": "approve"}, {"name": "no", "kind": "reject"}, {"name": "redo", "kind": "changes"}]
    play = decide(asked(node(rule={"type": "unanimous"}, outcomes=outcomes)), (ANN, "ok"), (BEN, "redo"))
    assert output(play)["outcome"] == "redo"
    assert approval(play).resolution == ApprovalResolved("redo", "changes", (BEN,))


# What must come with a decision ---------------------------------------------------------------------------------------

DEMANDING = [
    {"name": "ok", "kind": "approve"},
    {"name": "no", "kind": "reject", "comment": "required", "reasons": ["price", "date"], "form": "required"},
]


def test_an_outcome_may_need_a_comment_a_reason_and_the_form() -> None:
    play = asked(node(outcomes=DEMANDING, form=FORM))
    play.choose("ask", "no", ANN, BOSS).refused("invalid_decision", "/comment", "/reason", "/form")
    play.choose("ask", "no", ANN, BOSS, comment=" ", reason="price", form={"amount": 1}).refused("invalid_decision", "/comment")
    play.choose("ask", "no", ANN, BOSS, comment="x", reason="else", form={"amount": 1}).refused("invalid_decision", "/reason")
    play.choose("ask", "no", ANN, BOSS, comment="x", reason="price").refused("invalid_form", "/form")
    play.choose("ask", "ok", ANN, BOSS, reason="price", form={"amount": 1}).refused("invalid_decision", "/reason")
    play.choose("ask", "no", ANN, BOSS, comment="x", reason="price", form={"amount": 1})
    assert output(play)["reason"] == "price"
    [decided] = approval(play).decisions
    assert (decided.reason, decided.comment) == ("price", "x")


PAIR: Json = {"users": [str(ANN), str(BEN)]}


# What is refused at publishing ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "code", "path"),
    [
        ({"rule": {"type": "quorum"}}, "enum", "/rule/type"),
        ({"rule": {"type": "multiple"}}, "required", "/rule"),
        ({"rule": {"type": "multiple", "count": 0}}, "anyOf", "/rule/count"),
        ({"rule": {"type": "multiple", "count": "=input +"}}, "syntax", "/rule/count"),
        ({"rule": {"type": "single", "count": 2}}, "unknown_field", "/rule/count"),
        ({"rule": {"type": "majority", "members": "at_decision"}}, "invalid_value", "/rule/members"),
        ({"rule": {"type": "majority"}, "by": None}, "nobody_named", "/rule"),
        (
            {"rule": {"type": "majority"}, "outcomes": [{"name": "ok", "kind": "approve"}]},
            "missing_outcome",
            "/outcomes",
        ),
        (
            {
                "rule": {"type": "majority"},
                "outcomes": [{"name": "ok", "kind": "approve"}, {"name": "no", "kind": "reject", "by": {"roles": ["clerk"]}}],
            },
            "different_people",
            "/outcomes",
        ),
        ({"outcomes": [{"name": "ok", "kind": "approve", "form": "required"}]}, "no_form", "/outcomes/0/form"),
        ({"outcomes": [{"name": "ok", "kind": "approve", "reasons": ["a b"]}]}, "pattern", "/outcomes/0/reasons/0"),
        ({"by": {"users": ["somebody"]}}, "invalid_value", "/by/users/0"),
        ({"rule": {"type": "multiple", "count": 3}, "by": PAIR}, "too_few_people", "/rule/count"),
        (
            {"by": PAIR, "rule": None, "steps": [{"name": "a"}, {"name": "b", "rule": {"type": "multiple", "count": 3}}]},
            "too_few_people",
            "/steps/1/rule/count",
        ),
    ],
)
def test_a_rule_that_cannot_work_is_refused_when_it_is_published(config: Json, code: str, path: str) -> None:
    whole = {name: value for name, value in node(**config).items() if value is not None}
    handles = [outcome["name"] for outcome in whole.get("outcomes", [{"name": "approved"}, {"name": "rejected"}])]
    drawn = drawing(
        {"start": "start", "ask": ("approval", whole), "end": "end"}, "start > ask", *(f"ask.{name} > end" for name in handles)
    )
    errors = {
        (found.code, found.path.removeprefix("/nodes/1/config"))
        for found in validate(drawn, EVALUATOR)
        if found.severity == "error"
    }
    assert errors == {(code, path)}


@pytest.mark.parametrize(
    "config",
    [
        {"rule": {"type": "multiple", "count": 2}, "by": PAIR},
        {"rule": {"type": "multiple", "count": 3}, "by": PAIR, "ad_hoc": True},
        {"rule": {"type": "multiple", "count": 3}, "by": PAIR, "escalate": [{"after": "P1D", "by": {"roles": ["board"]}}]},
        {"rule": {"type": "multiple", "count": 3}, "by": {**PAIR, "roles": ["board"]}},
        {"rule": {"type": "multiple", "count": 3}, "by": {"users": [str(ANN), "=input.other"]}},
        {"rule": {"type": "multiple", "count": "=input.n"}, "by": PAIR},
    ],
)
def test_as_many_as_may_approve_may_be_needed(config: Json) -> None:
    drawn = drawing(
        {"start": "start", "ask": ("approval", node(**config)), "end": "end"},
        "start > ask",
        *(f"ask.{name} > end" for name in ("approved", "rejected")),
    )
    assert [found for found in validate(drawn, EVALUATOR) if found.severity == "error"] == []
