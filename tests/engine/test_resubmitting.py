"""A request that is taken back, changed and asked again: whose decisions stand, and whose are asked for once more."""

from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import product
from random import Random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.approval import (
    APPROVAL,
    ApprovalExpired,
    ApprovalRecalled,
    ApprovalResubmitted,
    ApprovalStepStarted,
    Attachment,
    Change,
    Decider,
    evolve,
)
from domain.facts import Due, Json, Timer
from engine.engine import fire, recall_approval, resubmit_approval, return_approval
from engine.validate import validate
from tests.engine.drawing import ANN, BEN, EVALUATOR, EXECUTION_ID, Play
from tests.engine.people import CAT, COMPANY, DAN, EVA, approval, asked, employing, node, output, play_of, request_id, requested
from tests.engine.test_approval_changes import WITHDRAWABLE, revoke, withdraw
from tests.engine.test_approval_steps import decide, facts, open_now, send_back, step, stepped

ALL = {"editable": [""], "context": "=input"}


def recall(play: Play, *who: UUID, comment: str | None = None) -> Play:
    id, people = request_id(play), frozenset(who)
    return play.step(lambda view: recall_approval(view, play.engine, id, people, next(iter(who), None), comment))


def resubmit(play: Play, *who: UUID, **fields: Any) -> Play:
    id, people = request_id(play), frozenset(who)
    return play.step(lambda view: resubmit_approval(view, play.engine, id, people, next(iter(who), None), **fields))


def give_back(play: Play, who: UUID) -> Play:
    decider, id = Decider(who, COMPANY[who]), request_id(play)
    return play.step(lambda view: return_approval(view, play.engine, id, decider, comment="Which one?"))


def test_nobody_decides_what_its_requester_has_taken_back() -> None:
    play = asked(node(**ALL), {"amount": 10}, created_by=DAN)
    recall(play, ANN).refused("not_requester")
    resubmit(play, DAN).refused("not_recalled")
    recall(play, DAN, comment="Wait.")
    assert facts(play, ApprovalRecalled) == [ApprovalRecalled(DAN, "Wait.")]
    decide(play, ANN).refused("with_requester")
    revoke(play, ANN).refused("with_requester")
    assert len(facts(recall(play, DAN), ApprovalRecalled)) == 1, "it is with them already"
    resubmit(play, ANN).refused("not_requester")
    resubmit(play, DAN)
    assert output(decide(play, ANN))["outcome"] == "approved"
    recall(play, DAN).refused("approval_closed")


def test_what_was_taken_back_can_be_withdrawn() -> None:
    play = recall(asked(node(outcomes=WITHDRAWABLE), created_by=DAN), DAN)
    assert output(withdraw(play, DAN))["outcome"] == "gone"


def test_a_new_version_says_in_what_it_differs_and_goes_on_to_what_follows() -> None:
    play = recall(asked(node(description="A press", **ALL), {"amount": 10, "lines": [1, 2]}, created_by=DAN), DAN)
    offer = Attachment("offer.pdf", "https://files.example/1", "ab" * 32)
    resubmit(play, DAN, description=None, context={"lines": [1, 3, 4], "note": 1}, attachments=(offer,), comment="Cheaper.")
    (again,) = facts(play, ApprovalResubmitted)
    assert (again.number, again.comment, again.steps) == (2, "Cheaper.", (1,))
    assert again.changes == (
        Change("/description", "changed"),
        Change("/context/amount", "removed"),
        Change("/context/lines/1", "changed"),
        Change("/context/lines/2", "added"),
        Change("/context/note", "added"),
        Change("/attachments/0", "added"),
    )
    decide(play, ANN)
    assert approval(play).decisions[0].request_version == 2
    request = output(play)["request"]
    assert (request["number"], request["context"], request["title"]) == (2, {"lines": [1, 3, 4], "note": 1}, "Please decide")


def test_only_what_the_definition_says_may_be_changed() -> None:
    fixed = recall(asked(node(context="=input"), {"amount": 10}, created_by=DAN), DAN)
    resubmit(fixed, DAN, context={"amount": 1}).refused("not_editable", "/context/amount")
    assert "request" not in output(decide(resubmit(fixed, DAN), ANN))
    partly = recall(asked(node(context="=input", editable=["/context/note"]), {"amount": 1}, created_by=DAN), DAN)
    resubmit(partly, DAN, title="Else", context={"amount": 2}).refused("not_editable", "/title", "/context/amount")
    resubmit(partly, DAN, context={"amount": 1, "note": "Please"})
    assert approval(partly).content.context == {"amount": 1, "note": "Please"}


