"""projections.ai_agent_turns: what models answered in each turn of their tasks, and what they were told after it."""

from domain.ai_task import AiTaskAnswered, AiTaskAttemptSucceeded
from domain.envelope import RecordedEvent
from projections.rows import Rows
from projections.table import TENANT_ID, Column, Lookup, Table

NAME = "ai_agent_turns"
BY_TASK = ("tenant_id", "task_id")


def answered(rows: Rows, record: RecordedEvent, event: AiTaskAttemptSucceeded) -> None:
    """An attempt of before there were turns is the only one of its task."""
    if event.purpose == "guard":
        return
    row = {
        "task_id": record.stream_id,
        "number": event.turn or 1,
        "attempt_id": event.attempt_id,
        "text": event.text,
        "output": event.output,
        "tool_calls": len(event.calls or ()),
        "feedback": None,
        "answered_at": record.occurred_at,
    }
    rows.insert(NAME, record, row)


def reviewed(rows: Rows, record: RecordedEvent, event: AiTaskAnswered) -> None:
    """The output of the last turn was sent back."""
    if event.purpose != "review" or event.outcome in ("approved", "edited"):
        return
    turns = rows.where(NAME, _of_task(record))
    if turns:
        last = max(turns, key=lambda row: row["number"])
        key = (record.tenant_id, record.stream_id, last["number"])
        rows.update(NAME, record, key, {"feedback": event.comment or "The output was rejected."})


def _of_task(record: RecordedEvent) -> Lookup:
    return Lookup(BY_TASK, (record.tenant_id, record.stream_id))


def rows_needed(record: RecordedEvent) -> tuple[Lookup, ...]:
    return (_of_task(record),) if isinstance(record.event, AiTaskAnswered) else ()


TABLE = Table(
    name=NAME,
    key=("tenant_id", "task_id", "number"),
    columns={
        "tenant_id": TENANT_ID,
        "task_id": Column("uuid", "The task."),
        "number": Column("integer", "1, 2, 3 … for each task."),
        "attempt_id": Column("uuid", "The attempt that was answered."),
        "text": Column("text", "What the model said beside its calls of tools.", null=True, listed=False),
        "output": Column("jsonb", "What it answered; null where it asked for tools.", null=True, listed=False),
        "tool_calls": Column("integer", "How many calls of tools it asked for."),
        "feedback": Column("text", "What a reviewer told it after that, who sent the output back.", null=True, listed=False),
        "answered_at": Column("timestamptz", "When it was answered."),
    },
    appliers={AiTaskAttemptSucceeded: answered, AiTaskAnswered: reviewed},
    rows_needed=rows_needed,
    lookups=(BY_TASK,),
)
