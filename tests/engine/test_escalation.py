"""The moments of an approval: reminders, escalation, the date by which it is to be taken on, what is late. Each comes once."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.approval import (
    APPROVAL,
    ApprovalCancelled,
    ApprovalEscalated,
    ApprovalOverdue,
    ApprovalReminded,
    ApprovalResolved,
    ApprovalStepCompleted,
    ApprovalStepStarted,
    Decider,
    Voter,
)
from domain.calendar import CalendarCreated, calendar_id_of
from domain.facts import Due, Event, Fact, Json, Timer
from domain.member import MemberChanged, MemberSuspended
from engine.engine import cancel, decide_approval, fire, pause, resume, return_approval
from engine.own_requests import Wanted, request
from engine.validate import validate
from tests.engine.drawing import ANN, BEN, EVALUATOR, EXECUTION_ID, Play, drawing
from tests.engine.people import CAT, COMPANY, DAN, EVA, approval, employing, node, output, play_of, request_id
from tests.engine.working import Found
from tests.given import MOMENT, TENANT_ID

HOUR = timedelta(hours=1)
LINE = (MemberChanged(ANN, EVA), MemberChanged(BEN, EVA), MemberChanged(CAT, EVA), MemberChanged(EVA, DAN))
"""The bosses report to Eva, and she to Dan."""
HOURS = {day: [{"from": "09:00", "to": "17:00"}] for day in ("mon", "tue", "wed", "thu", "fri")}
OFFICE = CalendarCreated("office", "Office", "UTC", HOURS)
MANAGER = {"by": {"manager_of": "asked"}}


def asked(config: Json, *events: Event, company: Any = COMPANY, by: UUID | None = None, **more: Any) -> Play:
    play = employing(play_of(config, **more), company)
    view = play.story.view
    facts = tuple(
        Fact(getattr(event, "user_id", None) or calendar_id_of(TENANT_ID, "office"), event) for event in (*LINE, *events)
    )
    play.story = replace(play.story, view=replace(view, facts=view.facts + facts))
    return play.start({}, created_by=by)


def timers(play: Play) -> dict[str, Timer]:
    return {timer.purpose: timer for timer in play.story.timers.values()}


def found(timer: Timer, due_at: datetime = MOMENT) -> Found:
    return Found(timer.id, timer.purpose, timer.owner, timer.owner_id, timer.activation_id, due_at=due_at)


def fires(play: Play, purpose: str, due_at: datetime = MOMENT) -> Play:
    timer = found(timers(play)[purpose], due_at)
    return play.step(lambda view: fire(view, play.engine, timer))


def told(play: Play) -> Sequence[Event]:
    return [fact.event for fact in play.story.decided.facts if fact.stream_id == request_id(play)]


def decide(play: Play, who: UUID, outcome: str = "approved", **more: Any) -> Play:
    return play.decide(request_id(play), outcome, who, tuple(COMPANY[who]), **more)


# Reminders --------------------------------------------------------------------------------------------------------------


def test_each_reminder_has_a_timer_and_names_who_is_asked_and_has_not_answered() -> None:
    remind = [{"after": "PT4H"}, {"before_due": "PT2H"}, {"after_due": "PT0S"}]
    play = asked(node(by={"users": [str(ANN), str(BEN)], "roles": ["board"]}, due_in="P1D", remind=remind))
    assert {purpose: timer.due for purpose, timer in timers(play).items()} == {
        "remind 1.1": Due(4 * HOUR),
        "remind 1.2": Due(22 * HOUR),
        "remind 1.3": Due(24 * HOUR),
        "due 1": Due(24 * HOUR),
    }
    assert all(timer.execution_id == EXECUTION_ID and timer.owner_id == request_id(play) for timer in timers(play).values())
    late = found(timers(play)["remind 1.1"])
    fires(play, "remind 1.1")
    assert told(play) == [ApprovalReminded(1, 1, (ANN, BEN), ("board",))]
    assert set(timers(play)) == {"remind 1.2", "remind 1.3", "due 1"}
    play.step(lambda view: fire(view, play.engine, late))
    assert told(play) == [], "each fires once"


def test_who_has_claimed_it_is_reminded_alone_and_who_has_answered_is_not() -> None:
    rule = {"type": "unanimous"}
    play = asked(node(rule=rule, remind=[{"after": "PT1H"}, {"after": "PT2H"}]))
    decide(play, ANN)
    assert told(fires(play, "remind 1.1")) == [ApprovalReminded(1, 1, (BEN, CAT))]
    everybody = asked({"title": "Any of you", "remind": [{"after": "PT1H"}]})
    assert told(fires(everybody, "remind 1.1")) == [ApprovalReminded(1, 1)]


def test_an_answer_ends_all_moments_and_so_does_the_end_of_the_execution() -> None:
    config = node(due_in="P1D", start_in="PT1H", remind=[{"after": "PT4H"}], escalate=[{"after": "PT8H", **MANAGER}])
    play = asked(config)
    before = timers(play)
    assert set(before) == {"due 1", "start 1", "remind 1.1", "escalate 1.1"}
    assert output(decide(play, ANN))["outcome"] == "approved"
    assert timers(play) == {}
    play = asked(config)
    play.step(lambda view: cancel(view, play.engine, EXECUTION_ID))
    assert told(play) == [ApprovalCancelled("execution_cancelled")]
    assert timers(play) == {}


def test_what_is_cancelled_without_moments_is_not_read_for_them() -> None:
    play = asked(node())
    play.step(lambda view: cancel(view, play.engine, EXECUTION_ID))
    assert play.story.decided.dropped_timers == ()


# By a business calendar -------------------------------------------------------------------------------------------------


def test_working_time_counts_from_the_ledgers_moment_however_late_the_timer_is_found() -> None:
    """Asked on a Monday at 16:00 by the ledger's clock; the office closes at five."""
    play = asked(node(remind=[{"after": {"calendar": "office", "duration": "PT2H"}}]), OFFICE)
    [first] = timers(play).values()
    assert (first.purpose, first.due) == ("reckon remind 1.1", Due(timedelta(0)))
    recorded = MOMENT.replace(hour=16)
    play.later(timedelta(days=3))
    fires(play, "reckon remind 1.1", recorded)
    assert play.story.decided.facts == ()
    [again] = timers(play).values()
    tuesday_at_ten = MOMENT.replace(day=6, hour=10)
    assert (again.id, again.purpose, again.due) == (first.id, "remind 1.1", Due(at=tuesday_at_ten))
    fires(play, "remind 1.1", tuesday_at_ten)
    assert told(play) == [ApprovalReminded(1, 1, (), ("boss",))]
    assert timers(play) == {}