def test_of_what_was_asked_before_it_was_recorded_nothing_may_be_changed_but_of_a_request_of_its_own() -> None:
    play = asked(node(context="=input"), {"amount": 10}, created_by=DAN)
    view, opened = play.view, requested(play)
    facts = tuple(replace(each, event=replace(opened, editable=None)) if each.event == opened else each for each in view.facts)
    play.story = replace(play.story, view=replace(view, facts=facts))
    resubmit(recall(play, DAN), DAN, context={"amount": 1}).refused("not_editable", "/context/amount")
    own = replace(opened, execution_id=None, activation_id=None, node_id=None, editable=None)
    assert evolve(APPROVAL.initial, own).editable is None


def test_only_steps_whose_part_has_changed_are_asked_again() -> None:
    config = stepped(
        step("boss", depends_on=["/context/amount"]), step("board", "board", depends_on=["/title"]), step("last", "clerk"), **ALL
    )
    play = decide(decide(asked(config, {"amount": 10, "note": 1}, created_by=DAN), ANN), EVA)
    resubmit(recall(play, DAN), DAN, context={"amount": 10, "note": 2})
    assert (facts(play, ApprovalResubmitted)[0].steps, open_now(play)) == ((3,), ["last"])
    resubmit(recall(play, DAN), DAN, context={"amount": 20, "note": 2})
    assert (facts(play, ApprovalResubmitted)[1].steps, open_now(play)) == ((1, 3), ["boss"])
    decide(play, BEN)
    assert open_now(play) == ["last"], "what the board has decided stands"
    assert output(decide(play, DAN))["outcome"] == "approved"
    assert [each.name for each in facts(play, ApprovalStepStarted)].count("board") == 1


def test_a_decision_on_an_older_version_never_counts_for_what_is_asked_again() -> None:
    play = asked(node(rule={"type": "multiple", "count": 2, "members": "at_start"}, **ALL), {"a": 1}, created_by=DAN)
    decide(play, ANN)
    resubmit(recall(play, DAN), DAN)
    assert len(approval(play).decisions) == 1, "nothing has changed"
    resubmit(recall(play, DAN), DAN, context={"a": 2})
    assert approval(play).decisions == ()
    decide(play, BEN)
    assert play.end is None
    assert output(decide(play, ANN))["outcome"] == "approved"


def test_an_expression_says_what_a_step_looks_at() -> None:
    config = node(depends_on=["=request.context.amount > 1000"], rule={"type": "multiple", "count": 2}, **ALL)
    play = decide(asked(config, {"amount": 10}, created_by=DAN), ANN)
    resubmit(recall(play, DAN), DAN, context={"amount": 20})
    assert len(approval(play).decisions) == 1
    resubmit(recall(play, DAN), DAN, context={"amount": 2000})
    assert approval(play).decisions == ()
    decide(play, ANN)
    resubmit(recall(play, DAN), DAN, context={})
    assert approval(play).decisions == (), "where it cannot be said, it is asked again"


def test_steps_and_people_go_by_what_is_asked_now() -> None:
    config = stepped(step("boss"), step("board", "board", skip_when="request.context.amount < 1000"), **ALL)
    play = asked(config, {"amount": 2000}, created_by=DAN)
    resubmit(recall(play, DAN), DAN, context={"amount": 10})
    assert output(decide(play, ANN))["steps"]["board"]["skipped"]
    by = {"expr": "request.context.amount < 1000 ? 'boss' : 'board'"}
    play = asked(node(by=by, **ALL), {"amount": 10}, created_by=DAN)
    decide(play, EVA).refused("not_eligible")
    resubmit(recall(play, DAN), DAN, context={"amount": 2000})
    decide(play, ANN).refused("not_eligible")
    assert output(decide(play, EVA))["outcome"] == "approved"


def test_what_comes_to_nobody_is_not_asked_and_its_requester_can_mend_that() -> None:
    play = recall(asked(node(by={"expr": "request.context"}, **ALL), "boss", created_by=DAN), DAN)
    resubmit(play, DAN, context=7).refused("not_askable")
    resubmit(play, DAN, context="board")
    assert output(decide(play, EVA))["outcome"] == "approved"


def test_who_is_asked_gives_it_back_to_be_changed() -> None:
    play = asked(node(**ALL), {"a": 1}, created_by=DAN)
    give_back(play, DAN).refused("not_eligible")
    give_back(play, ANN)
    decide(play, BEN).refused("with_requester")
    assert output(decide(resubmit(play, DAN, context={"a": 2}), BEN))["outcome"] == "approved"
    give_back(asked(node(**ALL), {"a": 1}), ANN).refused("no_requester")


def timeouts(play: Play) -> list[Timer]:
    return [timer for timer in play.story.timers.values() if timer.purpose == "timeout"]


