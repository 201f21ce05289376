"""Task nodes: what is handed out, what comes back, and what becomes of the rest when something ends."""

from datetime import timedelta
from uuid import UUID

import pytest

from domain.execution import ActivationCompleted, ActivationFailed, ActivationRetried, ActivationStarted, NodeError, Wait
from domain.facts import Fence, Job, JobLimits, Json, timer_id
from engine.engine import EngineLimits, cancel, pause, resume
from engine.jobs import JobRef, complete_job
from engine.validate import validate
from tests.engine.drawing import EVALUATOR, EXECUTION_ID, ask, drawing
from tests.engine.working import Workplace, check_work, task

ERROR = ("end", {"output": {"error": "=nodes.work.error", "none": "=!has(nodes.work.output)"}})


def working(node: Json, input: Json = None, limits: EngineLimits | None = None, **more: Json) -> Workplace:
    nodes = {"start": "start", "work": node, "end": ("end", {"output": "=nodes.work.output"}), "broken": ERROR}
    place = Workplace(drawing(nodes, "start > work", "work > end", "work.error > broken", **more), limits)
    place.start(input)
    return place


def after_error(type: str, message: str, attempts: int = 1) -> Json:
    return {"error": {"type": type, "message": message, "attempts": attempts}, "none": True}


def test_a_task_is_a_job_for_a_worker() -> None:
    place = working(task(input={"url": "=input.url"}, retry={"max_attempts": 3}), {"url": "x"})
    visit = place.visit("work")
    assert place.story.jobs == {
        visit.id: Job(visit.id, "resize", {"url": "x"}, EXECUTION_ID, visit.id, max_attempts=3, limits=JobLimits("test", "work")),
    }
    [started] = [e for e in place.view.events(EXECUTION_ID) if isinstance(e, ActivationStarted) and e.node_id == "work"]
    assert (started.input, started.waits) == ({"url": "x"}, (Wait("job", visit.id, "resize"),))
    assert place.open == [{"kind": "task", "id": str(visit.id), "node_id": "work", "activation_id": str(visit.id)}]


def test_its_output_goes_on() -> None:
    place = working(task())
    job = place.held("work")
    place.complete("work", {"size": 3}).completed({"size": 3})
    assert place.story.decided.fences == (Fence(job.id, job.fence, "done"),)
    assert place.story.result["job"] == {"id": str(job.id), "state": "done", "attempt": 1, "delay_ms": None}
    assert place.story.result["execution"]["status"] == "completed"
    check_work(place)


def test_the_next_job_is_given_by_the_same_decision() -> None:
    nodes = {"start": "start", "one": task("one"), "two": task("two", input="=nodes.one.output"), "end": "end"}
    place = Workplace(drawing(nodes, "start > one", "one > two", "two > end"))
    place.start()
    place.complete("one", 7)
    assert [(job.type, job.input) for job in place.story.decided.jobs] == [("two", 7)]
    check_work(place)


def test_the_type_of_a_job_may_be_an_expression_but_not_one_of_ours() -> None:
    assert working(task("=input.type"), {"type": "a.b"}).asking == ["work"]
    for name in ("gesta.ai", "", "a b", 7):
        end = working(task("=input.type"), {"type": name}).end
        assert getattr(end, "output", {})["error"]["type"] == "invalid_value", name


def test_without_a_policy_there_is_one_attempt() -> None:
    working(task()).fail("work", "broken", "No disk.").completed(after_error("broken", "No disk."))


def test_an_error_that_no_edge_handles_fails_the_execution() -> None:
    place = Workplace(drawing({"start": "start", "work": task(), "end": "end"}, "start > work", "work > end"))
    place.start()
    place.fail("work", "broken").failed("broken", "work")
    check_work(place)


def test_a_failed_attempt_is_tried_again_within_the_same_visit() -> None:
    place = working(task(retry={"max_attempts": 3, "initial_interval": "PT2S", "backoff": 3}))
    visit, job = place.visit("work"), place.held("work")
    place.fail("work", "broken", "No disk.")
    place.story.then(ActivationRetried(visit.id, "work", NodeError("broken", "No disk.", 1), 1, 2_000))
    assert place.story.decided.fences == (Fence(job.id, job.fence, "retry", timedelta(seconds=2)),)
    assert place.story.result["job"] == {"id": str(job.id), "state": "ready", "attempt": 1, "delay_ms": 2_000}
    place.fail("work", "broken", "No disk.")
    assert place.story.decided.fences[0].delay == timedelta(seconds=6)
    check_work(place)
    place.fail("work", "broken", "Still none.").completed(after_error("broken", "Still none.", 3))
    check_work(place)


def test_an_attempt_that_succeeds_after_others_failed_is_a_success() -> None:
    working(task(retry={"max_attempts": 3})).fail("work").fail("work").complete("work", 1).completed(1)


