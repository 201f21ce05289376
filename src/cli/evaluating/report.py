"""The variants of an evaluation side by side, as text."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

MOST_TOLD = 20
"""Runs that did not pass, told one by one."""
UNKNOWN = "unknown"
HEADINGS = ("variant", "passed", "unjudged", "cost", "judges", "tokens in/out", "median ms", "p95 ms")


def table(evaluation: dict[str, Any], results: Sequence[dict[str, Any]], baseline: str | None = None) -> str:
    """What `gesta eval` prints. `baseline`: the variant from which the others differ; None: the first."""
    variants = evaluation["variants"] or []
    base = next((each for each in variants if each["variant"] == baseline), variants[0] if variants else None)
    about = f"{evaluation['name']}: {evaluation['status']}, {evaluation['recorded']} of {evaluation['planned']} runs"
    judged = {each["variant"] for each in results if each["judge_task_ids"]}
    rows = [HEADINGS, *(_row(each, base, judged=each["variant"] in judged) for each in variants)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(HEADINGS))]
    lines = [
        about,
        "",
        *("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows),
    ]
    lines += ["", *_checks(variants)] if variants else []
    lines += _thresholds(variants)
    return "\n".join([*lines, *_failed(results), "", _end(evaluation)])


def _row(variant: dict[str, Any], base: dict[str, Any] | None, *, judged: bool) -> tuple[str, ...]:
    before = None if base is None or base is variant else base
    rate, before_rate = _rate(variant), None if before is None else _rate(before)
    return (
        variant["variant"],
        f"{variant['passed']}/{variant['runs']} {rate:.1f} %{_more(rate, before_rate, '.1f')}",
        str(variant["unjudged"]),
        _money(variant["cost"], variant["currency"], variant["unpriced"]) + _dearer(variant, before),
        _money(variant["judge_cost"], variant["judge_currency"], 0) if variant["judge_cost"] else UNKNOWN if judged else "-",
        f"{variant['input_tokens']}/{variant['output_tokens']}",
        *(
            _milliseconds(variant[name], None if before is None else before[name])
            for name in ("median_latency_ms", "p95_latency_ms")
        ),
    )


def _rate(variant: dict[str, Any]) -> float:
    return 100 * variant["passed"] / variant["runs"] if variant["runs"] else 0.0


def _more(value: float, before: float | None, form: str) -> str:
    return "" if before is None else f" ({value - before:+{form}})"


def _money(amount: str | None, currency: str | None, unpriced: int) -> str:
    if amount is None:
        return UNKNOWN if unpriced else "-"
    return f"{Decimal(amount).normalize():f} {currency}" + (f" +{unpriced} {UNKNOWN}" if unpriced else "")


def _dearer(variant: dict[str, Any], before: dict[str, Any] | None) -> str:
    """In percent; nothing where that cannot be said."""
    if before is None or variant["cost"] is None or before["currency"] != variant["currency"] or not Decimal(before["cost"] or 0):
        return ""
    return f" ({100 * (Decimal(variant['cost']) / Decimal(before['cost']) - 1):+.1f} %)"


def _milliseconds(value: int | None, before: int | None) -> str:
    return "-" if value is None else f"{value}{_more(value, before, 'd')}"


def _checks(variants: Sequence[dict[str, Any]]) -> list[str]:
    told = [
        f"{each['variant']}: {one['check']} failed {one['failed']}"
        + (f", gave no verdict on {one['unjudged']}" if one["unjudged"] else "")
        for each in variants
        for one in each["checks"]
        if one["failed"] or one["unjudged"]
    ]
    return told or ["No check failed."]


def _thresholds(variants: Sequence[dict[str, Any]]) -> list[str]:
    return [
        f"{each['variant']}: {one['name']} is {one['found'] or UNKNOWN}, wanted {one['wanted']}"
        for each in variants
        for one in each["thresholds"]
        if not one["holds"]
    ]


def _failed(results: Sequence[dict[str, Any]]) -> list[str]:
    failed = [each for each in results if not each["passed"]]
    lines = [""] if failed else []
    for each in failed[:MOST_TOLD]:
        why = [f"{one['check']} ({one['verdict']}): {one['why']}" for one in each["verdicts"] if one["verdict"] != "pass"]
        said = "; ".join(why) or f"{each['status']} ({each['error_type'] or 'no error'}): {each['error'] or ''}"
        lines.append(f"{each['variant']}, {each['case_name']}, {each['number']}: {said}")
    return [*lines, f"… and {len(failed) - MOST_TOLD} more"] if len(failed) > MOST_TOLD else lines


def _end(evaluation: dict[str, Any]) -> str:
    if evaluation["status"] == "cancelled":
        return f"Cancelled{': ' + evaluation['reason'] if evaluation['reason'] else ''}"
    if evaluation["passed"] is None:
        return "Not all runs are recorded."
    return "Passed." if evaluation["passed"] else "Not passed."
