"""A child tells the visit that waits for it how it ended; a visit that ends gives up the children that it waits for."""

from collections.abc import Callable
from typing import Any, Self
from uuid import UUID

from domain.execution import (
    EXECUTION,
    ActivationCancelled,
    ActivationFailed,
    Execution,
    ExecutionCancelled,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionStarted,
    NodeError,
    Wait,
)
from domain.facts import Fact, Json
from domain.workflow import WorkflowDrafted, WorkflowPublished
from engine.children import settle_child
from engine.engine import Engine, EngineLimits, cancel, fire, pause, resume, start
from engine.executions import open_items
from engine.family import CHILD, GIVEN_UP, MOST_GIVEN_UP, give_up_job, tell_job
from engine.happenings import ChildEnded
from engine.jobs import JobRef, complete_job, continue_run
from engine.nodes import BY_NAME
from engine.nodes.kind import Done, Failed, Handles, NodeType, RunResult, Visit, Waiting, Woken, object_schema
from tests.engine.drawing import EVALUATOR, EXECUTION_ID, Play, ask, drawing
from tests.engine.working import found, task
from tests.given import given


def call(visit: Visit) -> RunResult:
    """Starts so many executions of the workflow with that number, and waits for all of them."""
    started, config = visit.execution.started, visit.node.config
    assert started is not None
    ids = [visit.view.new_id() for _ in range(config.get("times", 1))]
    event = ExecutionStarted(
        UUID(int=config["workflow"]),
        "child",
        1,
        "s",
        None,
        trigger_type="child",
        parent_execution_id=visit.execution_id,
        parent_activation_id=visit.activation_id,
    )
    return Waiting(tuple(Wait("execution", id, "child") for id in ids), tuple(Fact(id, event) for id in ids))


def on_child(visit: Visit, ended: ChildEnded) -> Woken:
    match ended.events[-1]:
        case ExecutionCompleted(output):
            return Done(output) if len(visit.waits) == 1 else Waiting()
        case ExecutionFailed(code, message):
            return Failed(NodeError(code, message))
        case _:
            return Failed(NodeError("cancelled", "It was cancelled."))


CALL = NodeType(
    "call",
    object_schema({"workflow": True, "times": True}),
    lambda _node: Handles(("success",), ("error", "timeout")),
    call,
    waits=True,
    on_child=on_child,
)


class Household(Play):
    """Workflows by number; the execution that is played is of the first."""

    first = UUID(int=1)

    def __init__(self, *definitions: Json, limits: EngineLimits | None = None) -> None:
        self.engine = Engine(EVALUATOR, limits or EngineLimits(), {**BY_NAME, "call": CALL})
        drafted = [(UUID(int=number), each) for number, each in enumerate(definitions, 1)]
        self.story = given(
            fact
            for id, each in drafted
            for fact in (Fact(id, WorkflowDrafted(each["key"], each["name"], each)), Fact(id, WorkflowPublished(1, each)))
        )

    def start(self, input: Json = None, **more: Any) -> Self:
        self.step(lambda view: start(view, self.engine, workflow_id=self.first, execution_id=EXECUTION_ID, input=input, **more))
        return self

    def children(self, of: UUID = EXECUTION_ID) -> list[UUID]:
        facts = [fact for fact in self.view.facts if isinstance(fact.event, ExecutionStarted)]
        return [fact.stream_id for fact in facts if fact.event.parent_execution_id == of]  # type: ignore[attr-defined]

    def of(self, execution_id: UUID) -> Execution:
        return self.view.read(EXECUTION, execution_id)

    def done(self, execution_id: UUID, output: Json = None) -> Self:
        """The job of its only visit is done."""
        [activation] = self.of(execution_id).activations
        job = JobRef(activation, 1, execution_id, activation)
        self.step(lambda view: complete_job(view, self.engine, job, output))
        return self

    def settled(self) -> Self:
        """All jobs that bring children and parents into step are done, and those that take up what was left."""
        while jobs := [job for job in self.story.jobs.values() if job.type in (CHILD, "gesta.continue")]:
            ref = JobRef(jobs[0].id, 1, jobs[0].execution_id)
            if jobs[0].type == CHILD:
                child, more = UUID(jobs[0].input["execution"]), {"terminate": jobs[0].input.get("terminate", False)}
                self.step(lambda view, ref=ref, child=child, more=more: settle_child(view, self.engine, ref, child, **more))  # type: ignore[misc]
            else:
                self.step(lambda view, ref=ref: continue_run(view, self.engine, ref))  # type: ignore[misc]
        return self


