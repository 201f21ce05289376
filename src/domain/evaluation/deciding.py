"""What may happen to an evaluation, decided. What a run came to is found out by the engine (`engine.evaluations`)."""

from decimal import Decimal
from uuid import UUID

from domain.evaluation.aggregate import EVALUATION
from domain.evaluation.events import (
    EvaluationCancelled,
    EvaluationCompleted,
    EvaluationEvent,
    EvaluationResultRecorded,
    EvaluationStarted,
)
from domain.evaluation.state import Evaluation, evolve
from domain.evaluation.totals import totals_of
from domain.facts import Decided, Fact, Json, NotFound, RuleViolation, View


class EvaluationOver(RuleViolation):
    """The evaluation is over."""

    code = "evaluation_over"


class EvaluationBudgetSpent(RuleViolation):
    """The evaluation has spent what it may."""

    code = "evaluation_budget_spent"


def start(
    view: View,
    evaluation_id: UUID,
    name: str,
    suite: Json,
    *,
    description: str | None = None,
    by: UUID | None = None,
) -> Decided:
    """`suite`: as `engine.evaluation_suites` leaves it. result {id, name, status, planned, recorded, version}."""
    planned = len(suite["cases"]) * len(suite["variants"]) * suite["repeat"]
    return _decided(view, evaluation_id, Evaluation(), (EvaluationStarted(name, suite, planned, description, by),))


def record(view: View, evaluation_id: UUID, state: Evaluation, event: EvaluationResultRecorded) -> Decided:
    """The last one completes it. result as of `start`."""
    events: tuple[EvaluationEvent, ...] = (event,)
    after = evolve(state, event)
    if len(after.results) == after.planned:
        totals = totals_of(after)
        events = (event, EvaluationCompleted(all(each.holds for each in totals), totals))
    return _decided(view, evaluation_id, state, events)


def cancel(view: View, evaluation_id: UUID, reason: str | None = None) -> Decided:
    """No further run is begun; what is under way ends by itself. result as of `start`."""
    state = require_running(view, evaluation_id)
    return _decided(view, evaluation_id, state, (EvaluationCancelled(totals_of(state), reason),))


def require_running(view: View, evaluation_id: UUID) -> Evaluation:
    state = view.read(EVALUATION, evaluation_id)
    if state.status == "absent":
        raise NotFound
    if state.status != "running":
        raise EvaluationOver(f"The evaluation is {state.status}.")
    return state


def require_budget(state: Evaluation) -> None:
    """For one more run. What is under way is not reckoned with."""
    budget = state.suite.get("budget")
    if budget is None:
        return
    amount, currency, spent = Decimal(str(budget["amount"])), budget["currency"], state.spent
    if spent.unpriced or (spent.cost is not None and spent.currency != currency):
        raise EvaluationBudgetSpent(f"Some runs have no known cost in {currency}, so it cannot be kept within {amount:f}.")
    if (spent.cost or 0) >= amount:
        raise EvaluationBudgetSpent(f"The evaluation has spent {spent.cost} {currency} of the {amount} that it may.")


def _decided(view: View, evaluation_id: UUID, state: Evaluation, events: tuple[EvaluationEvent, ...]) -> Decided:
    for event in events:
        state = evolve(state, event)
    version = view.version(evaluation_id) if view.read(EVALUATION, evaluation_id).status != "absent" else 0
    return Decided(
        tuple(Fact(evaluation_id, event) for event in events),
        result=told(evaluation_id, state, version + len(events)),
        correlation_id=evaluation_id,
    )


def told(evaluation_id: UUID, state: Evaluation, version: int) -> Json:
    recorded = len(state.results)
    about = {"name": state.name, "status": state.status, "planned": state.planned, "recorded": recorded}
    return {"id": str(evaluation_id), **about, "version": version}