def test_its_time_stands_still_meanwhile_and_begins_anew() -> None:
    play = employing(play_of(node(due_in="PT1H", **ALL), timeout="P1D")).start({"a": 1}, created_by=DAN)
    (first,) = timeouts(play)
    recall(play, DAN)
    assert (play.story.timers, play.state.in_order[0].waits_for("timer")) == ({}, ())
    resubmit(play, DAN, context={"a": 2})
    (second,) = timeouts(play)
    assert (second.due, second.id != first.id) == (Due(timedelta(days=1)), True)
    assert facts(play, ApprovalResubmitted)[0].due == Due(timedelta(hours=1))

    @dataclass(frozen=True)
    class Fired:
        id: UUID
        purpose: str = "timeout"
        owner: str = "execution"
        owner_id: UUID = EXECUTION_ID
        activation_id: UUID = play.state.in_order[0].id
        moved: int = 0
        between_attempts: bool = False

    play.step(lambda view: fire(view, play.engine, Fired(first.id)))  # type: ignore[arg-type]
    assert play.end is None, "the timer of before means nothing"
    play.step(lambda view: fire(view, play.engine, Fired(second.id)))  # type: ignore[arg-type]
    assert facts(play, ApprovalExpired)
    assert output(play)["type"] == "timeout"


@pytest.mark.parametrize(
    ("config", "paths"),
    [
        (node(depends_on=["context"]), ["/nodes/1/config/depends_on/0"]),
        (node(depends_on=["=request.nothing"]), ["/nodes/1/config/depends_on/0"]),
        (node(editable=["/~2"]), ["/nodes/1/config/editable/0"]),
        (stepped(step("a", depends_on=["=steps.a"])), ["/nodes/1/config/steps/0/depends_on/0"]),
        (node(attachments=[{"name": "a"}], form={"type": "object", "properties": {"n": {"type": "number", "default": "x"}}}), []),
    ],
)
def test_what_is_wrong_is_said_before_it_is_published(config: Json, paths: list[str]) -> None:
    definition = play_of(config).story.view.facts[1].event.definition  # type: ignore[attr-defined]
    found = validate(definition, EVALUATOR)
    assert sorted({finding.path for finding in found if finding.severity == "error"}) == paths
    assert paths or [finding.code for finding in found] == ["invalid_default"]


# Any order of it all, against a count that knows nothing of how it is done -------------------------------------------------

PEOPLE = {"a": (ANN, BEN, CAT), "b": (BEN, EVA), "c": (DAN,)}
NEEDED = {"a": 2, "b": 2, "c": 1}
IN_STEPS = stepped(
    step("a", depends_on=["/context/a"], rule={"type": "multiple", "count": 2, "members": "at_start"}),
    step("b", "board", depends_on=["/context/b"], rule={"type": "unanimous"}),
    step("c", "clerk"),
    **ALL,
)
AT_ONCE = node(depends_on=["/context/a"], rule={"type": "multiple", "count": 2, "members": "at_start"}, **ALL)


@dataclass
class Count:
    """What people said, told again from the beginning."""

    steps: tuple[str, ...]
    status: str = "pending"
    votes: dict[str, dict[UUID, str]] = field(default_factory=dict)
    """By step that was asked."""
    content: dict[str, int] = field(default_factory=lambda: {"a": 0, "b": 0, "x": 0})
    number: int = 1

    def __post_init__(self) -> None:
        self.go_on()

    def result(self, name: str) -> str | None:
        """What all ways of answering that are left come to, where they agree."""
        said = self.votes.get(name)
        if said is None:
            return None
        left = [one for one in PEOPLE[name] if one not in said]
        ends = {
            sum(each == "approved" for each in (*said.values(), *rest)) >= NEEDED[name]
            for rest in product(("approved", "rejected"), repeat=len(left))
        }
        return None if len(ends) > 1 else "approved" if ends.pop() else "rejected"

    def go_on(self) -> None:
        results = [self.result(name) for name in self.steps]
        if "rejected" in results:
            self.status = "rejected"
        elif None not in results:
            self.status = "approved"
        else:
            self.votes.setdefault(self.steps[results.index(None)], {})

    @property
    def open(self) -> list[str]:
        return [name for name in self.steps if name in self.votes and self.result(name) is None]

    def is_asked(self, who: UUID) -> bool:
        return self.status == "pending" and any(who in PEOPLE[name] for name in self.open)

    def decide(self, who: UUID, outcome: str) -> bool:
        free = [name for name in self.open if who in PEOPLE[name] and who not in self.votes[name]]
        if self.status != "pending" or not free:
            return False
        self.votes[free[0]][who] = outcome
        self.go_on()
        return True

    def revoke(self, who: UUID, _: str) -> bool:
        theirs = [name for name in self.open if who in self.votes[name]]
        if self.status != "pending" or not theirs:
            return False
        del self.votes[theirs[0]][who]
        return True

    def recall(self, *_: object) -> bool:
        if self.status not in ("pending", "with"):
            return False
        self.status = "with"
        return True

    def give_back(self, who: UUID, _: str) -> bool:
        if not self.is_asked(who):
            return False
        self.status = "with"
        return True

    def resubmit(self, _: UUID, changed: str) -> bool:
        if self.status != "with":
            return False
        if changed in self.content:
            self.content[changed] += 1
            for name in self.steps:
                if name in (changed, "c"):  # the last one looks at everything
                    self.votes.pop(name, None)
        self.number, self.status = self.number + 1, "pending"
        self.go_on()
        return True

    def send_back(self, who: UUID, to: str) -> bool:
        if not self.is_asked(who) or to not in self.steps or len(self.steps) == 1 or self.result(to) is None:
            return False
        for name in self.steps[self.steps.index(to) :]:
            self.votes.pop(name, None)
        self.go_on()
        return True


