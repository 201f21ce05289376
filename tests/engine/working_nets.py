"""Nets with work, waits, messages, errors and undoing in them, drawn at random."""

from dataclasses import replace
from typing import Any

from domain.facts import Json
from tests.engine.drawing import ask, drawing
from tests.engine.nets import HANDLES, Drawer
from tests.engine.simulator import Net, Place, Wire
from tests.engine.working_simulator import MAKES, WORKS

MESSAGE = "paid"
ALL_HANDLES = {
    **HANDLES,
    "work": ("success", "error", "timeout"),
    "agent": ("success", "error", "timeout"),
    "call": ("success", "error", "timeout"),
    "say": ("success",),
    "child": ("success", "error", "timeout"),
    "each": ("success", "error", "timeout"),
    "wait": ("success", "timeout"),
    "hear": ("success", "timeout"),
    "broken": ("error",),
}
TOP = 3
"""The depth at which a net begins to be drawn."""
MAY_BE_UNHANDLED = ("error", "timeout")


class WorkingDrawer(Drawer):
    """Some of the blocks' requests are other things that are waited for."""

    def net(self) -> Net:
        return self.finished(super().net())

    def finished(self, net: Net) -> Net:
        """With interruptions, times and undoing."""
        places, wires = dict(net.places), net.wires
        asks = [name for name, place in places.items() if place.kind == "ask"]
        for name in asks:
            if self.random.random() < 0.15:
                others = [other for other in places if other not in (name, "start")]
                places[name] = replace(places[name], stops=tuple(self.random.sample(others, min(2, len(others)))))
            if self.random.random() < 0.15:
                places[name] = replace(places[name], timed=True)
                if self.random.random() < 0.6:
                    wires = (*wires, Wire(name, "timeout", self.random.choice(list(net.places)[1:])))
        undone = [name for name, place in places.items() if place.undo]
        for name in undone:
            kind: Any = self.random.choice(["work", "call", "amend"])
            undo = f"undo_{name}"
            places[name] = replace(places[name], undo=undo)
            places[undo] = Place(kind, attempts=self.random.choice([1, 2]), timed=kind != "amend")
        return Net(places, wires)

    def block(self, entries: list[tuple[str, str]], depth: int) -> list[tuple[str, str]]:
        """More of them, one behind the other, and mostly work to begin with."""
        if depth == TOP and self.random.random() < 0.7:
            entries = self.waiting("work", entries, undone=0.9)
            entries = self.waiting("hear", entries) if self.random.random() < 0.4 else entries
        leaves = super().block(entries, depth)
        return self.review(leaves) if depth and self.random.random() < 0.5 else leaves

    def review(self, entries: list[tuple[str, str]]) -> list[tuple[str, str]]:
        if self.random.random() < 0.3:
            return super().review(entries)
        kind: Any = self.random.choice(["work", "work", "agent", "call", "wait", "hear", "hear", "say", "broken"])
        return self.waiting(kind, entries)

    def waiting(self, kind: Any, entries: list[tuple[str, str]], undone: float = 0.6) -> list[tuple[str, str]]:
        """Its error and its timeout go on, go aside, go back, or are nobody's business."""
        timed = kind in (*WORKS, "wait", "hear") and self.random.random() < 0.6
        attempts, undo = self.random.choice([1, 2, 3]), "?" if kind in WORKS and self.random.random() < undone else ""
        handles = tuple(each for each in ALL_HANDLES[kind] if timed or each != "timeout")
        name = f"{kind}{len(self.places)}"
        self.places[name] = Place(
            kind,
            handles,
            attempts=attempts,
            idempotent=self.random.random() < 0.5,
            looks_back=self.random.random() < 0.5,
            wanted=self.random.random() < 0.7,
            timed=timed,
            undo=undo,
        )
        for entry in entries:
            self.wire(entry, name)
        leaves = [(name, "success")] if "success" in handles else []
        for handle in handles:
            draw = self.random.random()
            if handle == "success":
                continue
            if draw < 0.4 or not leaves:
                leaves.append((name, handle))
            elif draw < 0.6:
                self.place("end", [(name, handle)])
            elif draw < 0.8:
                self.wire((name, handle), self.random.choice(list(self.places)[1:]))
        return leaves

    def handles(self) -> list[tuple[str, str]]:
        """Errors without an edge stay so, mostly."""
        drawn = {(wire.source, wire.handle) for wire in self.wires}
        found = super().handles()
        return [each for each in found if each[1] not in MAY_BE_UNHANDLED or each[0].startswith("broken") or each in drawn]


