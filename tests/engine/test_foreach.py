"""A foreach: its items run through a body, so many at a time; what they come to, and what becomes of them when it ends early."""

import cProfile
from typing import Any
from uuid import UUID

import pytest

from domain.ai_task import AiTaskRequested
from domain.approval import ApprovalCancelled, ApprovalRequested
from domain.event import EventReceived
from domain.execution import (
    ActivationCancelled,
    ActivationCompleted,
    ActivationFailed,
    ActivationStarted,
    ExecutionCompleted,
    ExecutionFailed,
    ItemCancelled,
    ItemFailed,
    ItemStarted,
    NodeError,
)
from domain.facts import Fact, Json
from domain.foreach import CHUNK, FOREACH, ChunkStarted, ForeachClosed, ForeachStarted
from engine.context import EngineLimits
from engine.events import EventSubscription, deliver
from engine.executions import ExecutionClosed, ItemClosed
from engine.jobs import ActivationClosed
from engine.nodes.foreach import MOST_ITEMS
from tests.engine.drawing import EXECUTION_ID, ask, drawing
from tests.engine.items import Site, body, each, one_foreach
from tests.engine.working import agent, task

WORK = body({"work": task("w", input={"item": "=item", "index": "=index"})})
DOUBLE = body({"double": ("set", {"values": {"twice": "=item * 2"}})})


def working(count: int, limits: EngineLimits | None = None, within: Json = WORK, fields: Json = None, **config: Json) -> Site:
    site = Site(one_foreach(each(within, fields=fields, **config)), limits or EngineLimits())
    return site.start({"items": [f"item {number}" for number in range(count)]})


def output(site: Site) -> Json:
    assert isinstance(site.end, ExecutionCompleted), site.end
    return site.end.output


# What they come to -----------------------------------------------------------------------------------------------------


def test_results_come_in_the_order_of_the_items_however_they_end() -> None:
    site = working(3)
    for index in (2, 0, 1):
        site.complete(index, f"result {index}")
    assert output(site) == {"results": ["result 0", "result 1", "result 2"], "errors": []}
    site.settled()


def test_an_item_sees_itself_its_index_and_the_nodes_around() -> None:
    nodes = {
        "start": "start",
        "rate": ("set", {"values": {"factor": "=input.factor"}}),
        "each": each(
            body(
                {
                    "first": ("set", {"values": {"product": "=item * nodes.rate.output.factor"}}),
                    "second": ("set", {"values": {"text": "=string(index) + ': ' + string(nodes.first.output.product)"}}),
                },
                "first > second",
            )
        ),
        "end": ("end", {"output": "=nodes.each.output.results"}),
    }
    site = Site(drawing(nodes, "start > rate", "rate > each", "each > end")).start({"items": [1, 2], "factor": 10})
    assert output(site) == [{"text": "0: 10"}, {"text": "1: 20"}]


def test_the_result_is_the_output_of_the_last_end_or_of_the_last_node() -> None:
    ending = body({"work": ("set", {"values": {}}), "end": ("end", {"output": "=item"})}, "work > end")
    assert output(working(2, within=ending))["results"] == ["item 0", "item 1"]
    choosing = body({"choose": ("condition", {"branches": [{"handle": "odd", "when": "index == 1"}], "default": "even"})})
    assert output(working(2, within=choosing))["results"] == [None, None]


def test_an_empty_list_is_done_at_once() -> None:
    site = working(0)
    assert output(site) == {"results": [], "errors": []}
    assert not any(isinstance(fact.event, ForeachStarted) for fact in site.facts)


@pytest.mark.parametrize("items", ["=input", "=1", "=null"])
def test_what_is_no_list_is_an_error(items: str) -> None:
    end = output(Site(one_foreach(each(WORK, items))).start({"a": 1}))
    assert (end["type"], end["message"]) == ("invalid_value", "items must be a list")


def test_more_items_than_it_takes_are_an_error_that_says_how_many() -> None:
    end = output(Site(one_foreach(each(WORK))).start({"items": [0] * (MOST_ITEMS + 1)}))
    assert end["type"] == "too_many_items"
    assert str(MOST_ITEMS) in end["message"]


@pytest.mark.parametrize("most", [0, 101, "two", 1.5, True])
def test_a_concurrency_that_is_none_is_an_error(most: Json) -> None:
    site = Site(one_foreach(each(WORK, max_concurrency="=input.most"))).start({"items": [1], "most": most})
    assert output(site)["type"] == "invalid_value"


