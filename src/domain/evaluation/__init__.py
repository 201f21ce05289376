"""An evaluation: prompts, models or settings side by side, on the same cases, with checks on what comes of each."""

from domain.evaluation.aggregate import EVALUATION
from domain.evaluation.deciding import (
    EvaluationBudgetSpent,
    EvaluationOver,
    cancel,
    record,
    require_budget,
    require_running,
    start,
)
from domain.evaluation.events import (
    CheckTotals,
    EvaluationCancelled,
    EvaluationCompleted,
    EvaluationResultRecorded,
    EvaluationStarted,
    Spent,
    Threshold,
    VariantTotals,
    Verdict,
)
from domain.evaluation.state import Evaluation, evolve, judge_id_of, run_id_of
from domain.evaluation.totals import totals_of

__all__ = [
    "EVALUATION",
    "CheckTotals",
    "Evaluation",
    "EvaluationBudgetSpent",
    "EvaluationCancelled",
    "EvaluationCompleted",
    "EvaluationOver",
    "EvaluationResultRecorded",
    "EvaluationStarted",
    "Spent",
    "Threshold",
    "VariantTotals",
    "Verdict",
    "cancel",
    "evolve",
    "judge_id_of",
    "record",
    "require_budget",
    "require_running",
    "run_id_of",
    "start",
    "totals_of",
]
