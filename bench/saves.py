"""Our side of a save: an execution of five events, decided, folded, encoded and appended."""

from uuid import UUID, uuid4

from bench.ledgers import ENVELOPE, bytes_an_event, expect, open_ledgers, seconds_at_once
from bench.stage import Stage, run
from domain.execution import ActivationCompleted, ActivationStarted, ExecutionStarted, Move
from domain.facts import Decided, Event, Fact, View
from store.command import Command
from store.handler import Handler

EVENTS = 5
WORKFLOW = uuid4()
OUTPUT = {"approved": True, "by": "Ada Lovelace", "amount": 1250.5}


def five_events(first: UUID, second: UUID) -> tuple[Event, ...]:
    """An execution's start and two visits; around 150 bytes each."""
    return (
        ExecutionStarted(WORKFLOW, "expense", 1, "start", {"amount": 1250.5, "who": "Ada Lovelace"}),
        ActivationStarted(first, "start", "start", 1, (0,), {"amount": 1250.5}),
        ActivationCompleted(first, "start", "out", OUTPUT, (Move(1, 0, "manager"),)),
        ActivationStarted(second, "manager", "approval", 1, (1,), {"amount": 1250.5}),
        ActivationCompleted(second, "manager", "approved", OUTPUT),
    )


def save(view: View) -> Decided:
    execution_id = view.new_id()
    return Decided(tuple(Fact(execution_id, event) for event in five_events(view.new_id(), view.new_id())))


def saves_a_second(on: Stage, callers: int, tenants: int, count: int) -> float:
    """Some `count` saves by `callers` at once, over fresh ledgers. Raises Lost."""
    ledgers = open_ledgers(on, tenants)
    each = max(count // callers, 1)

    async def caller(handler: Handler, number: int) -> None:
        for n in range(each):
            await handler.handle(Command(ledgers[(number + n) % tenants], "bench.save", ENVELOPE), save)

    seconds = run(seconds_at_once(on, callers, caller, save))
    expect(on, ledgers, events=each * callers * EVENTS, streams=each * callers)
    return each * callers / seconds


def a_log(on: Stage, saves: int) -> UUID:
    """A ledger of that many saves."""
    (ledger,) = open_ledgers(on, 1)

    async def caller(handler: Handler, _number: int) -> None:
        for _ in range(saves // 100):
            await handler.handle(Command(ledger, "bench.save", ENVELOPE), save)

    run(seconds_at_once(on, 100, caller, save))
    expect(on, [ledger], events=saves // 100 * 100 * EVENTS, streams=saves // 100 * 100)
    return ledger


def bytes_of_a_save(on: Stage) -> tuple[float, float]:
    """Payload and envelope bytes of an average event."""
    return bytes_an_event(on, a_log(on, 100))