def test_a_literal_list_may_hold_expressions() -> None:
    site = Site(one_foreach(each(DOUBLE, [1, "=input.two"]))).start({"two": 2})
    assert output(site)["results"] == [{"twice": 2}, {"twice": 4}]


def test_results_beyond_what_a_node_may_give_are_an_error_that_names_the_limit() -> None:
    limits = EngineLimits(output_bytes=1_000)
    site = working(30, limits, max_concurrency=5)
    for index in range(30):
        if isinstance(site.end, ExecutionCompleted):
            break
        site.complete(index, "x" * 100)
    site.work_off().settled()
    assert output(site)["type"] == "output_too_large"
    assert "1000 bytes" in output(site)["message"]


# How many at a time ----------------------------------------------------------------------------------------------------


def test_so_many_run_at_a_time_and_the_next_begins_when_one_ends() -> None:
    site = working(5, max_concurrency=2)
    assert site.running == [0, 1]
    site.complete(1)
    assert site.running == [0, 2]
    site.complete(2).complete(0)
    assert site.running == [3, 4]
    site.complete(4).complete(3)
    assert output(site)["results"] == [None] * 5
    site.settled()


def test_ten_run_where_nothing_else_is_said() -> None:
    assert working(30).running == list(range(10))


def test_slots_pass_from_chunk_to_chunk() -> None:
    """A slow item at the end of a chunk holds up nobody."""
    site = working(230, max_concurrency=3)
    chunks = [fact.event for fact in site.facts if isinstance(fact.event, ChunkStarted)]
    assert [(chunk.first, len(chunk.items)) for chunk in chunks] == [(0, 100)]
    for index in range(1, 229):
        site.complete(index, index)
        assert len(site.running) == 3 - (index > 227)
    assert sorted(site.running) == [0, 229]
    site.complete(229, 229).complete(0, 0).settled()
    assert output(site)["results"] == list(range(230))
    chunks = [fact.event for fact in site.facts if isinstance(fact.event, ChunkStarted)]
    assert [(chunk.first, len(chunk.items)) for chunk in chunks] == [(0, 100), (100, 100), (200, 30)]


def test_a_command_does_its_share_and_a_job_goes_on() -> None:
    limits = EngineLimits(steps_per_command=20)
    site = Site(one_foreach(each(DOUBLE)), limits)
    site.start({"items": list(range(120))}).settled()
    assert output(site)["results"] == [{"twice": 2 * number} for number in range(120)]
    steps = [sum(isinstance(event, ItemStarted) for event in command) for command in commands(site)]
    assert max(steps) <= 20


def commands(site: Site) -> list[list[Any]]:
    """Events of items, split where a chunk tells of a command."""
    found: list[list[Any]] = [[]]
    for fact in site.facts:
        if type(fact.event).__name__ == "ChunkMoved":
            found.append([])
        else:
            found[-1].append(fact.event)
    return found


# Failures --------------------------------------------------------------------------------------------------------------


def test_the_first_failure_ends_it_with_the_items_error_and_index() -> None:
    site = working(5, max_concurrency=3)
    site.fail(1, "broken", "No disk.")
    assert output(site) == {"type": "broken", "message": "No disk.", "attempts": 1, "index": 1}
    site.work_off().settled()
    assert site.running == []


def test_what_still_ran_is_given_up() -> None:
    site = working(3)
    others = [site.task(0), site.task(2)]
    site.fail(1)
    for job in others:
        with pytest.raises(ActivationClosed):
            site.complete_job(job)
    site.work_off().settled()
    cancelled = [fact.event for fact in site.facts if isinstance(fact.event, ItemCancelled | ActivationCancelled)]
    assert len(cancelled) == 4
    assert isinstance(site.events(next(iter(foreaches(site))))[-1], ForeachClosed)


def foreaches(site: Site) -> list[UUID]:
    return [fact.stream_id for fact in site.facts if isinstance(fact.event, ForeachStarted)]


def test_failures_that_are_tolerated_are_null_among_the_results() -> None:
    site = working(4, on_item_error="continue")
    site.complete(0, "a").fail(1, "broken", "No disk.").complete(2, "c").fail(3, "late", "Too late.")
    assert output(site) == {
        "results": ["a", None, "c", None],
        "errors": [
            {"index": 1, "type": "broken", "message": "No disk."},
            {"index": 3, "type": "late", "message": "Too late."},
        ],
    }
    site.settled()


