"""The aggregate: its events, their topics, and what the audit log says of them."""

from domain.evaluation.events import EvaluationCancelled, EvaluationCompleted, EvaluationResultRecorded, EvaluationStarted
from domain.evaluation.state import Evaluation, evolve
from domain.facts import Aggregate, EventType
from domain.wording import because, plural

EVALUATION: Aggregate[Evaluation] = Aggregate(
    "evaluation",
    Evaluation(),
    evolve,
    (
        EventType(
            EvaluationStarted,
            "evaluation.started.v1",
            lambda e, _: f"An evaluation was started, of {plural(e.planned, 'run')}: {e.name}",
            note="`suite`: its cases, variants and checks, as they were given, with prompts pinned to versions.",
        ),
        EventType(
            EvaluationResultRecorded,
            "evaluation.result_recorded.v1",
            lambda e, of: (
                f"A run {'passed' if e.passed else 'did not pass'} ({e.variant}, {e.case}, number {e.repeat}): {of.name}"
            ),
            severity="debug",
            note="One case given to one variant, once, as the AI task `task_id`. `judging`: what judges spent, apart.",
        ),
        EventType(
            EvaluationCompleted,
            "evaluation.completed.v1",
            lambda e, of: f"An evaluation was completed, and {'passed' if e.passed else 'did not pass'}: {of.name}",
            changes=lambda _: {"status": "completed"},
            note="`variants`: what the runs of each come to, and whether its thresholds hold.",
        ),
        EventType(
            EvaluationCancelled,
            "evaluation.cancelled.v1",
            lambda e, of: f"An evaluation was cancelled{because(e.reason)}: {of.name}",
            changes=lambda _: {"status": "cancelled"},
            note="No further run is begun. `variants`: of what was recorded by then.",
        ),
    ),
    "ai",
)
