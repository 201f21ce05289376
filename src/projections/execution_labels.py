"""projections.execution_labels: labels of executions, one row each, so that executions can be found by them."""

from domain.envelope import RecordedEvent
from domain.execution import ExecutionChanged, ExecutionStarted
from projections.rows import Rows
from projections.table import BY_EXECUTION, TENANT_ID, Column, Lookup, Table

NAME = "execution_labels"


def of_execution(record: RecordedEvent) -> Lookup:
    return Lookup(BY_EXECUTION, (record.tenant_id, record.stream_id))


def started(rows: Rows, record: RecordedEvent, event: ExecutionStarted) -> None:
    _labelled(rows, record, event.labels or {})


def changed(rows: Rows, record: RecordedEvent, event: ExecutionChanged) -> None:
    if event.labels is not None:
        _labelled(rows, record, event.labels)


def _labelled(rows: Rows, record: RecordedEvent, labels: dict[str, str]) -> None:
    begun = rows.get("workflow_executions", record.tenant_id, record.stream_id)["created_at"]
    wanted = [
        {"execution_id": record.stream_id, "key": key, "value": value, "execution_created_at": begun}
        for key, value in labels.items()
    ]
    rows.keep_only(NAME, record, of_execution(record), wanted)


def rows_needed(record: RecordedEvent) -> tuple[Lookup, ...]:
    return () if isinstance(record.event, ExecutionStarted) else (of_execution(record),)


TABLE = Table(
    name=NAME,
    key=("tenant_id", "execution_id", "key", "value"),
    columns={
        "tenant_id": TENANT_ID,
        "execution_id": Column("uuid", "The execution."),
        "key": Column("text", "The label's key."),
        "value": Column("text", "Its value."),
        "execution_created_at": Column("timestamptz", "When the execution was started."),
    },
    appliers={ExecutionStarted: started, ExecutionChanged: changed},
    rows_needed=rows_needed,
    lookups=(BY_EXECUTION,),
)
