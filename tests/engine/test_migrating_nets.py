"""Random definitions are migrated while they run, and go on as an independent simulation of the other version does.

To copies with other names and edges in another order: the simulation need not know that anything has happened. And to versions
with a step put on one of their edges: the simulation's own net is changed there, and goes on from where it stands.
The engine is killed after every step, and GESTA_TEST_NETS says how many definitions are played.
"""

import re
from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any
from uuid import UUID

import pytest

from domain.execution import Activation, ActivationStarted
from domain.facts import Event, Fact, Json
from domain.workflow import WorkflowPublished
from engine.migrating import migrate
from tests.engine.drawing import EXECUTION_ID, WORKFLOW_ID
from tests.engine.playing import Player
from tests.engine.restarting import Ledger
from tests.engine.simulator import Net, Place, Wire
from tests.engine.test_restarts import SEEDS
from tests.engine.working_nets import drawn_working
from tests.engine.working_simulator import WorkingSimulation

SUFFIX = re.compile(r"__\d+$")


def plain(node_id: str) -> str:
    return SUFFIX.sub("", node_id)


def renamed(definition: Json, number: int, random: Random) -> Json:
    """A copy with other names, and edges in another order, but for those of one node: tokens leave by them in turn."""
    names = {node["id"]: f"{node['id']}__{number}" for node in definition["nodes"]}

    def text(value: str) -> str:
        return re.sub(r"\bnodes\.(\w+)", lambda found: f"nodes.{names[found[1]]}", value)

    def config(value: Any) -> Any:
        match value:
            case str():
                return text(value)
            case list():
                return [config(each) for each in value]
            case dict():
                return {
                    name: [names[each] for each in some] if name == "interrupts" else config(some) for name, some in value.items()
                }
        return value

    nodes = [
        {**node, "id": names[node["id"]], "config": config(node["config"])}
        | ({"compensate": names[node["compensate"]]} if "compensate" in node else {})
        for node in definition["nodes"]
    ]
    edges = [{**each, "source": names[each["source"]], "target": names[each["target"]]} for each in definition["edges"]]
    leaving: dict[str, list[Json]] = {}
    for edge in edges:
        leaving.setdefault(edge["source"], []).append(edge)
    order = [source for source, some in leaving.items() for _ in some]
    random.shuffle(order)
    random.shuffle(nodes)
    return {**definition, "nodes": nodes, "edges": [leaving[source].pop(0) for source in order]}


class PlainLedger(Ledger):
    """Its history has the names that the simulation knows."""

    def history_of(self, stream_id: UUID) -> list[Event]:
        return [told_plainly(event) for event in super().history_of(stream_id)]


def told_plainly(event: Any) -> Any:
    return replace(event, node_id=plain(event.node_id)) if getattr(event, "node_id", None) else event


class MigratingPlayer(Player):
    """Between other things, it is migrated."""

    number = 1

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.ledger = PlainLedger(self.ledger.definition, self.limits)
        self.names = {name: name for name in self.simulation.net.places}
        """What the nodes of the version that it runs are called."""

    def visits(self, simulation: WorkingSimulation) -> list[Activation]:
        return [replace(each, node_id=plain(each.node_id)) for each in super().visits(simulation)]

    def shown(self, begun: ActivationStarted) -> Json:
        told = super().shown(begun)
        return {**told, "undoes": plain(told["undoes"])} if isinstance(told, dict) and "undoes" in told else told

    def step(self) -> None:
        if not self.simulation.undoing and self.random.random() < 0.15:
            if self.random.random() < 0.5 or not self.extended():
                self.to_a_copy()
        else:
            super().step()

    def to_a_copy(self) -> None:
        self.number += 1
        self.migrate("a copy", renamed(drawn_working(self.simulation.net), self.number, self.random))
        self.seen["to a copy"] += 1

    def extended(self) -> bool:
        """Put a step on a wire that nobody travels just now, and tell the simulation what that is to those who did before."""
        simulation, net = self.simulation, self.simulation.net
        travelled = {token.wire for token in simulation.arriving}
        free = [number for number, wire in enumerate(net.wires) if number not in travelled and alone(net, wire)]
        if not free:
            return False
        number = self.random.choice(free)
        wire, name, last = net.wires[number], f"step{len(net.places)}x", len(net.wires)
        wires = [*net.wires, Wire(name, "success", wire.target)]
        wires[number] = replace(wire, target=name)
        simulation.net = Net({**net.places, name: Place("step", ("success",))}, tuple(wires))
        for token in simulation.tokens:
            if token.wire == number:
                token.wire = last
        self.number += 1
        self.migrate("a step more", renamed(drawn_working(simulation.net), self.number, self.random))
        self.seen["a step more"] += 1
        return True

    def migrate(self, what: str, definition: Json) -> None:
        number = self.number
        self.ledger.append([Fact(WORKFLOW_ID, WorkflowPublished(number, definition))])
        mapping = {now: f"{name}__{number}" for name, now in self.names.items()}
        if self.simulation.left_off and not self.simulation.paused:
            self.simulation.go_on()
        self.do(what, lambda view, engine: migrate(view, engine, EXECUTION_ID, number, mapping))
        self.names = {name: f"{name}__{number}" for name in self.simulation.net.places}


def alone(net: Net, wire: Wire) -> bool:
    """Whether no other wire has the same ends."""
    return sum((one.source, one.target) == (wire.source, wire.target) for one in net.wires) == 1


@pytest.mark.parametrize("part", range(4))
def test_a_migrated_execution_goes_on_as_the_other_version_says(part: int) -> None:
    seen: Counter[str] = Counter()
    for seed in range(part, max(24, SEEDS // 10), 4):
        try:
            seen += MigratingPlayer(seed).play()
        except AssertionError as error:
            error.add_note(f"definition {seed}")
            raise
    assert [each for each in ("to a copy", "a step more", "completed") if not seen[each]] == []


def test_the_copies_differ() -> None:
    definition = {
        "nodes": [{"id": "a", "type": "set", "config": {"values": {"x": "=nodes.b.output"}}}, {"id": "b", "config": {}}],
        "edges": [{"source": "a", "target": "b"}],
    }
    copy = renamed(definition, 2, Random(1))
    assert {node["id"] for node in copy["nodes"]} == {"a__2", "b__2"}
    assert "=nodes.b__2.output" in str(copy)
