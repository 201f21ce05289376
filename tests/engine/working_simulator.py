"""What work, time, messages, pauses and undoing add to the simulation of the contract; still without a line of the engine's.

Places of the kinds `work`, `agent` and `call` are handed out and reported on, with attempts; `wait` is over with its time; `hear`
with a message that it wants, which somebody sends or another place says; whatever is `timed` may take too long. A place may name
another one that undoes it: one that works, or `amend`, which is done at once.
"""

from dataclasses import dataclass, field
from typing import Any

from tests.engine.simulator import Inside, Known, Simulation, Token

WORKS = ("work", "agent", "call")
MAKES = (*WORKS, "hear")
"""What comes to a value that others are shown."""


@dataclass
class Message:
    """`since`: when it came."""

    wanted: bool
    value: Any
    since: int
    name: str = ""
    """How the engine calls it, as soon as that is known."""


@dataclass
class Clock:
    """Tells what was first, a visit or a message, of all that are played together."""

    now: int = 0
    messages: list[Message] = field(default_factory=list)
    """To everybody, in the order in which they came."""


@dataclass
class Standing:
    """How a visit stands that works."""

    failed: int = 0
    """Attempts that have."""
    handed_out: bool = False

    @property
    def begun(self) -> int:
        return max(1, self.failed + self.handed_out)


@dataclass
class Done:
    """A visit that may have to be undone."""

    token: Token
    value: Any


