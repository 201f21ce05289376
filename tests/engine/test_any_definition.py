"""What holds for every definition, however it is drawn, whatever people decide, and however work goes wrong."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.ai_task import AI_TASK, AiTaskRequested
from domain.approval import APPROVAL, ApprovalRequested
from domain.execution import (
    EXECUTION,
    ActivationCancelled,
    ActivationCompleted,
    ActivationFailed,
    ActivationRetried,
    ActivationStarted,
    Execution,
    ExecutionCancelled,
    ExecutionCompensating,
    ExecutionCompleted,
    ExecutionFailed,
)
from domain.facts import Event, Json
from domain.retry import Failure
from engine.engine import EngineLimits, cancel, open_items, pause, resume
from engine.validate import validate
from tests.engine.drawing import EVALUATOR, EXECUTION_ID, ask, drawing
from tests.engine.working import Workplace, agent, check_work, found, task

SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
TERMINAL = (ExecutionCompleted, ExecutionFailed, ExecutionCancelled)
LIMITS = EngineLimits(steps_per_command=60, steps_per_execution=150)

# --- Definitions in which every split meets in a join -----------------------------------------------------------------

BLOCKS = st.recursive(
    st.sampled_from([("ask",), ("either",), ("set",), ("task",), ("agent",)]),
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
            case ("task" | "agent",):
                node = task if spec[0] == "task" else agent
                name = self.node(node(timeout="PT1H", retry={"max_attempts": 2}), entries)
                return [name, f"{name}.error", f"{name}.timeout"]
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
    play = played(definition, data, EngineLimits())
    while play.end is None:  # from here on nobody sends anything back, and nothing goes wrong
        choose(play, 0, 0)
    assert play.end == ExecutionCompleted(None)
    check_events(play)


# --- Definitions drawn at random --------------------------------------------------------------------------------------

KINDS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "ask": (ask("ok:approve", "no:reject"), ("ok", "no")),
    "stop": (ask("ok:approve", "no:reject"), ("ok", "no")),
    "limited": ((*ask("ok:approve"), {"timeout": "P1D"}), ("ok", "timeout")),
    "task": (task(timeout="PT1H", retry={"max_attempts": 2}), ("success", "error", "timeout")),
    "book": ((*task()[:2], {"compensate": "undo_book"}), ("success", "error")),
    "note": (("set", {"values": {"n": 1}}, {"compensate": "undo_note"}), ("success",)),
    "agent": (agent(timeout="PT1H", retry={"max_attempts": 2}), ("success", "error", "timeout")),
    "set": (("set", {"values": {"x": "=input.x"}}), ("success", "error")),
    "broken": (("set", {"values": {"x": "=input.nope"}}), ("success", "error")),
    "if": (("condition", {"branches": [{"handle": "yes", "when": "input.x > 1"}], "default": "no"}), ("yes", "no")),
    "all": (("join", {"mode": "all"}), ("success",)),
    "any": (("join", {"mode": "any"}), ("success",)),
    "two": (("join", {"mode": "count", "count": 2}), ("success",)),
    "fail": (("fail", {"code": "no", "message": "no"}), ()),
    "end": ("end", ()),
}
UNDOING = {
    "undo_book": task(input="=nodes", timeout="PT1H", retry={"max_attempts": 2}),
    "undo_note": ("set", {"values": {"undone": "=compensates.output.n", "broken": "=1 / (input.x - 2)"}}),
}
USUAL = [
    "stop",
    "task",
    "task",
    "book",
    "book",
    "note",
    "agent",
    "limited",
    "ask",
    "ask",
    "ask",
    "set",
    "if",
    "all",
    "any",
    "two",
    "broken",
    "end",
    "end",
]


def stopping(*others: str) -> tuple[str, Json]:
    """An approval whose first outcome interrupts others."""
    kind, config = ask("ok:approve", "no:reject")
    ok, no = config["outcomes"]
    return kind, {**config, "outcomes": [{**ok, "interrupts": list(others)}, no]}


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
        if handle not in ("error", "timeout") or draw(st.booleans()):
            for target in draw(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True)):
                when = draw(st.sampled_from(["", "", "", " if input.x < 3", " if has(nodes.ask0)"]))
                edges.append(f"{source}.{handle} > {target}{when}")
    nodes = {name: KINDS[kind][0] for name, kind in zip(names, kinds, strict=True)}
    for name, kind in zip(names, kinds, strict=True):
        if kind == "stop":
            others = draw(st.lists(st.sampled_from([other for other in names if other != name]), min_size=1, unique=True))
            nodes[name] = stopping(*others)
    undoing = {undo: UNDOING[undo] for kind, undo in (("book", "undo_book"), ("note", "undo_note")) if kind in kinds}
    return drawing({"start": "start", **nodes, **undoing}, *edges)


@SETTINGS
@given(graphs(), st.data())
def test_every_execution_ends_once_or_waits_for_somebody(definition: Json, data: st.DataObject) -> None:
    play = played(definition, data, LIMITS)
    check_events(play)
    never = {finding.node_id for finding in validate(definition, EVALUATOR) if finding.code == "join_never_fires"}
    assert never.isdisjoint(play.visited), "a lint that refuses joins must be right"
    if play.end is None and play.state.compensation is None:
        play.step(lambda view: cancel(view, play.engine, EXECUTION_ID))
        check_events(play)
    while play.end is None:
        choose(play, data.draw(st.integers(0, 9), "which"), data.draw(st.integers(0, 4), "how"))
    check_events(play)
    requests = [fact.stream_id for fact in play.view.facts if isinstance(fact.event, ApprovalRequested)]
    assert all(play.view.read(APPROVAL, request).status in ("resolved", "cancelled", "expired") for request in requests)
    tasks = [fact.stream_id for fact in play.view.facts if isinstance(fact.event, AiTaskRequested)]
    assert all(play.view.read(AI_TASK, each).closed for each in tasks)
    assert (play.story.jobs, play.story.timers) == ({}, {})


@SETTINGS
@given(graphs(), st.data())
def test_the_same_decisions_lead_to_the_same_facts(definition: Json, data: st.DataObject) -> None:
    choices: list[tuple[int, int]] = []
    first = played(definition, data, LIMITS, choices)
    again = Workplace(definition, LIMITS)
    again.start({"x": 2})
    for number, outcome in choices:
        choose(again, number, outcome)
    assert again.view.facts == first.view.facts


# --- Playing and checking ---------------------------------------------------------------------------------------------


def played(
    definition: Json, data: st.DataObject, limits: EngineLimits, choices: list[tuple[int, int]] | None = None
) -> Workplace:
    play = Workplace(definition, limits)
    play.start({"x": 2})
    check_work(play)
    for _ in range(data.draw(st.integers(0, 12), "decisions")):
        if play.end is not None:
            break
        choice = data.draw(st.tuples(st.integers(0, 9), st.integers(0, 4)), "choice")
        choose(play, *choice)
        if choices is not None:
            choices.append(choice)
        check_state(play)
        check_upkeep(play.state)
        check_work(play)
    return play


def check_upkeep(state: Execution) -> None:
    """What the state keeps beside its tokens and visits is what they come to."""
    waiting: dict[str, dict[int | None, list[int]]] = {}
    for token in sorted(state.tokens.values(), key=lambda each: each.id):
        waiting.setdefault(token.target, {}).setdefault(token.edge, []).append(token.id)
    index = {node: {edge: sorted(tokens) for edge, tokens in edges.items()} for node, edges in state.waiting.items()}
    assert index in ({}, waiting), "few tokens have none"
    paths = [*(token.path for token in state.tokens.values()), *(each.path for each in state.activations.values())]
    places = Counter(branch.split for path in paths for branch in path)
    assert dict(state.places.items()) == places
    assert set(state.ended_splits) <= set(places)
    lineages = [each.lineage for some in (state.tokens.values(), state.activations.values()) for each in some]
    lineages += [each.lineage for each in state.compensable]
    assert {visit for lineage in lineages for visit in lineage.values()} <= set(state.results)


def choose(play: Workplace, number: int, how: int) -> None:
    """Something happens to one of the things that are open: 0 it goes well, 1 to 3 in other ways, 4 well but in a pause."""
    item = (play.open or [{"kind": "continue", "id": ""}])[number % max(1, len(play.open))]
    visit = None if item["kind"] == "continue" else UUID(item["activation_id"])
    if play.state.continuation is not None and (visit is None or number % 2):
        play.go_on()
    elif visit is not None and how == 3 and (timers := play.state.activations[visit].waits_for("timer")):
        play.expire_timer(found(play.story.timers[timers[0]], play.state.activations[visit].moved.get(timers[0], 0)))
    elif item["kind"] == "approval":
        names = outcomes_of(play, UUID(item["id"]))
        play.decide(UUID(item["id"]), names[how % len(names)])
    elif how == 4:
        attempt_id = play.attempt_by(play.held_by(UUID(item["activation_id"]))) if item["kind"] == "ai_task" else None
        play.step(lambda view: pause(view, play.engine, EXECUTION_ID, "lunch"))
        check_work(play)
        work(play, item, 0, attempt_id)
        check_work(play)
        if play.end is None:
            play.later(timedelta(hours=1)).step(lambda view: resume(view, play.engine, EXECUTION_ID))
    else:
        work(play, item, how)


def work(play: Workplace, item: dict[str, str], how: int, attempt_id: UUID | None = None) -> None:
    job = play.held_by(UUID(item["activation_id"]))
    if item["kind"] == "ai_task":
        attempt_id = attempt_id or play.attempt_by(job)
        if how == 0:
            play.report(job, attempt_id, "words")
        elif how == 1:
            play.report_failure(job, attempt_id, Failure("unavailable", "No answer."))
        else:
            play.lapse_held(job)
    elif how == 0:
        play.complete_held(job, {"done": True})
    elif how == 1:
        play.fail_held(job, Failure("broken", "No disk."))
    else:
        play.lapse_held(job)


def outcomes_of(play: Workplace, request_id: UUID) -> list[str]:
    return [outcome.name for outcome in play.view.read(APPROVAL, request_id).outcomes]


def check_state(play: Workplace) -> None:
    """The state as it was decided upon is the fold of what was recorded."""
    execution = play.story.result.get("execution", play.story.result)  # of a command on the execution itself: the result
    assert execution["open"] == open_items(play.state)
    assert execution["status"] == play.state.status
    assert play.story.decided.left == {EXECUTION_ID: play.state}
    assert execution["version"] == play.view.version(EXECUTION_ID)
    assert play.open or play.state.continuation or play.end is not None, "it waits for somebody or is over"


def check_events(play: Workplace) -> None:
    events = play.view.events(EXECUTION_ID)
    assert all(isinstance(event, EXECUTION.events) for event in events)
    ends = [place for place, event in enumerate(events, 1) if isinstance(event, TERMINAL)]
    assert ends in ([], [len(events)]), "one terminal event, and nothing after it"
    check_activations(events, bool(ends))
    check_tokens(events, isinstance(events[-1], ExecutionCompleted))
    check_compensation(events)


def check_activations(events: list[Event], over: bool) -> None:
    started = [event.activation_id for event in events if isinstance(event, ActivationStarted)]
    ended = [
        event.activation_id for event in events if isinstance(event, ActivationCompleted | ActivationFailed | ActivationCancelled)
    ]
    assert len(set(started)) == len(started)
    assert len(set(ended)) == len(ended)
    assert set(ended) <= set(started)
    assert not over or set(ended) == set(started)
    attempts: dict[UUID, int] = {}
    for event in events:
        if isinstance(event, ActivationRetried):
            assert event.attempt == attempts.get(event.activation_id, 0) + 1
            attempts[event.activation_id] = event.attempt
        elif isinstance(event, ActivationFailed) and event.error.type != "timeout":
            assert event.error.attempts == attempts.get(event.activation_id, 0) + 1


def check_compensation(events: list[Event]) -> None:
    """Each completed visit of a node that names what undoes it is undone once, the last one first, and nothing else happens."""
    undoable = {event.activation_id for event in events if isinstance(event, ActivationStarted) and event.compensate}
    completed = [event.activation_id for event in events if isinstance(event, ActivationCompleted)]
    done = [each for each in completed if each in undoable]
    begun = next((place for place, event in enumerate(events) if isinstance(event, ExecutionCompensating)), None)
    undone = [event.compensates for event in events if isinstance(event, ActivationStarted) and event.compensates]
    end = events[-1]
    if begun is None:
        assert not undone
        assert not done or not isinstance(end, ExecutionFailed | ExecutionCancelled)
        return
    visits = [event for event in events[begun:] if isinstance(event, ActivationStarted)]
    assert [visit.compensates for visit in visits] == undone == done[::-1][: len(undone)]
    if isinstance(end, ExecutionFailed | ExecutionCancelled):
        assert len(undone) == len(done)
        assert end.compensation is not None
        failed = sum(isinstance(event, ActivationFailed) for event in events[begun:])
        assert (end.compensation.undone, end.compensation.failed, end.compensation.left) == (len(done) - failed, failed, 0)


def check_tokens(events: list[Event], completed: bool) -> None:
    """Every token was taken once, or swallowed; what was taken and swallowed was held by an activation then cancelled."""
    created: set[int] = {0}
    taken: list[int] = []
    swallowed: list[int] = []
    cancelled: set[UUID] = set()
    holders: dict[int, UUID] = {}
    for event in events:
        if isinstance(event, ActivationCompleted | ActivationFailed):
            swallowed += event.interrupted if isinstance(event, ActivationCompleted) else ()
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
