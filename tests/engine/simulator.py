"""The contract's tokens and joins once more, in the plainest way: slow, literal, and without a line of the engine's.

A net is a drawing without contents. What waits in it is answered by a handle; everything else happens at once. `Simulation` says
what is open, who was visited and cancelled, and how it ends; tests/engine/test_simulation.py compares the engine with it. What
work, time, messages, pauses and undoing add to it is in tests/engine/working_simulator.py.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeAlias


@dataclass(frozen=True)
class Wire:
    source: str
    handle: str
    target: str
    open: bool = True
    """Whether its condition holds."""


@dataclass(frozen=True)
class Place:
    kind: Literal[
        "start",
        "ask",
        "step",
        "join",
        "end",
        "fail",
        "work",
        "agent",
        "call",
        "wait",
        "hear",
        "say",
        "broken",
        "amend",
        "child",
        "each",
    ]
    handles: tuple[str, ...] = ()
    need: int | Literal["all"] = "all"
    """Of a join: how many different queues a round takes; all of them wait for their losers, fewer swallow them."""
    attempts: int = 1
    """Of what works."""
    idempotent: bool = True
    """Of a call: whether it may be sent again although it may have been acted on."""
    looks_back: bool = False
    """Of one that hears."""
    wanted: bool = True
    """Of what is said: whether it is what is waited for."""
    timed: bool = False
    """Whether it has a timeout."""
    undo: str = ""
    """The place that undoes it."""
    within: "Net | None" = None
    """What a child does, or each item of a list."""
    waits: bool = True
    """For the child."""
    count: int = 0
    """Items of a list. `most`: at a time; `tolerated`: failures, None: all."""
    most: int = 1
    tolerated: int | None = 0
    stops: tuple[str, ...] = ()
    """Of a request: whom its answer `again` interrupts."""


@dataclass(frozen=True)
class Net:
    places: dict[str, Place]
    wires: tuple[Wire, ...]

    # --- Walking ------------------------------------------------------------------------------------------------------

    def out(self, name: str) -> list[int]:
        return [number for number, wire in enumerate(self.wires) if wire.source == name]

    def walk(self, start: str, allowed: Callable[[int], bool]) -> set[str]:
        """Where one may come to from a place."""
        been, todo = {start}, [start]
        while todo:
            for number in self.out(todo.pop()):
                target = self.wires[number].target
                if allowed(number) and target not in been:
                    been.add(target)
                    todo.append(target)
        return been

    def avoiding(self, start: str, places: set[str], shut: frozenset[int] = frozenset()) -> set[str]:
        """Where one may come to without setting foot on some places."""
        return self.walk(start, lambda number: number not in shut and self.wires[number].target not in places) - places

    def split_wires(self) -> Iterator[list[int]]:
        for source, handle in {(wire.source, wire.handle): None for wire in self.wires}:
            together = [n for n, wire in enumerate(self.wires) if (wire.source, wire.handle) == (source, handle)]
            if len(together) > 1:
                yield together

    # --- Loops --------------------------------------------------------------------------------------------------------

    @cached_property
    def loops(self) -> list[tuple[set[str], frozenset[int]]]:
        """Each loop with the wires that lead back to its heads; those within others too."""
        return list(self._loops_within(set(self.places), frozenset()))

    def _loops_within(self, area: set[str], shut: frozenset[int]) -> Iterator[tuple[set[str], frozenset[int]]]:
        reach = {name: self._steps(name, area, shut) for name in area}
        seen: set[str] = set()
        for name in area:
            if name in reach[name] and name not in seen:
                loop = {other for other in area if other in reach[name] and name in reach[other]}
                seen |= loop
                heads = self._heads(loop, shut)
                back = frozenset(n for n, w in enumerate(self.wires) if w.source in loop and w.target in heads) - shut
                yield loop, back
                yield from self._loops_within(loop, shut | back)

    def _steps(self, name: str, area: set[str], shut: frozenset[int]) -> set[str]:
        """Where one may come to within an area by one step at least."""
        first = {self.wires[n].target for n in self.out(name) if n not in shut} & area
        found: set[str] = set()
        for each in first:
            found |= self.walk(each, lambda n: n not in shut and self.wires[n].target in area)
        return found

    def _heads(self, loop: set[str], shut: frozenset[int]) -> set[str]:
        arriving = [n for n, w in enumerate(self.wires) if n not in shut and w.target in loop and w.source not in loop]
        entries = {self.wires[n].target for n in arriving}
        further = {one for one in entries for other in entries if self._before(other, one, loop)}
        entries -= further
        begun = {name for name in entries if self.places[name].kind != "join"}
        gathering = {
            name
            for name in entries - begun
            for split in self.split_wires()
            if self.wires[split[0]].source not in loop
            if any(
                name in self._enters(a, loop, shut) and begun & self._enters(b, loop, shut)
                for a in split
                for b in split
                if a != b
            )
        }
        return (entries - gathering) or entries or loop

    def _before(self, one: str, other: str, loop: set[str]) -> bool:
        """Whether nothing leaves the loop from `one` without `other`, while from `other` something does without `one`."""
        return one != other and not self._escapes(one, other, loop) and self._escapes(other, one, loop)

    def _escapes(self, start: str, past: str, loop: set[str]) -> bool:
        been = self.walk(start, lambda n: self.wires[n].source in loop and self.wires[n].target != past)
        return bool(been - loop)

    def _enters(self, wire: int, loop: set[str], shut: frozenset[int]) -> set[str]:
        """The places of a loop at which what travels this wire may arrive in it."""
        target = self.wires[wire].target
        if wire in shut or target in loop:
            return set() if wire in shut else {target}
        outside = self.walk(target, lambda n: n not in shut and self.wires[n].target not in loop)
        return {w.target for n, w in enumerate(self.wires) if n not in shut and w.source in outside and w.target in loop}

    # --- Joins --------------------------------------------------------------------------------------------------------

    def queues(self, join: str) -> list[set[int]]:
        """A queue for each wire into a join; the n-th ones of the handles of one place share one."""
        numbered: dict[tuple[str, int], set[int]] = {}
        for number, wire in enumerate(self.wires):
            if wire.target == join:
                earlier = [w for w in self.wires[:number] if (w.source, w.handle, w.target) == (wire.source, wire.handle, join)]
                numbered.setdefault((wire.source, len(earlier)), set()).add(number)
        return list(numbered.values())

    def returning(self, join: str) -> set[int]:
        """The wires that lead from behind a join back in front of it."""
        back = set().union(*(wires for places, wires in self.loops if join in places))
        behind = self.walk(join, lambda number: number not in back)
        return {number for number in back if self.wires[number].source in behind}

    def comes_to(self, wire: int, join: str) -> set[int]:
        """The queues of a join that what travels a wire may come to, without being sent back from behind the join."""
        returning = self.returning(join)
        been = self.walk(self.wires[wire].target, lambda number: number not in returning)
        queues = enumerate(self.queues(join))
        return {
            number
            for number, queue in queues
            if wire in queue or any(each not in returning and self.wires[each].source in been for each in queue)
        }

    def asked(self, join: str) -> set[int]:
        returning = self.returning(join)
        return {number for number, queue in enumerate(self.queues(join)) if not queue <= returning}


@dataclass(eq=False)
class Split:
    sent: list[int]
    over: bool = False
    """A join further out has reached into it."""


Inside: TypeAlias = list[tuple[Split, set[int]]]
Known: TypeAlias = dict[str, tuple[int, Any]]
"""What the places came to that were visited on the way, each with the number of the visit."""


@dataclass(eq=False)
class Token:
    number: int
    wire: int | None
    inside: Inside
    """The splits it is in, outermost first, each with the wires it came down: several where a join has merged them."""
    at: str = ""
    """The place that holds it; on its way, or waiting at a join, as long as there is none."""
    known: Known = field(default_factory=dict)
    """Of the one that leaves a place: what came before."""
    visit: int = 0
    """Of a held one: which visit it is."""

    def part_of(self, split: Split) -> bool:
        return any(each is split for each, _ in self.inside)


@dataclass(eq=False)
class Simulation:
    net: Net
    limit: int = 150
    tokens: list[Token] = field(default_factory=list)
    """Those that live, in the order of being sent; those held by places are in `held`."""
    held: list[Token] = field(default_factory=list)
    arriving: list[Token] = field(default_factory=list)
    visited: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    end: str = ""
    sent: int = 0
    steps: int = 0
    share: int = 10_000
    """How many places a command may enter; another one goes on from there."""

    def start(self) -> None:
        self._begin({})
        self._go_on(1)

    def _begin(self, known: Known) -> None:
        [begin] = [name for name, place in self.net.places.items() if place.kind == "start"]
        self._visit(begin, [], known)

    @property
    def open(self) -> list[str]:
        return [token.at for token in self.held]

    def answer(self, number: int, handle: str) -> None:
        token = self.held.pop(number)
        self._leave(token, handle, None)
        self._go_on()

    def _go_on(self, done: int = 0) -> int:
        """Let everybody arrive, as far as the command's share goes; how much of it is done before, and then."""
        while self.arriving and self._moves:
            token = self.arriving[0]
            taken = self._round(token) if token in self.tokens else []
            if taken:
                if done == self.share:
                    return done
                done += 1
                if self.steps < self.limit:
                    self._enter(token, taken)
                else:
                    self._fail("step_limit")
            if self.arriving:
                self.arriving.pop(0)
        if self._moves and not self.held:
            if self.tokens:
                self._fail("stuck")
            else:
                self.end = "completed"
        return done

    @property
    def _moves(self) -> bool:
        return not self.end

    def _round(self, token: Token) -> list[Token]:
        """Whom a visit would take, if there is one now."""
        target = self._target(token)
        return self._meeting(target, token) if self.net.places[target].kind == "join" else [token]

    def _target(self, token: Token) -> str:
        assert token.wire is not None
        return self.net.wires[token.wire].target

    def _enter(self, token: Token, taken: list[Token]) -> None:
        target = self._target(token)
        if self.net.places[target].kind == "join":
            self._meet(target, token, taken)
        else:
            self.tokens.remove(token)
            self._visit(target, token.inside, token.known)

    def _visit(self, name: str, inside: Inside, known: Known) -> None:
        self.visited.append(name)
        self.steps += 1
        visit = Token(-1, None, inside, name, known, len(self.visited))
        match self.net.places[name].kind:
            case "ask" | "work" | "agent" | "call" | "wait" | "hear" | "child" | "each":
                self.held.append(visit)
            case "fail":
                self._fail("failed")
            case "end":
                pass
            case "broken":
                self._leave(visit, "error", None, unhandled="expression_error")
            case _:
                self._leave(visit, self.net.places[name].handles[0], None)

    def _leave(self, visit: Token, handle: str, value: Any, unhandled: str = "no_route") -> bool:
        """By all wires of a handle that are open; without one the execution fails. Whether there is one."""
        wires = [n for n in self.net.out(visit.at) if self.net.wires[n].handle == handle and self.net.wires[n].open]
        if not wires:
            self._fail(unhandled)
            return False
        split, known = Split(wires), {**visit.known, visit.at: (visit.visit, value)}
        for wire in wires:
            self.sent += 1
            inside = visit.inside if len(wires) == 1 else [*visit.inside, (split, {wire})]
            token = Token(self.sent, wire, inside, known=known)
            self.tokens.append(token)
            self.arriving.append(token)
        return True

    def _fail(self, code: str) -> None:
        self._give_up()
        self.end = code

    def _give_up(self) -> None:
        self.cancelled += [token.at for token in self.held]
        self.held, self.tokens, self.arriving = [], [], []

    # --- Joins --------------------------------------------------------------------------------------------------------

    def _meeting(self, join: str, token: Token) -> list[Token]:
        """A token is at a join: does a round close? Whoever is on the way to a join waits there already."""
        scope, queues = self._scope(join, token), self.net.queues(join)
        place = self.net.places[join]
        firsts: list[Token] = []
        for queue in queues:
            waiting = [each for each in self.tokens if each.wire in queue and self._scope(join, each) is scope]
            firsts += waiting[:1]
        need = len(queues) if place.need == "all" else place.need
        return sorted(firsts, key=lambda each: each.number)[:need] if len(firsts) >= need else []

    def _meet(self, join: str, token: Token, taken: list[Token]) -> None:
        scope = self._scope(join, token)
        rest = [each for each in (*self.tokens, *self.held) if each not in taken]
        losers = [] if self.net.places[join].need == "all" else [each for each in rest if self._loses(join, each, scope)]
        self.cancelled += [each.at for each in self.held if each in losers]
        self.tokens = [each for each in self.tokens if each not in taken and each not in losers]
        self.held = [each for each in self.held if each not in losers]
        inside = self._merge(scope, taken, losers)
        known: Known = {}
        for name, found in [each for one in taken for each in one.known.items()]:
            known[name] = max(known.get(name, found), found, key=lambda each: each[0])
        self._visit(join, inside, known)

    def _scope(self, join: str, token: Token) -> Split | None:
        """The innermost split whose branches together come to all queues of the join; none: the whole execution."""
        for split, _ in reversed(token.inside):
            if not split.over and self.net.asked(join) <= set().union(*(self.net.comes_to(n, join) for n in split.sent)):
                return split
        return None

    def _loses(self, join: str, token: Token, scope: Split | None) -> bool:
        """In the scope, and of its splits the innermost one's branch leads to the join. Who is in no split leads everywhere."""
        if scope is not None and not token.part_of(scope):
            return False
        return not token.inside or any(self.net.comes_to(n, join) for n in token.inside[-1][1])

    def _merge(self, scope: Split | None, taken: list[Token], losers: list[Token]) -> Inside:
        """Where the join's token is: in the scope, its branches merged, while others live there; else where the scope is.

        Splits within the scope are over: who is left of them is in the scope from now on. One token alone that passes by a join
        in no scope stays where it is.
        """
        if scope is None and len(taken) + len(losers) == 1:
            return taken[0].inside
        over = [split for token in (*taken, *losers) for split in self._within(token, scope)]
        for split in over:
            split.over = True
        if over:
            again = [each for each in self.tokens if any(each.part_of(split) for split in over) and self._waits(each)]
            self.arriving += [each for each in again if each not in self.arriving]
        if scope is None:
            return []
        outer: Inside = []
        for split, wires in taken[0].inside:
            if split is scope:
                break
            outer.append((split, wires))
        if not any(each.part_of(scope) for each in (*self.tokens, *self.held)):
            return outer
        came = [wires for token in (*taken, *losers) for split, wires in token.inside if split is scope]
        return [*outer, (scope, set().union(*came))]

    def _within(self, token: Token, scope: Split | None) -> Iterable[Split]:
        splits = [split for split, _ in token.inside]
        return splits if scope is None else splits[splits.index(scope) + 1 :]

    def _waits(self, token: Token) -> bool:
        assert token.wire is not None
        return self.net.places[self.net.wires[token.wire].target].kind == "join"
