"""What holds for every definition, however it is drawn and whatever people decide."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.approval import APPROVAL, ApprovalRequested
from domain.execution import (
    EXECUTION,
    ActivationCancelled,
    ActivationCompleted,
    ActivationFailed,
    ActivationStarted,
    ExecutionCancelled,
    ExecutionCompleted,
    ExecutionFailed,
)
from domain.facts import Event, Json
from engine.engine import Limits, cancel, open_items
from engine.validate import validate
from tests.engine.drawing import EVALUATOR, EXECUTION_ID, Play, ask, drawing

SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
TERMINAL = (ExecutionCompleted, ExecutionFailed, ExecutionCancelled)
LIMITS = Limits(steps_per_command=60, steps_per_execution=150)

# --- Definitions in which every split meets in a join -----------------------------------------------------------------

BLOCKS = st.recursive(
    st.sampled_from([("ask",), ("either",), ("set",)]),
    lambda block: st.one_of(
        st.tuples(st.just("then"), st.lists(block, min_size=2, max_size=3)),
        st.tuples(st.just("choice"), st.lists(block, min_size=2, max_size=2), st.booleans()),
        st.tuples(st.just("all"), st.lists(block, min_size=2, max_size=3)),
        st.tuples(st.just("any"), st.lists(block, min_size=2, max_size=3)),
        st.tuples(st.just("two"), st.lists(block, min_size=2, max_size=3)),
        st.tuples(st.just("loop"), block),
    ),
    max_leaves=7,
)


@dataclass
class Drawer:
    nodes: dict[str, Any] = field(default_factory=lambda: {"start": "start"})
    edges: list[str] = field(default_factory=list)

    def node(self, kind: Any, entries: list[str]) -> str:
        name = f"n{len(self.nodes)}"
        self.nodes[name] = kind
        self.edges += [f"{entry} > {name}" for entry in entries]
        return name

    def block(self, spec: Any, entries: list[str]) -> list[str]:
        """Draw a block after some handles; the handles by which it is left."""
        match spec:
            case ("ask",):
                return [f"{self.node(ask('ok:approve'), entries)}.ok"]
            case ("either",):
                name = self.node(ask(), entries)
                return [f"{name}.approved", f"{name}.rejected"]
            case ("set",):
                return [self.node(("set", {"values": {}}), entries)]
            case ("then", blocks):
                for each in blocks:
                    entries = self.block(each, entries)
                return entries
            case ("choice", [one, other], yes):
                branches = [{"handle": "yes", "when": "true" if yes else "false"}]
                name = self.node(("condition", {"branches": branches, "default": "no"}), entries)
                return self.block(one, [f"{name}.yes"]) + self.block(other, [f"{name}.no"])
            case ("loop", body):
                head = self.node(("set", {"values": {}}), entries)
                check = self.node(ask("ok:approve", "again:changes"), self.block(body, [head]))
                self.edges.append(f"{check}.again > {head}")
                return [f"{check}.ok"]
            case (mode, blocks):
                split = self.node(("set", {"values": {}}), entries)
                leaves = [self._one_node(self.block(each, [split])) for each in blocks]
                config = {"mode": "count", "count": 2} if mode == "two" else {"mode": mode}
                return [self.node(("join", config), [leaf for each in leaves for leaf in each])]
        raise AssertionError(spec)

    def _one_node(self, leaves: list[str]) -> list[str]:
        """Handles of one node may go into a join together; others would be queues of their own."""
        one = len({leaf.partition(".")[0] for leaf in leaves}) == 1
        return leaves if one else [self.node(("set", {"values": {}}), leaves)]


def structured(spec: Any) -> Json:
    drawer = Drawer()
    leaves = drawer.block(spec, ["start"])
    drawer.node("end", leaves)
    return drawing(drawer.nodes, *drawer.edges)


@SETTINGS
@given(BLOCKS, st.data())
def test_where_every_split_meets_in_a_join_every_execution_completes(spec: Any, data: st.DataObject) -> None:
    definition = structured(spec)
    assert [finding for finding in validate(definition, EVALUATOR) if finding.severity == "error"] == []
    play = played(definition, data, Limits())
    while play.end is None:  # from here on nobody sends anything back
        item = play.open[0]
        play.decide(UUID(item["id"]), outcomes_of(play, UUID(item["id"]))[0])
    assert play.end == ExecutionCompleted(None)
    check_events(play)


# --- Definitions drawn at random --------------------------------------------------------------------------------------

KINDS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "ask": (ask("ok:approve", "no:reject"), ("ok", "no")),
    "set": (("set", {"values": {"x": "=input.x"}}), ("success", "error")),
    "broken": (("set", {"values": {"x": "=input.nope"}}), ("success", "error")),
    "if": (("condition", {"branches": [{"handle": "yes", "when": "input.x > 1"}], "default": "no"}), ("yes", "no")),
    "all": (("join", {"mode": "all"}), ("success",)),
    "any": (("join", {"mode": "any"}), ("success",)),
    "two": (("join", {"mode": "count", "count": 2}), ("success",)),
    "fail": (("fail", {"code": "no", "message": "no"}), ()),
    "end": ("end", ()),
}
USUAL = ["ask", "ask", "ask", "set", "if", "all", "any", "two", "broken", "end", "end"]


@st.composite
def graphs(draw: st.DrawFn) -> Json:
    kinds = [*draw(st.lists(st.sampled_from(USUAL), min_size=3, max_size=9)), draw(st.sampled_from(["end", "fail"])), "ask"]
    names = [f"{kind}{number}" for number, kind in enumerate(kinds)]
    edges: list[str] = []
    handles = [
        ("start", "success"),
        *((name, handle) for name, kind in zip(names, kinds, strict=True) for handle in KINDS[kind][1]),
    ]
    for source, handle in handles:
        if handle != "error" or draw(st.booleans()):
            for target in draw(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True)):
                when = draw(st.sampled_from(["", "", "", " if input.x < 3", " if has(nodes.ask0)"]))
                edges.append(f"{source}.{handle} > {target}{when}")
    return drawing({"start": "start", **{name: KINDS[kind][0] for name, kind in zip(names, kinds, strict=True)}}, *edges)


@SETTINGS
@given(graphs(), st.data())
def test_every_execution_ends_once_or_waits_for_somebody(definition: Json, data: st.DataObject) -> None:
    play = played(definition, data, LIMITS)
    check_events(play)
    never = {finding.node_id for finding in validate(definition, EVALUATOR) if finding.code == "join_never_fires"}
    assert never.isdisjoint(play.visited), "a lint that refuses joins must be right"
    if play.end is None:
        play.step(lambda view: cancel(view, play.engine, EXECUTION_ID))
        check_events(play)
    requests = [fact.stream_id for fact in play.view.facts if isinstance(fact.event, ApprovalRequested)]
    assert all(play.view.read(APPROVAL, request).status in ("resolved", "cancelled") for request in requests)


@SETTINGS
@given(graphs(), st.data())
def test_the_same_decisions_lead_to_the_same_facts(definition: Json, data: st.DataObject) -> None:
    choices: list[tuple[int, int]] = []
    first = played(definition, data, LIMITS, choices)
    again = Play(definition, LIMITS).start({"x": 2})
    for number, outcome in choices:
        choose(again, number, outcome)
    assert again.view.facts == first.view.facts


# --- Playing and checking ---------------------------------------------------------------------------------------------


def played(definition: Json, data: st.DataObject, limits: Limits, choices: list[tuple[int, int]] | None = None) -> Play:
    play = Play(definition, limits).start({"x": 2})
    for _ in range(data.draw(st.integers(0, 12), "decisions")):
        if play.end is not None:
            break
        choice = data.draw(st.tuples(st.integers(0, 9), st.integers(0, 3)), "choice")
        choose(play, *choice)
        if choices is not None:
            choices.append(choice)
        check_state(play)
    return play


def choose(play: Play, number: int, outcome: int) -> None:
    request_id = UUID(play.open[number % len(play.open)]["id"])
    names = outcomes_of(play, request_id)
    play.decide(request_id, names[outcome % len(names)])


def outcomes_of(play: Play, request_id: UUID) -> list[str]:
    return [outcome.name for outcome in play.view.read(APPROVAL, request_id).outcomes]


def check_state(play: Play) -> None:
    """The state as it was decided upon is the fold of what was recorded."""
    execution = play.story.result["execution"]
    assert execution["open"] == open_items(play.state)
    assert execution["status"] == play.state.status
    assert execution["version"] == play.view.version(EXECUTION_ID)
    assert play.open or play.end is not None, "it waits for somebody or is over"


def check_events(play: Play) -> None:
    events = play.view.events(EXECUTION_ID)
    assert all(isinstance(event, EXECUTION.events) for event in events)
    ends = [place for place, event in enumerate(events, 1) if isinstance(event, TERMINAL)]
    assert ends in ([], [len(events)]), "one terminal event, and nothing after it"
    check_activations(events, bool(ends))
    check_tokens(events, isinstance(events[-1], ExecutionCompleted))


def check_activations(events: list[Event], over: bool) -> None:
    started = [event.activation_id for event in events if isinstance(event, ActivationStarted)]
    ended = [
        event.activation_id for event in events if isinstance(event, ActivationCompleted | ActivationFailed | ActivationCancelled)
    ]
    assert len(set(started)) == len(started)
    assert len(set(ended)) == len(ended)
    assert set(ended) <= set(started)
    assert not over or set(ended) == set(started)


def check_tokens(events: list[Event], completed: bool) -> None:
    """Every token was taken once, or swallowed; what was taken and swallowed was held by an activation then cancelled."""
    created: set[int] = {0}
    taken: list[int] = []
    swallowed: list[int] = []
    cancelled: set[UUID] = set()
    holders: dict[int, UUID] = {}
    for event in events:
        if isinstance(event, ActivationCompleted | ActivationFailed):
            new = {move.token for move in event.moves}
            assert not new & created
            created |= new
        elif isinstance(event, ActivationStarted):
            assert created >= {*event.tokens, *event.swallowed}
            taken += event.tokens
            swallowed += event.swallowed
            holders |= dict.fromkeys(event.tokens, event.activation_id)
        elif isinstance(event, ActivationCancelled):
            cancelled.add(event.activation_id)
    assert len(set(taken)) == len(taken)
    assert len(set(swallowed)) == len(swallowed)
    assert {holders[token] for token in set(taken) & set(swallowed)} <= cancelled
    assert not completed or {*taken, *swallowed} == created
