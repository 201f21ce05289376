"""projections.archived_rows: what the other tables held of executions that were archived, some rows together.

The tables that it takes rows from are named here, and by which column they belong to an execution: a table that comes later and
refers to one of them is added (a test says so). It is applied before `archived_executions`, which takes the rows out.
"""

from collections.abc import Callable, Container, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from orjson import dumps

from domain.envelope import RecordedEvent
from domain.execution import ExecutionArchived
from projections import (
    ai_agent_attempts,
    ai_agent_tasks,
    ai_agent_tool_calls,
    ai_agent_turns,
    approval_assignees,
    approval_comments,
    approval_decisions,
    approval_links,
    approval_requests,
    approval_steps,
    approval_versions,
    approval_watchers,
    execution_attributes,
    execution_items,
    execution_labels,
    execution_waits,
    node_activations,
    workflow_executions,
)
from projections.canonical import canonical, json_text
from projections.rows import Rows
from projections.table import BY_EXECUTION, TENANT_ID, Column, Key, Lookup, Row, Table

NAME = "archived_rows"
MOST_ROWS, MOST_CHARACTERS = 200, 1 << 18
"""In one part, unless a single row has more."""
LONGER = 80
"""1e308 has 309 digits."""
AS_THEY_ARE = frozenset({"jsonb", "text[]", "uuid[]", "boolean", "integer", "bigint"})
"""Types of columns that JSON has as well. All else is text."""


class Part(NamedTuple):
    """A table with rows of executions. `of`: by `column` they belong to rows of this table; None: to the execution itself."""

    table: Table
    of: str | None = None
    column: str = "execution_id"


_requests, _tasks = approval_requests.NAME, ai_agent_tasks.NAME
PARTS = (
    Part(workflow_executions.TABLE, column="id"),
    Part(execution_attributes.TABLE),
    Part(execution_labels.TABLE),
    Part(execution_items.TABLE),
    Part(node_activations.TABLE),
    Part(execution_waits.TABLE),
    Part(approval_requests.TABLE),
    Part(approval_versions.TABLE, _requests, "request_id"),
    Part(approval_steps.TABLE, _requests, "request_id"),
    Part(approval_assignees.TABLE, _requests, "request_id"),
    Part(approval_decisions.TABLE, _requests, "request_id"),
    Part(approval_links.TABLE, _requests, "request_id"),
    Part(approval_comments.TABLE, _requests, "request_id"),
    Part(approval_watchers.TABLE, _requests, "request_id"),
    Part(ai_agent_tasks.TABLE),
    Part(ai_agent_turns.TABLE, _tasks, "task_id"),
    Part(ai_agent_tool_calls.TABLE, _tasks, "task_id"),
    Part(ai_agent_attempts.TABLE, _tasks, "task_id"),
)
EVERY = frozenset(part.table.name for part in PARTS)


def of_execution(
    rows: Rows, tenant_id: UUID, execution_id: UUID, tables: Container[str] = EVERY
) -> Iterator[tuple[Table, list[Row]]]:
    """All that the tables hold of it. `tables`: of these alone, where others are not at hand."""
    by = Lookup(BY_EXECUTION, (tenant_id, execution_id))
    for table, of, column in PARTS:
        if table.name not in tables or (of is not None and of not in tables):
            continue
        if column == "id":
            row = rows.find(table.name, tenant_id, execution_id)
            yield table, [] if row is None else [row]
        elif of is None:
            yield table, rows.where(table.name, by)
        else:
            above = (Lookup(("tenant_id", column), (tenant_id, one["id"])) for one in rows.where(of, by))
            yield table, [row for each in above for row in rows.where(table.name, each)]


def take_out(rows: Rows, tenant_id: UUID, execution_id: UUID, tables: Container[str] = EVERY) -> dict[str, int]:
    """Rows that refer to others first. How many there were, by table."""
    found = list(of_execution(rows, tenant_id, execution_id, tables))
    for table, some in reversed(found):
        for row in some:
            rows.delete(table.name, rows.of(table.name).key_of(row))
    return {table.name: len(some) for table, some in found if some}


def _order_of(table: Table) -> Callable[[Row], Key]:
    """By the key: numbers by their size, all else by its text."""
    return lambda row: tuple([row[name] if isinstance(row[name], int) else str(row[name]) for name in table.key])


def archived(rows: Rows, record: RecordedEvent, _event: ExecutionArchived) -> None:
    about = {"execution_id": record.stream_id, "month": month_of(rows.get(workflow_executions.NAME, *_of(record)))}
    for table, found in of_execution(rows, record.tenant_id, record.stream_id):
        in_order = [_shown(table, row) for row in sorted(found, key=_order_of(table))]
        for number, some in enumerate([in_order] if _surely_one_part(in_order) else _parts(in_order), 1):
            rows.insert(NAME, record, {**about, "table_name": table.name, "part": number, "row_count": len(some), "rows": some})


def month_of(execution: Row) -> str:
    """In which it ended, UTC."""
    ended: datetime = execution["completed_at"] or execution["cancelled_at"]
    return f"{ended.astimezone(UTC):%Y-%m}"


def _of(record: RecordedEvent) -> tuple[UUID, UUID]:
    return (record.tenant_id, record.stream_id)


def _shown(table: Table, row: Row) -> dict[str, Any]:
    columns = table.columns.items()
    return {
        name: row[name] if column.type in AS_THEY_ARE else canonical(column.type, row[name])
        for name, column in columns
        if name != "tenant_id"
    }


def _surely_one_part(shown: list[dict[str, Any]]) -> bool:
    """Nearly all are. Of what orjson can write, `json_text` is nowhere longer than `LONGER` times."""
    if not 0 < len(shown) <= MOST_ROWS:
        return False
    try:
        return len(dumps(shown)) * LONGER <= MOST_CHARACTERS
    except TypeError:  # which raises it for all that it cannot write
        return False


def _parts(shown: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    part: list[dict[str, Any]] = []
    size = 0
    for one in shown:
        own = len(json_text(one))
        if part and (len(part) == MOST_ROWS or size + own > MOST_CHARACTERS):
            yield part
            part, size = [], 0
        part.append(one)
        size += own
    if part:
        yield part


def rows_needed(record: RecordedEvent) -> tuple[Lookup, ...]:
    of = _of(record)
    return tuple(
        Lookup(table.key if column == "id" else ("tenant_id", column), of, table.name, through=above)
        for table, above, column in PARTS
    )


TABLE = Table(
    name=NAME,
    key=("tenant_id", "execution_id", "table_name", "part"),
    columns={
        "tenant_id": TENANT_ID,
        "execution_id": Column("uuid", "The execution, in archived_executions."),
        "table_name": Column("text", "The table that the rows were in."),
        "part": Column("integer", "Which part of them, from 1: 200 rows at most, and about 256 KiB."),
        "month": Column("text", "The month in which the execution ended, UTC: 2026-03."),
        "row_count": Column("integer", "How many rows."),
        "rows": Column(
            "jsonb",
            "The rows as they were, by column, in the order of their keys; moments, ids and amounts are texts.",
            listed=False,
        ),
    },
    appliers={ExecutionArchived: archived},
    rows_needed=rows_needed,
)
