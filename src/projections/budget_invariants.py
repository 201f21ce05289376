"""What must hold of budgets: what is put aside is for a call that is under way, and goes with its end; what is counted is what
that end says."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from domain.ai_task import Reservation
from domain.budget import BudgetPeriodAdjusted, BudgetPeriodOpened, BudgetReserved, BudgetSettled, Use
from domain.envelope import RecordedEvent

Call = tuple[UUID, UUID]
"""The period's stream, and the attempt or call of a tool."""


class Took(NamedTuple):
    """By the end of a call. None: it does not say."""

    tokens: int | None = 0
    cost: Decimal | None = Decimal(0)
    currency: str | None = None
    calls: int = 0
    tool_calls: int = 0


@dataclass
class Part:
    """What is known of one call's part in one period. Its four events come in two appends, in no particular order there."""

    put_aside: Use | None = None
    named: Use | None = None
    settled: BudgetSettled | None = None
    ended: Took | None = None


@dataclass
class BudgetInvariants:
    _parts: dict[Call, Part] = field(default_factory=dict)
    _of_calls: dict[UUID, tuple[UUID, ...]] = field(default_factory=dict)
    """By call: the periods that it takes of."""
    _currencies: dict[UUID, str | None] = field(default_factory=dict)

    def see(self, record: RecordedEvent) -> Iterator[str]:
        """What is wrong with an event after those seen before."""
        event, stream = record.event, record.stream_id
        match event:
            case BudgetPeriodOpened() | BudgetPeriodAdjusted():
                self._currencies[stream] = event.currency
            case BudgetReserved():
                part = self._part(stream, event.call_id)
                if part.put_aside is not None:
                    yield "puts something aside twice for one call"
                part.put_aside = event.amounts
            case BudgetSettled():
                part = self._part(stream, event.call_id)
                if part.put_aside is None or part.settled is not None:
                    yield "settles what was not put aside"
                part.settled = event
                yield from self._counted_at_once(stream, event) if part.named is None else self._closed(stream, event.call_id)

    def started(self, call: UUID, reserved: Iterable[Reservation]) -> None:
        for each in reserved:
            self._part(each.period_id, call).named = Use(each.tokens, each.cost, each.calls, each.tool_calls)
            self._of_calls[call] = (*self._of_calls.get(call, ()), each.period_id)

    def ended(self, call: UUID, took: Took) -> Iterator[str]:
        for period in self._of_calls.pop(call, ()):
            self._part(period, call).ended = took
            yield from self._closed(period, call)

    def left(self) -> Iterator[str]:
        """What is wrong at the end of the ledger."""
        for (period, call), part in self._parts.items():
            if part.put_aside != part.named:
                yield f"budget period {period}: call {call} takes {part.named}, and {part.put_aside} is put aside for it"
            if part.ended is not None and part.settled is None:
                yield f"budget period {period}: call {call} has ended, and something is put aside for it still"
            if part.settled is not None and part.ended is None:
                yield f"budget period {period}: what was put aside for call {call} is settled, and it has not ended"

    def _part(self, period: UUID, call: UUID) -> Part:
        return self._parts.setdefault((period, call), Part())

    def _counted_at_once(self, period: UUID, event: BudgetSettled) -> Iterator[str]:
        """A workflow that is a tool: its start takes nothing of a budget, because it is counted as it begins."""
        part = self._parts.pop((period, event.call_id))
        if not part.put_aside == event.released == event.used == Use(tool_calls=1):
            yield "settles what no call under way takes"

    def _closed(self, period: UUID, call: UUID) -> Iterator[str]:
        """Once all is known of a call, nothing is kept of it."""
        part = self._parts[period, call]
        if part.settled is None or part.ended is None:
            return
        del self._parts[period, call]
        if not part.put_aside == part.named == part.settled.released:
            yield f"frees {part.settled.released} of {part.put_aside}"
        yield from _miscounted(part.settled, part.ended, self._currencies.get(period))


def _miscounted(settled: BudgetSettled, took: Took, currency: str | None) -> Iterator[str]:
    """What is counted otherwise than the end of the call says. What was not put aside may be uncounted: it has no limit."""
    cost = took.cost if took.cost == 0 or took.currency == currency else None
    for name, said in (("tokens", took.tokens), ("cost", cost), ("calls", took.calls), ("tool_calls", took.tool_calls)):
        released, used = getattr(settled.released, name), getattr(settled.used, name)
        expected = released if said is None else said
        if used != expected and (used or released):
            yield f"counts {used} as the {name} of a call that took {expected}"
