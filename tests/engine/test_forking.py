"""A fork begins at a node that another execution has visited, with what that visit had behind it, and nothing else."""

from typing import Any
from uuid import UUID, uuid4

from domain.execution import EXECUTION, ExecutionForked, ExecutionStarted
from domain.facts import Json
from engine.forking import Finder, Seed, fork
from tests.engine.drawing import ANN, EXECUTION_ID, ask, drawing
from tests.engine.working import Workplace, task


class Forking(Workplace):
    """Forks of the one execution."""

    fork_id: UUID | None = None

    def seed(self, node_id: str) -> Seed | None:
        finder = Finder(node_id)
        finder.read(self.view.events(EXECUTION_ID))
        return finder.seed

    def fork(self, node_id: str, **more: Any) -> "Forking":
        seed = self.seed(node_id)
        self.step(lambda view: fork(view, self.engine, EXECUTION_ID, node_id, seed, created_by=ANN, **more))
        if self.story.refusal is None:
            self.fork_id = UUID(self.story.result["id"])
        return self

    @property
    def forked(self) -> Any:
        assert self.fork_id is not None
        return self.view.read(EXECUTION, self.fork_id)

    @property
    def fork_started(self) -> ExecutionStarted:
        assert self.fork_id is not None
        started = self.view.events(self.fork_id)[0]
        assert isinstance(started, ExecutionStarted)
        return started


STEPS = drawing(
    {
        "start": "start",
        "first": task(),
        "second": task(),
        "end": ("end", {"output": "=[nodes.first.output, nodes.second.output, input.n]"}),
    },
    "start > first",
    "first > second",
    "second > end",
)


def failed() -> Forking:
    """The first step is done, and the second has failed."""
    place = Forking(STEPS)
    place.start({"n": 1}, business_key="B-1")
    place.complete("first", "one")
    place.fail("second", retryable=False)
    place.failed("broken", "second")
    return place


def test_what_has_failed_is_tried_again() -> None:
    place = failed().fork("second")
    assert place.forked.status == "running"
    [activation] = place.forked.activations.values()
    assert activation.node_id == "second"
    place.complete_held(place.held_by(activation.id), "two")
    assert place.forked.status == "completed"
    assert [each.output for each in place.view.events(place.fork_id or uuid4()) if hasattr(each, "output")][-1] == [
        "one",
        "two",
        1,
    ]
    place.failed("broken", "second")  # the other one stays as it was


def test_its_origin_is_on_record() -> None:
    place = failed()
    seed = place.seed("second")
    assert seed is not None
    place.fork("second")
    started = place.fork_started
    assert (started.trigger_type, started.start_node, started.created_by) == ("fork", "second", ANN)
    assert started.trigger_data == {
        "execution_id": str(EXECUTION_ID),
        "node_id": "second",
        "activation_id": str(seed.activation_id),
    }
    assert started.business_key is None


def test_with_another_input() -> None:
    place = failed().fork("second", input={"n": 2}, business_key="B-2", labels={"team": "north"})
    assert (place.fork_started.input, place.fork_started.business_key) == ({"n": 2}, "B-2")
    assert place.fork_started.labels == {"team": "north"}


def test_a_fork_is_forked_again() -> None:
    place = failed().fork("second")
    finder = Finder("second")
    finder.read(place.view.events(place.fork_id or uuid4()))
    seed, origin = finder.seed, place.fork_id or uuid4()
    assert seed is not None
    place.step(lambda view: fork(view, place.engine, origin, "second", seed))
    place.fork_id = UUID(place.story.result["id"])
    [activation] = place.forked.activations.values()
    place.complete_held(place.held_by(activation.id), "again")
    assert place.forked.status == "completed"


def test_a_running_execution_goes_on_beside_its_fork() -> None:
    place = Forking(STEPS)
    place.start({"n": 1})
    place.complete("first", "one")
    place.fork("first")
    assert place.asking == ["second"]
    [activation] = place.forked.activations.values()
    assert activation.node_id == "first"


def test_the_last_visit_counts() -> None:
    nodes = {
        "start": "start",
        "n": ("set", {"values": {"n": "=has(nodes.n) ? nodes.n.output.n + 1 : 1"}}),
        "a": ask("ok:approve"),
    }
    definition = drawing(
        nodes | {"end": ("end", {"output": "=nodes.n.output.n"})},
        "start > n",
        "n > n if nodes.n.output.n < 4",
        "n > a if nodes.n.output.n >= 4",
        "a.ok > end",
    )
    place = Forking(definition)
    place.start()
    seed = place.seed("a")
    assert seed is not None
    assert [(visit.node_id, visit.value) for visit in seed.visits] == [("start", {"output": None}), ("n", {"output": {"n": 4}})]


def test_from_a_join_it_goes_on_as_if_the_round_were_closed() -> None:
    nodes = {
        "start": "start",
        "a": task(),
        "b": task(),
        "join": ("join", {"mode": "all"}),
        "end": ("end", {"output": "=[nodes.a.output, nodes.b.output]"}),
    }
    place = Forking(drawing(nodes, "start > a", "start > b", "a > join", "b > join", "join > end"))
    place.start()
    place.complete("a", 1)
    place.complete("b", 2)
    place.completed([1, 2])
    place.fork("join")
    assert (place.forked.status, place.story.result["status"]) == ("completed", "completed")


def test_what_it_has_behind_it_is_told_in_several_events_where_it_is_much() -> None:
    names = [f"n{number}" for number in range(6)]
    nodes: dict[str, Json] = {"start": "start", **{name: task() for name in names}, "end": "end"}
    place = Forking(drawing(nodes, *(f"{one} > {other}" for one, other in zip(["start", *names], [*names, "end"], strict=True))))
    place.start()
    for name in names:
        place.complete(name, name * 100_000)
    place.fork("n5")
    told = [event for event in place.view.events(place.fork_id or uuid4()) if isinstance(event, ExecutionForked)]
    assert len(told) > 1
    assert [visit.node_id for event in told for visit in event.visits] == ["start", *names[:5]]
    [activation] = place.forked.activations.values()
    place.complete_held(place.held_by(activation.id), None)
    assert place.forked.status == "completed"


def test_what_cannot_be_forked() -> None:
    place = failed()
    place.fork("third").refused("invalid", "/node_id")
    unstarted = Forking(STEPS)
    unstarted.fork("first").refused("not_found")
    other = failed()
    other.fork("second", version=7).refused("unknown_version", "/version")
