"""What expressions see of an execution, and how one that fails is told."""

from collections.abc import Iterator, Mapping
from uuid import UUID

from domain.execution import ExecutionStarted, NodeError, Result
from domain.facts import Json, View
from domain.tokens import Lineage
from engine.expressions import ExpressionError


class Nodes(Mapping[str, Json]):
    """`nodes` as expressions see it: what each node's last visit in a lineage came to. Built as it is read."""

    def __init__(self, results: Mapping[UUID, Result], lineage: Lineage) -> None:
        self._results, self._lineage = results, lineage

    def __getitem__(self, node_id: str) -> Json:
        return self._results[self._lineage[node_id]].value

    def task_of(self, node_id: str) -> UUID | None:
        """The AI task of that visit; None where there was none."""
        activation_id = self._lineage.get(node_id)
        return None if activation_id is None else self._results[activation_id].task_id

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._lineage))

    def __len__(self) -> int:
        return len(self._lineage)


def base_variables(view: View, execution_id: UUID, started: ExecutionStarted) -> dict[str, Json]:
    """`input`, `execution`, `tenant`, and `event`: the one that started the execution, or null."""
    execution = {
        "id": str(execution_id),
        "workflow_id": str(started.workflow_id),
        "workflow_key": started.workflow_key,
        "workflow_version": started.workflow_version,
        "business_key": started.business_key,
        "priority": started.priority,
        "trigger_type": started.trigger_type,
        "created_by": None if started.created_by is None else str(started.created_by),
    }
    return {"input": started.input, "execution": execution, "tenant": {"id": str(view.tenant_id)}, "event": event_of(started)}


def event_of(started: ExecutionStarted) -> Json:
    """The event that started an execution, also of its fork, and of a trigger that was run by hand; None."""
    about = started.trigger_data
    if started.trigger_type == "event":
        return about
    return about.get("event") if isinstance(about, Mapping) else None


def problem_of(error: ExpressionError) -> NodeError:
    return NodeError(error.code, f"{error} in {error.source}" if error.source else str(error))
