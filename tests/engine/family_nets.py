"""Nets in which there are others: children, and what is done for each item of a list; drawn at random."""

from dataclasses import replace
from itertools import count
from typing import Any

from tests.engine.simulator import Net, Place, Wire
from tests.engine.working_nets import TOP, WorkingDrawer

DEEPEST = 2


class FamilyDrawer(WorkingDrawer):
    """`level`: within how many others the net is."""

    def __init__(self, seed: int, level: int = 0, numbers: Any = None) -> None:
        super().__init__(seed)
        self.level = level
        self.numbers = numbers or count(1)

    def block(self, entries: list[tuple[str, str]], depth: int) -> list[tuple[str, str]]:
        if self.level == 0 and depth == TOP:
            entries = self.others(entries)
        return super().block(entries, depth)

    def review(self, entries: list[tuple[str, str]]) -> list[tuple[str, str]]:
        if self.level < DEEPEST and self.random.random() < 0.25:
            return self.others(entries)
        return super().review(entries)

    def others(self, entries: list[tuple[str, str]]) -> list[tuple[str, str]]:
        kind: Any = self.random.choice(["child", "each", "each"])
        name, inner = f"{kind}{len(self.places)}", FamilyDrawer(self.random.getrandbits(32), self.level + 1, self.numbers)
        leaves, items = self.waiting(kind, entries), self.random.choice([0, 1, 2, 3, 5])
        self.places[name] = replace(
            self.places[name],
            within=inner.small(body=kind == "each"),
            waits=self.places[name].timed or self.random.random() < 0.8,
            count=items,
            most=self.random.choice([1, 2, 3]),
            tolerated=self.random.choice([0, 0, 1, None]),
        )
        return leaves

    def small(self, *, body: bool) -> Net:
        """In a body nothing is undone, and what has no edge ends there."""
        leaves = self.block([("start", "success")], 1)
        if not body or self.random.random() < 0.7:
            self.place("end", leaves)
        net = self.finished(Net(self.places, tuple(self.wires)))
        if body:
            kept = {name: replace(place, undo="") for name, place in net.places.items() if not name.startswith("undo_")}
            net = Net(kept, net.wires)
        return named(net, f"_{next(self.numbers)}")


def named(net: Net, suffix: str) -> Net:
    """The same with names of its own."""

    def new(place: Place) -> Place:
        return replace(place, undo=place.undo and place.undo + suffix, stops=tuple(each + suffix for each in place.stops))

    wires = tuple(Wire(wire.source + suffix, wire.handle, wire.target + suffix, wire.open) for wire in net.wires)
    return Net({name + suffix: new(place) for name, place in net.places.items()}, wires)


def within(net: Net) -> list[tuple[str, Net]]:
    """The nets of children, wherever they are drawn, by the places that call them."""
    found = []
    for name, place in net.places.items():
        if place.within is not None:
            found += [(name, place.within)] if place.kind == "child" else []
            found += within(place.within)
    return found
