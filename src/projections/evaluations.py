"""projections.evaluations: what was evaluated side by side, how far that has come, and what it came to."""

from collections.abc import Iterable

from domain.envelope import RecordedEvent
from domain.evaluation import (
    EvaluationCancelled,
    EvaluationCompleted,
    EvaluationResultRecorded,
    EvaluationStarted,
    Spent,
    VariantTotals,
)
from domain.facts import Json
from projections.rows import Rows
from projections.table import TENANT_ID, Column, Lookup, Row, Table, stream_row

NAME = "evaluations"


def started(rows: Rows, record: RecordedEvent, event: EvaluationStarted) -> None:
    row = {
        "id": record.stream_id,
        "name": event.name,
        "description": event.description,
        "status": "running",
        "suite": event.suite,
        "planned": event.planned,
        "recorded": 0,
        "passed_runs": 0,
        "unjudged_runs": 0,
        "passed": None,
        "variants": None,
        "cost": None,
        "currency": None,
        "unpriced": 0,
        "reason": None,
        "started_by": event.started_by,
        "started_at": record.occurred_at,
        "completed_at": None,
    }
    rows.insert(NAME, record, row)


def result_recorded(rows: Rows, record: RecordedEvent, event: EvaluationResultRecorded) -> None:
    row = rows.get(NAME, record.tenant_id, record.stream_id)
    spent = Spent(row["cost"], row["currency"], row["unpriced"]) + event.spent + event.judging
    counts = {
        "recorded": row["recorded"] + 1,
        "passed_runs": row["passed_runs"] + event.passed,
        "unjudged_runs": row["unjudged_runs"] + is_unjudged(event),
    }
    _update(rows, record, {**counts, "cost": spent.cost, "currency": spent.currency, "unpriced": spent.unpriced})


def completed(rows: Rows, record: RecordedEvent, event: EvaluationCompleted) -> None:
    ended = {"status": "completed", "completed_at": record.occurred_at}
    _update(rows, record, {**ended, "passed": event.passed, "variants": totals_json(event.variants)})


def cancelled(rows: Rows, record: RecordedEvent, event: EvaluationCancelled) -> None:
    ended = {"status": "cancelled", "completed_at": record.occurred_at, "reason": event.reason}
    _update(rows, record, {**ended, "variants": totals_json(event.variants)})


def is_unjudged(event: EvaluationResultRecorded) -> bool:
    return any(each.verdict == "unjudged" for each in event.verdicts)


def totals_json(variants: Iterable[VariantTotals]) -> Json:
    return [
        {
            "variant": each.variant,
            "runs": each.runs,
            "passed": each.passed,
            "unjudged": each.unjudged,
            "cost": None if each.spent.cost is None else str(each.spent.cost),
            "currency": each.spent.currency,
            "unpriced": each.spent.unpriced,
            "input_tokens": each.spent.input_tokens,
            "output_tokens": each.spent.output_tokens,
            "median_latency_ms": each.median_latency_ms,
            "p95_latency_ms": each.p95_latency_ms,
            "judge_cost": None if each.judging.cost is None else str(each.judging.cost),
            "judge_currency": each.judging.currency,
            "checks": [{"check": one.check, "failed": one.failed, "unjudged": one.unjudged} for one in each.checks],
            "thresholds": [
                {"name": one.name, "wanted": one.wanted, "found": one.found, "holds": one.holds} for one in each.thresholds
            ],
            "holds": each.holds,
        }
        for each in variants
    ]


def _update(rows: Rows, record: RecordedEvent, changes: Row) -> None:
    rows.update(NAME, record, (record.tenant_id, record.stream_id), changes)


def rows_needed(record: RecordedEvent) -> tuple[Lookup, ...]:
    return () if isinstance(record.event, EvaluationStarted) else (stream_row(record),)


TABLE = Table(
    name=NAME,
    key=("tenant_id", "id"),
    columns={
        "tenant_id": TENANT_ID,
        "id": Column("uuid", "The evaluation's id; also the correlation id of its tasks."),
        "name": Column("text", "What people call it; several evaluations of one suite have one name."),
        "description": Column("text", "What it is for.", null=True, listed=False),
        "status": Column(
            "text",
            "running until every run is recorded, then completed; or cancelled.",
            choices=("running", "completed", "cancelled"),
        ),
        "suite": Column(
            "jsonb",
            "What is evaluated: {cases, variants, checks, thresholds, tools, repeat, concurrency, budget}, prompts pinned.",
            listed=False,
        ),
        "planned": Column("integer", "How many runs there are to be: cases × variants × repeat."),
        "recorded": Column("integer", "How many are over, and recorded."),
        "passed_runs": Column("integer", "How many of these passed every check."),
        "unjudged_runs": Column("integer", "Of how many of these a judge gave no verdict."),
        "passed": Column(
            "boolean",
            "Whether all thresholds hold, of every variant, and nothing is unjudged; null until it is completed.",
            null=True,
        ),
        "variants": Column("jsonb", "What the runs of each variant come to; null while it is running.", null=True, listed=False),
        "cost": Column("numeric", "What it has cost as far as that is known, judges too, in currency.", null=True),
        "currency": Column("text", "Of the cost: the first one known.", null=True),
        "unpriced": Column("integer", "Calls of models whose cost is not in it."),
        "reason": Column("text", "Why it was cancelled, in words.", null=True),
        "started_by": Column("uuid", "Who started it; null: a service or the platform.", null=True),
        "started_at": Column("timestamptz", "When it was started."),
        "completed_at": Column("timestamptz", "When it was completed or cancelled.", null=True),
    },
    appliers={
        EvaluationStarted: started,
        EvaluationResultRecorded: result_recorded,
        EvaluationCompleted: completed,
        EvaluationCancelled: cancelled,
    },
    rows_needed=rows_needed,
)
