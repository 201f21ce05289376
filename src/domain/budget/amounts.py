"""What budgets count: tokens, money, calls of models and calls of tools."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, TypeAlias

AmountName: TypeAlias = Literal["cost", "tokens", "calls", "tool_calls"]
NAMES: tuple[AmountName, ...] = ("cost", "tokens", "calls", "tool_calls")


@dataclass(frozen=True)
class Limits:
    """So much in a period, and no more. None: that is not counted. `cost` is in the budget's currency."""

    cost: Decimal | None = None
    tokens: int | None = None
    calls: int | None = None
    tool_calls: int | None = None

    def named(self) -> Iterator[tuple[AmountName, Decimal | int]]:
        """Those that there are, with the field's name."""
        for name in NAMES:
            limit = getattr(self, name)
            if limit is not None:
                yield name, limit


@dataclass(frozen=True)
class Use:
    """Counted amounts, each known. `cost` is in the budget's currency."""

    tokens: int = 0
    cost: Decimal = Decimal(0)
    calls: int = 0
    tool_calls: int = 0

    def __add__(self, other: "Use") -> "Use":
        return Use(
            self.tokens + other.tokens,
            self.cost + other.cost,
            self.calls + other.calls,
            self.tool_calls + other.tool_calls,
        )

    def __sub__(self, other: "Use") -> "Use":
        return self + Use(-other.tokens, -other.cost, -other.calls, -other.tool_calls)

    def reaching(self, limits: Limits, share: Decimal) -> AmountName | None:
        """The first amount that has come to this share of its limit."""
        return next((name for name, limit in limits.named() if (own := getattr(self, name)) > 0 and own >= limit * share), None)


NO_LIMITS = Limits()
NOTHING = Use()


@dataclass(frozen=True)
class Amounts:
    """What a call will take at most, or what it took. None: not known. `calls`: of models."""

    tokens: int | None = 0
    cost: Decimal | None = Decimal(0)
    currency: str | None = None
    calls: int = 0
    tool_calls: int = 0

    def cost_in(self, currency: str | None) -> Decimal | None:
        """Nothing is nothing in every currency; anything else is known in its own alone."""
        if self.cost is None or self.cost == 0 or self.currency == currency:
            return self.cost
        return None
