"""Two ways to the same figures: counted from the log in Python, and asked of the projected tables in SQL."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any, LiteralString

from examples.declarations.log import Case

Figures = Mapping[str, int | float]
"""Counts (or hours) by a label."""


@dataclass(frozen=True)
class Question:
    """A figure that both sides answer. `sql` yields rows (label, value) for the tenant that is set in the session."""

    title: str
    sql: LiteralString


CASES = Question("cases", "SELECT 'cases', count(*) FROM projections.workflow_executions WHERE workflow_key = 'declaration'")

DECISIONS = Question(
    "decisions by role and outcome",
    "SELECT role || ' ' || outcome, count(*) FROM projections.approval_decisions GROUP BY 1",
)

VARIANTS = Question(
    "cases per variant",
    """
    SELECT steps, count(*)
    FROM (
        SELECT string_agg(d.role || ' ' || d.outcome, ' > ' ORDER BY d.created_at, d.id) AS steps
        FROM projections.approval_decisions d
        JOIN projections.approval_requests r ON (r.tenant_id, r.id) = (d.tenant_id, d.request_id)
        GROUP BY r.execution_id
    ) AS variants
    GROUP BY 1
    """,
)

FINAL_STATES = """
    SELECT concat_ws(' and ', paid.label, open.node_id), count(*)
    FROM projections.workflow_executions e
    LEFT JOIN LATERAL (SELECT 'paid' AS label {paid} LIMIT 1) AS paid ON true
    LEFT JOIN LATERAL (
        SELECT string_agg(a.node_id, '+' ORDER BY a.node_id) AS node_id
        FROM projections.node_activations a
        WHERE (a.tenant_id, a.execution_id) = (e.tenant_id, e.id) AND a.status = 'running'
    ) AS open ON true
    GROUP BY 1
"""


def final_states(paid: LiteralString) -> Question:
    """`paid`: the FROM and WHERE that find the payment of execution e."""
    return Question("final states", FINAL_STATES.replace("{paid}", paid))


STATES = final_states(
    """
    FROM projections.approval_requests r
    JOIN projections.approval_decisions d ON (d.tenant_id, d.request_id) = (r.tenant_id, r.id)
    WHERE (r.tenant_id, r.execution_id) = (e.tenant_id, e.id) AND d.outcome = 'payment_handled'
    """
)

OPEN_NODES = Question(
    "open node of the unfinished",
    """
    SELECT a.node_id, count(*)
    FROM projections.workflow_executions e
    JOIN projections.node_activations a ON (a.tenant_id, a.execution_id) = (e.tenant_id, e.id) AND a.status = 'running'
    WHERE e.status = 'running'
    GROUP BY 1
    """,
)

HOURS = Question(
    "median hours from first submission to last final approval",
    """
    SELECT 'hours', percentile_cont(0.5) WITHIN GROUP (ORDER BY hours)
    FROM (
        SELECT extract(epoch FROM max(d.decided_at) FILTER (WHERE d.outcome = 'final_approved')
                                - min(d.decided_at) FILTER (WHERE d.outcome = 'submitted')) / 3600.0 AS hours
        FROM projections.approval_decisions d
        JOIN projections.approval_requests r ON (r.tenant_id, r.id) = (d.tenant_id, d.request_id)
        GROUP BY r.execution_id
    ) AS spans
    WHERE hours IS NOT NULL
    """,
)

QUESTIONS = (CASES, DECISIONS, VARIANTS, STATES, OPEN_NODES, HOURS)


def expected(cases: Iterable[Case]) -> dict[str, Figures]:
    """The log's own answers, by the question's title."""
    cases = list(cases)
    states = Counter(_state(case) for case in cases)
    hours = [span for span in map(_hours, cases) if span is not None]
    return {
        CASES.title: {"cases": len(cases)},
        DECISIONS.title: Counter(f"{step.role} {step.outcome}" for case in cases for step in case.steps),
        VARIANTS.title: Counter(" > ".join(f"{step.role} {step.outcome}" for step in case.steps) for case in cases),
        STATES.title: states,
        OPEN_NODES.title: _open_nodes(states),
        HOURS.title: {"hours": median(hours)} if hours else {},
    }


def _state(case: Case) -> str:
    """Where a case ended, by its last step alone; a payment handled earlier is named before it."""
    step = case.steps[-1]
    if step.outcome == "payment_handled":
        return "paid"
    if step.outcome == "rejected":
        last = "withdrawn" if step.role == "employee" else "returned"
    else:
        last = step.outcome
    return f"paid and {last}" if any(earlier.outcome == "payment_handled" for earlier in case.steps) else last


def _open_nodes(states: Mapping[str, int]) -> Figures:
    nodes: Counter[str] = Counter()
    for state, count in states.items():
        if state != "paid":
            nodes[state.removeprefix("paid and ")] += count
    return nodes


def _hours(case: Case) -> float | None:
    submitted = [step.at for step in case.steps if step.outcome == "submitted"]
    approved = [step.at for step in case.steps if step.outcome == "final_approved"]
    return (max(approved) - min(submitted)).total_seconds() / 3600 if submitted and approved else None


def differences(log: Figures, tables: Figures) -> list[tuple[str, Any, Any]]:
    """(label, in the log, in the tables) wherever the two differ; hours may differ by rounding alone."""
    labels = sorted({*log, *tables})
    return [(label, log.get(label), tables.get(label)) for label in labels if not _same(log.get(label), tables.get(label))]


def _same(left: int | float | None, right: int | float | None) -> bool:
    if left is None or right is None:
        return left is right
    return abs(float(left) - float(right)) < 1e-6
