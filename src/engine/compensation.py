"""Compensation: what was done is undone before an execution ends that has failed or is cancelled.

A node may name another one that undoes it (`compensate`). Its completed visits are undone one after another, the last completed
first, each in its own lineage. What cannot be undone is recorded, and the rest is undone all the same.
"""

from domain.execution import (
    CompensationResult,
    CompletedVisit,
    Execution,
    ExecutionCancelled,
    ExecutionCompensating,
    ExecutionFailed,
)
from domain.facts import Json


def end_of(
    state: Execution, end: ExecutionFailed | ExecutionCancelled
) -> ExecutionFailed | ExecutionCancelled | ExecutionCompensating:
    """How an execution that has failed or is cancelled goes on: it is over, or what it has done is undone first."""
    if not state.compensable:
        return end
    visits = len(state.compensable)
    match end:
        case ExecutionFailed(code, message, node_id):
            return ExecutionCompensating("failed", visits, code, message, node_id)
        case ExecutionCancelled(reason, by):
            return ExecutionCompensating("cancelled", visits, reason=reason, cancelled_by=by)


def end_after(state: Execution) -> ExecutionFailed | ExecutionCancelled:
    """All is undone: the execution ends as it was about to. The first error stays."""
    assert state.compensation is not None
    begun, result = state.compensation.begun, result_of(state)
    if begun.ends == "cancelled":
        return ExecutionCancelled(begun.reason, begun.cancelled_by, result)
    return ExecutionFailed(begun.code or "", begun.message or "", begun.node_id, result)


def result_of(state: Execution) -> CompensationResult | None:
    compensation = state.compensation
    if compensation is None:
        return None
    left = compensation.begun.visits - compensation.undone - compensation.failed
    return CompensationResult(compensation.undone, compensation.failed, left, compensation.failures)


def variables_of(visit: CompletedVisit, state: Execution) -> dict[str, Json]:
    """What the node that undoes a visit sees beside all else: `compensates`."""
    known = state.results[visit.activation_id].value
    return {
        "compensates": {
            "node_id": visit.node_id,
            "activation_id": str(visit.activation_id),
            "input": visit.input,
            "output": known["output"],
        }
    }