def test_it_goes_on_until_more_have_failed_than_may() -> None:
    site = working(6, on_item_error="continue", tolerated_failures=2, max_concurrency=2)
    site.fail(0).fail(1)
    assert site.running == [2, 3]
    site.fail(3, "last", "One too many.")
    assert output(site) == {"type": "last", "message": "One too many.", "attempts": 1, "index": 3}
    site.work_off().settled()


def test_an_expression_that_fails_in_an_item_is_that_items_error() -> None:
    site = Site(one_foreach(each(DOUBLE, on_item_error="continue"))).start({"items": [1, "two", 3]})
    found = output(site)
    assert found["results"] == [{"twice": 2}, None, {"twice": 6}]
    assert [(error["index"], error["type"]) for error in found["errors"]] == [(1, "expression_error")]


def test_an_error_that_the_body_handles_is_none_of_the_items() -> None:
    within = body({"work": task("w"), "instead": ("set", {"values": {"got": "=nodes.work.error.type"}})}, "work.error > instead")
    site = working(2, within=within)
    site.fail(0, "broken").complete(1, "fine").settled()
    assert output(site) == {"results": [{"got": "broken"}, "fine"], "errors": []}


def test_attempts_are_an_items_own_and_a_lost_lease_is_one() -> None:
    within = body({"work": task("w", retry={"max_attempts": 2})})
    site = working(1, within=within)
    site.lapse(site.task(0)).fail(0, "broken").work_off().settled()
    assert output(site) == {"type": "broken", "message": "It broke.", "attempts": 1, "index": 0}
    failed = next(event for event in site.events(site.items[0]) if isinstance(event, ActivationFailed))
    assert failed.error.attempts == 2


# Given up from outside -------------------------------------------------------------------------------------------------


def test_a_cancelled_execution_gives_up_its_items() -> None:
    site = working(4, max_concurrency=2)
    job = site.task(0)
    site.cancel()
    with pytest.raises(ActivationClosed):
        site.complete_job(job)
    assert site.work_off().settled().running == []


def test_its_timeout_gives_up_its_items() -> None:
    site = working(4, fields={"timeout": "PT1H"})
    [timer] = site.timers.values()
    site.fire(timer)
    assert output(site)["type"] == "timeout"
    site.work_off().settled()


def test_a_lost_join_gives_up_its_items() -> None:
    nodes = {"start": "start", "each": each(WORK), "quick": task("q"), "first": ("join", {"mode": "any"}), "end": "end"}
    site = Site(drawing(nodes, "start > each", "start > quick", "each > first", "quick > first", "first > end"))
    site.start({"items": [1, 2, 3]})
    [quick] = [job for job in site.tasks if job.task_id is None]
    site.complete_job(quick).work_off().settled()
    assert isinstance(site.end, ExecutionCompleted)


def test_one_that_has_not_begun_is_given_up_without_a_job() -> None:
    site = Site(one_foreach(each(WORK)))
    site.work_off = lambda: site  # type: ignore[method-assign]
    site.start({"items": [1]})
    assert [job.type for job in site.own] == ["gesta.foreach"]
    site.cancel()
    assert not site.jobs
    Site.work_off(site).settled()


def test_an_approval_of_an_item_is_cancelled_with_it() -> None:
    site = working(2, within=body({"ask": ask()}))
    first, _ = requests(site)
    site.cancel()
    with pytest.raises(ExecutionClosed):
        site.decide(first, "approved")
    site.work_off().settled()
    assert sum(isinstance(fact.event, ApprovalCancelled) for fact in site.facts) == 2


def test_what_asks_for_a_foreach_that_is_over_is_refused() -> None:
    nodes = {"start": "start", "each": each(body({"ask": ask(), "work": task("w")}, "ask.approved > work")), "more": task("m")}
    site = Site(drawing(nodes, "start > each", "each > more", "each.error > more")).start({"items": [1, 2, 3]})
    first, second, third = requests(site)
    site.decide(first, "approved").fail(0)
    for request in (second, third):
        with pytest.raises(ItemClosed):
            site.decide(request, "approved")
    site.work_off()
    assert sum(isinstance(fact.event, ApprovalCancelled) for fact in site.facts) == 2


