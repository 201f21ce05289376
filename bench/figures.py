"""What a bench measures, and how it is compared: contenders in turn, medians, ratios, marks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median


class Lost(Exception):
    """Something that was acknowledged is missing, there twice, or wrong."""


@dataclass(frozen=True)
class Contender:
    """`run` does the work of one round and returns what it did a second."""

    name: str
    run: Callable[[], float]


@dataclass(frozen=True)
class Rates:
    """What a contender did a second, round by round."""

    name: str
    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        return median(self.rounds)

    def __str__(self) -> str:
        return f"{self.name:<44} {self.median:>10,.0f}   ({min(self.rounds):,.0f} to {max(self.rounds):,.0f})"


@dataclass(frozen=True)
class Ratio:
    """Ours over theirs, of the same rounds. `mark`: at least this is wanted; None: for information."""

    ours: Rates
    theirs: Rates
    mark: float | None = None

    @property
    def value(self) -> float:
        return self.ours.median / self.theirs.median

    def __str__(self) -> str:
        by_round = [ours / theirs for ours, theirs in zip(self.ours.rounds, self.theirs.rounds, strict=True)]
        verdict = "" if self.mark is None else f"   mark {self.mark:g}: {'pass' if self.value >= self.mark else 'miss'}"
        spread = f"by round {min(by_round):.2f} to {max(by_round):.2f}"
        return f"{self.ours.name} / {self.theirs.name} = {self.value:.2f}   ({spread}){verdict}"


@dataclass(frozen=True)
class Result:
    unit: str
    rates: Sequence[Rates]
    ratios: Sequence[Ratio] = ()
    notes: Sequence[str] = field(default=())

    def __str__(self) -> str:
        heading = f"{self.unit:<44} {'median':>10}   (spread)"
        return "\n".join([heading, *map(str, self.rates), *map(str, self.ratios), *self.notes])


def in_turn(contenders: Sequence[Contender], rounds: int, *, fixed: bool = False) -> list[Rates]:
    """Every contender once in each round: what else the machine does meets all alike.

    Each round is begun by another, unless they need their order (`fixed`).
    """
    measured: dict[str, list[float]] = {each.name: [] for each in contenders}
    for number in range(rounds):
        first = 0 if fixed else number % len(contenders)
        for each in [*contenders[first:], *contenders[:first]]:
            measured[each.name].append(each.run())
    return [Rates(name, tuple(rates)) for name, rates in measured.items()]


def best(rates: Sequence[Rates]) -> Rates:
    return max(rates, key=lambda each: each.median)
