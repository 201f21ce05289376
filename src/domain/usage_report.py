"""A provider's account of a call, and what is believed of it. An attempt's end is recorded whatever the provider says, so what
cannot be true is taken as not known rather than refused, and what is too much to be true as the most that is believed: a budget
is then used up by it, and not left as if nothing had been taken."""

import re
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, Decimal

from domain.ai_usage import Usage
from domain.storable import storable_text

SMALLEST = Decimal("1e-10")
MOST_PAID = Decimal(1_000_000)
"""For one attempt, in any currency. The sum over all attempts of a task has room in its column."""
MOST_TOKENS = 10**12
COUNTS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
MOST_DETAILS = 50
LONGEST = 200  # characters of a name
CURRENCY = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True)
class UsageReport:
    """What a call, answered or failed, used and cost, and why it ended. None: not known."""

    usage: Usage | None = None
    cost: Decimal | None = None
    currency: str | None = None
    finish_reason: str | None = None

    def believed(self) -> "UsageReport":
        reason = None if self.finish_reason is None else believed_name(self.finish_reason)
        return UsageReport(believed_usage(self.usage), *believed_price(self.cost, self.currency), reason)


NOT_KNOWN = UsageReport()


def believed_price(cost: Decimal | None, currency: str | None) -> tuple[Decimal | None, str | None]:
    """The amount to ten digits after the point, and its currency as ISO 4217 names it; (None, None) if it is no price.
    More than the most that is paid is the most."""
    if cost is None or currency is None or not CURRENCY.fullmatch(currency):
        return None, None
    if not cost.is_finite() or cost < 0:
        return None, None
    cost = min(cost, MOST_PAID)
    return (cost if cost == cost.quantize(SMALLEST) else cost.quantize(SMALLEST, ROUND_HALF_EVEN)), currency


def believed_usage(usage: Usage | None) -> Usage | None:
    """None where a count is none; one beyond all reason is the most that is believed.
    Of the details those that are believed are kept."""
    if usage is None:
        return None
    counts = tuple(getattr(usage, name) for name in COUNTS)
    if not all(map(_is_number, counts)):
        return None
    if any(count > MOST_TOKENS for count in counts):
        usage = replace(usage, **dict(zip(COUNTS, (min(count, MOST_TOKENS) for count in counts), strict=True)))
    if usage.reasoning_tokens is not None:
        reasoning = usage.reasoning_tokens
        usage = replace(usage, reasoning_tokens=min(reasoning, MOST_TOKENS) if _is_number(reasoning) else None)
    if usage.details is None:
        return usage
    kept = [(believed_name(name), count) for name, count in usage.details.items() if _is_number(count) and count <= MOST_TOKENS]
    return replace(usage, details=dict(kept[:MOST_DETAILS]))


def believed_name(name: str) -> str:
    """A name that can be stored: NUL and halves of surrogate pairs are replaced, and it is cut to 200 characters."""
    return storable_text(name[:LONGEST])


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
