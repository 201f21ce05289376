"""projections.evaluation_results: what came of each run of an evaluation: one case given to one variant, once."""

from domain.envelope import RecordedEvent
from domain.evaluation import EvaluationResultRecorded, Verdict
from domain.facts import Json
from projections.evaluations import is_unjudged
from projections.rows import Rows
from projections.table import TENANT_ID, Column, Table

NAME = "evaluation_results"


def result_recorded(rows: Rows, record: RecordedEvent, event: EvaluationResultRecorded) -> None:
    row = {
        "task_id": event.task_id,
        "evaluation_id": record.stream_id,
        "variant": event.variant,
        "case_name": event.case,
        "number": event.repeat,
        "status": event.status,
        "passed": event.passed,
        "unjudged": is_unjudged(event),
        "verdicts": [_verdict(each) for each in event.verdicts],
        "judge_task_ids": [each.task_id for each in event.verdicts if each.task_id is not None],
        "error_type": None if event.error is None else event.error.type,
        "error": None if event.error is None else event.error.message,
        "cost": event.spent.cost,
        "currency": event.spent.currency,
        "unpriced": event.spent.unpriced,
        "input_tokens": event.spent.input_tokens,
        "output_tokens": event.spent.output_tokens,
        "latency_ms": event.spent.latency_ms,
        "judge_cost": event.judging.cost,
        "judge_currency": event.judging.currency,
    }
    rows.insert(NAME, record, row)


def _verdict(one: Verdict) -> Json:
    task_id = None if one.task_id is None else str(one.task_id)
    return {"check": one.check, "type": one.type, "verdict": one.verdict, "why": one.why, "score": one.score, "task_id": task_id}


TABLE = Table(
    name=NAME,
    key=("tenant_id", "task_id"),
    columns={
        "tenant_id": TENANT_ID,
        "task_id": Column("uuid", "The AI task that is the run; there is none where it could not be asked for."),
        "evaluation_id": Column("uuid", "The evaluation."),
        "variant": Column("text", "Which variant was asked."),
        "case_name": Column("text", "Which case it was given."),
        "number": Column("integer", "Which repetition it is, from 1."),
        "status": Column("text", "How the task ended.", choices=("completed", "failed", "cancelled")),
        "passed": Column("boolean", "Whether the task was completed, and every check passed."),
        "unjudged": Column("boolean", "Whether a judge gave no verdict."),
        "verdicts": Column("jsonb", "What each check says: {check, type, verdict, why, score, task_id}."),
        "judge_task_ids": Column("uuid[]", "The AI tasks of the judges."),
        "error_type": Column("text", "Why the task failed, as a word.", null=True),
        "error": Column("text", "Why the task failed, as a sentence.", null=True),
        "cost": Column("numeric", "What the task cost, as far as that is known, in currency; without the judges.", null=True),
        "currency": Column("text", "Of the cost.", null=True),
        "unpriced": Column("integer", "Calls of models whose cost is not in it."),
        "input_tokens": Column("bigint", "Tokens that the task's models were given."),
        "output_tokens": Column("bigint", "Tokens that they answered with."),
        "latency_ms": Column("bigint", "How long the task's calls of models took, together, in milliseconds."),
        "judge_cost": Column("numeric", "What the judges cost, as far as that is known, in judge_currency.", null=True),
        "judge_currency": Column("text", "Of the judges' cost.", null=True),
    },
    appliers={EvaluationResultRecorded: result_recorded},
)
