"""projections.budgets: how much AI tasks may use."""

from domain.budget import BudgetRemoved, BudgetSet
from domain.envelope import RecordedEvent
from projections.rows import Rows
from projections.table import TENANT_ID, Column, Lookup, Row, Table, row_with_id

NAME = "budgets"


def was_set(rows: Rows, record: RecordedEvent, event: BudgetSet) -> None:
    limits = event.limits
    changing: Row = {
        "limit_cost": limits.cost,
        "currency": event.currency,
        "limit_tokens": limits.tokens,
        "limit_calls": limits.calls,
        "limit_tool_calls": limits.tool_calls,
        "soft": event.soft,
        "hard": event.hard,
        "unknown": event.unknown,
    }
    if rows.find(NAME, record.tenant_id, event.budget_id) is not None:
        rows.update(NAME, record, (record.tenant_id, event.budget_id), changing)
        return
    lasting = {
        "id": event.budget_id,
        "key": event.key,
        "status": "active",
        "scope": event.scope,
        "subject": event.subject,
        "period": event.period,
        "time_zone": event.time_zone,
        "removed_at": None,
    }
    rows.insert(NAME, record, {**lasting, **changing})


def removed(rows: Rows, record: RecordedEvent, event: BudgetRemoved) -> None:
    gone = {"status": "removed", "removed_at": record.occurred_at}
    rows.update(NAME, record, (record.tenant_id, event.budget_id), gone)


def rows_needed(record: RecordedEvent) -> tuple[Lookup, ...]:
    assert isinstance(record.event, (BudgetSet, BudgetRemoved))
    return (row_with_id(record, record.event.budget_id),)


TABLE = Table(
    name=NAME,
    key=("tenant_id", "id"),
    columns={
        "tenant_id": TENANT_ID,
        "id": Column("uuid", "The budget's id; another one of the same key has another id."),
        "key": Column("text", "By which people name it; of those that are in force, one has it."),
        "status": Column("text", "active, or removed: nothing is counted for it any more.", choices=("active", "removed")),
        "scope": Column(
            "text",
            "What it is of: tenant, workflow, prompt, execution or task.",
            choices=("tenant", "workflow", "prompt", "execution", "task"),
        ),
        "subject": Column(
            "text",
            "The key of the one workflow or prompt that it is of; null: each of them has its own use.",
            null=True,
        ),
        "period": Column(
            "text",
            "How long it counts before it begins anew: a day, a month, or total: for ever.",
            choices=("day", "month", "total"),
        ),
        "time_zone": Column("text", "By whose clocks days and months begin, as Europe/Berlin."),
        "limit_cost": Column("numeric", "How much may be spent in a period, in currency; null: that is not counted.", null=True),
        "currency": Column("text", "Of its cost, as EUR; null: it has counted none.", null=True),
        "limit_tokens": Column(
            "bigint", "How many tokens of input and output may be used in a period; null: they are not counted.", null=True
        ),
        "limit_calls": Column(
            "bigint", "How many calls of models may be made in a period; null: they are not counted.", null=True
        ),
        "limit_tool_calls": Column(
            "bigint", "How many calls of tools may be made in a period; null: they are not counted.", null=True
        ),
        "soft": Column("numeric", "The share of a limit that is warned of, as 0.8; null: none.", null=True),
        "hard": Column("boolean", "Whether calls beyond a limit are refused; otherwise it only tells of them."),
        "unknown": Column(
            "text",
            "What becomes of a call of which nobody knows what it would cost: refuse or allow.",
            choices=("refuse", "allow"),
        ),
        "removed_at": Column("timestamptz", "When it was removed.", null=True),
    },
    appliers={BudgetSet: was_set, BudgetRemoved: removed},
    rows_needed=rows_needed,
)