def test_ending_many_items_takes_several_commands_where_one_may_not_do_it_all() -> None:
    site = working(60, EngineLimits(steps_per_command=10), max_concurrency=60)
    assert len(site.running) == 60
    site.cancel()
    closing = [job for job in site.own if job.type == "gesta.foreach"]
    site.work_off().settled()
    assert len(closing) == 1
    assert sum(isinstance(fact.event, ItemCancelled) for fact in site.facts) == 60


def requests(site: Site) -> list[UUID]:
    return [fact.stream_id for fact in site.facts if isinstance(fact.event, ApprovalRequested)]


# Pauses ----------------------------------------------------------------------------------------------------------------


def test_while_it_is_paused_nothing_begins_and_what_ends_waits() -> None:
    within = body({"work": task("w"), "more": task("m")}, "work > more")
    site = working(4, within=within, max_concurrency=2)
    site.pause().complete(0, "a")
    assert [job.type for job in site.tasks] == ["w"]
    site.resume().work_off()
    assert [job.type for job in site.tasks] == ["w", "m"]


def test_an_item_that_ends_while_it_is_paused_is_followed_after_it() -> None:
    site = working(3, max_concurrency=1)
    site.pause().complete(0, "a")
    assert site.work_off().running == []
    site.resume().work_off()
    assert site.running == [1]
    site.complete(1).complete(2).settled()
    assert output(site)["results"] == ["a", None, None]


def test_the_last_item_may_end_while_it_is_paused() -> None:
    site = working(1)
    site.pause().complete(0, "a")
    assert site.state.status == "paused"
    site.resume().work_off().settled()
    assert output(site)["results"] == ["a"]


def test_after_a_pause_items_move_no_more_once_one_of_them_has_failed() -> None:
    """Both were held by the pause, and go on by one job."""
    nodes = {"work": task("w"), "part": ("set", {"values": {"of": "=6 / item"}}), "more": task("m")}
    within = body(nodes, "work > part", "part > more")
    site = Site(one_foreach(each(within))).start({"items": [0, 1]})
    site.pause().complete(0).complete(1)
    site.resume().work_off().settled()
    assert output(site)["type"] == "expression_error"
    assert site.tasks == []
    assert [type(site.events(stream_id)[-1]) for _, stream_id in sorted(site.items.items())] == [ItemFailed, ItemCancelled]


def test_a_job_of_ours_that_was_handed_out_before_a_pause_waits_for_its_end() -> None:
    site = Site(one_foreach(each(WORK)))
    site.work_off = lambda: site  # type: ignore[method-assign]
    site.start({"items": [1]})
    [job] = site.own
    site.pause().run(job)
    assert site.jobs == {job.id: job}
    assert site.result["job"]["state"] == "ready"
    site.resume()
    Site.work_off(site)
    assert site.running == [0]


def test_what_goes_on_after_a_pause_before_it_began_leaves_no_job_to_begin() -> None:
    site = Site(one_foreach(each(WORK)))
    site.work_off = lambda: site  # type: ignore[method-assign]
    site.start({"items": [1]}).pause().resume()
    beginning, going_on = site.own
    assert going_on.input["turn"] == 1
    site.run(going_on)
    assert site.jobs.keys() == {site.task(0).id}
    assert beginning.id not in site.jobs


@pytest.mark.parametrize("end", ["cancel", "fail"])
def test_one_that_is_given_up_leaves_no_job_to_go_on(end: str) -> None:
    site = working(2).pause().resume().pause().resume()
    assert [job.input["turn"] for job in site.own] == [1, 2]
    site.run(site.own[1])
    assert site.own == [], "the later pause is over, and so are those before it"
    site.pause().resume()
    site.cancel() if end == "cancel" else site.fail(0)
    assert ["turn" in job.input for job in site.own] == [False]
    site.work_off().settled()


def test_a_job_of_a_foreach_whose_item_is_about_to_be_ended_waits_for_that() -> None:
    """So that there is no moment at which it lacks one that it has to have."""
    site = Site(one_foreach(each(body({"t": task("w"), "inner": each(WORK, items=[1, 2])}, "t > inner"))))
    site.start({"items": [1]}).complete(0)
    [nested] = site.own
    site.cancel()
    site.run(nested)
    assert nested.id in site.jobs
    assert site.result["job"]["delay_ms"] == 1000
    [closing] = [job for job in site.own if job.id != nested.id]
    site.run(closing)
    site.work_off().settled()
    assert site.running == []


