"""One condition is inverted: a simulation of the contract, which knows no engine, says where past executions would have gone.

A person who was asked in a visit comes to the same in it after the same time; one who was not never answers.
GESTA_TEST_NETS says how many definitions are played.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from random import Random

from domain.facts import Json
from engine.what_if.comparing import Compared, Difference, Way
from engine.what_if.playing import Played
from engine.what_if.record import Key
from tests.engine.nets import Drawer, drawn
from tests.engine.past import through
from tests.engine.playing import ended_as
from tests.engine.simulator import Inside, Known, Net, Simulation, Token, Wire
from tests.engine.test_restarts import SEEDS
from tests.engine.test_what_if_predicts import LIMITS, World

ZERO = timedelta(0)


@dataclass(eq=False)
class Simulated(Simulation):
    """`left`: visits in the order in which they were left, and by which handle."""

    left: list[tuple[Key, str]] = field(default_factory=list)
    answered: set[Key] = field(default_factory=set)
    begun: dict[int, timedelta] = field(default_factory=dict)
    now: timedelta = ZERO

    def _visit(self, name: str, inside: Inside, known: Known) -> None:
        self.begun[len(self.visited) + 1] = self.now
        super()._visit(name, inside, known)

    def _leave(self, visit: Token, handle: str, value: object, unhandled: str = "no_route") -> bool:
        self.left.append((self.key(visit), handle))
        return super()._leave(visit, handle, value, unhandled)

    def key(self, visit: Token) -> Key:
        return visit.at, self.visited[: visit.visit].count(visit.at)

    def play(self, world: World, known: set[Key] | None = None) -> "Simulated":
        """`known`: visits that somebody answers; None: all."""
        self.start()
        while not self.end:
            coming = [(self.begun[each.visit] + world.span(self.key(each), 0), n) for n, each in enumerate(self.held)]
            coming = [each for each in coming if known is None or self.key(self.held[each[1]]) in known]
            if not coming:
                break
            self.now, number = min(coming)
            key = self.key(self.held[number])
            self.answered.add(key)
            self.answer(number, world.outcome(key, 0))
        return self


def expected(then: Net, now: Net, would: Simulated, wire: Wire) -> Difference | None:
    """Where the two part: at the first visit that is left by the wire."""
    parting = next((key for key, handle in would.left if (key[0], handle) == (wire.source, wire.handle)), None)
    return None if parting is None else Difference(parting, side(then, wire), side(now, wire))


def side(net: Net, wire: Wire) -> dict[str, Json]:
    to = sorted(each.target for each in net.wires if each.open and (each.source, each.handle) == (wire.source, wire.handle))
    return {"what": "left", "handle": wire.handle, "to": list(to)} if to else {"what": "failed", "code": "no_route"}


def compare(played: Played, compared: Compared, would: Simulated, difference: Difference | None) -> str:
    way = Way.of(played.events)
    assert [node_id for node_id, _ in played.visited] == would.visited
    assert sorted(each.key[0] for each in way.visits if each.what is None) == sorted(would.open)
    assert [each.key[0] for each in way.visits if each.what == "cancelled"] == would.cancelled
    assert ended_as(played.events[-1]) == would.end
    assert (compared.verdict, compared.difference) == ("same" if difference is None else "elsewhere", difference)
    return would.end or "waits"


def test_what_would_have_been_is_what_the_contract_says() -> None:
    seen = Counter[str]()
    for seed in range(max(20, SEEDS // 5)):
        then, random = Drawer(seed).net(), Random(f"wires {seed}")
        world = World(drawn(then), seed).play()
        past, answered = world.past, Simulated(then, LIMITS.steps_per_execution).play(world).answered
        for number in random.sample(range(len(then.wires)), min(4, len(then.wires))):
            wire = then.wires[number]
            now = Net(then.places, (*then.wires[:number], replace(wire, open=not wire.open), *then.wires[number + 1 :]))
            would = Simulated(now, LIMITS.steps_per_execution).play(world, answered)
            played, compared = through(past, world.view_at, drawn(now), LIMITS)
            try:
                seen[compare(played, compared, would, expected(then, now, would, wire))] += 1
            except AssertionError as error:
                error.add_note(f"definition {seed}, {wire} inverted: {compared}; {would.visited} {would.end}")
                raise
            seen[compared.verdict] += 1
    assert [each for each in ("same", "elsewhere", "completed", "failed", "no_route", "waits") if not seen[each]] == []
