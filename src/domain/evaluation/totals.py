"""What the runs of a variant come to, and whether that is good enough."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import reduce

from domain.evaluation.events import CheckTotals, Spent, Threshold, VariantTotals
from domain.evaluation.state import Evaluation, Result
from domain.facts import Json

ALL = "1"
"""The pass rate that is wanted where a suite says nothing of it."""


def totals_of(state: Evaluation) -> tuple[VariantTotals, ...]:
    """Of each variant, in the suite's order."""
    by_variant: dict[str, list[Result]] = {variant["name"]: [] for variant in state.suite["variants"]}
    for result in state.results.values():
        by_variant[result.variant].append(result)
    checks = [check["name"] for check in state.suite["checks"]]
    common = state.suite.get("thresholds") or {}
    return tuple(
        _totals(variant["name"], by_variant[variant["name"]], checks, {**common, **(variant.get("thresholds") or {})})
        for variant in state.suite["variants"]
    )


def _totals(name: str, results: Sequence[Result], checks: Iterable[str], wanted: Mapping[str, Json]) -> VariantTotals:
    spent = reduce(Spent.__add__, (each.spent for each in results), Spent())
    judging = reduce(Spent.__add__, (each.judging for each in results), Spent())
    latencies = sorted(each.spent.latency_ms for each in results)
    passed, unjudged = sum(each.passed for each in results), sum(bool(each.unjudged) for each in results)
    p95 = percentile(latencies, 95)
    thresholds = tuple(_thresholds(wanted, len(results), passed, spent, p95))
    return VariantTotals(
        name,
        len(results),
        passed,
        unjudged,
        spent,
        judging,
        percentile(latencies, 50),
        p95,
        tuple(
            CheckTotals(check, sum(check in each.failed for each in results), sum(check in each.unjudged for each in results))
            for check in checks
        ),
        thresholds,
        not unjudged and all(each.holds for each in thresholds),
    )


def percentile(ordered: Sequence[int], percent: int) -> int | None:
    """The nearest rank, as `percentile_disc` has it."""
    return ordered[max(0, -(-percent * len(ordered) // 100) - 1)] if ordered else None


def _thresholds(wanted: Mapping[str, Json], runs: int, passed: int, spent: Spent, p95: int | None) -> Iterable[Threshold]:
    least = Decimal(str(wanted.get("pass_rate", ALL)))
    rate = f"{Decimal(passed) / runs:.4f}" if runs else None
    yield Threshold("pass_rate", str(least), rate, runs > 0 and Decimal(passed) >= least * runs)
    if "mean_cost" in wanted:
        most, currency = Decimal(str(wanted["mean_cost"]["amount"])), wanted["mean_cost"]["currency"]
        known = runs > 0 and not spent.unpriced and spent.cost is not None and spent.currency == currency
        mean = spent.cost / runs if known and spent.cost is not None else None
        found = None if mean is None else f"{mean:.10f} {currency}"
        yield Threshold("mean_cost", f"{most} {currency}", found, mean is not None and mean <= most)
    if "p95_latency_ms" in wanted:
        longest = wanted["p95_latency_ms"]
        yield Threshold("p95_latency_ms", str(longest), None if p95 is None else str(p95), p95 is not None and p95 <= longest)
