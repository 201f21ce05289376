"""Events: waited for, emitted, and told once; a signal is one, to those who wait for it."""

from typing import Any
from uuid import UUID

import pytest

from domain.event import EVENT, EventDelivered, EventReceived, delivery_of, event_json, stream_of
from domain.execution import ActivationCompleted, Wait
from domain.facts import Claim, Job, Json
from engine.deliveries import coming_in
from engine.engine import cancel, pause, resume, signal
from engine.events import EventSubscription, deliver, delivered, receive
from engine.jobs import JobRef, complete_job, complete_own
from engine.validate import validate
from tests.engine.drawing import EVALUATOR, EXECUTION_ID, drawing
from tests.engine.working import Workplace, check_work

PAID: Json = {"source": "shop", "id": "1", "type": "paid", "data": {"order": "A", "sum": 7}}
STREAM = stream_of("shop", "1")
WHEN = "event.data.order == input.order"


def definition(config: Json | None = None, **fields: Json) -> Json:
    config = {"event_type": "paid", "when": WHEN} if config is None else config
    end, late = ("end", {"output": "=nodes.w.output.data.sum"}), ("end", {"output": "=nodes.w.error.type"})
    nodes = {"start": "start", "w": ("wait_event", config, fields), "end": end, "late": late}
    return drawing(nodes, "start > w", "w > end", "w.error > late", "w.timeout > late")


def waiting(config: Json | None = None, order: str = "A", **fields: Json) -> Workplace:
    place = Workplace(definition(config, **fields))
    place.start({"order": order, "type": "paid"})
    return place


def wait_of(place: Workplace) -> EventSubscription:
    (id,) = place.visit("w").waits_for("event")
    return EventSubscription(id, EXECUTION_ID)


def come(place: Workplace, **event: Json) -> Workplace:
    place.step(lambda view: receive(view, **{**PAID, **event}))
    return place


def told(place: Workplace, to: EventSubscription, stream: UUID = STREAM) -> Workplace:
    place.step(lambda view: deliver(view, place.engine, stream, to))
    return place


def test_an_event_that_fits_moves_the_visit_on_and_is_its_output() -> None:
    place = come(waiting())
    to = wait_of(place)
    assert [item["kind"] for item in place.open] == ["event"]
    told(place, to).completed(7)
    assert place.story.decided.releases == (Claim("event.wait:paid", str(to.id), EXECUTION_ID),)
    told(place, to).story.then()


def test_who_waits_holds_a_name_by_which_it_is_found() -> None:
    place = waiting()
    to = wait_of(place)
    assert place.visit("w").waits == (Wait("event", to.id, "paid"),)
    assert place.story.decided.claims == (Claim("event.wait:paid", str(to.id), EXECUTION_ID),)
    place.step(lambda view: cancel(view, place.engine, EXECUTION_ID))
    assert place.view.claims == ()


@pytest.mark.parametrize("event", [{"data": {"order": "B"}}, {"data": None}, {"data": {}}, {"type": "other"}])
def test_an_event_that_does_not_fit_changes_nothing(event: Json) -> None:
    """Nor one on which `when` cannot be evaluated."""
    place = come(waiting(), **event)
    told(place, wait_of(place)).story.then()
    assert place.end is None


def test_without_a_condition_any_of_its_type_fits() -> None:
    place = come(waiting({"event_type": "=input.type"}), data={"sum": 9})
    told(place, wait_of(place)).completed(9)


def test_an_event_is_received_once() -> None:
    place = come(waiting())
    (job,) = place.story.decided.jobs
    assert job == Job(delivery_of(STREAM), "gesta.event", {"event": str(STREAM)})
    assert place.story.result["status"] == "received"
    come(place, type="other").story.then()
    assert (place.story.result["status"], place.story.result["type"]) == ("duplicate", "paid")
    assert list(place.story.jobs) == [job.id]
    come(place, source="another").story.then(EventReceived("another", "1", "paid", PAID["data"]))


def test_who_told_everybody_says_so_once() -> None:
    place, job = come(waiting()), JobRef(delivery_of(STREAM), 1)
    place.step(lambda view: delivered(view, job, STREAM, 3)).story.then(EventDelivered(3))
    assert place.view.read(EVENT, STREAM).status == "delivered"
    assert place.story.jobs == {}


def test_its_timeout_comes_before_the_event_or_after_it_and_only_one_counts() -> None:
    place = come(waiting(timeout="PT1H"))
    to = wait_of(place)
    place.expire("w").completed("timeout")
    told(place, to).story.then()
    assert place.view.claims == ()


def test_what_comes_while_it_is_paused_ends_the_visit_and_what_follows_waits() -> None:
    place = come(waiting())
    to = wait_of(place)
    place.step(lambda view: pause(view, place.engine, EXECUTION_ID))
    told(place, to)
    assert (place.end, place.state.activations) == (None, place.state.activations.__class__())
    place.step(lambda view: resume(view, place.engine, EXECUTION_ID))
    place.completed(7)