@pytest.mark.parametrize(
    ("due_in", "remind", "moment"),
    [
        ({"calendar": "office", "duration": "PT16H"}, {"before_due": {"calendar": "office", "duration": "PT10H"}}, (5, 15)),
        ({"calendar": "office", "duration": "PT16H"}, {"before_due": "PT2H"}, (6, 15)),
        ("P1D", {"before_due": {"calendar": "office", "duration": "PT2H"}}, (5, 15)),
        ("P1D", {"after_due": {"calendar": "office", "duration": "PT8H"}}, (6, 17)),
        ("PT1H", {"before_due": {"calendar": "office", "duration": "PT4H"}}, (5, 9)),
    ],
)
def test_before_and_after_what_is_due_by_either_clock(due_in: Json, remind: Json, moment: tuple[int, int]) -> None:
    """Asked on Monday the 5th at nine. What would be before that comes at once."""
    play = asked(node(due_in=due_in, remind=[remind]), OFFICE)
    fires(play, "reckon remind 1.1", MOMENT)
    if moment == (5, 9):
        assert told(play) == [ApprovalReminded(1, 1, (), ("boss",))]
    else:
        assert timers(play)["remind 1.1"].due == Due(at=MOMENT.replace(day=moment[0], hour=moment[1]))


# Escalation -------------------------------------------------------------------------------------------------------------


