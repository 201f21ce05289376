"""What children and the items of lists add to the simulation of the contract; still without a line of the engine's.

A `child` is an execution of its own, which its parent waits for, or not. `each` runs what is within it for every item of a list,
so many at a time. Who belongs together moves one after the other: first who was moved, then those who have begun, in that order;
and who has ended tells who waits for it at once.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from tests.engine.simulator import Inside, Known, Token
from tests.engine.working_simulator import WorkingSimulation


@dataclass(eq=False)
class Each:
    """The items of a list, for one visit. `ended`: by place, the code by which it failed, if it did."""

    parent: "FamilySimulation"
    token: Token
    begun: bool = False
    running: dict[int, "FamilySimulation"] = field(default_factory=dict)
    next: int = 0
    ended: dict[int, str] = field(default_factory=dict)
    status: str = "running"

    @property
    def place(self) -> Any:
        return self.parent.net.places[self.token.at]

    @property
    def wanted(self) -> bool:
        return self.status == "running" and self.token in self.parent.held and self.parent.wanted

    def fill(self) -> None:
        """So many at a time, in order; none while the execution is paused."""
        while self.wanted and not self.parent.paused and len(self.running) < self.place.most and self.next < self.place.count:
            self.running[self.next] = self.parent.family.begin(self.parent, self.token, self)
            self.next += 1

    def item_ended(self, index: int) -> None:
        item = self.running.pop(index)
        self.ended[index] = "" if item.end == "completed" else item.end
        failures = sum(code != "" for code in self.ended.values())
        if item.end != "completed" and self.place.tolerated is not None and failures > self.place.tolerated:
            self.status = "failed"
            self._over("error", {"type": item.end, "attempts": 1})
        elif len(self.ended) == self.place.count:
            self.status = "completed"
            self._over("success", None)
        else:
            self.fill()

    def _over(self, handle: str, value: Any) -> None:
        """The visit that it belongs to goes on when it is its turn."""
        self.parent.visit_is_over(self.token, handle, value)
        self.parent.family.begun.append(self.parent)

    def move(self) -> None:
        """By its job: the first items begin, or all that are left are ended."""
        if self.status == "running" and self.wanted:
            self.begun = self.begun or not self.parent.paused
            self.fill()
        elif self.status != "running":
            for item in self.running.values():
                item.give_up_item()
            self.status = "closed"

    def go_on(self) -> None:
        """After a pause: the items that run, and others. Those within them go on by jobs of their own."""
        if self.wanted and not self.parent.paused:
            self.begun = True
            for item in list(self.running.values()):
                item.move_on()
                if self.has_failed:
                    return
            self.fill()

    @property
    def has_failed(self) -> bool:
        """Also where it is not told yet."""
        codes = [*self.ended.values(), *(item.end for item in self.running.values() if item.over)]
        return self.place.tolerated is not None and sum(code not in ("", "completed") for code in codes) > self.place.tolerated


@dataclass
class Family:
    members: list["FamilySimulation"] = field(default_factory=list)
    lists: list[Each] = field(default_factory=list)
    begun: deque["FamilySimulation"] = field(default_factory=deque)
    terminating: bool = False

    def begin(
        self, parent: "FamilySimulation", token: Token, each: Each | None = None, *, waits: bool = True
    ) -> "FamilySimulation":
        net = parent.net.places[token.at].within
        assert net is not None
        new = FamilySimulation(net, parent.limit, clock=parent.clock, family=self)
        new.made_by, new.waits, new.each = (parent, token), waits, each
        new.index = 0 if each is None else each.next
        new.execution = new if each is None else parent.execution
        self.members.append(new)
        self.begun.append(new)
        return new

    def settle(self) -> None:
        while self._give_up() or self._tell() or self._move():
            pass
        self.terminating = False

    def _give_up(self) -> bool:
        for each in self.lists:
            if each.status == "running" and each.token not in each.parent.held:
                each.status = "given up" if each.begun else "closed"
                return True
        for child in self.members:
            if not child.over and child.each is None and child.waits and child.made_by is not None and not child.given_up:
                parent, token = child.made_by
                if token not in parent.held:
                    child.given_up = True
                    child.give_up()
                    return True
        return False

    def _tell(self) -> bool:
        for one in self.members:
            if one.over and not one.has_told:
                one.has_told = True
                if one.made_by is not None and one.waits:
                    one.tell()
                    return True
        return False

    def _move(self) -> bool:
        if not self.begun:
            return False
        one = self.begun.popleft()
        if one.wanted:
            one.move_on()
        return True


@dataclass(eq=False)
class FamilySimulation(WorkingSimulation):
    """An execution, or an item in one. `made_by`: whose visit it belongs to."""

    family: Family = field(default_factory=Family)
    made_by: "tuple[FamilySimulation, Token] | None" = None
    waits: bool = True
    each: Each | None = None
    index: int = 0
    execution: "FamilySimulation" = field(init=False)
    has_told: bool = False
    given_up: bool = False
    entered: bool = False

    def __post_init__(self) -> None:
        self.execution = self

    @property  # type: ignore[misc]
    def paused(self) -> bool:
        """Items are, with their execution."""
        return self.execution._paused

    @paused.setter
    def paused(self, value: bool) -> None:
        self._paused = value

    @property
    def over(self) -> bool:
        return bool(self.end)

    @property
    def wanted(self) -> bool:
        """Whether it lives and, of an item, the list around it is still gone through, and so on outwards."""
        return not self.over and (self.each is None or self.each.wanted)

    @property
    def _moves(self) -> bool:
        return super()._moves and self.wanted

    def move_on(self) -> None:
        if not self.entered:
            self.entered = True
            around = {} if self.each is None else self.each.token.known
            self._begin(around)
        self._go_on()

    def give_up(self) -> None:
        """Nobody waits for it any more. What it is undoing is undone."""
        if self.family.terminating:
            self.terminate()
        elif not self.undoing:
            self.fail_for("cancelled")

    def give_up_item(self) -> None:
        if not self.over:
            self._give_up()
            self.end = "cancelled"

    def tell(self) -> None:
        """Whoever waits for its end."""
        assert self.made_by is not None
        parent, token = self.made_by
        if self.each is not None:
            if self.each.wanted:
                self.each.item_ended(self.index)
        elif token in parent.held and parent.wanted:
            well = self.end == "completed"
            parent.visit_is_over(token, "success" if well else "error", None if well else {"type": self.end, "attempts": 1})
            parent._go_on()

    def visit_is_over(self, token: Token, handle: str, value: Any) -> None:
        self._over(token, handle, value)

    def _visit(self, name: str, inside: Inside, known: Known) -> None:
        super()._visit(name, inside, known)
        place = self.net.places[name]
        if place.kind == "child":
            token = self.held[-1]
            self.family.begin(self, token, waits=place.waits)
            if not place.waits:
                self._over(token, "success", None)
        elif place.kind == "each" and place.count:
            self.family.lists.append(Each(self, self.held[-1]))
        elif place.kind == "each":
            self._over(self.held[-1], "success", None)

    def _leave(self, visit: Token, handle: str, value: Any, unhandled: str = "no_route") -> bool:
        """What finds no edge to go by in the body of a list ends there."""
        drawn = any((wire.source, wire.handle) == (visit.at, handle) for wire in self.net.wires)
        if self.each is not None and not drawn and handle not in ("error", "timeout"):
            return True
        return super()._leave(visit, handle, value, unhandled)

    def _go_on(self, done: int = 0) -> int:
        """Nothing follows from an item's end but its end, also while it is paused."""
        done = super()._go_on(done)
        if self.each is not None and self.wanted and self.paused and self.entered and not self.held and not self.tokens:
            self.end = "completed"
        return done