Action = tuple[str, UUID, str]
ACTIONS: list[Action] = [
    *(("decide", who, outcome) for who in COMPANY for outcome in ("approved", "approved", "approved", "rejected")),
    *(("revoke", who, "") for who in (ANN, BEN)),
    *[("recall", DAN, "")] * 3,
    *(("give_back", who, "") for who in (BEN, EVA)),
    *[("resubmit", DAN, changed) for changed in ("a", "b", "x", "nothing")] * 4,
    *(("send_back", who, to) for who in (EVA, DAN) for to in ("a", "b")),
]


def drawn(count: Count, random: Random) -> Action:
    """Mostly one that is accepted, where there is one."""
    action = random.choice(ACTIONS)
    for _ in range(8):
        if random.random() < 0.1 or getattr(deepcopy(count), action[0])(*action[1:]):
            break
        action = random.choice(ACTIONS)
    return action


def act(play: Play, count: Count, action: Action) -> None:
    what, who, how = action
    match what:
        case "decide":
            decide(play, who, how)
        case "revoke":
            revoke(play, who)
        case "recall":
            recall(play, DAN)
        case "give_back":
            give_back(play, who)
        case "resubmit":
            resubmit(play, DAN, context=dict(count.content) | ({how: count.content[how] + 1} if how in count.content else {}))
        case _:
            send_back(play, who, how)


@given(st.booleans(), st.integers(min_value=0))
@settings(max_examples=100, deadline=None)
def test_any_order_of_decisions_recalls_resubmissions_and_returns_comes_to_what_is_counted(in_steps: bool, seed: int) -> None:
    random, count = Random(seed), Count(("a", "b", "c") if in_steps else ("a",))
    play = asked(IN_STEPS if in_steps else AT_ONCE, dict(count.content), created_by=DAN)
    for _ in range(25):
        action = drawn(count, random)
        act(play, count, action)
        accepted = getattr(count, action[0])(*action[1:])
        assert (play.story.refusal is None) == accepted, (action, play.story.refusal)
        if play.story.refusal is not None:
            play.refused(play.story.refusal.code)
        state = approval(play)
        outcome = None if state.resolution is None else state.resolution.outcome
        stands = {"pending": "pending", "with_requester": "with"}.get(state.status, outcome)
        assert (stands, state.number) == (count.status, count.number), action
        counted = {
            name: {each.user_id: each.outcome for each in step.decisions}
            for name, step in zip(count.steps, state.steps, strict=True)
            if step.status in ("open", "completed")
        }
        assert counted == count.votes, action


def test_reminders_stand_still_meanwhile_and_come_anew() -> None:
    reminders: dict[str, Any] = {
        "due_in": "P1D",
        "remind": [{"after": "PT1H"}],
        "escalate": [{"after": "PT2H", "by": {"roles": ["board"]}}],
    }
    for config in (node(**reminders, **ALL), stepped(step("a", **reminders), step("b"), **ALL)):
        play = asked(config, {"a": 1}, created_by=DAN)
        before = dict(play.story.timers)
        assert sorted(timer.purpose for timer in before.values()) == ["due 1", "escalate 1.1", "remind 1.1"]
        recall(play, DAN)
        assert play.story.timers == {}
        resubmit(play, DAN)
        after = play.story.timers
        assert sorted((each.purpose, each.due) for each in after.values()) == sorted(
            (each.purpose, each.due) for each in before.values()
        )
        assert not after.keys() & before.keys()
        resubmit(recall(play, DAN), DAN, context={"a": 2})
        assert len(play.story.timers) == 3
        decide(play, ANN)
        assert play.story.timers == {}