def test_an_output_with_nowhere_to_go_is_an_error_of_all_the_attempts() -> None:
    nodes = {"start": "start", "work": task(retry={"max_attempts": 2}), "end": "end"}
    place = Workplace(drawing(nodes, "start > work", "work > end if nodes.work.output > 1"))
    place.start()
    place.fail("work").complete("work", 1).failed("no_route", "work")
    [failed] = [fact.event for fact in place.story.decided.facts if isinstance(fact.event, ActivationFailed)]
    assert failed.error.attempts == 2


def test_some_errors_are_not_tried_again() -> None:
    final = task(retry={"max_attempts": 3, "non_retryable": ["refused"]})
    working(final).fail("work", "refused", "No.").completed(after_error("refused", "No."))
    working(final).fail("work", "broken", "No.", retryable=False).completed(after_error("broken", "No."))


def test_a_worker_that_is_gone_uses_up_an_attempt() -> None:
    place = working(task(retry={"max_attempts": 2}))
    place.lapse("work")
    [fence] = place.story.decided.fences
    assert (fence.then, fence.expired, fence.delay) == ("retry", True, timedelta(seconds=1))
    place.lapse("work")
    assert place.story.decided.fences[0].expired
    place.completed(after_error("lease_lost", "The lease expired without a heartbeat.", 2))
    check_work(place)


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ({"size": "x"}, "/size"),
        ({}, "/size"),
        ({"size": 1, "text": "a\0b"}, "NUL"),
        ({"size": 1, "text": "\ud800"}, "surrogate"),
        ({"size": 1, "\ud800": ""}, "surrogate"),
        ({"size": float("nan")}, "finite"),
        ({"size": 10**64}, "64 digits"),
        ({"size": 1, "text": "x" * 3_000}, "larger than 2000 bytes"),
        ({"size": 1, 2: 3}, "keys"),
        ({"size": 1, "set": {1}}, "set"),
    ],
)
def test_an_output_that_cannot_be_taken_is_an_error_that_is_not_tried_again(output: Json, said: str) -> None:
    schema = {"type": "object", "properties": {"size": {"type": "integer"}}, "required": ["size"]}
    place = working(task(output_schema=schema, retry={"max_attempts": 5}), limits=EngineLimits(output_bytes=2_000))
    place.complete("work", output)
    error = getattr(place.end, "output", {})["error"]
    assert (error["type"], error["attempts"]) == ("invalid_output", 1)
    assert said in error["message"]
    check_work(place)


def test_an_output_nested_too_deeply_is_refused() -> None:
    deep: Json = 1
    for _ in range(65):
        deep = [deep]
    place = working(task()).complete("work", deep)
    assert getattr(place.end, "output", {})["error"]["type"] == "invalid_output"
    working(task()).complete("work", deep[0]).completed(deep[0])


def test_what_a_worker_says_of_an_error_is_made_storable() -> None:
    place = working(task()).fail("work", "broken", "a\0\ud800" + "b" * 3_000)
    message = getattr(place.end, "output", {})["error"]["message"]
    assert message.startswith("a\ufffd\ufffdbbb")
    assert len(message) == 2_000
    working(task()).fail("work", "no word").refused("invalid_error_type", "/error/type")


def test_a_result_for_what_is_over_is_refused() -> None:
    place = working(task())
    job = place.held("work")
    place.complete("work")
    place.step(lambda view: complete_job(view, place.engine, job, 1)).refused("activation_closed")
    nobody = JobRef(UUID(int=1), 1, UUID(int=2), UUID(int=1))
    place.step(lambda view: complete_job(view, place.engine, nobody, 1)).refused("activation_closed")


def test_a_lease_that_lapsed_for_what_is_over_is_dropped() -> None:
    place = working(task())
    job = place.held("work")
    place.complete("work")
    story = place.story
    place.story.jobs[job.id] = Job(job.id, "resize")  # what should never be
    place.lapse_held(job)
    assert (place.story.decided.facts, place.story.decided.fences[0].then) == ((), "done")
    assert story.view.facts == place.story.view.facts


def test_cancelling_takes_the_job_back() -> None:
    place = working(task(timeout="PT5M"))
    visit = place.visit("work")
    place.step(lambda view: cancel(view, place.engine, EXECUTION_ID))
    assert (place.story.decided.dropped_jobs, place.story.decided.dropped_timers) == (
        (visit.id,),
        (timer_id(visit.id, "timeout"),),
    )
    check_work(place)


def test_the_losers_of_a_join_are_taken_back() -> None:
    nodes = {"start": "start", "a": task("a"), "b": task("b", timeout="PT1H"), "first": ("join", {"mode": "any"}), "end": "end"}
    place = Workplace(drawing(nodes, "start > a", "start > b", "a > first", "b > first", "first > end"))
    place.start()
    loser = place.visit("b").id
    place.complete("a").completed()
    assert (place.story.decided.dropped_jobs, place.story.decided.dropped_timers) == ((loser,), (timer_id(loser, "timeout"),))
    check_work(place)