def waits_for_child(workflow: int = 2, times: int = 1, *more: str, **fields: Json) -> Json:
    node = ("call", {"workflow": workflow, "times": times}, fields)
    nodes = {"s": "start", "c": node, "e": ("end", {"output": "=nodes.c.output"})}
    return drawing(nodes, "s > c", "c > e", *more)


WORKS = drawing({"s": "start", "t": task(), "e": ("end", {"output": "=nodes.t.output"})}, "s > t", "t > e")
AT_ONCE = drawing({"s": "start", "e": ("end", {"output": 7})}, "s > e")
FAILS = drawing({"s": "start", "f": ("fail", {"code": "broken", "message": "It broke."})}, "s > f")


def test_a_child_is_named_by_what_its_parent_waits_for() -> None:
    play = Household(waits_for_child(), WORKS).start()
    [child] = play.children()
    [activation] = play.state.activations
    assert open_items(play.state) == [
        {"kind": "execution", "id": str(child), "node_id": "c", "activation_id": str(activation)},
    ]
    assert play.of(child).status == "running"


def test_the_parent_goes_on_when_the_child_is_done() -> None:
    play = Household(waits_for_child(), WORKS).start()
    play.done(play.children()[0], 42).completed(42)
    assert play.story.jobs == {}


def test_a_child_that_ends_at_once_moves_its_parent_in_the_same_command() -> None:
    play = Household(waits_for_child(), AT_ONCE).start().completed(7)
    kinds = [type(fact.event).__name__ for fact in play.story.decided.facts]
    assert kinds.count("ExecutionStarted") == kinds.count("ExecutionCompleted") == 2


def test_a_failed_child_is_an_error_of_its_code() -> None:
    play = Household(waits_for_child(), FAILS).start().failed("broken", "c")
    assert isinstance(play.end, ExecutionFailed)


def test_a_cancelled_child_is_an_error_of_its_parents_node() -> None:
    play = Household(waits_for_child(), WORKS).start()
    [child] = play.children()
    play.step(lambda view: cancel(view, play.engine, child, "wrong one"))
    play.failed("cancelled", "c")


def test_what_follows_waits_while_the_parent_is_paused() -> None:
    play = Household(waits_for_child(), WORKS).start()
    [child] = play.children()
    play.step(lambda view: pause(view, play.engine, EXECUTION_ID)).done(child, 1)  # type: ignore[attr-defined]
    assert (play.state.status, len(play.state.held), play.of(child).status) == ("paused", 1, "completed")
    play.step(lambda view: resume(view, play.engine, EXECUTION_ID)).completed(1)


def test_the_end_of_a_child_whose_parent_is_over_is_only_an_end() -> None:
    play = Household(waits_for_child(2, MOST_GIVEN_UP + 1), WORKS).start()
    play.step(lambda view: cancel(view, play.engine, EXECUTION_ID))
    [left] = [child for child in play.children() if play.of(child).live]
    play.done(left)
    assert {fact.stream_id for fact in play.story.decided.facts} == {left}


def test_children_that_nobody_waits_for_any_more_are_cancelled_down_the_tree() -> None:
    play = Household(waits_for_child(2), waits_for_child(3, 3), WORKS).start()
    [child] = play.children()
    grandchildren = play.children(child)
    play.step(lambda view: cancel(view, play.engine, EXECUTION_ID))
    assert [play.of(each).status for each in (child, *grandchildren)] == ["cancelled"] * 4
    assert play.view.events(grandchildren[0])[-1] == ExecutionCancelled(GIVEN_UP)
    assert play.story.jobs == {}


def test_a_timeout_cancels_the_child() -> None:
    parent = waits_for_child(2, 1, "c.timeout > e2", timeout="PT1M")
    parent["nodes"].append({"id": "e2", "type": "end", "config": {"output": "late"}})
    play = Household(parent, WORKS).start()
    [timer] = play.story.timers.values()
    play.step(lambda view: fire(view, play.engine, found(timer))).completed("late")
    assert play.of(play.children()[0]).status == "cancelled"


