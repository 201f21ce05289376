"""What happens to an evaluation. A **run** is one case given to one variant, once: an AI task of its own."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal
from uuid import UUID

from domain.facts import Event, Json
from domain.retry import Failure


@dataclass(frozen=True)
class Spent:
    """By tasks that are over. `cost` adds up what is known, in one currency; `unpriced` counts the calls that are not in it.

    `latency_ms`: how long the calls of models took, together.
    """

    cost: Decimal | None = None
    currency: str | None = None
    unpriced: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    latency_ms: int = 0

    def __add__(self, other: "Spent") -> "Spent":
        """A cost in another currency than the first known one counts as unpriced."""
        priced = other.cost is not None and self.currency in (None, other.currency)
        return Spent(
            (self.cost or Decimal(0)) + other.cost if priced and other.cost is not None else self.cost,
            other.currency if priced else self.currency,
            self.unpriced + other.unpriced + (other.cost is not None and not priced),
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.latency_ms + other.latency_ms,
        )


@dataclass(frozen=True)
class Verdict:
    """What one check says of one run. unjudged: the judge gave no verdict, which is no pass. `task_id`: the judge's."""

    check: str
    type: Literal["schema", "cel", "forbidden_tools", "judge"]
    verdict: Literal["pass", "fail", "unjudged"]
    why: str | None = None
    score: float | None = None
    task_id: UUID | None = None


@dataclass(frozen=True)
class EvaluationStarted(Event):
    """`suite`: {cases, variants, checks, thresholds, tools, repeat, concurrency, budget}, prompts pinned. `planned`: so many
    runs."""

    name: str
    suite: Json
    planned: int
    description: str | None = None
    started_by: UUID | None = None


@dataclass(frozen=True)
class EvaluationResultRecorded(Event):
    """What came of a run: of its AI task, as that stands on record, and of the checks. `judging`: what the judges spent."""

    variant: str
    case: str
    repeat: int
    task_id: UUID
    status: Literal["completed", "failed", "cancelled"]
    passed: bool
    verdicts: tuple[Verdict, ...]
    spent: Spent
    judging: Spent = field(default_factory=Spent)
    error: Failure | None = None


@dataclass(frozen=True)
class CheckTotals:
    check: str
    failed: int
    unjudged: int


@dataclass(frozen=True)
class Threshold:
    """`found`: None where that is not known, and then it does not hold."""

    name: Literal["pass_rate", "mean_cost", "p95_latency_ms"]
    wanted: str
    found: str | None
    holds: bool


@dataclass(frozen=True)
class VariantTotals:
    """Of all its runs that were recorded. `unjudged`: runs of which a judge gave no verdict. Percentiles: the nearest rank."""

    variant: str
    runs: int
    passed: int
    unjudged: int
    spent: Spent
    judging: Spent
    median_latency_ms: int | None
    p95_latency_ms: int | None
    checks: tuple[CheckTotals, ...]
    thresholds: tuple[Threshold, ...]
    holds: bool


@dataclass(frozen=True)
class EvaluationCompleted(Event):
    """Every run is recorded. `passed`: whether all thresholds hold, of every variant, and nothing is unjudged."""

    passed: bool
    variants: tuple[VariantTotals, ...]


@dataclass(frozen=True)
class EvaluationCancelled(Event):
    """No further run is begun. `variants`: totals of what was recorded by then."""

    variants: tuple[VariantTotals, ...]
    reason: str | None = None


EvaluationEvent = EvaluationStarted | EvaluationResultRecorded | EvaluationCompleted | EvaluationCancelled