def key_of(name: str) -> str:
    return name.replace("_", "-")


def works(place: Place, name: str, told: Json) -> tuple[str, Json]:
    match place.kind:
        case "work":
            return "task", {"job_type": name, "input": told}
        case "agent":
            schema = {"type": "object"}
            return "ai_agent", {"model": "offline/echo", "prompt": "Do it.", "input": told, "output_schema": schema}
        case _:
            more = {"idempotent": place.idempotent, "output": "=response.body"}
            return "http", {"url": "https://api.example/", "method": "POST", "body": told, **more}


def drawn_working(net: Net, around: tuple[str, ...] = ()) -> Json:
    """`around`: what a body sees of what is around it."""
    watched = [*around] + [name for name, place in net.places.items() if place.kind in MAKES and not name.startswith("undo_")]
    seen = {name: f"=has(nodes.{name}) ? [nodes.{name}] : []" for name in watched}
    undoing = {place.undo for place in net.places.values() if place.undo}

    def node(name: str, place: Place) -> Any:
        fields: Json = {"timeout": "PT1H"} if place.timed else {}
        match place.kind:
            case "ask":
                kind, config = ask("ok:approve", "again:changes")
                ok, again = config["outcomes"]
                again |= {"interrupts": list(place.stops)} if place.stops else {}
                return kind, {**config, "outcomes": [ok, again]}, fields
            case "work" | "agent" | "call":
                told = {"undoes": "=compensates.node_id", "what": "=compensates.output"} if name in undoing else seen
                fields |= {"compensate": place.undo} if place.undo else {}
                fields |= {"retry": {"max_attempts": place.attempts}}
                return *works(place, name, told), fields
            case "wait":
                return "wait", {"duration": "PT10M"}, fields
            case "hear":
                back = {"lookback": "PT1H"} if place.looks_back else {}
                return "wait_event", {"event_type": MESSAGE, "when": "event.data.wanted", **back}, fields
            case "say":
                return "emit", {"event_type": MESSAGE, "data": {"wanted": place.wanted, "serial": name}}
            case "child":
                return "workflow", {"workflow_key": key_of(name), "wait": place.waits}, fields
            case "each":
                assert place.within is not None
                drawn = drawn_working(place.within, tuple(watched))
                each: Json = {"items": list(range(place.count)), "max_concurrency": place.most}
                each |= {"body": {"nodes": drawn["nodes"], "edges": drawn["edges"]}}
                if place.tolerated != 0:
                    each |= {"on_item_error": "continue"}
                    each |= {} if place.tolerated is None else {"tolerated_failures": place.tolerated}
                return "foreach", each, fields
            case "broken":
                return "set", {"values": {"x": "=input.nope"}}
            case "step":
                return "set", {"values": {}}
            case "amend":
                return "set", {"values": {"amended": "=compensates.output.serial"}}
            case "join" if place.need == "all":
                return "join", {"mode": "all"}
            case "join" if place.need == 1:
                return "join", {"mode": "any"}
            case "join":
                return "join", {"mode": "count", "count": place.need}
            case "fail":
                return "fail", {"code": "failed", "message": "It failed."}
            case _:
                return place.kind

    edges = [f"{wire.source}.{wire.handle} > {wire.target}{'' if wire.open else ' if false'}" for wire in net.wires]
    return drawing({name: node(name, place) for name, place in net.places.items()}, *edges, timeout="P30D")