CHAIN = [
    {"after": "PT4H", **MANAGER},
    {"after": "PT24H", "by": {"roles": ["clerk"]}, "replace": True},
    {"after": "P3D", "outcome": "rejected"},
]


def test_an_escalation_asks_the_manager_then_others_instead_and_then_comes_to_an_outcome() -> None:
    play = asked(node(by={"users": [str(ANN), str(BEN)]}, escalate=CHAIN))
    assert set(timers(play)) == {"escalate 1.1", "escalate 1.2", "escalate 1.3"}
    fires(play, "escalate 1.1")
    names = ("approved", "rejected")
    assert told(play) == [ApprovalEscalated(1, 1, (EVA,), (), None, names)]
    assert [outcome.users for outcome in approval(play).outcomes] == [(ANN, BEN, EVA)] * 2
    fires(play, "escalate 1.2")
    assert told(play) == [ApprovalEscalated(1, 2, (), ("clerk",), None, names, replace=True)]
    decide(play, ANN).refused("not_eligible")
    decide(play, EVA).refused("not_eligible")
    fires(play, "escalate 1.3")
    assert told(play) == [
        ApprovalEscalated(1, 3, outcome="rejected"),
        ApprovalResolved("rejected", "reject"),
    ]
    assert (output(play)["outcome"], output(play)["user_id"]) == ("rejected", None)
    assert timers(play) == {}


def test_who_is_asked_at_a_level_may_decide_beside_those_who_were() -> None:
    for who in (ANN, EVA):
        play = fires(asked(node(by={"users": [str(ANN)]}, escalate=CHAIN)), "escalate 1.1")
        assert output(decide(play, who))["user_id"] == str(who)


def test_an_escalation_takes_a_claim_away() -> None:
    from engine.engine import claim_approval

    play = asked(node(by={"users": [str(ANN), str(BEN)]}, escalate=CHAIN))
    id = request_id(play)
    play.step(lambda view: claim_approval(view, play.engine, id, Decider(BEN, COMPANY[BEN])))
    fires(play, "escalate 1.1")
    assert output(decide(play, EVA))["outcome"] == "approved"


@pytest.mark.parametrize(
    ("first", "events", "config"),
    [
        ({"manager_of": "asked"}, (MemberSuspended(EVA), MemberSuspended(DAN)), {}),
        ({"users": [str(CAT)]}, (), {"exclude": [str(CAT)]}),
        ({"users": [str(UUID(int=99))]}, (), {}),
        ({"roles": ["nobody"]}, (), {}),
        ({"users": [str(ANN)]}, (), {}),
        ({"expr": "input.missing.x"}, (), {}),
    ],
)
def test_where_nobody_is_there_at_a_level_the_next_one_is_reached_at_once(first: Json, events: Any, config: Json) -> None:
    chain = [
        {"after": "PT4H", "by": first},
        {"after": "P1D", "by": {"users": [str(BEN)]}},
        {"after": "P3D", "outcome": "rejected"},
    ]
    play = asked(node(by={"users": [str(ANN)]}, escalate=chain, **config), *events)
    fires(play, "escalate 1.1")
    [event] = told(play)
    assert isinstance(event, ApprovalEscalated)
    assert (event.level, event.users, event.passed_over) == (2, (BEN,), (1,))
    assert set(timers(play)) == {"escalate 1.3"}


@pytest.mark.parametrize("steps", [{}, {"steps": [{"name": "a", "by": {"roles": ["boss"]}}]}])
def test_whom_a_level_asks_may_depend_on_what_is_asked(steps: Json) -> None:
    chain = [{"after": "PT4H", "by": {"expr": "request.title == 'Please decide' ? 'board' : 'clerk'"}}]
    play = asked(node(escalate=chain, **steps))
    [timer] = timers(play)
    [event] = told(fires(play, timer))
    assert isinstance(event, ApprovalEscalated)
    assert (event.roles, event.problem) == (("board",), None)


