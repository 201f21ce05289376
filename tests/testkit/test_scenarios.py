"""Scenarios played by the engine: doubles of everything that acts on the world, and a clock that the test moves on."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from client import NonRetryable
from domain.facts import Json
from testkit import (
    NEVER,
    Asked,
    Member,
    NoAnswerLeft,
    NotPublishable,
    NotSo,
    Refused,
    fails,
    in_turn,
    lost,
    response,
    scenario,
    takes,
)
from testkit.doubles import Doubles
from testkit.staging import staged
from testkit.work import OWN_JOBS
from testkit.world import MORNING
from tests.engine.drawing import ask, drawing
from tests.engine.items import body
from worker.leases import Leasing
from worker.worker import WorkerProcess

RETRY = {"max_attempts": 3, "initial_interval": "PT10S", "backoff": 2}


def charging(**fields: Json) -> Json:
    """Leaves by `done`, `gone wrong` or `too late`."""
    nodes: dict[str, Any] = {
        "start": "start",
        "pay": ("task", {"job_type": "charge", "input": {"amount": "=input.amount"}}, fields),
        "done": ("end", {"output": "=nodes.pay.output"}),
        "wrong": ("end", {"output": "=nodes.pay.error.type"}),
        "late": ("end", {"output": "late"}),
    }
    return drawing(nodes, "start > pay", "pay > done", "pay.error > wrong", "pay.timeout > late")


def calling(**more: Json) -> Json:
    config = {"url": "https://shop.example/orders", "method": "POST", "body": {"id": "=input.id"}, **more}
    nodes: dict[str, Any] = {
        "start": "start",
        "order": ("http", config, {"retry": RETRY}),
        "done": ("end", {"output": "=nodes.order.output"}),
        "wrong": ("end", {"output": "=nodes.order.error"}),
    }
    return drawing(nodes, "start > order", "order > done", "order.error > wrong")


def one(kind: str, config: Json, **fields: Json) -> Json:
    """A node `n`, and ends for what may become of it."""
    nodes: dict[str, Any] = {
        "start": "start",
        "n": (kind, config, fields),
        "done": ("end", {"output": "=nodes.n.output"}),
        "wrong": ("end", {"output": "=nodes.n.error.type"}),
    }
    ends = ["n.error > wrong", "n.timeout > wrong"] if kind not in ("set", "emit") else ["n.error > wrong"]
    return drawing(nodes, "start > n", "n > done", *ends)


# Tasks


@pytest.mark.parametrize(
    "double",
    [
        {"ok": True},
        lambda input: {"ok": input["amount"] == 80},
        lambda input, asked: {"ok": (asked.attempt, input) == (1, {"amount": 80})},
        in_turn({"ok": True}),
        takes("PT0S", {"ok": True}),
    ],
)
def test_a_double_is_a_value_or_a_function_or_answers_in_turn(double: Any) -> None:
    with scenario(charging(), workers={"charge": double}) as s:
        run = s.start({"amount": 80})
        assert run.completed == {"ok": True}
        assert run.visited == ["start", "pay", "done"]
        assert s.asked == (Asked("charge", "worker", {"amount": 80}, 1, MORNING),)
        assert s.asked_of("charge") == [{"amount": 80}]


def test_what_a_double_raises_is_tried_again_after_the_pauses_of_the_policy() -> None:
    with scenario(charging(retry=RETRY), workers={"charge": in_turn(OSError("away"), TimeoutError, "paid")}) as s:
        run = s.start({"amount": 1})
        assert [asked.attempt for asked in s.asked] == [1]
        s.pass_time("PT9.9S")
        assert len(s.asked) == 1
        s.pass_time("PT0.1S")
        assert len(s.asked) == 2
        s.pass_time("PT20S")
        assert run.completed == "paid"
        assert [asked.at - MORNING for asked in s.asked] == [timedelta(seconds=each) for each in (0, 10, 30)]


def test_what_cannot_be_mended_is_not_tried_again() -> None:
    with scenario(charging(retry=RETRY), workers={"charge": NonRetryable("no money", type="declined")}) as s:
        assert s.start({"amount": 1}).completed == "declined"
    with scenario(charging(retry=RETRY), workers={"charge": fails("declined", retryable=False)}) as s:
        run = s.start({"amount": 1})
        assert run.completed == "declined"
        assert run.error_of("pay") == {"type": "declined", "message": "The double fails with declined.", "attempts": 1}


def test_a_double_that_never_answers_ends_by_the_timeout() -> None:
    with scenario(charging(timeout="PT5M"), workers={"charge": NEVER}) as s:
        run = s.start({"amount": 1})
        s.pass_time("PT4M59S")
        assert run.waiting == ["pay"]
        s.pass_time("PT1S")
        assert run.completed == "late"


@pytest.mark.parametrize(("time", "output"), [("PT4M", "paid"), ("PT6M", "late")])
def test_an_answer_that_takes_its_time_races_with_the_timeout(time: str, output: str) -> None:
    with scenario(charging(timeout="PT5M"), workers={"charge": takes(time, "paid")}) as s:
        run = s.start({"amount": 1})
        s.pass_time("PT1H")
        assert run.completed == output


def test_a_worker_that_is_lost_is_noticed_by_its_lease() -> None:
    with scenario(charging(retry=RETRY), workers={"charge": in_turn(lost(), "paid")}) as s:
        run = s.start({"amount": 1})
        s.pass_time("PT1M10S")
        assert run.completed == "paid"
        assert [each.data["error"]["type"] for each in run.history if each.topic == "activation.retried"] == ["lease_lost"]


def test_what_has_no_double_is_done_by_hand() -> None:
    with scenario(charging()) as s:
        run = s.start({"amount": 1})
        assert run.complete("pay", "by hand").completed == "by hand"
        assert s.start({"amount": 1}).fail("pay", "declined").completed == "declined"


def test_a_double_that_is_asked_too_often_fails_the_test() -> None:
    with scenario(charging(), workers={"charge": in_turn("once")}) as s:
        s.start({"amount": 1})
        with pytest.raises(NoAnswerLeft, match=r"charge was asked more than 1 times; the last question: \{'amount': 2\}"):
            s.start({"amount": 2})


def test_answers_in_turn_begin_anew_in_each_scenario() -> None:
    doubles = {"charge": in_turn("once")}
    for _ in range(2):
        with scenario(charging(), workers=doubles) as s:
            assert s.start({"amount": 1}).completed == "once"


def test_what_is_no_json_is_what_the_platform_would_make_of_it() -> None:
    with scenario(charging(retry=RETRY), workers={"charge": in_turn({1, 2}, (1, 2))}) as s:
        assert s.start({"amount": 1}).completed == "invalid_output"
        assert s.start({"amount": (1, 2)}).completed == [1, 2]
        assert s.asked_of("charge")[1] == {"amount": [1, 2]}
        with pytest.raises(TypeError, match="not JSON serializable"):
            s.start({"amount": object()})


def test_an_assertion_in_a_double_is_the_tests_own() -> None:
    def strict(input: Json) -> None:
        assert input["amount"] > 1, "too little"

    with scenario(charging(), workers={"charge": strict}) as s, pytest.raises(AssertionError, match="too little"):
        s.start({"amount": 1})


def test_rates_and_concurrency_of_nodes_hold_jobs_back() -> None:
    def asked_at(**fields: Json) -> list[float]:
        with scenario(charging(**fields), workers={"charge": takes("PT1M")}) as s:
            for amount in range(4):
                s.start({"amount": amount})
            s.pass_time("PT1H")
            assert {run.status for run in s.runs} == {"completed"}
            return [(asked.at - MORNING).total_seconds() for asked in s.asked]

    assert asked_at(rate={"count": 2, "per": "PT10M"}) == [0, 0, 600, 600]
    assert asked_at(concurrency={"limit": 1}) == [0, 60, 120, 180]
    assert asked_at(concurrency={"limit": 1, "key": "=input.amount % 2"}) == [0, 0, 60, 60]
    assert asked_at() == [0, 0, 0, 0]


# Models, services, other workflows


def test_a_model() -> None:
    config: Json = {
        "model": "openai:x",
        "prompt": "='Classify ' + input.text",
        "input": {"n": 1},
        "output_schema": {"enum": ["refund"]},
    }
    double = in_turn("poem", fails("rate_limit", retry_after="PT30S"), "refund")
    with scenario(one("ai_agent", config, retry=RETRY), ai={"n": double}) as s:
        run = s.start({"text": "x"})
        question = {"model": "openai:x", "prompt": "Classify x", "system": None, "input": {"n": 1}, "context": None}
        assert s.asked_of("n") == [question, question]  # what does not fit is asked for again at once
        s.pass_time("PT20S")
        assert len(s.asked) == 2
        s.pass_time("PT10S")
        assert run.completed == "refund"


def test_a_worker_is_lost_while_it_asks_a_model() -> None:
    with scenario(one("ai_agent", {"model": "openai:x", "prompt": "x"}, retry=RETRY), ai={"n": in_turn(lost(), "late")}) as s:
        run = s.start()
        s.pass_time("PT1M10S")
        assert run.completed == "late"
    with scenario(calling(), http={"order": in_turn(lost(), {"number": 1})}) as s:
        run = s.start({"id": 4})
        s.pass_time("PT2M")
        assert (run.completed["type"], len(s.asked)) == ("lease_lost", 1)  # it may have been sent


def test_a_model_that_never_answers() -> None:
    with scenario(one("ai_agent", {"model": "openai:x", "prompt": "x"}, timeout="PT1M"), ai={"n": NEVER}) as s:
        run = s.start()
        s.pass_time("PT1M")
        assert run.completed == "timeout"


def test_a_service() -> None:
    with scenario(calling(output={"number": "=response.body.number"}), http={"order": response(201, {"number": 7})}) as s:
        assert s.start({"id": 4}).completed == {"number": 7}
        (asked,) = s.asked_of("order")
        assert (asked["method"], asked["url"], asked["body"]) == ("POST", "https://shop.example/orders", {"id": 4})


def test_a_service_that_is_busy_is_asked_again_when_it_says() -> None:
    busy = response(429, "later", retry_after="25")
    with scenario(calling(), http={"order": in_turn(busy, {"number": 7})}) as s:
        run = s.start({"id": 4})
        s.pass_time("PT24S")
        assert run.waiting == ["order"]
        s.pass_time("PT1S")
        assert run.completed["body"] == {"number": 7}


@pytest.mark.parametrize("double", [response(503, "oops"), fails("request_timeout")])
def test_a_request_that_may_have_been_acted_on_is_not_sent_again(double: Any) -> None:
    with scenario(calling(), http={"order": double}) as s:
        assert s.start({"id": 4}).completed["attempts"] == 1
    with scenario(calling(idempotent=True), http={"order": double}) as s:
        run = s.start({"id": 4})
        s.pass_time("PT1M")
        assert run.completed["attempts"] == 3


SHIP = {"workflow_key": "shipping", "version": 3, "input": {"to": "=input.to"}}


def test_another_workflow() -> None:
    with scenario(one("workflow", SHIP), workflows={"shipping": lambda input: {"sent": input["to"]}}) as s:
        run = s.start({"to": "Oslo"})
        assert run.completed == {"sent": "Oslo"}
        assert [child.completed for child in run.children] == [{"sent": "Oslo"}]
        assert s.runs[0].id == run.id
        assert len(s.runs) == 1
    with scenario(one("workflow", SHIP), workflows={"shipping": fails("no_stock")}) as s:
        assert s.start({"to": "Oslo"}).completed == "no_stock"


def test_a_child_that_its_parent_gives_up() -> None:
    with scenario(one("workflow", SHIP, timeout="P1D"), workflows={"shipping": NEVER}) as s:
        run = s.start({"to": "Oslo"})
        s.pass_time("P1D")
        assert run.completed == "timeout"
        assert run.children[0].cancelled == "Its parent waits for it no longer."


def test_another_workflow_as_it_is() -> None:
    shipping = {**charging(), "key": "shipping"}
    with scenario(
        one("workflow", {"workflow_key": "shipping", "input": {"amount": 2}}), definitions=[shipping], workers={"charge": 5}
    ) as s:
        run = s.start()
        assert run.completed == 5
        assert run.children[0].visited == ["start", "pay", "done"]


def each_item(within: Json, **config: Json) -> Json:
    return one("foreach", {"items": "=input.items", "body": within, **config})


def test_a_foreach() -> None:
    within = body({"work": ("task", {"job_type": "resize", "input": "=item"})})
    double = in_turn("a", fails("torn"), "c")
    with scenario(each_item(within, on_item_error="continue"), workers={"resize": double}) as s:
        run = s.start({"items": [1, 2, 3]})
        assert run.completed == {
            "results": ["a", None, "c"],
            "errors": [{"index": 1, "type": "torn", "message": "The double fails with torn."}],
        }
        assert s.asked_of("resize") == [1, 2, 3]
        assert [item.status for item in run.items("n")] == ["completed", "failed", "completed"]


def test_people_decide_on_the_items_of_a_foreach() -> None:
    within = body(
        {"review": ask(), "ok": ("end", {"output": "=item"}), "no": "end"}, "review.approved > ok", "review.rejected > no"
    )
    with scenario(each_item(within, max_concurrency=2)) as s:
        run = s.start({"items": ["x", "y", "z"]})
        first, second = run.items("n")
        second.approve("review")
        first.reject("review")
        run.items("n")[2].approve("review")
        assert run.completed["results"] == [None, "y", "z"]


# People, events, time


def test_people() -> None:
    nodes: dict[str, Any] = {"start": "start", "review": ask("yes:approve:manager", "no:reject"), "end": "end"}
    definition = drawing(nodes, "start > review", "review.yes > end", "review.no > end")
    with scenario(definition) as s:
        run = s.start(by="ben")
        with pytest.raises(Refused, match="not_eligible"):
            run.approve("review", by="ann", roles=["clerk"])
        run.approve("review", by="ann", roles=["manager"], comment="fine")
        assert run.completed is None
        assert run.output_of("review")["comment"] == "fine"


@pytest.mark.parametrize("proof", ["key", "totp"])
def test_who_plays_somebody_has_proven_who_they_are(proof: str) -> None:
    outcomes = [{"name": "yes", "kind": "approve", "proof": proof, "means": "I release it."}]
    nodes: dict[str, Any] = {"start": "start", "review": ("approval", {"title": "?", "outcomes": outcomes}), "end": "end"}
    with scenario(drawing(nodes, "start > review", "review.yes > end")) as s:
        assert s.start(by="ben").approve("review", by="ann").status == "completed"


def test_steps_are_decided_one_after_another_and_reasons_are_given() -> None:
    outcomes = [{"name": "yes", "kind": "approve"}, {"name": "no", "kind": "reject", "reasons": ["price"]}]
    steps = [
        {"name": "manager", "by": {"roles": ["manager"]}},
        {"name": "legal", "by": {"roles": ["legal"]}, "parallel_with": "manager"},
        {"name": "board", "by": {"roles": ["board"]}, "skip_when": "input.amount < 100"},
    ]
    node = ("approval", {"title": "?", "outcomes": outcomes, "steps": steps})
    nodes: dict[str, Any] = {"start": "start", "review": node, "end": "end", "back": "end"}
    definition = drawing(nodes, "start > review", "review.yes > end", "review.no > back")
    with scenario(definition) as s:
        run = s.start({"amount": 100}, by="ann")
        run.approve("review", by="ben", roles=["manager", "legal"], step="legal")
        run.approve("review", by="ben", roles=["manager"])
        with pytest.raises(Refused, match="invalid_decision"):
            run.reject("review", by="cat", roles=["board"])
        run.reject("review", by="cat", roles=["board"], reason="price")
        assert (run.output_of("review")["reason"], run.output_of("review")["steps"]["legal"]["outcome"]) == ("price", "yes")
        small = s.start({"amount": 1}, by="ann")
        small.approve("review", by="ben", roles=["manager"]).approve("review", by="ben", roles=["legal"])
        assert small.status == "completed"


COMPANY = {
    "ann": Member(manager="cat", attributes={"cost_centre": "4711"}),
    "ben": Member(["clerk"], manager="cat"),
    "cat": Member(["manager"], manager="dan"),
    "dan": Member(["manager", "board"]),
    "eve": Member(["board"]),
}
"""Who reports to whom, and what they are."""


def in_steps() -> Json:
    """Of whoever asks the manager, then the board: all of them."""
    board = {"name": "board", "by": {"roles": ["board"]}, "rule": {"type": "unanimous"}, "distinct": True}
    steps = [{"name": "manager", "by": {"manager_of": "requester"}}, board]
    node = ("approval", {"title": "Pay?", "steps": steps, "exclude": ["requester"], "context": {"amount": "=input.amount"}})
    nodes: dict[str, Any] = {"start": "start", "review": node, "end": ("end", {"output": "yes"}), "no": ("end", {"output": "no"})}
    return drawing(nodes, "start > review", "review.approved > end", "review.rejected > no", "review.error > no")


def test_members_have_managers_and_roles_and_steps_go_by_them() -> None:
    with scenario(in_steps(), people=COMPANY) as s:
        run = s.start({"amount": 1}, by="ann")
        assert run.asked("review") == {"users": ["cat"], "roles": []}
        with pytest.raises(Refused, match="not_eligible"):
            run.approve("review", by="dan")
        run.approve("review", by="cat")
        assert run.asked("review") == {"users": [], "roles": ["board"]}
        with pytest.raises(Refused, match="not_eligible"):
            run.approve("review", by="ben")
        run.approve("review", by="dan")
        assert run.status == "running"
        assert run.approve("review", by="eve").completed == "yes"
        of_cat = s.start({"amount": 1}, by="cat").approve("review", by="dan")
        assert of_cat.approve("review", by="eve").completed == "yes", "who was the manager is not asked again"
        nobodys = s.start({"amount": 1}, by="dan")
        assert nobodys.output_of("start") is None
        assert nobodys.completed == "no", "nobody is above dan"


def test_people_come_and_go_and_are_given_other_roles() -> None:
    with scenario(in_steps(), people=COMPANY) as s:
        run = s.start({"amount": 1}, by="ann")
        s.suspend("cat")
        with pytest.raises(Refused, match="not_a_member"):
            run.approve("review", by="cat")
        assert s.start({"amount": 1}, by="ann").asked("review")["users"] == ["dan"], "who is away is passed over"
        s.reactivate("cat")
        run.approve("review", by="cat")
        s.change("ben", manager="eve", roles=["board", "fresh"])
        assert s.start({"amount": 1}, by="ben").asked("review")["users"] == ["eve"]
        s.remove("eve")
        assert run.approve("review", by="dan").status == "running", "eve was one of those whose decisions count"
        with pytest.raises(TypeError, match="no title"):
            s.change("ben", title="Dr")
        with pytest.raises(ValueError, match="no zoe among the people of this test, but: ann, ben"):
            run.approve("review", by="zoe")
        with pytest.raises(ValueError, match="has the roles that they have there"):
            run.approve("review", by="ben", roles=["board"])
        with pytest.raises(Refused, match="manager_cycle"):
            s.change("dan", manager="ann")


def test_a_colleague_stands_in_from_one_day_to_another() -> None:
    with scenario(in_steps(), people=COMPANY) as s:
        first, last = s.now + timedelta(days=1), s.now + timedelta(days=8)
        small_sums = "request.context.amount <= 100"
        s.delegate("cat", "ben", kind="absence", condition=small_sums, starts_at=first, ends_at=last)
        small, large = s.start({"amount": 100}, by="ann"), s.start({"amount": 101}, by="ann")
        with pytest.raises(Refused, match="no_delegation"):
            small.approve("review", by="ben", on_behalf_of="cat")
        s.pass_time("P2D")
        small.approve("review", by="ben", on_behalf_of="cat")
        assert small.asked("review")["roles"] == ["board"]
        with pytest.raises(Refused, match="no_delegation"):
            large.approve("review", by="ben", on_behalf_of="cat")
        late = s.start({"amount": 1}, by="ann")
        s.pass_time("P7D")
        with pytest.raises(Refused, match="no_delegation"):
            late.approve("review", by="ben", on_behalf_of="cat")
        s.delegate("dan", "eve")
        with pytest.raises(Refused, match="delegation_cycle"):
            s.delegate("eve", "dan")
        with pytest.raises(Refused, match="/condition"):
            s.delegate("dan", "ann", condition="amount > 1")
        handed_on = s.delegate("cat", "dan")
        handed_on.give_back()
        with pytest.raises(Refused, match="no_delegation"):
            late.approve("review", by="dan", on_behalf_of="cat")


def test_four_eyes() -> None:
    outcome = {"name": "yes", "kind": "approve", "exclude": ["requester"]}
    nodes: dict[str, Any] = {"start": "start", "review": ("approval", {"title": "?", "outcomes": [outcome]}), "end": "end"}
    definition = drawing(nodes, "start > review", "review.yes > end")
    with scenario(definition) as s:
        run = s.start(by="ann")
        with pytest.raises(Refused, match="excluded"):
            run.approve("review", by="ann")
        run.approve("review", by="ben")
        assert run.status == "completed"


def test_nobody_decides() -> None:
    nodes: dict[str, Any] = {
        "start": "start",
        "review": (*ask(), {"timeout": "P3D"}),
        "end": "end",
        "late": ("end", {"output": "late"}),
    }
    with scenario(
        drawing(nodes, "start > review", "review.approved > end", "review.rejected > end", "review.timeout > late")
    ) as s:
        run = s.start()
        s.pass_time("P3D")
        assert run.completed == "late"


def test_a_request_is_overdue_and_still_open() -> None:
    nodes: dict[str, Any] = {"start": "start", "review": ask("yes:approve", due_in="P1D"), "end": "end"}
    with scenario(drawing(nodes, "start > review", "review.yes > end")) as s:
        run = s.start()
        s.pass_time("PT23H59M")
        assert run.overdue == []
        s.pass_time("PT1M")
        assert (run.overdue, run.waiting) == (["review"], ["review"])
        assert run.approve("review").overdue == []


def test_a_wait_and_the_clock() -> None:
    with scenario(one("wait", {"until": "=input.until"}), now=datetime(2026, 3, 1, tzinfo=UTC)) as s:
        run = s.start({"until": "2026-03-02T00:00:00Z"})
        s.pass_time("PT23H59M59S")
        assert run.waiting == ["n"]
        s.pass_time("PT1S")
        assert (run.status, s.now) == ("completed", datetime(2026, 3, 2, tzinfo=UTC))


def test_a_pause_keeps_what_is_left_of_a_wait() -> None:
    with scenario(one("wait", {"duration": "PT1H"})) as s:
        run = s.start()
        s.pass_time("PT40M")
        run.pause()
        s.pass_time("P1D")
        assert (run.status, run.waiting) == ("paused", ["n"])
        run.resume()
        s.pass_time("PT19M59S")
        assert run.status == "running"
        s.pass_time("PT1S")
        assert run.status == "completed"


def test_events_and_signals() -> None:
    paid = one("wait_event", {"event_type": "paid", "when": "event.data.order == input.order"})
    with scenario(paid) as s:
        one_, other, signalled = s.start({"order": 1}), s.start({"order": 2}), s.start({"order": 3})
        s.event("paid", {"order": 2}, id="e1")
        s.event("paid", {"order": 1}, id="e1")
        assert (one_.waiting, other.completed["data"]) == (["n"], {"order": 2})
        assert signalled.signal("paid", {"order": 3}).completed["source"] == "signal"


def test_an_event_that_came_just_before() -> None:
    with scenario(one("wait_event", {"event_type": "paid", "lookback": "PT1H"})) as s:
        s.event("paid", 1)
        s.pass_time("PT59M")
        assert s.start().completed["data"] == 1
        s.pass_time("PT2M")
        assert s.start().waiting == ["n"]


def test_an_execution_that_tells_another() -> None:
    definition = {**one("emit", {"event_type": "ready", "data": "=input"}), "key": "teller"}
    waiting = {**one("wait_event", {"event_type": "ready"}), "triggers": [{"type": "event", "event_type": "go"}]}
    with scenario(definition, definitions=[waiting]) as s:
        s.event("go", {})
        s.start({"n": 1})
        assert [run.status for run in s.runs] == ["completed", "completed"]
        assert s.runs[0].output_of("n")["data"] == {"n": 1}


def test_a_schedule_starts_executions_by_the_clock() -> None:
    trigger = {"type": "schedule", "cron": "30 7 * * *", "timezone": "Europe/Berlin", "input": {"day": "=scheduled_at"}}
    definition = {**one("set", {"values": {"day": "=input.day"}}), "triggers": [trigger]}
    with scenario(definition) as s:
        s.pass_time("P2D")
        assert [run.completed["day"] for run in s.runs] == ["2026-01-06T06:30:00Z", "2026-01-07T06:30:00Z"]


def test_a_whole_execution_takes_too_long_and_what_it_did_is_undone() -> None:
    nodes: dict[str, Any] = {
        "start": "start",
        "book": ("task", {"job_type": "book"}, {"compensate": "unbook"}),
        "unbook": ("task", {"job_type": "unbook", "input": "=nodes.book.output"}),
        "wait": ("wait", {"duration": "P9D"}),
        "end": "end",
    }
    definition = drawing(nodes, "start > book", "book > wait", "wait > end", timeout="P1D")
    with scenario(definition, workers={"book": "B1", "unbook": None}) as s:
        run = s.start()
        s.pass_time("P1D")
        assert run.failed["code"] == "timeout"
        assert s.asked_of("unbook") == ["B1"]


def test_cancelled_and_terminated() -> None:
    with scenario(one("wait", {"duration": "P1D"})) as s:
        assert s.start().cancel("over").cancelled == "over"
        assert s.start().terminate().status == "cancelled"


def test_a_long_loop_goes_on_by_itself() -> None:
    nodes: dict[str, Any] = {
        "start": "start",
        "n": ("set", {"values": {"n": "=has(nodes.n) ? nodes.n.output.n + 1 : 1"}}),
        "more": ("condition", {"branches": [{"handle": "again", "when": "nodes.n.output.n < 1500"}], "default": "enough"}),
        "end": ("end", {"output": "=nodes.n.output.n"}),
    }
    with scenario(drawing(nodes, "start > n", "n > more", "more.again > n", "more.enough > end")) as s:
        assert s.start().completed == 1500


def test_the_same_scenario_twice_is_the_same_to_the_last_id() -> None:
    def played() -> list[Any]:
        with scenario(charging(retry=RETRY), workers={"charge": in_turn(OSError(), 1)}) as s:
            run = s.start({"amount": 1})
            s.pass_time("PT1H")
            return [(each.topic, each.data, each.at) for each in run.history]

    assert played() == played()


def test_every_type_of_job_that_the_platforms_worker_does_is_known_to_the_kit() -> None:
    worker = WorkerProcess(SimpleNamespace(notifications=None), cast(Any, None), {}, Leasing())  # type: ignore[arg-type]
    assert set(worker.leases._runners) == OWN_JOBS


# What a test is told


def test_a_definition_that_cannot_be_published_fails_the_test_with_what_is_wrong() -> None:
    definition = drawing({"start": "start", "end": ("end", {"output": "=inptu.x"})}, "start > end", "end > nowhere")
    with pytest.raises(NotPublishable) as caught, scenario(definition):
        pass
    assert "test cannot be published:" in str(caught.value)
    assert "error at /edges/1/target" in str(caught.value)
    assert "error at /nodes/1/config/output (node end)" in str(caught.value)


def test_warnings_are_told_and_fail_a_strict_test() -> None:
    branches = [{"handle": "again", "when": "input.x"}]
    nodes: dict[str, Any] = {"start": "start", "c": ("condition", {"branches": branches, "default": "no"}), "end": "end"}
    definition = drawing(nodes, "start > c", "c.again > c", "c.no > end")
    with scenario(definition) as s:
        assert any(said.startswith("warning at /nodes/1 (node c): ") for said in s.warnings)
    with pytest.raises(NotPublishable), scenario(definition, strict=True):
        pass


@pytest.mark.parametrize(
    ("doubles", "said"),
    [
        (
            {"workers": {"chrage": 1}},
            "There is no job_type of a node task called 'chrage'. There are: charge.",
        ),
        ({"ai": {"pay": 1}}, "There is no node ai_agent called 'pay'. There are: none."),
    ],
)
def test_a_double_of_nothing_is_a_mistake(doubles: Any, said: str) -> None:
    with pytest.raises(NotPublishable) as caught, scenario(charging(), **doubles):
        pass
    assert str(caught.value) == said


def test_a_failure_tells_how_the_execution_stands() -> None:
    with scenario(charging(retry=RETRY, timeout="P1D"), workers={"charge": in_turn(OSError("away"), NEVER)}) as s:
        run = s.start({"amount": 1})
        s.pass_time("PT1M")
        with pytest.raises(NotSo) as caught:
            assert run.completed == "paid"
    assert str(caught.value).splitlines() == [
        "The execution is not completed. It is running.",
        "It waits at:",
        "  pay (task): job type charge, which its double never answers; a timer (timeout)",
        "What happened:",
        "  00:00:00  started with {'amount': 1}",
        "  00:00:00  start (start) began",
        "  00:00:00  start completed by success: None",
        "  00:00:00  pay (task) began with {'amount': 1}",
        "  00:00:00  pay failed (OSError: away), and is tried again in 10 s",
    ]


def test_what_does_not_wait_cannot_be_decided_nor_done() -> None:
    with scenario(charging(), workers={"charge": 1}) as s:
        run = s.start({"amount": 1})
        with pytest.raises(NotSo, match="pay does not wait for work"):
            run.complete("pay")
        with pytest.raises(NotSo, match="pay does not wait for a decision"):
            run.approve("pay")


def test_which_outcome_is_meant_is_never_guessed() -> None:
    nodes: dict[str, Any] = {"start": "start", "review": ask("a:approve", "b:approve"), "end": "end"}
    said = r"not one outcome of the kind approve, but: a \(approve\), b \(approve\)"
    with scenario(drawing(nodes, "start > review", "review.a > end", "review.b > end")) as s, pytest.raises(NotSo, match=said):
        s.start().approve("review")


def test_an_input_that_does_not_fit_is_refused_as_by_the_api() -> None:
    definition = {**charging(), "input_schema": {"type": "object", "required": ["amount"], "properties": {"amount": True}}}
    with scenario(definition, workers={"charge": 1}) as s, pytest.raises(Refused, match=r"invalid_input: .*/input/amount"):
        s.start({})


def test_a_business_key_is_taken_until_its_execution_is_over() -> None:
    with scenario(one("wait", {"duration": "PT1H"})) as s:
        s.start(business_key="A")
        with pytest.raises(Refused, match="name_taken"):
            s.start(business_key="A")
        s.pass_time("PT1H")
        s.start(business_key="A")


def test_what_nobody_answers_comes_to_its_outcome_by_default() -> None:
    remind = [{"after": "P1D"}, {"before_due": "PT1H"}]
    config = {"title": "Pay?", "due_in": "P2D", "remind": remind, "escalate": [{"after": "P3D", "outcome": "rejected"}]}
    nodes = {"start": "start", "ask": ("approval", config), "end": ("end", {"output": "=nodes.ask.output.outcome"})}
    with scenario(drawing(nodes, "start > ask", "ask.approved > end", "ask.rejected > end")) as s:
        run = s.start()
        s.pass_time("P2DT23H")
        assert (run.waiting, run.overdue) == (["ask"], ["ask"])
        s.pass_time("PT1H")
        assert run.completed == "rejected"


def test_a_tool_that_is_played_on_a_server_takes_nobody_s_name() -> None:
    tools: list[Json] = [{"type": "mcp"}, {"type": "mcp", "id": "other", "tool_name": "buy"}]
    definition = drawing({"start": "start", "end": "end"}, "start > end", triggers=tools)
    (made,) = staged([definition], Doubles({"worker": {}, "ai": {}, "http": {}, "workflow": {}}), "t1").definitions
    assert made["triggers"] == [tools[0], {**tools[1], "tool_name": "t1-buy"}], "the first one has the copy's key"
