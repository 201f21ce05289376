"""The states of a stream, as `gesta events show --fold` tells them."""

from collections.abc import Sequence

import pytest

from cli.folding import GREEN, LONGEST, PLAIN, lines
from cli.folding import told as shown
from domain.aggregates import AGGREGATES
from domain.api_key import ApiKeyCreated, ApiKeyRevoked
from domain.envelope import RecordedEvent
from domain.execution import ActivationCompleted, ActivationStarted, ExecutionPaused, Move
from domain.facts import Event
from runtime.errors import OperatorError
from store.codec import JSON
from store.folded import Change, changes, flat, steps
from store.topics import TOPICS, topic_of
from tests.projections.story import ACME, BY_ANN, START, an_id, attempt, classified, started

STREAM = an_id("a stream")


def recorded(events: Sequence[Event]) -> list[RecordedEvent]:
    return [
        RecordedEvent(
            ACME, 7 + number, STREAM, number, topic_of(type(event)), event, START, START, an_id("c"), BY_ANN, JSON.encode(event)
        )
        for number, event in enumerate(events, 1)
    ]


def told(events: Sequence[Event]) -> list[list[str]]:
    """What each event changes, one line a change."""
    return [[shown(change) for change in step.changes] for step in steps(recorded(events))]


def test_each_event_says_what_it_changed_in_the_state_s_own_order() -> None:
    story = [event for stream, event in classified("acme 5") if stream == an_id("acme 5 task")]
    requested, began, failed, *_, answered, completed = told(story)
    assert requested[:2] == ['~ status: "absent" → "pending"', f'+ requested.execution_id: "{an_id("acme 5")}"']
    assert '+ requested.retry.max_interval: "PT1M"' in requested
    assert not any("null" in line for line in requested), "what is not there is not said to come"
    assert began == ['~ status: "pending" → "running"', f'+ attempt_id: "{an_id("acme 5 attempt 1")}"', "~ number: 0 → 1"]
    assert failed[-1] == f'- attempt_id: "{an_id("acme 5 attempt 1")}"'
    assert '+ totals.cost: "0.0033000001"' in answered
    assert completed == ['~ status: "pending" → "completed"']


def test_maps_of_a_state_are_told_by_their_entries() -> None:
    entered = ActivationStarted(an_id("visit"), "start", "start", 1, (0,))
    left = ActivationCompleted(an_id("visit"), "start", "success", {"n": 1}, (Move(1, 0, "review"),))
    first, second, third, fourth = told([started("x")[1], entered, left, ExecutionPaused()])
    assert '+ tokens.0.target: "start"' in first
    assert "- tokens.0.id: 0" in second
    assert f'+ activations.{an_id("visit")}.node_id: "start"' in second
    assert '+ tokens.1.target: "review"' in third
    assert f'+ results.{an_id("visit")}.value: {{"output":{{"n":1}}}}' in third
    assert fourth == ['~ status: "running" → "paused"']


def test_secrets_are_not_shown() -> None:
    created, revoked = told([ApiKeyCreated("laptop", "ab" * 32, ("executions:start",), False, False), ApiKeyRevoked(False)])
    assert '~ permissions: [] → ["executions:start"]' in created
    assert not any("abab" in line or "secret" in line for line in created)
    assert revoked == ["~ revoked: false → true"]


@pytest.mark.parametrize("aggregate", AGGREGATES, ids=lambda aggregate: aggregate.name)
def test_every_aggregate_s_state_can_be_shown(aggregate: object) -> None:
    state = next(each for each in AGGREGATES if each is aggregate).initial
    assert changes(flat(state), flat(state)) == []


def test_every_event_belongs_to_one_aggregate() -> None:
    belonging = [event for aggregate in AGGREGATES for event in aggregate.events]
    assert sorted(map(str, belonging)) == sorted(map(str, TOPICS))


def test_an_event_that_does_not_fit_is_named() -> None:
    entered = ActivationStarted(an_id("visit"), "start", "start", 1, (5,))
    with pytest.raises(OperatorError, match=rf"Event 9 \({topic_of(ActivationStarted)}\) does not fit"):
        list(steps(recorded([started("x")[1], entered])))


def test_colours_are_for_terminals() -> None:
    (step,) = steps(recorded([started("x")[1]]))
    plain, coloured = [*lines(step, colours=False)], [*lines(step, colours=True)]
    assert not any("\x1b" in line for line in plain)
    assert plain[0] == "8 v1 execution.started.v1  2026-03-02 09:00:00Z  api_key:key-1"
    assert f'    {GREEN}+ started.workflow_key: "travel"{PLAIN}' in coloured
    assert len(plain) == len(coloured)


def test_an_event_that_changes_nothing_says_so() -> None:
    events = [event for _, event in (started("x"), attempt("x", 1))]
    (first, *_) = steps(recorded(events[:1]))
    assert [*lines(first._replace(changes=[]), colours=False)][1:] == ["    (the state is as before)"]


def test_long_values_are_cut() -> None:
    change = Change("+", "x", None, "y" * 1000)
    assert len(shown(change)) == LONGEST + len("+ x: ")
    assert shown(change).endswith("…")


def test_a_stream_without_events_has_no_states() -> None:
    assert [*steps([])] == []