def test_a_child_that_fails_takes_its_siblings_with_it() -> None:
    play = Household(waits_for_child(2, 3), WORKS).start()
    first, *others = play.children()
    play.step(lambda view: cancel(view, play.engine, first))
    play.failed("cancelled", "c")
    assert [play.of(each).status for each in others] == ["cancelled"] * 2


def test_a_loser_of_a_join_takes_its_child_with_it() -> None:
    nodes: dict[str, Any] = {"s": "start", "c": ("call", {"workflow": 2}), "a": ask(), "j": ("join", {"mode": "any"}), "e": "end"}
    play = Household(drawing(nodes, "s > c", "s > a", "c > j", "a.approved > j", "a.rejected > j", "j > e"), WORKS).start()
    play.choose("a", "approved").completed(None)
    assert play.of(play.children()[0]).status == "cancelled"
    cancelled = [fact.event for fact in play.story.decided.facts if isinstance(fact.event, ActivationCancelled)]
    assert {each.reason for each in cancelled} == {"j_closed", "execution_cancelled"}


def test_a_command_cancels_so_many_children_and_leaves_the_others_to_jobs() -> None:
    play = Household(waits_for_child(2, MOST_GIVEN_UP + 3), WORKS).start()
    children = play.children()
    play.step(lambda view: cancel(view, play.engine, EXECUTION_ID))
    left = [child for child in children if play.of(child).live]
    assert play.story.jobs.keys() - {*_of_tasks(play, left)} == {give_up_job(child) for child in left}
    assert len(left) == 3
    play.done(left[0])
    assert give_up_job(left[0]) not in play.story.jobs, "a child that ended by itself need not be cancelled"
    play.settled()
    assert play.story.jobs == {}
    assert [play.of(child).status for child in left] == ["completed", "cancelled", "cancelled"]


def _of_tasks(play: Household, executions: list[UUID]) -> list[UUID]:
    return [visit for each in executions for visit in play.of(each).activations]


def test_beyond_a_commands_share_of_steps_the_parent_is_told_by_a_job() -> None:
    play = Household(waits_for_child(2), waits_for_child(3), AT_ONCE, limits=EngineLimits(steps_per_command=6)).start()
    [child] = play.children()
    assert play.state.status == "running"
    assert [job.type for job in play.story.jobs.values()] != []
    play.settled().completed(7)
    assert play.story.jobs == {}
    assert play.of(child).status == "completed"


def test_a_visit_that_ends_while_it_is_still_to_be_told_is_not_told() -> None:
    play = Household(waits_for_child(2), AT_ONCE, limits=EngineLimits(steps_per_command=4)).start()
    [child] = play.children()
    assert play.story.jobs.keys() == {tell_job(child)}
    play.step(lambda view: cancel(view, play.engine, EXECUTION_ID))
    assert play.story.jobs == {}
    assert play.of(child).status == "completed"


def test_two_siblings_end_one_after_the_other_whatever_the_order() -> None:
    play = Household(waits_for_child(2, 2), WORKS).start()
    first, second = play.children()
    play.done(second, 2)
    assert play.state.status == "running"
    play.done(first, 1).completed(1)


def test_who_comes_too_late_finds_nothing_to_do() -> None:
    play = Household(waits_for_child(2), AT_ONCE, limits=EngineLimits(steps_per_command=4)).start()
    [child] = play.children()
    job = JobRef(tell_job(child), 1)
    decide: Callable[[Any], Any] = lambda view: settle_child(view, play.engine, job, child)  # noqa: E731
    play.step(decide).completed(7)
    assert not decide(play.view).facts


def test_an_error_edge_takes_a_childs_failure() -> None:
    parent = waits_for_child(2, 1, "c.error > e2")
    parent["nodes"].append({"id": "e2", "type": "end", "config": {"output": "=nodes.c.error"}})
    play = Household(parent, FAILS).start().completed({"type": "broken", "message": "It broke.", "attempts": 1})
    failed = [fact.event for fact in play.view.facts if isinstance(fact.event, ActivationFailed)]
    assert [each.handle for each in failed] == [None, "error"]
