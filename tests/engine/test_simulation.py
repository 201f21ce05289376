"""The engine does what an independent simulation of the contract does: on graphs drawn at random, with rework loops.

GESTA_TEST_NETS says how many are played; the same numbers draw the same nets.
"""

import os
from collections import Counter
from random import Random
from uuid import UUID

import pytest

from domain.execution import ActivationCancelled, ExecutionFailed
from engine.definition import parse
from engine.engine import EngineLimits
from engine.lints.joins import Drawn, fire
from engine.lints.nodes import nodes
from engine.plan import compile_plan
from tests.engine.drawing import EXECUTION_ID, Play
from tests.engine.nets import Drawer, drawn
from tests.engine.simulator import Net, Simulation

SEEDS = int(os.environ.get("GESTA_TEST_NETS", "100"))
LIMITS = EngineLimits(steps_per_command=10_000, steps_per_execution=60)


def compare(seed: int) -> Counter[str]:
    """Play a net in both, in a random order of deciding; what came of it."""
    net, random = Drawer(seed).net(), Random(seed)
    simulation, play = Simulation(net, LIMITS.steps_per_execution), Play(drawn(net), LIMITS)
    simulation.start()
    play.start()
    seen = Counter({"nets": 1, "loops": len(net.loops)})
    for _ in range(25):
        told = f"net {seed} after {simulation.visited}"
        assert play.visited == simulation.visited, told
        assert play.asking == simulation.open, told
        events = play.view.events(EXECUTION_ID)
        assert [event.node_id for event in events if isinstance(event, ActivationCancelled)] == simulation.cancelled, told
        end = play.end.code if isinstance(play.end, ExecutionFailed) else "" if play.end is None else "completed"
        assert end == simulation.end, told
        if end:
            break
        number, handle = random.randrange(len(simulation.open)), random.choice(["ok", "ok", "again"])
        play.decide(request(play, number), handle)
        simulation.answer(number, handle)
    return seen + Counter({simulation.end or "open": 1, "cancelled": len(simulation.cancelled)})


def request(play: Play, number: int) -> UUID:
    return UUID(play.open[number]["id"])


@pytest.mark.parametrize("part", range(10))
def test_the_engine_does_what_the_simulation_does(part: int) -> None:
    seen: Counter[str] = Counter()
    for seed in range(part, SEEDS, 10):
        seen += compare(seed)
    assert min(seen["loops"], seen["completed"], seen["cancelled"]) > 0, "the nets are worth playing"


@pytest.mark.parametrize("part", range(4))
def test_what_leads_to_a_join_is_what_the_simulation_says(part: int) -> None:
    """In nets of more kinds than can be played: loops in loops, with several ways into them."""
    several = 0
    for seed in range(part, 2 * SEEDS, 4):
        net, random = Drawer(seed).net(), Random(seed)
        plan = compile_plan(parse(drawn(net)))
        names = [node.id for node in plan.definition.nodes]
        assert {(frozenset(names[n] for n in bits(loop.nodes)), loop.back) for loop in plan.loops} == {
            (frozenset(loop), back) for loop, back in net.loops
        }, seed
        several += sum(len({net.wires[wire].target for wire in back}) > 1 for _, back in net.loops)
        for join in plan.queues:
            ways = plan.ways_to(join)
            comes_to = [net.comes_to(wire, join) for wire in range(len(net.wires))]
            assert set(ways.asked) == net.asked(join), (seed, join)
            assert [ways.leads([wire]) for wire in range(len(net.wires))] == [bool(each) for each in comes_to], (seed, join)
            for _ in range(20):
                wires = random.sample(range(len(net.wires)), random.randint(1, 4))
                assert ways.covers(wires) == (net.asked(join) <= set().union(*(comes_to[wire] for wire in wires))), (seed, wires)
    assert several, "some loops have several heads"


def bits(mask: int) -> set[int]:
    return {place for place in range(mask.bit_length()) if mask >> place & 1}


def test_where_one_way_leads_into_each_loop_edges_go_back_to_what_comes_before_them_on_every_path() -> None:
    seen = 0
    for seed in range(SEEDS):
        net = Drawer(seed).net()
        back = frozenset(wire for wire in range(len(net.wires)) if source_needs_target(net, wire))
        reached = net.walk("start", lambda _: True)
        if len(reached) == len(net.places) and not any(goes_round(net, wire, back) for wire in range(len(net.wires))):
            assert back == frozenset().union(*(loop.back for loop in compile_plan(parse(drawn(net))).loops)), seed
            seen += bool(back)
    assert seen > SEEDS / 10


def source_needs_target(net: Net, wire: int) -> bool:
    """Whether every path to the source of a wire comes by its target."""
    source, target = net.wires[wire].source, net.wires[wire].target
    return source == target or source not in net.avoiding("start", {target})


def goes_round(net: Net, wire: int, back: frozenset[int]) -> bool:
    """Whether a wire is part of a cycle in which no edge goes back."""
    return wire not in back and net.wires[wire].source in net.walk(net.wires[wire].target, lambda each: each not in back)


def test_a_join_that_is_said_never_to_fire_does_not_fire() -> None:
    said = 0
    for seed in range(2 * SEEDS):
        net, random = Drawer(seed).net(), Random(seed)
        definition = parse(drawn(net))
        never = {found.node_id for found in fire(Drawn(definition, nodes(definition)[1])) if found.code == "join_never_fires"}
        said += len(never)
        for _ in range(3 if never else 0):
            simulation = Simulation(net, LIMITS.steps_per_execution)
            simulation.start()
            while not simulation.end and len(simulation.visited) < LIMITS.steps_per_execution:
                simulation.answer(random.randrange(len(simulation.open)), random.choice(["ok", "again"]))
            assert never.isdisjoint(simulation.visited), seed
    assert said
