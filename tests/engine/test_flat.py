"""A step costs the same however many there were: what is done in it is counted, and the state does not grow with the turns."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import UUID

import pytest

from domain.aggregates import AGGREGATES
from domain.effort import Effort
from domain.execution import EXECUTION, Activation, Execution, ExecutionCompleted
from domain.facts import Aggregate, Decided, Event, Holders, Json, View
from domain.workflow import WorkflowDrafted, WorkflowPublished
from engine.engine import Engine, complete_job, start
from engine.jobs import JobRef, continue_run
from store.sizes import measured_size
from tests.engine.drawing import EVALUATOR, EXECUTION_ID, WORKFLOW_ID, ask, drawing
from tests.engine.working import task
from tests.given import MOMENT, TENANT_ID

KINDS: dict[type[Event], Aggregate[Any]] = {event: aggregate for aggregate in AGGREGATES for event in aggregate.events}
TURNS = 2_000
ALIKE = 1.2


@dataclass
class Ledger:
    """States as a process has them at hand: each fact is folded once. A `domain.facts.View`."""

    states: dict[UUID, Any] = field(default_factory=dict)
    versions: dict[UUID, int] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    effort: Effort = field(default_factory=Effort)
    ids: Iterator[int] = field(default_factory=lambda: count(1_000))
    now = MOMENT
    tenant_id = TENANT_ID

    def new_id(self) -> UUID:
        return UUID(int=next(self.ids))

    def read(self, aggregate: Aggregate[Any], stream_id: UUID) -> Any:
        return self.states.get(stream_id, aggregate.initial)

    def version(self, stream_id: UUID) -> int:
        return self.versions.get(stream_id, 0)

    def committed(self, stream_id: UUID) -> bool:
        return stream_id in self.states

    def owner(self, _scope: str, _name: str) -> UUID | None:
        return None

    def holders(self, role_ids: frozenset[UUID]) -> Holders:  # noqa: ARG002
        return Holders()

    def append(self, stream_id: UUID, event: Event, *, left: Any = None) -> None:
        aggregate = KINDS[type(event)]
        self.states[stream_id] = aggregate.evolve(self.read(aggregate, stream_id), event) if left is None else left
        self.versions[stream_id] = self.version(stream_id) + 1
        self.events.append(event)


class Loop:
    """An execution in which a node `work` is done again and again."""

    def __init__(self, nodes: dict[str, Any], *edges: str) -> None:
        definition = drawing(nodes, *edges)
        self.engine, self.ledger = Engine(EVALUATOR), Ledger()
        self.ledger.append(WORKFLOW_ID, WorkflowDrafted("test", "Test", definition))
        self.ledger.append(WORKFLOW_ID, WorkflowPublished(1, definition))
        self.step(lambda view: start(view, self.engine, workflow_id=WORKFLOW_ID, execution_id=EXECUTION_ID, input={"n": 1}))

    def step(self, decide: Callable[[View], Decided]) -> None:
        self.ledger.effort = Effort()
        decided = decide(self.ledger)
        for fact in decided.facts:
            self.ledger.append(fact.stream_id, fact.event, left=decided.left.get(fact.stream_id))

    def turn(self, output: Json = None) -> None:
        """The node is done, and what began three turns ago beside it."""
        slow = sorted((each for each in self.state.activations.values() if each.node_id == "slow"), key=lambda each: each.order)
        for each in slow[:-3]:
            self.complete(each)
        for each in [each for each in self.state.activations.values() if each.node_id == "work"]:
            self.complete(each, output)

    def complete(self, visit: Activation, output: Json = None) -> None:
        (job_id,) = visit.waits_for("job")
        job = JobRef(job_id, 1, EXECUTION_ID, visit.id)
        self.step(lambda view: complete_job(view, self.engine, job, output))

    def go_on(self, job: JobRef) -> None:
        """Take up what a command has left."""
        self.step(lambda view: continue_run(view, self.engine, job))

    @property
    def state(self) -> Execution:
        state = self.ledger.states[EXECUTION_ID]
        assert isinstance(state, Execution)
        return state


LOOPS: dict[str, Callable[[], Loop]] = {
    "one token": lambda: Loop(
        {"start": "start", "work": task(), "next": ("set", {"values": {"last": "=nodes.work.output"}})},
        *("start > work", "work > next", "next > work"),
    ),
    "beside a branch that waits": lambda: Loop(
        {
            "start": "start",
            "ask": ask(),
            "work": task(),
            "next": ("set", {"values": {"last": "=nodes.work.output"}}),
            "end": "end",
        },
        *("start > ask", "start > work", "work > next", "next > work", "ask.approved > end", "ask.rejected > end"),
    ),
    "a split and its join in each turn": lambda: Loop(
        {
            "start": "start",
            "work": task(),
            "a": ("set", {"values": {}}),
            "b": ("set", {"values": {}}),
            "both": ("join", {"mode": "all"}),
        },
        *("start > work", "work > a", "work > b", "a > both", "b > both", "both > work"),
    ),
    "a join that reaches into other splits": lambda: Loop(
        {
            "start": "start",
            "ask": ask(),
            "work": task(),
            "end": "end",
            **{each: ("set", {"values": {}}) for each in ("a", "b", "x", "y")},
            "all": ("join", {"mode": "all"}),
        },
        *("start > ask", "ask.approved > end", "ask.rejected > end", "start > work"),
        *("work > a", "work > b", "a > x", "a > y", "x > all", "y > all", "b > all", "all > work"),
    ),
    "branches that go off and end": lambda: Loop(
        {"start": "start", "work": task(), "note": ("set", {"values": {}}), "end": "end"},
        *("start > work", "work > note", "note > end", "work > work"),
    ),
    "branches that go off and take longer than a turn": lambda: Loop(
        {"start": "start", "work": task(), "slow": task(), "end": "end"},
        *("start > work", "work > slow", "slow > end", "work > work"),
    ),
}


@pytest.mark.parametrize("loop", LOOPS.values(), ids=LOOPS.keys())
def test_a_turn_does_as_much_after_two_thousand_as_after_twenty(loop: Callable[[], Loop]) -> None:
    play = loop()
    early = over_some_turns(play)
    while play.state.visits["work"] < TURNS:
        play.turn(1)
    late = over_some_turns(play)
    assert play.state.visits["work"] > TURNS
    assert late.calls <= ALIKE * early.calls
    assert late.size <= ALIKE * early.size


def test_the_fold_of_a_long_loop_is_the_state_that_was_left() -> None:
    """What is let go of on the way follows from the events."""
    for loop in LOOPS.values():
        play = loop()
        for turn in range(300):
            play.turn(turn)
        state = EXECUTION.initial
        for event in play.ledger.events:
            if isinstance(event, EXECUTION.events):
                state = EXECUTION.evolve(state, event)
        assert state == play.state


def test_a_loop_of_ten_thousand_turns_completes_in_bounded_memory() -> None:
    """By the default limits. What waits for nothing goes on by jobs, a thousand nodes each."""
    number = "has(nodes.count) ? nodes.count.output.n + 1 : 1"
    play = Loop(
        {
            "start": "start",
            "count": ("set", {"values": {"n": f"={number}"}}),
            "more": ("condition", {"branches": [{"handle": "again", "when": "nodes.count.output.n < 10000"}], "default": "done"}),
            "end": ("end", {"output": "=nodes.count.output"}),
        },
        *("start > count", "count > more", "more.again > count", "more.done > end"),
    )
    sizes = []
    while play.state.continuation is not None:
        play.go_on(JobRef(play.state.continuation, 1, EXECUTION_ID))
        sizes.append(measured(play.state))
    assert play.ledger.events[-1] == ExecutionCompleted({"n": 10_000})
    assert len(sizes) >= 20
    assert max(sizes) <= ALIKE * sizes[0]


def test_a_token_that_comes_to_a_join_does_not_look_at_all_that_wait_there() -> None:
    assert last_but_one_arrival(300) <= ALIKE * last_but_one_arrival(20)


def last_but_one_arrival(width: int) -> int:
    """Functions called when of so many branches the last but one comes to their join."""
    names = [f"t{number}" for number in range(width)]
    play = Loop(
        {"start": "start", **dict.fromkeys(names, task()), "join": ("join", {"mode": "all"}), "work": task()},
        *(f"start > {name}" for name in names),
        *(f"{name} > join" for name in names),
        "join > work",
    )
    calls = [0]
    for name in names:
        [visit] = [each for each in play.state.activations.values() if each.node_id == name]
        with counting() as counted:
            play.complete(visit)
        calls.append(counted[0])
    assert [each.node_id for each in play.state.activations.values()] == ["work"]
    return calls[-2]


@dataclass(frozen=True)
class Turns:
    calls: float
    """Of functions, by a turn on an average."""
    size: int
    """The most bytes that the state took."""


def over_some_turns(play: Loop, turns: int = 200) -> Turns:
    """More of them than it takes until what is looked at only now and then comes round."""
    calls = size = 0
    for _ in range(turns):
        with counting() as counted:
            play.turn(1)
        calls += counted[0]
        size = max(size, measured(play.state))
    return Turns(calls / turns, size)


@contextmanager
def counting() -> Iterator[list[int]]:
    calls = [0]

    def called(_frame: Any, event: str, _argument: Any) -> None:
        if event in ("call", "c_call"):
            calls[0] += 1

    before = sys.getprofile()
    sys.setprofile(called)
    try:
        yield calls
    finally:
        sys.setprofile(before)


def measured(state: Execution) -> int:
    size = measured_size(state)
    assert size is not None, "the state is large"
    return size
