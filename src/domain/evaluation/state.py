"""An evaluation as decisions see it."""

from dataclasses import dataclass, field
from typing import Literal, assert_never
from uuid import UUID, uuid5

from rpds import HashTrieMap

from domain.changes import changed
from domain.evaluation.events import (
    EvaluationCancelled,
    EvaluationCompleted,
    EvaluationEvent,
    EvaluationResultRecorded,
    EvaluationStarted,
    Spent,
)
from domain.facts import Json


@dataclass(frozen=True)
class Result:
    """What totals need of a run. `failed`, `unjudged`: names of checks."""

    variant: str
    passed: bool
    failed: tuple[str, ...]
    unjudged: tuple[str, ...]
    spent: Spent
    judging: Spent


@dataclass(frozen=True)
class Evaluation:
    status: Literal["absent", "running", "completed", "cancelled"] = "absent"
    name: str = ""
    suite: Json = None
    planned: int = 0
    results: "HashTrieMap[UUID, Result]" = field(default_factory=HashTrieMap)
    """By the id of the run's task."""
    spent: Spent = field(default_factory=Spent)
    """By all of it, judges too."""


def evolve(state: Evaluation, event: EvaluationEvent) -> Evaluation:
    match event:
        case EvaluationStarted():
            return Evaluation("running", event.name, event.suite, event.planned)
        case EvaluationResultRecorded():
            result = Result(
                event.variant,
                event.passed,
                tuple(each.check for each in event.verdicts if each.verdict == "fail"),
                tuple(each.check for each in event.verdicts if each.verdict == "unjudged"),
                event.spent,
                event.judging,
            )
            results = state.results.insert(event.task_id, result)
            return changed(state, results=results, spent=state.spent + event.spent + event.judging)
        case EvaluationCompleted():
            return changed(state, status="completed")
        case EvaluationCancelled():
            return changed(state, status="cancelled")
        case _:
            assert_never(event)


def run_id_of(evaluation_id: UUID, variant: str, case: str, repeat: int) -> UUID:
    """Of the task that is this run: so that it is asked for once, by whomever and however often."""
    return uuid5(evaluation_id, f"run {repeat} {variant}\n{case}")


def judge_id_of(run_id: UUID, check: str) -> UUID:
    return uuid5(run_id, f"judge {check}")