def test_a_timer_of_an_item_keeps_its_time_through_pauses() -> None:
    site = working(1, within=body({"wait": ("wait", {"duration": "PT1H"})}))
    [timer] = site.timers.values()
    site.pause()
    assert not site.fire(timer).facts, "a paused one does not fire"
    before = dict(site.moved)
    site.resume()
    after, site.moved = site.moved, before
    assert not site.fire(timer).facts, "it was found before the pause moved it"
    site.moved = after
    site.fire(timer)
    site.work_off().settled()
    assert output(site) == {"results": [None], "errors": []}


def test_a_timer_that_was_set_after_a_pause_fires() -> None:
    within = body({"work": task("w"), "wait": ("wait", {"duration": "PT1H"})}, "work > wait")
    site = working(1, within=within)
    site.pause().resume().work_off().complete(0)
    [timer] = site.timers.values()
    site.fire(timer)
    assert output(site)["results"] == [None]


# What a body may hold --------------------------------------------------------------------------------------------------


def test_an_approver_is_told_execution_node_and_item() -> None:
    site = working(2, within=body({"ask": ask(title="=item")}))
    [first, second] = [fact.event for fact in site.facts if isinstance(fact.event, ApprovalRequested)]
    assert [(event.execution_id, event.node_id, event.item_index) for event in (first, second)] == [
        (EXECUTION_ID, "ask", 0),
        (EXECUTION_ID, "ask", 1),
    ]
    for request in requests(site):
        site.decide(request, "approved")
    assert [result["outcome"] for result in output(site)["results"]] == ["approved", "approved"]
    assert site.result["execution"]["id"] == str(EXECUTION_ID)


def test_a_model_is_asked_for_an_item() -> None:
    site = working(1, within=body({"ask": agent()}))
    [requested] = [fact.event for fact in site.facts if isinstance(fact.event, AiTaskRequested)]
    assert (requested.execution_id, requested.item_index) == (EXECUTION_ID, 0)
    [job] = site.jobs.values()
    site.lapse(job)
    assert job.id in site.jobs, "nobody was asked: the job is handed out again"


def test_an_event_is_told_to_the_item_that_waits_for_it() -> None:
    site = working(2, within=body({"hear": ("wait_event", {"event_type": "paid", "when": "event.data.item == item"})}))
    event_id = UUID(int=0xEE)
    site.append(Fact(event_id, EventReceived("shop", "1", "paid", {"item": "item 1"})))
    for (scope, name), owner in list(site.claims.items()):
        if scope == "event.wait:paid":
            tell(site, event_id, EventSubscription(UUID(name), owner))
    assert [index for index, item in site.items.items() if not site.item(item).live] == [1]


def tell(site: Site, event_id: UUID, to: EventSubscription) -> None:
    site.do(lambda view: deliver(view, site.engine, event_id, to))


def test_joins_are_an_items_own() -> None:
    within = body(
        {
            "start": "start",
            "a": task("a"),
            "b": task("b"),
            "both": ("join", {"mode": "all"}),
            "end": ("end", {"output": "=item"}),
        },
        *("start > a", "start > b", "a > both", "b > both", "both > end"),
    )
    site = working(2, within=within)
    by = {(site.index_of(job), job.type): job for job in site.tasks}
    site.complete_job(by[0, "a"]).complete_job(by[1, "b"])
    assert len(site.tasks) == 2, "an a and a b of different items are no pair"
    site.complete_job(by[0, "b"]).complete_job(by[1, "a"]).settled()
    assert output(site)["results"] == ["item 0", "item 1"]


def test_a_loop_in_a_body_ends_when_it_is_done() -> None:
    within = body(
        {
            "work": task("w"),
            "again": ("condition", {"branches": [{"handle": "yes", "when": "nodes.work.output < 2"}], "default": "no"}),
            "start": "start",
        },
        *("start > work", "work > again", "again.yes > work"),
    )
    site = working(1, within=within)
    site.complete(0, 0).complete(0, 1).complete(0, 2).settled()
    assert output(site)["errors"] == []


