"""AI tasks played again from their events: the same comes out, and what was changed is named.

Every story of the engine's tests is played again, too, with each of its steps (`tests.engine.working.Workplace`).
"""

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import pytest

from domain.ai_task import (
    AiTaskAttemptStarted,
    AiTaskAttemptSucceeded,
    AiTaskCompleted,
    AiTaskEvent,
    AiTaskFailed,
    AiTaskRequested,
    AiTaskToolCallDenied,
    AiTaskToolCallSucceeded,
    Bounds,
    Totals,
)
from domain.ai_task.comparing import NotReplayable
from domain.facts import Json
from engine.ai_replay import Replayed, replay, with_policies
from engine.context import Engine
from tests.engine.agents import Agency, tool
from tests.engine.drawing import EVALUATOR

SMALL, LARGE = {"amount": 7, "to": "Ann"}, {"amount": 70, "to": "Ben"}
ASK = {"deny": "arguments.amount > 50", "ask": "arguments.to == 'Ann'", "by": {"roles": ["approver"]}}
NEVER = {"deny": "true"}


def story() -> Agency:
    """Two calls, one of which is denied and one allowed by a person, another one of no such tool, and an output."""
    place = Agency.asked(tool(policy=ASK)).called(("refund", SMALL), ("refund", LARGE))
    call = place.task.calls[0]
    place.decides("approved", form={"amount": 5}).runs(call.id, {"paid": 5}).called(("nothing", {}))
    return place.concluded("Done.")


def events_of(place: Agency) -> list[AiTaskEvent]:
    return [event for event in place.view.events(place.id) if isinstance(event, AiTaskEvent)]


def again(place: Agency, events: list[AiTaskEvent]) -> Replayed:
    return replay(place.id, events, Engine(EVALUATOR))


def test_a_task_comes_out_the_same_and_so_does_each_beginning_of_it() -> None:
    place = story()
    events, found = events_of(place), again(place, events_of(place))
    assert (found.same, found.events, found.taken) == (True, len(events), ())
    assert found.state.status == "completed"
    assert [[call.status for call in turn.calls] for turn in found.state.turns] == [["succeeded", "denied"], ["denied"], []]
    moments = {number for number, event in enumerate(events) if isinstance(event, AiTaskAttemptStarted)}
    assert all(again(place, events[: number + 1]).same for number in moments)


Changed = Callable[[AiTaskEvent], AiTaskEvent]


def of(kind: type, **fields: Json) -> Changed:
    return lambda event: replace(event, **fields) if isinstance(event, kind) else event


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (of(AiTaskToolCallDenied, reason="too_many"), AiTaskToolCallDenied),
        (of(AiTaskToolCallDenied, call_id=UUID(int=1)), AiTaskToolCallDenied),
        (of(AiTaskAttemptSucceeded, turn=7), AiTaskAttemptSucceeded),
        (of(AiTaskCompleted, output="Something else."), AiTaskCompleted),
        (of(AiTaskCompleted, totals=Totals(1)), AiTaskCompleted),
        (of(AiTaskRequested, bounds=Bounds(turns=1)), AiTaskAttemptStarted),
        (of(AiTaskRequested, bounds=Bounds(tool_calls=0)), AiTaskAttemptSucceeded),
        (of(AiTaskRequested, output_schema={"type": "object"}), AiTaskAttemptSucceeded),
    ],
)
def test_what_was_changed_is_named(change: Changed, named: type) -> None:
    place = story()
    found = again(place, [change(event) for event in events_of(place)])
    assert found.difference is not None
    assert isinstance(found.difference.recorded, named)
    assert found.difference.replayed is not None
    assert found.difference.number == found.events + 1


def test_what_is_missing_or_too_much_is_named() -> None:
    place = story()
    events = events_of(place)
    result = next(number for number, event in enumerate(events) if isinstance(event, AiTaskToolCallSucceeded))
    without = again(place, [*events[:result], *events[result + 1 :]]).difference
    assert without is not None
    assert (without.number, without.why) == (result + 1, "The task was to wait for the end of what is under way (tool).")
    twice = again(place, [*events, events[-1]]).difference
    assert twice is not None
    assert (twice.number, twice.why) == (len(events) + 1, "The task was over.")
    early = again(place, events[:-1]).difference
    assert early is not None
    assert (early.recorded, early.replayed) == (None, events[-1])


def test_with_another_policy_the_first_call_that_it_decides_otherwise_is_named() -> None:
    place = story()
    found = again(place, with_policies(events_of(place), {"refund": NEVER}))
    assert found.difference is not None
    answered = found.difference.replayed
    assert isinstance(answered, AiTaskAttemptSucceeded)
    assert [call.verdict for call in answered.calls or ()] == ["deny", "deny"]
    assert again(place, with_policies(events_of(place), {"refund": {**ASK, "allow": "true"}})).same
    with pytest.raises(NotReplayable):
        with_policies(events_of(place), {"other": NEVER})


def test_what_a_guard_took_away_is_taken_from_the_record() -> None:
    guards = {"output": [{"type": "regex", "pattern": "secret", "action": "block"}]}
    place = Agency.asked(tool(), guards=guards).concluded("A secret.")
    found = again(place, events_of(place))
    assert isinstance(events_of(place)[-1], AiTaskFailed)
    assert (found.same, len(found.taken)) == (True, 1)


def test_what_is_no_task_of_ours_is_not_played_again() -> None:
    place = story()
    with pytest.raises(NotReplayable):
        again(place, events_of(place)[1:])
    with pytest.raises(NotReplayable):
        again(place, [of(AiTaskRequested, external=True)(event) for event in events_of(place)])