def test_an_outcome_by_default_waits_for_its_own_moment() -> None:
    chain = [{"after": "PT4H", "by": {"roles": ["nobody"]}}, {"after": "P3D", "outcome": "approved"}]
    play = fires(asked(node(escalate=chain)), "escalate 1.1")
    assert told(play) == [ApprovalEscalated(1, 1, passed_over=(1,))]
    assert approval(play).status == "pending"
    assert output(fires(play, "escalate 1.2"))["outcome"] == "approved"


def test_who_is_excluded_decides_at_no_level() -> None:
    chain = [{"after": "PT1H", "by": {"roles": ["board"]}}]
    play = fires(asked(node(exclude=["requester"], escalate=chain), by=BEN), "escalate 1.1")
    decide(play, BEN).refused("excluded")
    assert output(decide(play, EVA))["outcome"] == "approved"


def test_who_is_counted_is_counted_with_those_of_a_level_or_they_take_the_place_of_who_has_not_answered() -> None:
    rule = {"type": "unanimous"}
    play = asked(node(rule=rule, escalate=[{"after": "PT1H", **MANAGER}]))
    decide(play, ANN)
    fires(play, "escalate 1.1")
    assert told(play)[0].voters == (Voter(EVA),)  # type: ignore[attr-defined]
    for who in (BEN, CAT):
        decide(play, who)
    assert output(decide(play, EVA))["outcome"] == "approved"
    play = asked(node(rule=rule, escalate=[{"after": "PT1H", "replace": True, **MANAGER}]))
    decide(play, ANN)
    fires(play, "escalate 1.1")
    decide(play, BEN).refused("not_eligible")
    assert output(decide(play, EVA))["outcome"] == "approved"
    assert approval(play).resolution == ApprovalResolved("approved", "approve", (ANN, EVA))


def test_too_few_to_fulfil_the_rule_are_nobody() -> None:
    rule = {"type": "multiple", "count": 2, "members": "at_start"}
    play = fires(asked(node(rule=rule, escalate=[{"after": "PT1H", "replace": True, **MANAGER}])), "escalate 1.1")
    assert told(play) == [ApprovalEscalated(1, 1, passed_over=(1,))]
    decide(play, ANN)
    assert output(decide(play, BEN))["outcome"] == "approved"


# By when it is to be taken on, and what is late -------------------------------------------------------------------------


def test_what_nobody_takes_on_in_time_is_marked_and_escalated_and_a_claim_prevents_both() -> None:
    from engine.engine import claim_approval

    config = node(start_in="PT2H", escalate=[{"after_start_by": "PT1H", **MANAGER}])
    play = asked(config)
    assert {purpose: timer.due for purpose, timer in timers(play).items()} == {
        "start 1": Due(2 * HOUR),
        "escalate_unstarted 1.1": Due(3 * HOUR),
    }
    assert told(fires(play, "start 1")) == [ApprovalOverdue(1, "start")]
    assert told(fires(play, "escalate_unstarted 1.1"))[0].users == (EVA,)  # type: ignore[attr-defined]
    play, late = asked(config), found(timers(asked(config))["start 1"])
    id = request_id(play)
    play.step(lambda view: claim_approval(view, play.engine, id, Decider(ANN, COMPANY[ANN])))
    assert timers(play) == {}
    play.step(lambda view: fire(view, play.engine, late))
    assert told(play) == []


def test_what_is_due_is_marked_once() -> None:
    play = fires(asked(node(due_in="P1D")), "due 1")
    assert told(play) == [ApprovalOverdue(1, "due")]
    assert timers(play) == {}
    assert output(decide(play, ANN))["outcome"] == "approved"