@dataclass(eq=False)
class WorkingSimulation(Simulation):
    standing: dict[int, Standing] = field(default_factory=dict)
    """By the number of the visit."""
    done: list[Done] = field(default_factory=list)
    paused: bool = False
    undoing: str = ""
    """How it ends once everything is undone."""
    undone: int = 0
    not_undone: int = 0
    seen: dict[int, Any] = field(default_factory=dict)
    """What each visit that works was told, by its number."""
    clock: Clock = field(default_factory=Clock)
    began: dict[int, int] = field(default_factory=dict)
    """When each visit did."""

    # --- What happens -------------------------------------------------------------------------------------------------

    def hand_out(self, token: Token) -> None:
        self.standing[token.visit].handed_out = True

    def report(self, token: Token, value: Any) -> None:
        self._over(token, "success", value)
        self._go_on()

    def report_failure(self, token: Token, type: str, *, again: bool = True) -> bool:
        """Whether another attempt follows. `again`: whether who reports it says that there may be one."""
        standing = self.standing[token.visit]
        standing.failed, standing.handed_out = standing.failed + 1, False
        if self.net.places[token.at].kind == "call":
            again = again and self._may_be_sent_again(token, type)
        if again and standing.failed < self.net.places[token.at].attempts:
            return True
        self._over(token, "error", {"type": type, "attempts": standing.failed})
        self._go_on()
        return False

    def _may_be_sent_again(self, token: Token, type: str) -> bool:
        """What a service has acted on, or may have, is not sent again unless that does no harm."""
        match type:
            case "http_404":
                return False
            case "http_429" | "unreachable":
                return True
            case _:
                return self.net.places[token.at].idempotent

    def run_out_of_time(self, token: Token) -> None:
        """Of the visit."""
        attempts = self.standing[token.visit].begun if token.visit in self.standing else 1
        self._over(token, "timeout", {"type": "timeout", "attempts": attempts})
        self._go_on()

    def wait_is_over(self, token: Token) -> None:
        self._over(token, "success", None)
        self._go_on()

    def hear(self, token: Token, value: Any) -> None:
        self._over(token, "success", value)
        self._go_on()

    def message(self, value: Any, wanted: bool) -> Message:
        """It comes from outside."""
        self.clock.messages.append(Message(wanted, value, self.clock.now))
        return self.clock.messages[-1]

    def told(self, message: Message) -> list[Token]:
        """Those to whom it is to be told: they began to wait before it came, and still do."""
        return [each for each in self.held if self._hears(each) and self.began[each.visit] <= message.since]

    def _hears(self, token: Token) -> bool:
        return self.net.places[token.at].kind == "hear"

    def before(self, token: Token) -> list[Message]:
        """What came before somebody began to wait, the latest first."""
        return [each for each in reversed(self.clock.messages) if each.since < self.began[token.visit]]

    def signal(self, value: Any, wanted: bool) -> None:
        """All that wait for a message hear it at once."""
        waiting = [each for each in self.held if self._hears(each)]
        for token in waiting if wanted else ():
            if token in self.held:
                self._over(token, "success", value)
        if waiting:
            self._go_on()

    def choose(self, token: Token, handle: str) -> None:
        """Of a request; it may interrupt others."""
        stops = self.net.places[token.at].stops if handle == "again" else ()
        goes = any(self.net.wires[n].open for n in self.net.out(token.at) if self.net.wires[n].handle == handle)
        reach = [(name, self._reach_of(token, name)) for name in (stops if goes else ())]
        old = list(self.tokens)
        gone = [each for name, split in reach for each in old if self._target(each) == name and self._is_in(each, split)]
        halted = [
            each
            for name, split in reach
            for each in self.held
            if each is not token and each.at == name and self._is_in(each, split)
        ]
        self._over(token, handle, handle)
        if halted:
            self.cancelled += [each.at for each in self.held if each in halted]
        self.tokens = [each for each in self.tokens if each not in gone]
        self.held = [each for each in self.held if each not in halted]
        self._go_on()

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False
        self._go_on()

    def go_on(self) -> None:
        """What a command has left."""
        self._go_on()

    def fail_for(self, code: str) -> None:
        """It is cancelled, or out of time."""
        self._fail(code)
        self._go_on()

    def terminate(self) -> None:
        self._give_up()
        self.end, self.undoing = "cancelled", ""

    # --- What comes of it ---------------------------------------------------------------------------------------------

    @property
    def left_off(self) -> bool:
        """A command has not done all that can be done."""
        undoes = bool(self.undoing) and not self.held
        return not self.paused and not self.end and (undoes or any(token in self.tokens for token in self.arriving))

    @property
    def _moves(self) -> bool:
        return not self.end and not self.paused and not self.undoing

    def _over(self, token: Token, handle: str, value: Any) -> None:
        self.held.remove(token)
        if self.undoing:
            self.undone, self.not_undone = self.undone + (handle == "success"), self.not_undone + (handle != "success")
            return
        fails = handle in ("error", "timeout")
        self._leave(token, handle, value, unhandled=value["type"] if fails else "no_route")

    def _leave(self, visit: Token, handle: str, value: Any, unhandled: str = "no_route") -> bool:
        place = len(self.done)
        left = super()._leave(visit, handle, value, unhandled)
        if left and self.net.places[visit.at].undo and handle not in ("error", "timeout"):
            self.done.insert(place, Done(visit, value))
        return left

    def _visit(self, name: str, inside: Inside, known: Known) -> None:
        place, number = self.net.places[name], len(self.visited) + 1
        self.clock.now += 1
        self.began[number] = self.clock.now
        if place.kind in WORKS:
            self.standing[number] = Standing()
            self.seen[number] = {each: value for each, (_, value) in known.items() if each.startswith(MAKES)}
        elif place.kind == "say":
            self.clock.messages.append(Message(place.wanted, {"serial": name}, self.clock.now))
        super()._visit(name, inside, known)

    def _fail(self, code: str) -> None:
        self._give_up()
        if self.done:
            self.undoing = code
        else:
            self.end = code

    def _go_on(self, done: int = 0) -> int:
        done = super()._go_on(done)
        while self.undoing and not self.paused and not self.held and not self.end:
            if not self.done:
                self.end = self.undoing
            elif done == self.share:
                break
            else:
                done += 1
                self._undo(self.done.pop())
        return done

    def _undo(self, done: Done) -> None:
        name = self.net.places[done.token.at].undo
        self.visited.append(name)
        if self.net.places[name].kind == "amend":
            self.undone += 1
            return
        number = len(self.visited)
        self.standing[number] = Standing()
        self.seen[number] = {"undoes": done.token.at, "what": done.value}
        self.held.append(Token(-1, None, [], name, {}, number))

    # --- Whom an answer interrupts ------------------------------------------------------------------------------------

    def _reach_of(self, token: Token, name: str) -> Any:
        """The innermost split it is in of which another branch leads to a place, without going back to where a split began."""
        begun = {self.net.wires[split.sent[0]].source for split, _ in token.inside}
        for split, wires in reversed(token.inside):
            others = [self.net.wires[wire].target for wire in split.sent if wire not in wires]
            ways = [self.net.walk(other, lambda wire: self.net.wires[wire].source not in begun) for other in others]
            if not split.over and any(name in way for way in ways):
                return split
        return None

    @staticmethod
    def _is_in(token: Token, split: Any) -> bool:
        return split is None or token.part_of(split)
