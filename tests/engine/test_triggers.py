"""Triggers as sentences: what publishing makes of them, what starts executions, and what does not."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from domain.event import EventReceived
from domain.facts import Claim, Json
from domain.trigger import TriggerChanged, TriggerCreated, TriggerFired, TriggerRetired, run_of
from engine.triggers import commands, publishing
from engine.triggers.arriving import MOST_DEPTH
from engine.validate import errors, validate
from tests.engine.drawing import EVALUATOR, WORKFLOW_ID, drawing
from tests.engine.playing import ANN
from tests.engine.triggering import HOURLY, WAITS, Playing, hour, instant, waiting

PAID: Json = {"type": "event", "event_type": "paid"}


# Publishing


def test_a_version_brings_changes_and_retires_triggers() -> None:
    place = Playing(waiting({"type": "manual"}, HOURLY, {**PAID, "id": "paid"}))
    assert [type(fact.event).__name__ for fact in place.story.decided.facts] == [
        "WorkflowPublished",
        "TriggerCreated",
        "TriggerCreated",
    ]
    assert place.triggers == {place.id_of("schedule"), place.id_of("paid")}
    changed = {**HOURLY, "cron": "30 * * * *"}
    place.publish(waiting(changed, {**PAID, "id": "paid"}))
    assert [fact.event for fact in place.story.decided.facts[1:]] == [TriggerChanged(2, "schedule", changed)]
    place.publish(waiting({**PAID, "id": "paid"}))
    assert [fact.event for fact in place.story.decided.facts[1:]] == [TriggerRetired("removed")]
    assert place.timers == []
    place.publish(waiting(HOURLY, {**PAID, "id": "paid"}))
    created = [fact.event for fact in place.story.decided.facts[1:]]
    assert created == [TriggerCreated(WORKFLOW_ID, "test", 4, "schedule", "schedule", HOURLY)]


def test_what_an_event_starts_stands_under_its_type_until_it_is_retired() -> None:
    place = Playing(waiting(PAID))
    assert place.view.claims == (Claim("event.trigger:paid", str(place.id), place.id),)
    place.publish(waiting({**PAID, "event_type": "paid.again"}))
    assert [claim.scope for claim in place.view.claims] == ["event.trigger:paid.again"]
    place.publish(waiting())
    assert not any(place.view.claims)


def test_an_archived_workflow_s_triggers_retire_and_a_restored_one_s_are_as_they_were() -> None:
    place = Playing(waiting(HOURLY)).tick()
    place.step(lambda view: commands.pause(view, place.id, "holidays"))
    place.step(lambda view: publishing.archive(view, WORKFLOW_ID))
    assert (place.state().retired, place.timers) == (True, [])
    place.step(lambda view: publishing.restore(view, WORKFLOW_ID))
    assert (place.state().live, place.state().paused) == (True, True)
    place.step(lambda view: commands.resume(view, place.id)).tick()
    assert place.state().clock is not None


# Schedules


def test_a_schedule_starts_an_execution_for_each_time() -> None:
    place = Playing(instant({**HOURLY, "input": {"at": "=scheduled_at"}}), hour(9.5))
    for _ in range(4):
        place.tick()
    assert place.times == [hour(10), hour(11), hour(12)]
    assert [id for id, _ in place.started] == [run_of(place.id, at) for at in (hour(10), hour(11), hour(12))]
    assert place.started[0][1].input == {"at": "2026-01-05T10:00:00Z"}
    assert {event.trigger_type for _, event in place.started} == {"scheduled"}
    assert {event.trigger_id for _, event in place.started} == {place.id}


def test_its_jitter_moves_when_it_is_due_and_not_the_time_that_it_is_for() -> None:
    place = Playing(instant({**HOURLY, "jitter": "PT10M"}), hour(9.5)).tick()
    (clock,) = place.timers
    assert hour(10) < place.due[clock.id] < hour(10) + timedelta(minutes=10)
    place.tick()
    assert place.times == [hour(10)]


def test_what_was_missed_is_made_up_for_as_far_back_as_it_says() -> None:
    place = Playing(instant({**HOURLY, "catch_up": "PT3H"}), hour(0.5)).tick()
    place.now = hour(8.25)
    for _ in range(5):
        place.tick()
    assert place.times == [hour(6), hour(7), hour(8), hour(9)]
    assert place.fired[0] == ("skipped", "missed")
    missed = next(fact.event for fact in place.view.facts if isinstance(fact.event, TriggerFired))
    assert (missed.scheduled_at, missed.count) == (hour(1), 5)


def test_being_a_little_late_is_not_missing_it() -> None:
    place = Playing(instant({**HOURLY, "catch_up": "PT0S"}), hour(0.5)).tick().tick(late=timedelta(seconds=30))
    assert place.times == [hour(1)]


def test_a_paused_schedule_starts_nothing_and_what_it_missed_stays_missed() -> None:
    place = Playing(instant(HOURLY), hour(0.5)).tick()
    place.step(lambda view: commands.pause(view, place.id))
    assert place.timers == []
    place.step(lambda view: commands.pause(view, place.id)).refused("trigger_paused")
    place.now = hour(5.5)
    place.step(lambda view: commands.resume(view, place.id)).tick().tick()
    assert place.times == [hour(6)]
    place.step(lambda view: commands.resume(view, place.id)).refused("trigger_not_paused")


def test_a_timer_of_before_a_change_does_nothing() -> None:
    place = Playing(instant(HOURLY), hour(0.5)).tick()
    (old,) = place.timers
    place.due[old.id] = hour(1)
    due = dict(place.due)
    place.publish(instant({**HOURLY, "cron": "30 * * * *"}))
    place.due |= due
    place.fire(old)
    assert place.story.decided.dropped_timers == (old.id,)
    assert place.started == []


# Overlaps


def test_skip() -> None:
    place = Playing(waiting({**HOURLY, "overlap": "skip"}), hour(0.5)).tick().tick().tick()
    assert (place.times, place.fired[-1]) == ([hour(1)], ("skipped", "overlap"))
    place.end(place.live[0]).tick()
    assert place.times == [hour(1), hour(3)]


def test_buffer_one() -> None:
    place = Playing(waiting({**HOURLY, "overlap": "buffer_one"}), hour(0.5)).tick().tick().tick().tick()
    assert place.fired == [("started", None), ("buffered", None), ("skipped", "overlap")]
    place.end(place.live[0]).queue()
    assert place.times == [hour(1), hour(2)]
    place.tick()
    assert place.fired[-1] == ("buffered", None)


def test_buffer_all() -> None:
    place = Playing(waiting({**HOURLY, "overlap": "buffer_all"}), hour(0.5)).tick().tick().tick().tick()
    for _ in range(2):
        assert len(place.live) == 1
        place.end(place.live[0]).queue()
    assert place.times == [hour(1), hour(2), hour(3)]
    place.end(place.live[0])
    assert [timer.purpose for timer in place.timers] == ["clock"]


def test_allow() -> None:
    place = Playing(waiting({**HOURLY, "overlap": "allow"}), hour(0.5)).tick().tick().tick()
    assert len(place.live) == 2


def test_cancel_other_frees_the_business_key_in_the_same_command() -> None:
    place = Playing(waiting({**HOURLY, "overlap": "cancel_other", "business_key": "nightly"}), hour(0.5)).tick().tick().tick()
    assert place.times == [hour(1), hour(2)]
    assert place.live == [run_of(place.id, hour(2))]
    assert place.view.owner(f"execution.business_key:{WORKFLOW_ID}", "nightly") == place.live[0]


def test_what_cannot_start_is_recorded_and_the_schedule_goes_on() -> None:
    needs = {"type": "object", "required": ["who"]}
    place = Playing(instant({**HOURLY, "input": "={'when': scheduled_at}"}, input_schema=needs), hour(0.5)).tick().tick().tick()
    assert place.fired == [("failed", "invalid_input")] * 2
    place.publish(instant({**HOURLY, "input": "=[1][7]"})).tick().tick()
    assert place.fired[-1] == ("failed", "expression_error")


# By hand


def test_run_now_starts_as_the_trigger_would_also_while_it_is_paused() -> None:
    place = Playing(instant({**HOURLY, "input": {"at": "=scheduled_at"}}), hour(0.25)).tick()
    place.step(lambda view: commands.pause(view, place.id))
    place.step(lambda view: commands.run_now(view, place.engine, place.id, None, by=WORKFLOW_ID))
    ((_, started),) = place.started
    assert (started.trigger_type, started.created_by, started.scheduled_at) == ("manual", WORKFLOW_ID, None)
    assert started.input == {"at": "2026-01-05T00:15:00Z"}


def test_run_now_says_what_is_wrong() -> None:
    place = Playing(instant({**PAID, "input": "=event.data.order"}))
    place.step(lambda view: commands.run_now(view, place.engine, place.id, {})).refused("expression_error")
    place.step(lambda view: commands.run_now(view, place.engine, place.id, {"order": 7}))
    assert place.started[0][1].input == 7


def test_a_backfill_starts_what_has_not_been_started_one_after_the_other() -> None:
    place = Playing(waiting(HOURLY), hour(0.5)).tick().tick()
    place.end(place.live[0])
    place.now = hour(4.5)
    place.step(lambda view: commands.backfill(view, place.id, hour(0), hour(4)))
    assert place.story.result["times"] == 5
    for _ in range(5):
        place.queue()
        for each in place.live:
            place.end(each)
    assert place.times == [hour(1), hour(0), hour(2), hour(3), hour(4)]
    assert [timer.purpose for timer in place.timers] == ["clock"]


def test_a_backfill_all_at_once() -> None:
    place = Playing(waiting(HOURLY), hour(3.5)).tick()
    place.step(lambda view: commands.backfill(view, place.id, hour(1), hour(3), concurrent=True)).queue().queue().queue()
    assert (place.times, len(place.live)) == ([hour(1), hour(2), hour(3)], 3)


@pytest.mark.parametrize(
    ("start", "end", "code"), [(hour(3), hour(2), "invalid"), (hour(1), hour(99), "invalid"), (hour(-9999), hour(0), "invalid")]
)
def test_a_backfill_is_of_a_few_times_of_the_past(start: datetime, end: datetime, code: str) -> None:
    place = Playing(waiting(HOURLY), hour(4))
    place.step(lambda view: commands.backfill(view, place.id, start, end)).refused(code, "/to")


# Events


def test_an_event_starts_one_execution_however_often_it_is_told() -> None:
    place = Playing(instant({**PAID, "when": "event.data.amount > 10", "input": {"order": "=event.data.order"}}))
    place.arrive("paid", {"amount": 11, "order": "E-1"}).arrive("paid", {"amount": 11, "order": "E-1"})
    place.arrive("paid", {"amount": 9, "order": "E-2"}, "2").arrive("paid", {}, "3").arrive("refunded", {"amount": 99}, "4")
    ((_, started),) = place.started
    assert (started.input, started.trigger_type) == ({"order": "E-1"}, "event")
    assert started.trigger_data["data"] == {"amount": 11, "order": "E-1"}
    assert place.fired == []


@pytest.mark.parametrize("source", ["=event.data.order", "=event == null ? null : event.source", "=event.type + event.source"])
def test_expressions_may_read_the_event_that_started_the_execution(source: str) -> None:
    definition = drawing({"s": "start", "e": ("end", {"output": source})}, "s > e", triggers=[PAID])
    assert errors(validate(definition, EVALUATOR)) == []
    without = errors(validate({**definition, "triggers": [{"type": "manual"}]}, EVALUATOR))
    assert {each.code for each in without} == {"undeclared"}


def test_fields_that_no_event_has_are_named() -> None:
    definition = drawing({"s": "start", "e": ("end", {"output": "=event.nope"})}, "s > e", triggers=[PAID])
    assert [each.code for each in errors(validate(definition, EVALUATOR))] == ["unknown_field"]


def test_an_event_for_a_running_execution_s_business_key_starts_no_other_one() -> None:
    place = Playing(waiting({**PAID, "business_key": "=event.data.order"}))
    place.arrive("paid", {"order": "E-1"}, "1").arrive("paid", {"order": "E-1"}, "2").arrive("paid", {"order": "E-2"}, "3")
    assert [event.business_key for _, event in place.started] == ["E-1", "E-2"]
    assert place.fired == [("skipped", "business_key_taken")]
    place.end(place.live[0]).arrive("paid", {"order": "E-1"}, "4")
    assert len(place.started) == 3


EMITS: dict[str, Any] = {"s": "start", "m": ("emit", {"event_type": "again", "data": 1}), "e": "end"}


def emitting(nodes: dict[str, Any]) -> Json:
    return drawing(nodes, "s > m", "m > e", triggers=[PAID])


@pytest.mark.parametrize(("depth", "emitted"), [(None, 1), (7, 8)])
def test_what_an_execution_emits_knows_how_many_events_led_to_it(depth: int | None, emitted: int) -> None:
    place = Playing(emitting(EMITS)).arrive("paid", {}, depth=depth)
    ((_, started),) = place.started
    assert started.event_depth == depth
    assert place.emitted == [emitted]


def test_who_sends_an_event_has_asked_for_what_it_starts_and_for_what_that_emits() -> None:
    """Else it were a way round four eyes."""
    place = Playing(emitting(EMITS)).arrive("paid", {}, sent_by=(ANN,))
    ((_, started),) = place.started
    (emitted,) = (fact.event for fact in place.view.facts if isinstance(fact.event, EventReceived) and fact.event.emitted_by)
    assert (started.created_by, started.behind, emitted.sent_by) == (None, (ANN,), (ANN,))


def test_executions_that_start_each_other_by_events_end_at_the_limit_of_depth() -> None:
    place = Playing(instant(PAID))
    place.arrive("paid", {}, "1", depth=MOST_DEPTH).arrive("paid", {}, "2", depth=MOST_DEPTH + 1)
    place.arrive("paid", {}, "2", depth=MOST_DEPTH + 1)
    assert [started.event_depth for _, started in place.started] == [MOST_DEPTH]
    assert ("failed", "too_deep") in place.fired


def test_a_paused_trigger_hears_nothing() -> None:
    place = Playing(instant(PAID))
    place.step(lambda view: commands.pause(view, place.id)).arrive("paid", {})
    assert place.started == []


# Lints


def found(*triggers: Json, **more: Json) -> list[tuple[str, str]]:
    definition = drawing(WAITS, "s > w", "w > e", triggers=list(triggers), **more)
    return [(each.path, each.code) for each in validate(definition, EVALUATOR)]


SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}


@pytest.mark.parametrize(
    ("trigger", "path", "code"),
    [
        ({"type": "carrier-pigeon"}, "/type", "unknown_trigger"),
        ({"type": ["schedule"]}, "/type", "unknown_trigger"),
        ({"type": "manual", "cron": "x"}, "/cron", "unknown_field"),
        ({"type": "schedule"}, "/cron", "required"),
        ({"type": "schedule", "cron": "0 25 * * *"}, "/cron", "invalid_cron"),
        ({"type": "schedule", "cron": "0 0 30 2 *"}, "/cron", "invalid_cron"),
        ({"type": "schedule", "cron": "* * * * * *"}, "/cron", "invalid_cron"),
        ({"type": "schedule", "cron": "LW/2 # LW 1#9/3"}, "/cron", "invalid_cron"),
        ({**HOURLY, "timezone": "Europe/Atlantis"}, "/timezone", "unknown_zone"),
        ({**HOURLY, "timezone": "../../etc/passwd"}, "/timezone", "unknown_zone"),
        ({**HOURLY, "jitter": "P2D"}, "/jitter", "invalid_value"),
        ({**HOURLY, "catch_up": "a while"}, "/catch_up", "invalid_value"),
        ({**HOURLY, "overlap": "hope"}, "/overlap", "enum"),
        ({**HOURLY, "input": {"n": "=event.data"}}, "/input/n", "undeclared"),
        ({"type": "event"}, "/event_type", "required"),
        ({**PAID, "when": "event.type"}, "/when", "not_bool"),
        ({"type": "webhook", "replay_window": "PT1M"}, "/replay_window", "unknown_field"),
        ({"type": "webhook", "secret": "shop", "replay_window": "P7D"}, "/replay_window", "invalid_value"),
        ({"type": "webhook", "secret": "the shop's"}, "/secret", "pattern"),
    ],
)
def test_a_trigger_s_faults_are_named(trigger: Json, path: str, code: str) -> None:
    assert (f"/triggers/0{path}", code) in found(trigger)


@pytest.mark.parametrize(
    ("trigger", "path"),
    [
        (HOURLY, ""),
        ({**HOURLY, "input": {"n": "seven"}}, "/input"),
        ({**HOURLY, "input": {"m": "=scheduled_at"}}, "/input"),
        ({**HOURLY, "input": {"n": 1, "m": "=scheduled_at"}}, "/input/m"),
        ({**PAID, "input": {"n": "==text", "x": "=event.data"}}, "/input/n"),
    ],
)
def test_an_input_that_can_never_fit_is_named(trigger: Json, path: str) -> None:
    assert (f"/triggers/0{path}", "invalid_input") in found(trigger, input_schema=SCHEMA)


def test_an_input_that_may_fit_is_left_to_the_run() -> None:
    assert found({**HOURLY, "input": {"n": "=int(scheduled_at.size())"}}, PAID, {"type": "webhook"}, input_schema=SCHEMA) == []


def test_two_triggers_of_a_type_have_ids_and_differ() -> None:
    assert found(HOURLY, {**HOURLY, "cron": "5 * * * *"}) == [("/triggers/1/id", "duplicate_id")]
    assert found({**HOURLY, "id": "a"}, {**HOURLY, "id": "b"}) == [("/triggers/1", "duplicate_trigger")]
    assert found({**HOURLY, "id": "a"}, {**HOURLY, "id": "b", "cron": "5 * * * *"}) == []


def test_a_workflow_that_would_start_itself_is_warned_of() -> None:
    nodes = {"s": "start", "x": ("emit", {"event_type": "paid"}), "e": "end"}
    definition = drawing(nodes, "s > x", "x > e", triggers=[PAID])
    assert [(each.severity, each.code) for each in validate(definition, EVALUATOR)] == [("warning", "starts_itself")]