def test_a_pause_holds_the_moments_and_what_was_found_before_it_does_nothing() -> None:
    play = asked(node(remind=[{"after": "PT4H"}]))
    play.step(lambda view: pause(view, play.engine, EXECUTION_ID))
    fires(play, "remind 1.1")
    assert (told(play), set(timers(play))) == ([], {"remind 1.1"})
    play.step(lambda view: resume(view, play.engine, EXECUTION_ID))
    assert told(fires(play, "remind 1.1")) == [ApprovalReminded(1, 1, (), ("boss",))]


# Steps ------------------------------------------------------------------------------------------------------------------


STEPS = [
    {
        "name": "a",
        "by": {"roles": ["boss"]},
        "remind": [{"after": "PT1H"}],
        "escalate": [{"after": "PT2H", "outcome": "approved"}],
    },
    {"name": "b", "by": {"roles": ["board"]}, "due_in": "PT5H", "escalate": [{"after_due": "PT1H", "outcome": "rejected"}]},
]


def test_each_step_has_moments_of_its_own_and_an_outcome_by_default_goes_on_to_the_next() -> None:
    play = asked({"title": "Please decide", "steps": STEPS})
    assert set(timers(play)) == {"remind 1.1", "escalate 1.1"}
    fires(play, "escalate 1.1")
    assert [type(event) for event in told(play)] == [ApprovalEscalated, ApprovalStepCompleted, ApprovalStepStarted]
    assert {purpose: timer.due for purpose, timer in timers(play).items()} == {
        "due 2": Due(5 * HOUR),
        "escalate 2.1": Due(6 * HOUR),
    }
    fires(play, "due 2")
    fires(play, "escalate 2.1")
    assert told(play)[-1] == ApprovalResolved("rejected", "reject")
    assert output(play)["outcome"] == "rejected"


def test_a_step_that_is_sent_back_to_begins_anew_and_its_timers_are_others() -> None:
    play = asked({"title": "Please decide", "steps": STEPS})
    first = timers(play)["remind 1.1"]
    fires(play, "remind 1.1")
    decide(play, ANN)
    id = request_id(play)
    play.step(lambda view: return_approval(view, play.engine, id, Decider(EVA, COMPANY[EVA]), step="a", comment="Again."))
    assert set(timers(play)) == {"remind 1.1", "escalate 1.1"}
    assert timers(play)["remind 1.1"].id != first.id
    stale = found(first)
    play.step(lambda view: fire(view, play.engine, stale))
    assert told(play) == []


def test_the_whole_has_moments_too_which_are_about_all_that_is_asked_then() -> None:
    steps = [{"name": "a", "by": {"users": [str(ANN)]}}, {"name": "b", "by": {"users": [str(CAT)]}, "parallel_with": "a"}]
    chain = [{"after": "PT2H", "by": {"users": [str(EVA)]}}, {"after": "PT3H", "outcome": "rejected"}]
    play = asked({"title": "All", "steps": steps, "remind": [{"after": "PT1H"}], "escalate": chain, "due_in": "P1D"})
    assert set(timers(play)) == {"remind 0.1", "escalate 0.1", "escalate 0.2", "due 0"}
    assert told(fires(play, "remind 0.1")) == [ApprovalReminded(0, 1, (ANN, CAT))]
    fires(play, "escalate 0.1")
    assert [(event.step, event.users, event.whole) for event in told(play)] == [(1, (EVA,), True), (2, (EVA,), True)]  # type: ignore[attr-defined]
    decide(play, EVA, step="b")
    fires(play, "escalate 0.2")
    assert told(play) == [ApprovalEscalated(0, 2, outcome="rejected", whole=True), ApprovalResolved("rejected", "reject")]
    assert output(play)["outcome"] == "rejected"


def test_who_decided_in_a_step_that_is_kept_apart_is_nobody_at_a_level() -> None:
    steps = [
        {"name": "a", "by": {"users": [str(EVA)]}},
        {"name": "b", "by": {"users": [str(ANN)]}, "distinct": ["a"], "escalate": [{"after": "PT1H", **MANAGER}]},
    ]
    play = decide(asked({"title": "Two", "steps": steps}), EVA)
    assert told(fires(play, "escalate 2.1")) == [ApprovalEscalated(2, 1, passed_over=(1,))]


