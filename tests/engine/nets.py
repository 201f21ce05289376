"""Nets drawn at random, as people draw workflows: splits that meet, side edges, work that is sent back."""

from random import Random
from typing import Any

from domain.facts import Json
from tests.engine.drawing import ask, drawing
from tests.engine.simulator import Net, Place, Wire

HANDLES = {"ask": ("ok", "again"), "start": ("success",), "step": ("success",), "join": ("success",)}


class Drawer:
    """Draws a net of such blocks, or none, and mostly a few wires at random on top of them."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.places: dict[str, Place] = {"start": Place("start", HANDLES["start"])}
        self.wires: list[Wire] = []

    def net(self) -> Net:
        leaves = self.block([("start", "success")], 3) if self.random.random() < 0.75 else self.wild()
        self.place("end", leaves)
        for _ in range(self.random.choice([0, 0, 0, 1, 2])):
            self.wire(self.random.choice(self.handles()), self.random.choice(list(self.places)[1:]))
        unused = [each for each in self.handles() if each not in {(wire.source, wire.handle) for wire in self.wires}]
        for each in unused:
            self.wire(each, self.random.choice(list(self.places)[1:]))
        return Net(self.places, tuple(self.wires))

    def place(self, kind: Any, entries: list[tuple[str, str]], need: Any = "all") -> str:
        name = f"{kind}{len(self.places)}"
        self.places[name] = Place(kind, HANDLES.get(kind, ()), need)
        for entry in entries:
            self.wire(entry, name)
        return name

    def wire(self, entry: tuple[str, str], target: str) -> None:
        self.wires.append(Wire(*entry, target, self.random.random() < 0.97))

    def handles(self) -> list[tuple[str, str]]:
        return [(name, handle) for name, place in self.places.items() for handle in place.handles]

    def join(self, entries: list[tuple[str, str]], branches: int) -> str:
        return self.place("join", entries, self.random.choice(["all", "all", 1, 1, min(2, branches)]))

    def block(self, entries: list[tuple[str, str]], depth: int) -> list[tuple[str, str]]:
        """Draw something behind some handles; the handles by which it is left."""
        draw = self.random.random() if depth else 0.0
        if draw < 0.25:
            return self.review(entries)
        if draw < 0.4:
            return self.block(self.block(entries, depth - 1), depth - 1)
        if draw < 0.65:
            return self.fork(entries, depth)
        if draw < 0.8:
            return self.chained(entries)
        return self.rework(entries, depth)

    def review(self, entries: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """A request: both answers go on, or one of them elsewhere: aside, to itself, back to somewhere."""
        name = self.place("ask", entries)
        kind = self.random.random()
        if kind < 0.4:
            return [(name, "ok"), (name, "again")]
        if kind < 0.6:
            self.place("end", [(name, "again"), *([(name, "ok")] if self.random.random() < 0.5 else [])])
        elif kind < 0.7:
            self.place("end", [(name, "ok")])
            return [(name, "ok"), (name, "again")]
        elif kind < 0.8:
            fix = self.place("ask", [(name, "again")])
            self.wire((fix, "ok"), name)
            self.wire((fix, "again"), name)
            if self.random.random() < 0.5:
                self.place("end", [(name, "again")])
        else:
            self.wire((name, "again"), self.random.choice(list(self.places)[1:]))
        return [(name, "ok")]

    def fork(self, entries: list[tuple[str, str]], depth: int) -> list[tuple[str, str]]:
        """Branches that meet in a join, some of them perhaps not."""
        head = self.place("step", entries)
        branches = self.random.choice([2, 2, 3])
        leaves = [self.block([(head, "success")], depth - 1) for _ in range(branches)]
        if self.random.random() < 0.25:
            self.place("end", self.block([(head, "success")], 0))
        return [(self.join([leaf for each in leaves for leaf in each], branches), "success")]

    def chained(self, entries: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """Some branches meet in a join, and what comes of it meets the others in another one."""
        head = self.place("step", entries)
        first, rest = (
            [leaf for _ in range(self.random.choice([1, 2])) for leaf in self.review([(head, "success")])] for _ in range(2)
        )
        early = self.join([*first, *self.review([(head, "success")])], 2)
        return [(self.join([(early, "success"), *rest], 2), "success")]

    def rework(self, entries: list[tuple[str, str]], depth: int) -> list[tuple[str, str]]:
        """Something that is looked at, and perhaps sent back: to its beginning, or to one or several places within."""
        first = len(self.places)
        merge = [(self.place("join", entries, 1), "success")] if self.random.random() < 0.2 else entries
        leaves = self.block(merge, depth - 1)
        within = list(self.places)[first:]
        check = self.place("ask", leaves)
        for target in self.random.choice([within[:1], within[:1], self.random.sample(within, min(2, len(within)))]):
            self.wire((check, "again"), target)
        if self.random.random() < 0.2:
            self.place("end", [(check, "again")])
        if self.random.random() < 0.1:
            self.wire(self.random.choice(entries), self.random.choice(within))
        return [(check, "ok")]

    def wild(self) -> list[tuple[str, str]]:
        kinds = self.random.choices(["ask", "ask", "step", "join", "join", "end", "fail"], k=self.random.randint(4, 9))
        for kind in ["ask", *kinds]:
            self.place(kind, [], self.random.choice(["all", 1, 2]))
        for each in self.handles():
            for target in self.random.sample(list(self.places)[1:], self.random.choice([1, 1, 2, 3])):
                self.wire(each, target)
        return [self.random.choice(self.handles())]


def drawn(net: Net) -> Json:
    def node(place: Place) -> Any:
        match place:
            case Place("ask"):
                return ask("ok:approve", "again:changes")
            case Place("step"):
                return "set", {"values": {}}
            case Place("join", need="all"):
                return "join", {"mode": "all"}
            case Place("join", need=1):
                return "join", {"mode": "any"}
            case Place("join"):
                return "join", {"mode": "count", "count": place.need}
            case Place("fail"):
                return "fail", {"code": "failed", "message": "It failed."}
        return place.kind

    edges = [f"{wire.source}.{wire.handle} > {wire.target}{'' if wire.open else ' if false'}" for wire in net.wires]
    return drawing({name: node(place) for name, place in net.places.items()}, *edges)
