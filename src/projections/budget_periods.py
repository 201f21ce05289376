"""projections.budget_periods: what a budget has counted for one subject in one period."""

from domain.budget import (
    BudgetExhausted,
    BudgetPeriodAdjusted,
    BudgetPeriodOpened,
    BudgetReserved,
    BudgetSettled,
    BudgetWarned,
    Use,
)
from domain.budget.amounts import NAMES, NOTHING, Limits
from domain.envelope import RecordedEvent
from projections.rows import Rows
from projections.table import TENANT_ID, Column, Lookup, Row, Table, stream_row

NAME = "budget_periods"


def opened(rows: Rows, record: RecordedEvent, event: BudgetPeriodOpened) -> None:
    row: Row = {
        "id": record.stream_id,
        "budget_id": event.budget_id,
        "subject": event.subject,
        "starts_at": event.starts_at,
        "ends_at": event.ends_at,
        **_amounts("used", NOTHING),
        **_amounts("reserved", NOTHING),
        "open_calls": 0,
        **_limited(event.limits, event.currency),
        "warned_at": None,
        "exhausted_at": None,
    }
    rows.insert(NAME, record, row)


def adjusted(rows: Rows, record: RecordedEvent, event: BudgetPeriodAdjusted) -> None:
    _change(rows, record, {**_limited(event.limits, event.currency), "warned_at": None, "exhausted_at": None})


def reserved(rows: Rows, record: RecordedEvent, event: BudgetReserved) -> None:
    row = _row(rows, record)
    aside = _use(row, "reserved") + event.amounts
    _change(rows, record, {**_amounts("reserved", aside), "open_calls": row["open_calls"] + 1})


def settled(rows: Rows, record: RecordedEvent, event: BudgetSettled) -> None:
    row = _row(rows, record)
    aside, used = _use(row, "reserved") - event.released, _use(row, "used") + event.used
    left = {**_amounts("reserved", aside), **_amounts("used", used), "open_calls": row["open_calls"] - 1}
    _change(rows, record, left)


def warned(rows: Rows, record: RecordedEvent, _event: BudgetWarned) -> None:
    _change(rows, record, {"warned_at": record.occurred_at})


def exhausted(rows: Rows, record: RecordedEvent, _event: BudgetExhausted) -> None:
    _change(rows, record, {"exhausted_at": record.occurred_at})


def _row(rows: Rows, record: RecordedEvent) -> Row:
    return rows.get(NAME, record.tenant_id, record.stream_id)


def _change(rows: Rows, record: RecordedEvent, changes: Row) -> None:
    rows.update(NAME, record, (record.tenant_id, record.stream_id), changes)


def _amounts(which: str, use: Use) -> Row:
    return {f"{which}_{name}": getattr(use, name) for name in NAMES}


def _use(row: Row, which: str) -> Use:
    return Use(**{name: row[f"{which}_{name}"] for name in NAMES})


def _limited(limits: Limits, currency: str | None) -> Row:
    return {**{f"limit_{name}": getattr(limits, name) for name in NAMES}, "currency": currency}


def rows_needed(record: RecordedEvent) -> tuple[Lookup, ...]:
    return () if isinstance(record.event, BudgetPeriodOpened) else (stream_row(record),)


TABLE = Table(
    name=NAME,
    key=("tenant_id", "id"),
    columns={
        "tenant_id": TENANT_ID,
        "id": Column("uuid", "The period's id; follows from budget, subject and beginning."),
        "budget_id": Column("uuid", "The budget."),
        "subject": Column(
            "text", "Whose use it counts: a workflow's or prompt's key, an execution's or task's id; empty: the tenant's."
        ),
        "starts_at": Column("timestamptz", "When it began; null: it is of a budget that counts for ever.", null=True),
        "ends_at": Column("timestamptz", "When it ends, and the budget begins anew; null: never.", null=True),
        "used_cost": Column("numeric", "What was spent, in currency, by calls that have ended."),
        "used_tokens": Column("bigint", "How many tokens were used by calls that have ended."),
        "used_calls": Column("bigint", "How many calls of models have ended."),
        "used_tool_calls": Column("bigint", "How many calls of tools have ended."),
        "reserved_cost": Column("numeric", "What is put aside for calls under way, in currency."),
        "reserved_tokens": Column("bigint", "How many tokens are put aside for calls under way."),
        "reserved_calls": Column("bigint", "How many calls of models are under way."),
        "reserved_tool_calls": Column("bigint", "How many calls of tools are under way."),
        "open_calls": Column("bigint", "How many calls under way have something put aside."),
        "limit_cost": Column("numeric", "The limit of the cost that held for the last call; null: none.", null=True),
        "currency": Column("text", "Of the costs; null: none are counted.", null=True),
        "limit_tokens": Column("bigint", "The limit of tokens that held for the last call; null: none.", null=True),
        "limit_calls": Column("bigint", "The limit of calls of models that held for the last call; null: none.", null=True),
        "limit_tool_calls": Column("bigint", "The limit of calls of tools that held for the last call; null: none.", null=True),
        "warned_at": Column(
            "timestamptz", "When its use came to the share that is warned of; null: it has not, under these limits.", null=True
        ),
        "exhausted_at": Column(
            "timestamptz",
            "When the first call went beyond a limit, or was refused; null: none has, under these limits.",
            null=True,
        ),
    },
    appliers={
        BudgetPeriodOpened: opened,
        BudgetPeriodAdjusted: adjusted,
        BudgetReserved: reserved,
        BudgetSettled: settled,
        BudgetWarned: warned,
        BudgetExhausted: exhausted,
    },
    rows_needed=rows_needed,
)