def test_a_foreach_may_be_within_another_one() -> None:
    inner = each(body({"work": task("w", input="=string(item) + nodes.note.output.of")}), "=item", max_concurrency=1)
    outer = body({"note": ("set", {"values": {"of": "=' of ' + string(index)"}}), "inner": inner}, "note > inner")
    site = Site(one_foreach(each(outer))).start({"items": [[1, 2], [3]]})
    assert sorted(job.input for job in site.tasks) == ["1 of 0", "3 of 1"]
    while site.tasks:
        site.complete_job(site.tasks[0], site.tasks[0].input).work_off()
    assert [found["results"] for found in output(site.settled())["results"]] == [["1 of 0", "2 of 0"], ["3 of 1"]]


def test_what_is_nested_is_given_up_with_what_is_around_it() -> None:
    outer = body({"inner": each(WORK, "=item")})
    site = Site(one_foreach(each(outer))).start({"items": [[1, 2], [3]]})
    job = site.tasks[0]
    site.cancel()
    with pytest.raises(ActivationClosed):
        site.complete_job(job)
    site.work_off().settled()
    assert all(site.read(FOREACH, foreach).closed for foreach in foreaches(site))


def test_a_pause_reaches_what_is_nested() -> None:
    within = body({"work": task("w"), "more": task("m")}, "work > more")
    site = Site(one_foreach(each(body({"inner": each(within, "=item")})))).start({"items": [[1, 2]]})
    site.pause().complete_job(site.tasks[0])
    assert [job.type for job in site.tasks] == ["w"]
    site.resume().work_off()
    assert [job.type for job in site.tasks] == ["w", "m"]


def test_a_child_of_an_item_is_an_execution_of_its_own() -> None:
    child = {
        **drawing({"start": "start", "work": task("c"), "end": ("end", {"output": "=input.n"})}, "start > work", "work > end"),
        "key": "child",
    }
    site = Site(one_foreach(each(body({"call": ("workflow", {"workflow_key": "child", "input": {"n": "=item"}})}))))
    site.publish(UUID(int=0xC), child)
    site.start({"items": [7, 8]})
    for job in site.tasks:
        site.complete_job(job)
    assert output(site.work_off().settled())["results"] == [7, 8]


# What is kept ----------------------------------------------------------------------------------------------------------


def test_the_executions_stream_does_not_grow_with_the_items() -> None:
    def events(count: int) -> int:
        site = working(count)
        for index in range(count):
            site.complete(index)
        assert isinstance(site.end, ExecutionCompleted)
        return len(site.events())

    assert events(1) == events(500)


def test_no_stream_and_no_state_of_an_ended_chunk_grows_with_the_items() -> None:
    site = working(500, max_concurrency=4)
    for index in range(500):
        site.complete(index, index)
    assert max(site.versions.values()) <= 220
    chunks = [fact.stream_id for fact in site.facts if isinstance(fact.event, ChunkStarted)]
    assert len(chunks) == 5
    for chunk_id in chunks:
        chunk = site.read(CHUNK, chunk_id)
        assert (chunk.status, len(chunk.ends)) == ("ended", 0)


def test_an_item_costs_the_same_however_many_there_are() -> None:
    """Counted by calls, which no other load of the machine changes."""

    def calls_of(some: range) -> float:
        counted = cProfile.Profile()
        counted.enable()
        for index in some:
            site.complete(index, index)
        counted.disable()
        return sum(each.callcount for each in counted.getstats()) / len(some)

    site = working(600, max_concurrency=4)
    first, *_, last = [calls_of(range(start, start + 100)) for start in range(0, 600, 100)]
    assert last < 1.1 * first


def test_an_items_visits_are_in_its_own_stream() -> None:
    site = working(2)
    assert [event.node_id for event in site.events() if isinstance(event, ActivationStarted)] == ["start", "each"]
    assert [type(event).__name__ for event in site.events(site.items[1])] == ["ItemStarted", "ActivationStarted"]


def test_an_error_of_an_item_names_the_node() -> None:
    site = working(1)
    site.fail(0, "broken", "No disk.")
    [failed] = [event for event in site.events() if isinstance(event, ActivationFailed)]
    assert failed.error == NodeError("broken", "No disk.", 1, 0)
    assert not any(isinstance(event, ExecutionFailed) for event in site.events())
    assert any(isinstance(event, ActivationCompleted) for event in site.events())
