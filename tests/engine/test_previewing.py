"""Who would be asked, before anybody is: it is what asking comes to, and asks nobody."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest

from domain.approval import ApprovalRequested, ApprovalStepSkipped, ApprovalStepStarted
from domain.delegation import DelegationGiven, delegations_of
from domain.execution import ActivationFailed
from domain.facts import Fact, Invalid, Json
from domain.member import MemberChanged, MemberSuspended
from engine.own_requests import Wanted
from engine.previews import NodeWanted, of_node, of_request, require_config, under
from tests.engine.drawing import ANN, BEN, EXECUTION_ID, WORKFLOW_ID, Play
from tests.engine.people import CAT, COMPANY, DAN, EVA, approval, asked, employing, node, play_of, request_id
from tests.given import MOMENT, TENANT_ID


def previewed(config: Json, input: Json = None, by: UUID | None = DAN, *facts: Fact, outputs: Json = None) -> Json:
    play = happening(employing(play_of(config)), *facts)
    wanted = NodeWanted(WORKFLOW_ID, None, "ask", {} if input is None else input, outputs or {})
    before = play.view.facts
    found = of_node(play.view, play.engine, wanted, by)
    assert play.view.facts == before
    return found


def happening(play: Play, *facts: Fact) -> Play:
    view = play.story.view
    play.story = replace(play.story, view=replace(view, facts=view.facts + facts))
    return play


def people(step: Json) -> dict[str, Json]:
    return {one["user_id"]: one for one in step["people"]}


def standing_in(giver: UUID, taker: UUID, **more: Any) -> Fact:
    given = DelegationGiven(UUID(int=7), giver, taker, more.pop("kind", "absence"), MOMENT, MOMENT + timedelta(days=1), **more)
    return Fact(delegations_of(TENANT_ID, giver), given)


def test_steps_are_told_in_their_order_with_the_rule_and_whom_each_asks() -> None:
    steps = [
        {"name": "boss", "by": {"roles": ["boss"]}, "rule": {"type": "multiple", "count": 2, "members": "at_start"}},
        {"name": "board", "by": {"roles": ["board"]}, "skip_when": "input.amount < 1000"},
        {"name": "clerk", "by": {"users": ["=steps.boss.user_id"]}},
    ]
    found = previewed({"title": "Please decide", "steps": steps}, {"amount": 1})
    first, second, third = found["steps"]
    assert [each["status"] for each in found["steps"]] == ["asked", "skipped", "later"]
    assert (first["required_approvals"], first["members"], sorted(people(first))) == (
        2,
        "at_start",
        [str(ANN), str(BEN), str(CAT)],
    )
    assert first["supposed"] == [str(ANN), str(BEN)]
    assert second["why_skipped"] == "skip_when"
    assert list(people(third)) == [str(BEN)], "whom the steps before are supposed to come to"
    assert found["problem"] is None


def test_of_each_it_is_said_why_they_are_asked_and_why_they_may_not() -> None:
    manages = Fact(DAN, MemberChanged(DAN, EVA, {}))
    config = node(by={"roles": ["boss"], "users": [str(DAN)], "manager_of": "requester"}, exclude=["requester", str(CAT)])
    (step,) = previewed(config, None, DAN, manages, Fact(BEN, MemberSuspended(BEN)))["steps"]
    told = people(step)
    assert told[str(ANN)]["through"] == ["role"]
    assert told[str(EVA)]["through"] == ["manager_of"]
    assert told[str(DAN)]["refused"] == dict.fromkeys(("approved", "rejected"), "excluded")
    assert not told[str(CAT)]["may_decide"]
    assert str(BEN) not in told, "who is suspended is no member of the role now"


def test_who_is_named_and_away_is_told_with_who_stands_in() -> None:
    away = standing_in(ANN, EVA), standing_in(BEN, DAN, condition="request.title == 'Other'")
    (step,) = previewed(node(by={"users": [str(ANN), str(BEN)]}), None, CAT, *away)["steps"]
    told = people(step)
    assert [(each["user_id"], each["kind"]) for each in told[str(ANN)]["substitutes"]] == [(str(EVA), "absence")]
    assert told[str(BEN)]["substitutes"] == []


@pytest.mark.parametrize(
    ("config", "seen"),
    [
        ({"by": {"users": [str(DAN)]}, "fallback": {"roles": ["board"]}, "requester": "forbid"}, "fallback"),
        ({"by": {"users": [str(DAN)]}, "requester": "escalate"}, "escalation"),
    ],
)
def test_what_becomes_of_the_requester_is_told(config: Json, seen: str) -> None:
    (step,) = previewed({"title": "x", **config}, None, DAN, Fact(DAN, MemberChanged(DAN, EVA, {})))["steps"]
    assert step["requester"] == config["requester"]
    assert step["outcomes"][0]["fallback"] == (seen == "fallback")
    assert people(step)[str(EVA)]["through"] == (["role"] if seen == "fallback" else ["escalation"])


def test_a_step_that_would_ask_the_requester_alone_is_skipped_and_it_is_said_so() -> None:
    steps = [{"name": "a", "by": {"users": [str(DAN)]}, "requester": "skip"}, {"name": "b", "by": {"roles": ["boss"]}}]
    found = previewed({"title": "x", "steps": steps}, None, DAN)
    assert [(each["status"], each["why_skipped"]) for each in found["steps"]] == [("skipped", "requester"), ("asked", None)]


def test_where_asking_would_fail_it_says_why() -> None:
    steps = [{"name": "a", "by": {"roles": ["boss"]}}, {"name": "b", "by": {"expr": "input.nobody"}}]
    found = previewed({"title": "x", "steps": steps}, {"nobody": None})
    assert (len(found["steps"]), found["problem"]["code"]) == (1, "invalid_value")
    seen = previewed(node(by={"users": ["=nodes.before.output.owner"]}), outputs={"before": {"owner": str(EVA)}})
    assert list(people(seen["steps"][0])) == [str(EVA)]


def test_what_is_asked_is_seen_and_judged_as_when_it_is_asked() -> None:
    config = node(title="=input.title", context="=input", by={"users": ["=request.context.owner"]})
    found = previewed(config, {"title": "A press?", "owner": str(EVA)})
    assert (list(people(found["steps"][0])), found["problem"]) == ([str(EVA)], None)
    assert previewed(config, {"title": 7, "owner": str(EVA)})["problem"]["message"] == "title must be a text"
    wrong = previewed(node(attachments=[{"name": "offer.pdf", "reference": 7, "sha256": "x"}]))
    assert wrong["problem"]["code"] == "invalid_value"


def test_what_is_wrong_with_the_question_is_refused() -> None:
    play = employing(play_of(node()))
    with pytest.raises(Invalid, match="no approval node"):
        of_node(play.view, play.engine, NodeWanted(WORKFLOW_ID, None, "end", {}, {}), DAN)
    own = {"title": "x", "exclude": [str(DAN)], "escalate": [{"after": "PT1H", "outcome": "approved"}]}
    for wrong, path in (
        ({"title": "x", "by": {"roles": ["nobody"]}}, "/request/by/roles/0"),
        ({**own, "by": {"roles": ["boss"]}}, "/request/escalate/0/outcome"),
    ):
        with pytest.raises(Invalid) as refused:
            of_request(play.view, play.engine, Wanted(wrong), DAN)
        assert [each.path for each in refused.value.errors] == [refused.value.path] == [path]
    with pytest.raises(Invalid):
        require_config(play.view.effort, {"title": "x", "rule": {"type": "multiple"}})


def test_a_request_of_its_own_is_previewed_alike() -> None:
    play = employing(play_of(node()))
    found = of_request(play.view, play.engine, Wanted({"title": "x", "by": {"roles": ["boss"]}, "exclude": ["requester"]}), ANN)
    (step,) = found["steps"]
    assert {one for one, told in people(step).items() if told["may_decide"]} == {str(BEN), str(CAT)}


# It is what asking comes to -------------------------------------------------------------------------------------------


def drawn(random: Random) -> Json:
    steps = [drawn_part(random, f"s{number}") for number in range(random.randint(1, 4))]
    if len(steps) == 1:
        return {
            "title": "x",
            **{name: value for name, value in steps[0].items() if name not in ("name", "distinct", "skip_when")},
        }
    return {"title": "x", "steps": steps}


def drawn_part(random: Random, name: str) -> dict[str, Json]:
    by: dict[str, Json] = {}
    if random.random() < 0.7:
        by["roles"] = random.sample(["boss", "board", "clerk"], random.randint(1, 2))
    if random.random() < 0.4 or not by:
        by["users"] = [str(random.choice(list(COMPANY)))]
    if random.random() < 0.3:
        by["manager_of"] = "requester"
    part: dict[str, Json] = {"name": name, "by": by}
    if random.random() < 0.5:
        part["rule"] = random.choice(
            [{"type": "unanimous"}, {"type": "multiple", "count": 2}, {"type": "majority"}, {"type": "first"}]
        )
    if random.random() < 0.4:
        part["requester"] = random.choice(["forbid", "skip", "escalate"])
    if random.random() < 0.3:
        part["exclude"] = [str(random.choice(list(COMPANY)))]
    if random.random() < 0.3:
        part["fallback"] = {"roles": ["board"]}
    if random.random() < 0.3:
        part["skip_when"] = "input.amount < 10"
    if random.random() < 0.3:
        part["distinct"] = True
    return part


@pytest.mark.parametrize("seed", range(60))
def test_a_preview_is_what_asking_comes_to(seed: int) -> None:
    random = Random(seed)
    config, requester, amount = drawn(random), random.choice(list(COMPANY)), random.choice([1, 100])
    found = previewed(config, {"amount": amount}, requester, Fact(requester, MemberChanged(requester, EVA, {})))
    play = happening(employing(play_of(config)), Fact(requester, MemberChanged(requester, EVA, {})))
    play.start({"amount": amount}, created_by=requester)
    events = [fact.event for fact in play.view.facts]
    begun = [event for event in events if isinstance(event, ApprovalStepStarted | ApprovalStepSkipped)]
    failed = any(isinstance(event, ActivationFailed) for event in events)
    requests = [event for event in events if isinstance(event, ApprovalRequested) and not event.steps]
    told = [step for step in found["steps"] if step["status"] != "later"]
    if failed:
        assert found["problem"] is not None
        return
    if requests:
        assert [_offered(event) for event in requests] == [_told(told[0])]
        return
    statuses = ["skipped" if isinstance(each, ApprovalStepSkipped) else "asked" for each in begun]
    assert [step["status"] for step in told][: len(begun)] == statuses
    assert {step["status"] for step in told[len(begun) :]} <= {"skipped"}, "which is told of steps of later, too"
    asked_now = [event for event in begun if isinstance(event, ApprovalStepStarted)]
    assert [_offered(event) for event in asked_now] == [_told(step) for step in told if step["status"] == "asked"]


def _offered(event: ApprovalRequested | ApprovalStepStarted) -> list[Any]:
    return [
        (each.name, [str(one) for one in each.users], list(each.roles), [str(one) for one in each.exclude])
        for each in event.outcomes
    ]


def _told(step: Json) -> list[Any]:
    return [(each["name"], each["by"]["users"], each["by"]["roles"], each["exclude"]) for each in step["outcomes"]]


# Of requests of the past -----------------------------------------------------------------------------------------------


def compared(play: Play, config: Json) -> Mapping[str, Any]:
    found: Mapping[str, Any] = under(play.view, play.engine, request_id(play), config)
    return found


def test_another_rule_is_tried_on_a_request_that_was_made() -> None:
    play = asked(node(by={"roles": ["boss"]}), {"amount": 5}, created_by=DAN)
    found = compared(play, node(by={"roles": ["board"]}))
    assert (found["added"], found["dropped"], found["same"]) == ([str(EVA)], sorted(map(str, (ANN, CAT))), False)
    assert found["then"]["steps"][0]["roles"] == ["boss"]
    assert compared(play, node(by={"roles": ["boss"]}))["same"]
    by_input = compared(play, node(by={"roles": ["=input.amount > 3 ? 'clerk' : 'boss'"]}))
    assert by_input["now"]["steps"][0]["people"] == [str(DAN)]
    assert compared(play, node(by={"users": ["=input.nobody"]}))["now"]["problem"]["code"] == "expression_error"


def test_steps_are_tried_against_steps() -> None:
    steps: Sequence[Json] = [{"name": "a", "by": {"roles": ["boss"]}}, {"name": "b", "by": {"roles": ["board"]}}]
    play = asked({"title": "x", "steps": steps}, created_by=DAN)
    found = compared(play, {"title": "x", "steps": [steps[0], {**steps[1], "by": {"roles": ["clerk"]}}]})
    assert (found["added"], found["dropped"]) == ([str(DAN)], [str(EVA)])
    assert approval(play).execution_id == EXECUTION_ID