def test_a_job_that_is_given_and_lost_within_one_decision_never_was() -> None:
    nodes = {"start": "start", "a": task("a", timeout="PT1H"), "first": ("join", {"mode": "any"}), "end": "end"}
    place = Workplace(drawing(nodes, "start > a", "start > first", "a > first", "first > end"))
    place.start()
    place.completed()
    decided = place.story.decided
    assert (decided.jobs, decided.dropped_jobs, decided.timers, decided.dropped_timers) == ((), (), (), ())


def test_work_that_is_done_while_the_execution_is_paused_is_recorded_and_goes_on_when_it_is_resumed() -> None:
    place = working(task())
    place.step(lambda view: pause(view, place.engine, EXECUTION_ID))
    place.complete("work", 7)
    assert [type(fact.event).__name__ for fact in place.story.decided.facts] == ["ActivationCompleted", "ExecutionHeld"]
    assert place.story.result["execution"]["status"] == "paused"
    check_work(place)
    place.step(lambda view: resume(view, place.engine, EXECUTION_ID))
    place.completed(7)
    check_work(place)


def test_what_several_workers_did_during_a_pause_meets_in_a_join_afterwards() -> None:
    nodes = {"start": "start", "a": task("a"), "b": task("b"), "all": ("join", {"mode": "all"}), "end": "end"}
    place = Workplace(drawing(nodes, "start > a", "start > b", "a > all", "b > all", "all > end"))
    place.start()
    place.step(lambda view: pause(view, place.engine, EXECUTION_ID))
    place.complete("a").complete("b")
    assert place.visited == ["start", "a", "b"]
    assert place.end is None
    place.step(lambda view: resume(view, place.engine, EXECUTION_ID))
    place.completed()


def test_an_attempt_that_fails_during_a_pause_is_tried_again() -> None:
    place = working(task(retry={"max_attempts": 2}))
    place.step(lambda view: pause(view, place.engine, EXECUTION_ID))
    place.fail("work").complete("work", 1)
    check_work(place)
    place.step(lambda view: resume(view, place.engine, EXECUTION_ID))
    place.completed(1)


def test_an_approval_s_job_is_nobody_s() -> None:
    nodes = {"start": "start", "ask": ask("ok:approve"), "end": "end"}
    place = Workplace(drawing(nodes, "start > ask", "ask.ok > end"))
    place.start()
    job = JobRef(place.visit("ask").id, 1, EXECUTION_ID, place.visit("ask").id)
    place.step(lambda view: complete_job(view, place.engine, job, 1)).refused("not_a_task")


def test_an_author_is_told_what_a_task_cannot_be() -> None:
    def codes(node: Json, *edges: str) -> set[tuple[str, str]]:
        nodes = {"start": "start", "work": node, "end": "end"}
        found = validate(drawing(nodes, "start > work", "work > end", *edges), EVALUATOR)
        return {(finding.code, finding.path) for finding in found}

    handled = ("work.error > end",)
    assert codes(task(), *handled) == set()
    assert codes(task()) == {("unconnected_handle", "/nodes/1")}
    assert codes(task(timeout="PT1M"), *handled) == {("unconnected_handle", "/nodes/1")}
    assert codes(task(), *handled, "work.timeout > end") == {("unused_handle", "/edges/3/source_handle")}
    assert codes(task("gesta.ai"), *handled) == {("invalid_value", "/nodes/1/config/job_type")}
    assert codes(task("no good"), *handled) == {("invalid_value", "/nodes/1/config/job_type")}
    assert codes(task(output_schema={"type": "x"}), *handled) == {("invalid_schema", "/nodes/1/config/output_schema/type")}
    assert codes(task(retry={"max_attempts": 2}, timeout="PT1M"), *handled, "work.timeout > end") == set()


def test_the_history_of_a_task_can_be_read() -> None:
    place = working(task(retry={"max_attempts": 2})).fail("work").complete("work", 1)
    kinds = [type(event) for event in place.view.events(EXECUTION_ID) if getattr(event, "node_id", "") == "work"]
    assert kinds == [ActivationStarted, ActivationRetried, ActivationCompleted]
    failed = working(task()).fail("work")
    assert [event.handle for event in failed.view.events(EXECUTION_ID) if isinstance(event, ActivationFailed)] == ["error"]


def test_an_attempt_that_is_made_again_moves_nothing_else_on() -> None:
    """What the command before left has its own job; it may end the visit, whose job would then be handed out for nothing."""
    nodes: Json = {"start": "start", "work": task(retry={"max_attempts": 2}), "spin": ("set", {"values": {}}), "end": "end"}
    limits = EngineLimits(steps_per_command=6, steps_per_execution=10)
    place = Workplace(drawing(nodes, "start > work", "start > spin", "spin > spin", "work > end"), limits)
    place.start()
    place.lapse("work")
    assert place.story.decided.fences[0].then == "retry"
    check_work(place)
