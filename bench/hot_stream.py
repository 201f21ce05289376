"""Many callers on one stream: all their commands land, one after the other."""

from functools import partial
from uuid import UUID

from bench import saves
from bench.figures import Contender, Lost, Ratio, Result, in_turn
from bench.ledgers import ENVELOPE, expect, open_ledgers, seconds_at_once
from bench.sizes import Sizes
from bench.stage import Stage, run
from domain.execution import EXECUTION, ExecutionSignalled, ExecutionStarted
from domain.facts import Decided, Event, Fact, View
from runtime.ids import new_id
from store.command import Command
from store.handler import Handler

MARK = 0.5
PAYLOAD = {"approved": True, "by": "Ada Lovelace", "amount": 1250.5, "note": "What a signal carries is up to its sender."}


def a_start() -> Event:
    return ExecutionStarted(saves.WORKFLOW, "expense", 1, "start", {"amount": 1250.5, "who": "Ada Lovelace"})


class HotStream:
    """The bench's own books: how often each command was decided."""

    def __init__(self, on: Stage, callers: int, commands: int, events: int) -> None:
        self.on = on
        self.callers = callers
        self.each = max(commands // callers, 1)
        self.events = events
        self.runs: list[int] = []
        """How often each command was decided, over all rounds."""

    def commands_a_second(self) -> float:
        """Raises Lost."""
        (ledger,) = open_ledgers(self.on, 1)
        stream = new_id()
        positions: list[int] = []

        async def caller(handler: Handler, number: int) -> None:
            if number == 0:
                await handler.handle(Command(ledger, "bench.start", ENVELOPE), lambda _: Decided((Fact(stream, a_start()),)))
            positions.extend([await self.signal(handler, ledger, stream) for _ in range(self.each)])

        seconds = run(seconds_at_once(self.on, self.callers, caller, saves.save))
        landed = self.each * self.callers
        if len(set(positions)) != landed:
            raise Lost(f"{landed} commands were answered with {len(set(positions))} positions")
        expect(self.on, [ledger], events=landed * self.events + 1, streams=1)
        return landed / seconds

    async def signal(self, handler: Handler, ledger: UUID, stream: UUID) -> int:
        runs = 0

        def decide(view: View) -> Decided:
            nonlocal runs
            runs += 1
            steps = view.read(EXECUTION, stream).steps
            return Decided(tuple(Fact(stream, ExecutionSignalled(f"s{steps}", PAYLOAD)) for _ in range(self.events)))

        done = await handler.handle(Command(ledger, "bench.signal", ENVELOPE), decide)
        self.runs.append(runs)
        assert done.position is not None
        return done.position


def bench(on: Stage, sizes: Sizes) -> Result:
    """As many events a command as a save has, so that like is compared with like; and one, as most decisions have."""
    callers = sizes.callers
    like = HotStream(on, callers, sizes.hot_commands, saves.EVENTS)
    one = HotStream(on, callers, sizes.hot_commands, 1)
    rates = in_turn(
        [
            Contender(f"{callers} callers, one stream, 5 events each", like.commands_a_second),
            Contender(f"{callers} callers, one stream, 1 event each", one.commands_a_second),
            Contender(f"{callers} callers, a stream each, 5 events", partial(saves.saves_a_second, on, callers, 1, sizes.saves)),
        ],
        sizes.rounds,
    )
    hot, single, apart = rates
    runs = like.runs + one.runs
    notes = (f"decisions a command: {sum(runs) / len(runs):.2f}, at worst {max(runs)}; none lost, none twice",)
    return Result("commands a second", rates, [Ratio(hot, apart, MARK), Ratio(single, apart)], notes)
