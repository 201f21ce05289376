"""What can be changed of an execution while it runs: its labels, and the priority of what it hands out from then on."""

from collections.abc import Mapping
from uuid import UUID

from domain.execution import ExecutionChanged
from domain.facts import Decided, Invalid, View
from domain.names import require_label
from engine.executions import read_live, record, summary

MOST_LABELS = 32


def checked(labels: Mapping[str, str]) -> dict[str, str]:
    """Raises Invalid, naming the label."""
    for key, value in labels.items():
        require_label(key, value, f"/labels/{key.replace('~', '~0').replace('/', '~1')}")
    if len(labels) > MOST_LABELS:
        raise Invalid(f"An execution has {MOST_LABELS} labels at most.", "/labels")
    return dict(labels)


def change(
    view: View, execution_id: UUID, labels: Mapping[str, str | None] | None = None, priority: int | None = None
) -> Decided:
    """Set these labels, remove those that are None, leave the others; set the priority. Nothing happens where all is so already.

    result {id, status, version, open}.
    """
    state = read_live(view, execution_id)
    assert state.started is not None
    before = state.started.labels or {}
    after = checked({key: value for key, value in {**before, **(labels or {})}.items() if value is not None})
    changed = ExecutionChanged(None if after == before else after, None if priority == state.started.priority else priority)
    if changed == ExecutionChanged():
        return Decided(result=summary(execution_id, state, view.version(execution_id)))
    return record(view, execution_id, state, changed)
