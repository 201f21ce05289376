"""A running execution goes on by another version of its workflow: what it keeps, and what stands in the way."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.approval import APPROVAL
from domain.execution import EXECUTION, ActivationCancelled, ExecutionCompleted, ExecutionMigrated, ItemStarted
from domain.facts import Fact, Json
from domain.workflow import WorkflowPublished
from engine.engine import cancel, pause, resume, signal
from engine.foreaches import move_items
from engine.jobs import JobRef
from engine.migrating import migrate
from tests.engine.drawing import EXECUTION_ID, WORKFLOW_ID, ask, drawing
from tests.engine.test_children import WORKS
from tests.engine.test_forking import Forking
from tests.engine.test_workflow_nodes import Workflows, calls
from tests.engine.working import agent, check_work, task


class Moving(Forking):
    """A play with a second version, and the way there."""

    def __init__(self, first: Json, *others: Json, **more: Any) -> None:
        super().__init__(first, **more)
        for number, definition in enumerate(others, 2):
            facts = (Fact(WORKFLOW_ID, WorkflowPublished(number, definition)),)
            self.story.view.facts += facts

    def start(self, input: Json = None, **more: Any) -> "Moving":
        super().start(input, version=1, **more)
        return self

    def migrate(self, to: int = 2, **mapping: str) -> "Moving":
        self.step(lambda view: migrate(view, self.engine, EXECUTION_ID, to, mapping))
        return self

    def dry(self, to: int = 2, **mapping: str) -> Json:
        before = self.view.facts
        self.step(lambda view: migrate(view, self.engine, EXECUTION_ID, to, mapping, dry_run=True))
        assert self.view.facts == before, "nothing is written"
        return self.story.result

    def obstacles(self, to: int = 2, **mapping: str) -> list[tuple[str, str]]:
        """What a dry run says of them, and that it is refused for the same."""
        preview = self.dry(to, **mapping)
        found = [(each["code"], each["path"]) for each in preview["obstacles"]]
        assert preview["possible"] is (not found)
        if found:
            self.migrate(to, **mapping).refused("migration_refused", *(path for _, path in found))
        return found


def lines(nodes: Json, *edges: str, **more: Json) -> Json:
    return drawing({"start": "start", **nodes, "end": nodes.get("end", "end")}, *edges, **more)


ONE = lines({"work": task()}, "start > work", "work > end")
OUTPUT = ("end", {"output": "=[nodes.work.output, execution.workflow_version]"})


def test_a_leased_job_is_taken_by_the_node_of_the_other_version() -> None:
    place = Moving(ONE, lines({"work": task(), "end": OUTPUT}, "start > work", "work > end"))
    place.start({})
    job = place.held("work")
    place.migrate()
    place.complete_held(job, "done")
    place.completed(["done", 2])


def test_nodes_that_are_called_otherwise() -> None:
    other = lines({"job": task(), "end": ("end", {"output": "=nodes.job.output"})}, "start > job", "job > end")
    place = Moving(ONE, other)
    place.start({})
    assert place.obstacles() == [("no_counterpart", "/mapping/work")]
    place.migrate(work="job")
    assert place.asking == ["job"]
    check_work(place)
    place.complete("job", 7)
    place.completed(7)


def test_a_node_is_added_behind_and_reads_what_came_before() -> None:
    nodes = {
        "work": task(),
        "check": ask("ok:approve"),
        "end": ("end", {"output": "=[nodes.work.output, nodes.check.output.outcome]"}),
    }
    place = Moving(ONE, lines(nodes, "start > work", "work > check", "check.ok > end"))
    place.start({})
    place.migrate()
    place.complete("work", 1)
    place.choose("check", "ok")
    place.completed([1, "ok"])


def test_names_are_exchanged() -> None:
    first = lines(
        {"a": task(), "b": task(), "end": ("end", {"output": "=[nodes.a.output, nodes.b.output]"})},
        "start > a",
        "a > b",
        "b > end",
    )
    other = {**first, "edges": drawing({}, "start > b", "b > a", "a > end")["edges"]}
    place = Moving(first, other)
    place.start({})
    place.complete("a", "first")
    place.migrate(a="b", b="a")
    place.complete("a", "second")
    place.completed(["second", "first"])


def test_several_nodes_become_one_of_which_the_later_visit_counts() -> None:
    first = lines({"a": task(), "b": task(), "c": task()}, "start > a", "a > b", "b > c", "c > end")
    other = lines({"ab": task(), "c": task(), "end": ("end", {"output": "=nodes.ab.output"})}, "start > ab", "ab > c", "c > end")
    place = Moving(first, other)
    place.start({})
    place.complete("a", "a")
    place.complete("b", "b")
    place.migrate(a="ab", b="ab")
    assert place.state.visits["ab"] == 2
    place.complete("c")
    place.completed("b")


def test_what_has_no_counterpart_is_forgotten() -> None:
    first = lines({"a": task(), "b": task()}, "start > a", "a > b", "b > end")
    place = Moving(first, lines({"b": task(), "end": ("end", {"output": "=has(nodes.start)"})}, "start > b", "b > end"))
    place.start({})
    place.complete("a", 1)
    assert place.dry()["forgotten"] == ["a"]
    place.migrate()
    assert "a" not in next(iter(place.state.activations.values())).lineage
    place.complete("b")
    place.completed(True)


# --- What is waited for ----------------------------------------------------------------------------------------------


def test_an_open_request_stays_as_it_was_asked() -> None:
    before = lines({"ask": ask("ok:approve:boss", title="Before")}, "start > ask", "ask.ok > end")
    after = lines(
        {"review": ask("ok:approve:clerk", "no:reject", title="After")}, "start > review", "review.ok > end", "review.no > end"
    )
    place = Moving(before, after)
    place.start({})
    (request_id,) = place.visit("ask").waits_for("approval")
    place.migrate(ask="review")
    assert place.view.read(APPROVAL, request_id).outcomes[0].roles == ("boss",)
    place.choose("review", "ok", roles=("clerk",)).refused("not_eligible")
    place.choose("review", "ok", roles=("boss",))
    assert isinstance(place.end, ExecutionCompleted)


def test_an_outcome_that_is_none_of_the_other_node_stands_in_the_way() -> None:
    before = lines({"ask": ask("ok:approve", "no:reject")}, "start > ask", "ask.ok > end", "ask.no > end")
    place = Moving(before, lines({"ask": ask("ok:approve")}, "start > ask", "ask.ok > end"))
    place.start({})
    assert place.obstacles() == [("incompatible", "/mapping/ask")]
    assert "offers no," in place.dry()["obstacles"][0]["message"]


def test_a_request_without_moments_does_not_become_one_that_has_some() -> None:
    """Nobody would read it for them when it ends."""
    without, timed = (
        lines({"ask": ask("ok:approve", **more)}, "start > ask", "ask.ok > end") for more in ({}, {"due_in": "PT1H"})
    )
    place = Moving(without, timed)
    place.start({})
    assert place.obstacles() == [("incompatible", "/mapping/ask")]
    assert "without moments" in place.dry()["obstacles"][0]["message"]
    back = Moving(timed, without)
    back.start({})
    assert back.obstacles() == []


def test_another_type_stands_in_the_way() -> None:
    place = Moving(ONE, lines({"work": ask("ok:approve")}, "start > work", "work.ok > end"))
    place.start({})
    assert place.obstacles() == [("other_type", "/mapping/work")]


def test_a_timer_stays_and_fires_for_the_other_node() -> None:
    timed = {"wait": ("wait", {"duration": "PT1H"})}
    place = Moving(
        lines(timed, "start > wait", "wait > end"),
        lines({"pause": ("wait", {"duration": "P9D"}), "then": task()}, "start > pause", "pause > then", "then > end"),
    )
    place.start({})
    timer = place.timer("wait", "wait")
    place.migrate(wait="pause")
    assert place.timer("pause", "wait") == timer
    assert timer.due.after == timedelta(hours=1)
    place.fire("pause", "wait")
    assert place.asking == ["then"]


def test_a_timeout_leaves_by_the_edge_of_the_other_node() -> None:
    work = ("task", {"job_type": "x"}, {"timeout": "PT1H"})
    place = Moving(
        lines({"work": work}, "start > work", "work > end"),
        lines({"work": task(), "late": task()}, "start > work", "work > end", "work.timeout > late", "late > end"),
    )
    place.start({})
    place.migrate()
    place.expire("work")
    assert place.asking == ["late"]


def test_what_waits_for_an_event_goes_on_waiting_and_judges_by_the_other_node() -> None:
    never, ok = (("wait_event", {"event_type": "paid", "when": when}) for when in ("false", "event.data.ok"))
    first = lines({"hear": never}, "start > hear", "hear > end")
    place = Moving(first, lines({"listen": ok}, "start > listen", "listen > end"))
    place.start({})
    place.migrate(hear="listen")
    place.step(lambda view: signal(view, place.engine, EXECUTION_ID, "paid", {"ok": True}))
    assert isinstance(place.end, ExecutionCompleted)


def test_retries_go_by_the_other_policy() -> None:
    place = Moving(ONE, lines({"work": task(retry={"max_attempts": 3})}, "start > work", "work > end"))
    place.start({})
    place.migrate()
    place.fail("work")
    assert place.visit("work").attempt == 2


def test_an_answer_of_a_model_is_taken_by_the_node_of_the_other_version() -> None:
    first = lines({"agent": agent()}, "start > agent", "agent > end")
    other = {"model": agent(prompt="Say it otherwise"), "end": ("end", {"output": "=nodes.model.output"})}
    place = Moving(first, lines(other, "start > model", "model > end"))
    place.start({})
    job, attempt_id = place.held("agent"), place.attempt("agent")
    place.migrate(agent="model")
    place.report(job, attempt_id, "said")
    place.completed("said")


def test_an_outcome_interrupts_whom_the_other_version_names() -> None:
    def asked(stopped: str) -> Json:
        outcomes = [{"name": "ok", "kind": "approve", "interrupts": [stopped]}]
        nodes = {"a": ("approval", {"title": "a", "outcomes": outcomes}), "b": task(), "c": task()}
        return lines(nodes, "start > a", "start > b", "start > c", "a.ok > end", "b > end", "c > end")

    place = Moving(asked("b"), asked("c"))
    place.start({})
    place.migrate()
    place.choose("a", "ok")
    assert place.asking == ["b"]


def test_a_running_foreach_stands_in_the_way() -> None:
    body = {"nodes": [{"id": "one", "type": "task", "config": {"job_type": "x"}}], "edges": []}
    first = lines({"each": ("foreach", {"items": [1, 2], "body": body})}, "start > each", "each > end")
    place = Moving(first, first)
    place.start({})
    assert place.obstacles() == [("incompatible", "/mapping/each")]
    (foreach,) = place.visit("each").waits_for("foreach")
    (job,) = (JobRef(job.id, 1, EXECUTION_ID) for job in place.story.jobs.values())
    place.step(lambda view: move_items(view, place.engine, job, foreach))
    item = next(fact.stream_id for fact in place.view.facts if isinstance(fact.event, ItemStarted))
    place.step(lambda view: migrate(view, place.engine, item, 2, {})).refused("not_found")


def test_a_parent_and_its_child_are_migrated_each_by_itself() -> None:
    play = Workflows(calls(), WORKS).start()
    [child] = play.children()
    renamed = {"s": "start", "d": ("workflow", {"workflow_key": "w2"}), "e": ("end", {"output": "=nodes.d.output"})}
    play.happened(1, WorkflowPublished(2, {**drawing(renamed, "s > d", "d > e"), "key": "w1"}))
    doubled = {"s": "start", "u": task(), "e": ("end", {"output": "=nodes.u.output * 2"})}
    play.happened(2, WorkflowPublished(2, {**drawing(doubled, "s > u", "u > e"), "key": "w2"}))
    play.step(lambda view: migrate(view, play.engine, child, 2, {"t": "u"}))
    play.step(lambda view: migrate(view, play.engine, EXECUTION_ID, 2, {"c": "d"}))
    play.done(child, 21).completed(42)


# --- Joins and splits -------------------------------------------------------------------------------------------------

FORK = {
    "a": task(),
    "b": task(),
    "c": task(),
    "join": ("join", {"mode": "all"}),
    "end": ("end", {"output": "=[nodes.a.output, nodes.b.output]"}),
}
FORKED = ("start > a", "start > b", "start > c", "a > join", "b > join", "c > join", "join > end")


def test_what_waits_at_a_join_waits_in_its_queue() -> None:
    place = Moving(lines(FORK, *FORKED), lines(FORK, *reversed(FORKED)))
    place.start({})
    place.complete("a", 1)
    place.migrate()
    place.complete("b", 2)
    assert place.asking == ["c"]
    place.complete("c", 3)
    place.completed([1, 2])


def test_a_branch_that_is_over_may_be_gone() -> None:
    aside = ("c.error > aside", *FORKED)
    two = {name: node for name, node in FORK.items() if name != "c"}
    two_ways = ("start > a", "start > b", "a > join", "b > join", "join > end")
    place = Moving(lines({**FORK, "aside": "end"}, *aside), lines(two, *two_ways))
    place.start({})
    place.complete("a", 1)
    assert place.obstacles() == [("no_counterpart", "/mapping/c")]
    place.fail("c", retryable=False)
    place.migrate()
    place.complete("b", 2)
    place.completed([1, 2])


def test_a_join_that_is_complete_by_the_other_rules_closes_at_once_and_gives_the_others_up() -> None:
    place = Moving(lines(FORK, *FORKED), lines({**FORK, "join": ("join", {"mode": "any"}), "end": "end"}, *FORKED))
    place.start({})
    place.complete("a", 1)
    preview = place.dry()
    assert (preview["status"], preview["open"]) == ("completed", [])
    assert [each["node_id"] for each in preview["cancelled"]] == ["b", "c"]
    place.migrate()
    gone = [fact.event for fact in place.story.decided.facts if isinstance(fact.event, ActivationCancelled)]
    assert [each.node_id for each in gone] == ["b", "c"]
    place.completed()
    check_work(place)


def test_where_nothing_could_go_on_it_is_refused() -> None:
    """A join that waits for a branch of which nobody is left to come."""
    first = lines(
        {"a": task(), "b": task(), "join": ("join", {"mode": "all"})},
        "start > a",
        "start > b",
        "a > join",
        "b > join",
        "join > end",
    )
    more = lines(
        {"a": task(), "b": task(), "c": task(), "join": ("join", {"mode": "all"})},
        "start > a",
        "start > b",
        "start > c",
        "a > join",
        "b > join",
        "c > join",
        "join > end",
    )
    place = Moving(first, more)
    place.start({})
    place.complete("a")
    place.step(lambda view: pause(view, place.engine, EXECUTION_ID))
    place.complete("b")
    place.migrate()
    place.step(lambda view: resume(view, place.engine, EXECUTION_ID))
    place.failed("stuck", "join")
    again = Moving(first, more)
    again.start({})
    again.complete("a")
    assert again.dry()["possible"], "b may yet come, and nobody knows what an author has in mind"


def test_a_step_on_a_branch_and_one_behind_it() -> None:
    nodes = {"a": task(), "b": task(), "join": ("join", {"mode": "all"})}
    first = lines(nodes, "start > a", "start > b", "a > join", "b > join", "join > end")
    more = {**nodes, "early": task(), "late": task()}
    place = Moving(
        first, lines(more, "start > early", "early > a", "start > b", "a > late", "late > join", "b > join", "join > end")
    )
    place.start({})
    place.complete("a")
    place.migrate()
    place.complete("b")
    assert isinstance(place.end, ExecutionCompleted), "a's token had passed both of them"
    [migrated] = [event for event in place.view.events(EXECUTION_ID) if isinstance(event, ExecutionMigrated)]
    assert [(each.edge, each.to) for each in migrated.branches] == [(1, 2)]
    assert [(each.edge, each.to) for each in migrated.arrivals] == [(2, 4)]


def test_a_branch_that_is_gone_while_somebody_is_in_it_stands_in_the_way() -> None:
    place = Moving(lines(FORK, *FORKED), lines(FORK, "start > a", "start > b", "a > c", "c > join", "b > join", "join > end"))
    place.start({})
    assert place.obstacles() == [("no_branch", "/mapping/start")]


def test_a_way_to_a_join_that_is_not_one_alone_stands_in_the_way() -> None:
    nodes = {"a": task(), "b": task(), "join": ("join", {"mode": "all"})}
    first = lines(nodes, "start > a", "start > b", "a > join", "b > join", "join > end")
    more = {**nodes, "x": task(), "y": task()}
    place = Moving(
        first, lines(more, "start > a", "start > b", "a > x", "a > y", "x > join", "y > join", "b > join", "join > end")
    )
    place.start({})
    place.complete("a")
    assert place.obstacles() == [("no_way", "/mapping/a")]


def test_a_join_is_no_other_node() -> None:
    nodes = {"a": task(), "b": task(), "join": ("join", {"mode": "all"})}
    first = lines(nodes, "start > a", "start > b", "a > join", "b > join", "join > end")
    place = Moving(first, lines({**nodes, "join": task()}, "start > a", "start > b", "a > join", "b > join", "join > end"))
    place.start({})
    place.complete("a")
    assert place.obstacles() == [("other_type", "/mapping/join")]


# --- What else an execution is ----------------------------------------------------------------------------------------


def test_a_paused_one_is_mended_before_it_goes_on() -> None:
    """What is held has begun nothing, so that the node before which it stands may be another."""
    first = lines({"work": task(), "next": ("fail", {"code": "x", "message": "x"})}, "start > work", "work > next")
    first["edges"].append({"source": "work", "source_handle": "error", "target": "end"})
    place = Moving(first, lines({"work": task(), "next": task()}, "start > work", "work > next", "next > end"))
    place.start({})
    place.step(lambda view: pause(view, place.engine, EXECUTION_ID))
    place.complete("work")
    place.migrate()
    assert (place.state.status, len(place.state.held)) == ("paused", 1)
    place.step(lambda view: resume(view, place.engine, EXECUTION_ID))
    assert place.asking == ["next"]
    check_work(place)


def undone(undo: Json, name: str = "undo") -> Json:
    node = ("task", {"job_type": "book"}, {"compensate": name})
    return lines({"book": node, "next": task(), name: undo}, "start > book", "book > next", "next > end")


def test_what_was_done_is_undone_by_the_counterpart() -> None:
    place = Moving(undone(task("cancel")), undone(task("give_back"), "back"))
    place.start({})
    place.complete("book", "B-1")
    place.migrate(undo="back")
    place.step(lambda view: cancel(view, place.engine, EXECUTION_ID))
    assert place.asking == ["back"]
    place.migrate(1, back="undo").refused("migration_refused", "/id")
    place.complete("back")
    assert place.state.status == "cancelled"


@pytest.mark.parametrize(
    ("other", "code"),
    [
        (lines({"book": task(), "next": task()}, "start > book", "book > next", "next > end"), "no_counterpart"),
        (undone(ask("ok:approve")), "other_type"),
        (
            lines({"book": task(), "next": task(), "undo": task()}, "start > book", "book > undo", "undo > next", "next > end"),
            "incompatible",
        ),
    ],
)
def test_what_undoes_must_be_there_still(other: Json, code: str) -> None:
    place = Moving(undone(task("cancel")), other)
    place.start({})
    place.complete("book", "B-1")
    assert place.obstacles() == [(code, "/mapping/undo")]


def test_a_fork_of_a_migrated_one_goes_by_the_names_of_its_version() -> None:
    first = lines({"a": task(), "b": task()}, "start > a", "a > b", "b > end")
    other = lines(
        {"x": task(), "y": task(), "end": ("end", {"output": "=[nodes.x.output, nodes.y.output]"})},
        "start > x",
        "x > y",
        "y > end",
    )
    place = Moving(first, other)
    place.start({})
    place.complete("a", 1)
    place.migrate(a="x", b="y")
    place.fork("b").refused("invalid", "/node_id")
    place.fork("y")
    [activation] = place.forked.activations.values()
    place.complete_held(place.held_by(activation.id), 2)
    assert place.view.read(EXECUTION, place.fork_id or UUID(int=0)).status == "completed"
    assert place.fork_started.workflow_version == 2
    assert [
        event.output for event in place.view.events(place.fork_id or UUID(int=0)) if isinstance(event, ExecutionCompleted)
    ] == [[1, 2]]


def test_there_and_back_again() -> None:
    other = lines({"job": task()}, "start > job", "job > end")
    place = Moving(ONE, other)
    place.start({})
    before = place.state
    place.migrate(work="job")
    place.migrate(1, job="work")
    assert place.state == before


# --- What is refused --------------------------------------------------------------------------------------------------


def test_what_cannot_be_asked_for() -> None:
    place = Moving(ONE, ONE)
    place.start({})
    assert place.obstacles(1) == [("same_version", "/to_version")]
    place.migrate(7).refused("unknown_version", "/to_version")
    place.migrate(nowhere="work").refused("invalid", "/mapping/nowhere")
    place.migrate(work="nowhere").refused("invalid", "/mapping/work")
    place.step(lambda view: migrate(view, place.engine, UUID(int=99), 2, {})).refused("not_found")
    place.complete("work")
    place.migrate().refused("execution_closed")


def test_the_input_must_fit_the_other_version() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    place = Moving(ONE, {**ONE, "input_schema": schema})
    place.start({"n": "one"})
    [(_, path)] = place.obstacles()
    assert path == "/input/n"


def test_a_dry_run_says_what_becomes_of_each() -> None:
    place = Moving(
        lines(FORK, *FORKED),
        lines({**FORK, "a2": task()}, *(edge.replace("> b", "> a2").replace("b >", "a2 >") for edge in FORKED)),
    )
    place.start({})
    place.complete("a", 1)
    preview = place.dry(b="a2")
    assert (preview["from_version"], preview["to_version"], preview["possible"]) == (1, 2, True)
    shown = [(each["kind"], each["node_id"], each["to"], [wait["kind"] for wait in each["kept"]]) for each in preview["moved"]]
    assert shown == [("visit", "b", "a2", ["job"]), ("visit", "c", "c", ["job"]), ("token", "join", "join", [])]
    assert [item["node_id"] for item in preview["open"]] == ["a2", "c"]