# By itself --------------------------------------------------------------------------------------------------------------


def test_a_request_of_its_own_has_them_as_well() -> None:
    play = asked(node())
    wanted = Wanted({"title": "Own", "by": {"users": [str(ANN)]}, "due_in": "P1D", "escalate": CHAIN}, "P9D")
    play.step(lambda view: request(view, play.engine, wanted, by=DAN))
    own = UUID(play.story.decided.result["id"])
    mine = {timer.purpose: timer for timer in play.story.timers.values() if timer.owner_id == own}
    assert set(mine) == {"timeout", "due 1", "escalate 1.1", "escalate 1.2", "escalate 1.3"}
    play.step(lambda view: fire(view, play.engine, found(mine["escalate 1.1"])))
    assert [fact.event for fact in play.story.decided.facts] == [
        ApprovalEscalated(1, 1, (EVA,), (), None, ("approved", "rejected"))
    ]
    play.step(lambda view: fire(view, play.engine, found(mine["escalate 1.3"])))
    assert play.view.read(APPROVAL, own).status == "resolved"
    assert {timer.purpose for timer in play.story.timers.values() if timer.owner_id == own} == set()


def test_a_request_of_its_own_is_decided_in_time_and_leaves_no_timer() -> None:
    play = asked(node())
    play.step(
        lambda view: request(
            view, play.engine, Wanted({"title": "Own", "by": {"users": [str(ANN)]}, "remind": [{"after": "PT1H"}]}), by=DAN
        )
    )
    own = UUID(play.story.decided.result["id"])
    play.step(lambda view: decide_approval(view, play.engine, own, Decider(ANN, ("boss",)), outcome="approved"))
    assert not [timer for timer in play.story.timers.values() if timer.owner_id == own]


# What cannot be published -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "paths"),
    [
        ({"remind": [{"before_due": "PT1H"}]}, ["/remind/0/before_due"]),
        ({"remind": [{"after": "1 hour"}]}, ["/remind/0/after"]),
        ({"remind": [{"after": "PT1H", "after_due": "PT1H"}], "due_in": "P1D"}, ["/remind/0"]),
        ({"escalate": [{"after": "PT1H"}]}, ["/escalate/0"]),
        ({"escalate": [{"by": {"roles": ["boss"]}}]}, ["/escalate/0"]),
        ({"escalate": [{"after": "PT1H", "outcome": "gone"}]}, ["/escalate/0/outcome"]),
        ({"escalate": [{"after": "PT1H", "outcome": "approved", "replace": True}]}, ["/escalate/0/replace"]),
        ({"escalate": [{"after": "PT1H", "outcome": "approved"}, {"after": "PT2H", **MANAGER}]}, ["/escalate/0/outcome"]),
        ({"escalate": [{"after": "PT2H", **MANAGER}, {"after": "PT1H", "outcome": "approved"}]}, ["/escalate/1/after"]),
        ({"escalate": [{"after_start_by": "PT1H", **MANAGER}]}, ["/escalate/0/after_start_by"]),
        ({"escalate": [{"after": "PT1H", "by": {"manager_of": "asked of"}}]}, ["/escalate/0/by/manager_of"]),
        ({"escalate": [{"after": "PT1H", "by": {"expr": "input +"}}]}, ["/escalate/0/by/expr"]),
        ({"start_in": {"calendar": "office", "duration": "soon"}}, ["/start_in/duration"]),
    ],
)
def test_faults_of_moments_are_found_before_it_is_published(config: Json, paths: list[str]) -> None:
    definition = drawing(
        {"start": "start", "ask": ("approval", node(**config)), "end": "end"},
        "start > ask",
        "ask.approved > end",
        "ask.rejected > end",
    )
    errors = [each.path for each in validate(definition, EVALUATOR) if each.severity == "error"]
    assert errors == [f"/nodes/1/config{path}" for path in paths]