def test_a_signal_is_an_event_of_its_name_to_those_who_wait_for_it() -> None:
    place = waiting()

    def signalled(name: str, payload: Json) -> None:
        place.step(lambda view: signal(view, place.engine, EXECUTION_ID, name, payload))

    signalled("other", {"order": "A"})
    signalled("paid", {"order": "B"})
    assert place.end is None
    signalled("paid", {"order": "A", "sum": 8})
    place.completed(8)
    assert place.view.claims == ()


def test_one_that_looks_back_hands_out_a_job_for_it_that_is_nobody_s() -> None:
    place = waiting({"event_type": "paid", "lookback": "PT5M"})
    to, (job,) = wait_of(place), place.story.jobs.values()
    assert (job.type, job.input) == ("gesta.lookback", {"wait": str(to.id), "type": "paid", "seconds": 300.0})
    assert [item["kind"] for item in place.open] == ["event"]
    held = JobRef(job.id, 1, job.execution_id, job.activation_id)
    place.step(lambda view: complete_job(view, place.engine, held, None)).refused("not_a_task")
    place.lapse_held(held)
    assert place.story.result["job"]["delay_ms"] == 1000
    place.step(lambda view: complete_own(view, place.engine, held, None))
    assert place.visit("w").waits == (Wait("event", to.id, "paid"),)
    check_work(place)


def test_an_event_takes_the_look_back_with_it() -> None:
    place = come(waiting({"event_type": "paid", "lookback": "PT5M"}))
    told(place, wait_of(place)).completed(7)
    assert {job.type for job in place.story.jobs.values()} == {"gesta.event"}


def test_a_node_emits_an_event_and_goes_on() -> None:
    emit = ("emit", {"event_type": "paid", "data": {"sum": "=input.sum"}})
    place = Workplace(
        drawing({"start": "start", "x": emit, "end": ("end", {"output": "=nodes.x.output.type"})}, "start > x", "x > end")
    )
    place.start({"sum": 3}).completed("paid")
    (event,) = [fact.event for fact in place.view.facts if isinstance(fact.event, EventReceived)]
    assert (event.type, event.data, event.emitted_by) == ("paid", {"sum": 3}, EXECUTION_ID)
    assert event.source == f"/v1/executions/{EXECUTION_ID}"
    _, job = coming_in(event)
    assert place.story.jobs == {job.id: job}
    assert event_json(event)["id"] == event.id


def test_what_is_emitted_is_told_to_those_who_began_to_wait_in_the_same_command_before_it() -> None:
    """No name of theirs is older than the event."""
    early, late, emit = ("wait_event", {"event_type": "paid"}), ("wait_event", {"event_type": "paid"}), {"event_type": "paid"}
    nodes = {"s": "start", "early": early, "x": ("emit", emit), "late": late, "end": "end"}
    place = Workplace(drawing(nodes, "s > early", "s > x", "x > late", "early > end", "late > end"))
    place.start()
    (job,) = place.story.jobs.values()
    assert job.input["to"] == [[str(place.visit("early").waits[0].id), str(EXECUTION_ID)]]


def test_an_author_is_told_what_cannot_be_waited_for() -> None:
    def codes(config: Json) -> set[tuple[str, str]]:
        found: list[Any] = validate(definition(config), EVALUATOR)
        return {(each.path, each.code) for each in found if each.severity == "error"}

    assert codes({"event_type": "paid", "when": WHEN, "lookback": "P7D"}) == set()
    assert codes({"event_type": "paid", "lookback": "P8D"}) == {("/nodes/1/config/lookback", "invalid_value")}
    assert codes({"event_type": "x" * 256}) == {("/nodes/1/config/event_type", "invalid_value")}
    assert codes({"event_type": "paid", "when": "event.nothing == 1"}) == {("/nodes/1/config/when", "unknown_field")}
    assert codes({"event_type": "paid", "when": "event.type"}) == {("/nodes/1/config/when", "not_bool")}


def test_a_signal_wakes_those_who_wait_in_the_order_in_which_they_began() -> None:
    """So that a decision that is made again, in another process, comes to the same."""
    names = [f"w{number}" for number in range(12)]
    nodes = {"start": "start", **{name: ("wait_event", {"event_type": "go"}) for name in names}, "end": "end"}
    place = Workplace(drawing(nodes, *(f"start > {name}" for name in names), *(f"{name} > end" for name in names)))
    place.start()
    place.step(lambda view: signal(view, place.engine, EXECUTION_ID, "go"))
    done = [event.node_id for event in place.view.events(EXECUTION_ID) if isinstance(event, ActivationCompleted)]
    assert [node_id for node_id in done if node_id in names] == names
