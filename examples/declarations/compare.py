"""Two ways to the same figures: counted from the log in Python, and asked of the projected tables in SQL."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, LiteralString

from examples.declarations.log import Case, Step

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

PLACES = Question(
    "decisions by node and step",
    """
    SELECT concat_ws('/', r.node_id, s.name), count(*)
    FROM projections.approval_decisions d
    JOIN projections.approval_requests r ON (r.tenant_id, r.id) = (d.tenant_id, d.request_id)
    LEFT JOIN projections.approval_steps s ON (s.tenant_id, s.request_id, s.step) = (d.tenant_id, d.request_id, d.step)
    GROUP BY 1
    """,
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
    SELECT concat_ws(' and ', paid.label, open.place), count(*)
    FROM projections.workflow_executions e
    LEFT JOIN LATERAL (SELECT 'paid' AS label {paid} LIMIT 1) AS paid ON true
    LEFT JOIN LATERAL (
        SELECT string_agg(concat_ws('/', a.node_id, s.name), '+' ORDER BY a.node_id) AS place
        FROM projections.node_activations a
        LEFT JOIN projections.approval_requests r
          ON (r.tenant_id, r.execution_id, r.activation_id) = (a.tenant_id, a.execution_id, a.id)
        LEFT JOIN projections.approval_steps s ON (s.tenant_id, s.request_id) = (r.tenant_id, r.id) AND s.status = 'open'
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

OPEN_PLACES = Question(
    "open node and step of the unfinished",
    """
    SELECT concat_ws('/', a.node_id, s.name), count(*)
    FROM projections.workflow_executions e
    JOIN projections.node_activations a ON (a.tenant_id, a.execution_id) = (e.tenant_id, e.id) AND a.status = 'running'
    LEFT JOIN projections.approval_requests r
      ON (r.tenant_id, r.execution_id, r.activation_id) = (a.tenant_id, a.execution_id, a.id)
    LEFT JOIN projections.approval_steps s ON (s.tenant_id, s.request_id) = (r.tenant_id, r.id) AND s.status = 'open'
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

QUESTIONS = (CASES, DECISIONS, PLACES, VARIANTS, STATES, OPEN_PLACES, HOURS)


def expected(cases: Iterable[Case]) -> dict[str, Figures]:
    """The log's own answers, by the question's title."""
    cases = list(cases)
    courses = [_course(case) for case in cases]
    hours = [span for span in map(_hours, cases) if span is not None]
    return {
        CASES.title: {"cases": len(cases)},
        DECISIONS.title: Counter(f"{step.role} {step.outcome}" for case in cases for step in case.steps),
        PLACES.title: Counter(place for course in courses for place in course.decided),
        VARIANTS.title: Counter(" > ".join(f"{step.role} {step.outcome}" for step in case.steps) for case in cases),
        STATES.title: Counter(course.state for course in courses),
        OPEN_PLACES.title: Counter(place for course in courses for place in course.open),
        HOURS.title: {"hours": median(hours)} if hours else {},
    }


@dataclass(frozen=True)
class Course:
    """A case by its places, which are nodes, or steps of a node's request."""

    decided: Sequence[str]
    """Where each step of the log was taken."""
    open: Sequence[str]
    """Where it goes on."""
    paid: bool

    @property
    def state(self) -> str:
        return " and ".join((*(["paid"] if self.paid else []), *(["+".join(self.open)] if self.open else [])))


def _course(case: Case) -> Course:
    """As the log has it: a payment that is requested of what was sent back leaves that where it is; any other takes its place."""
    waits: str | None = "declare"
    paying = paid = False
    decided: list[str] = []
    for step in case.steps:
        paid |= step.outcome == "payment_handled"
        pays = step.outcome == "payment_handled" or step.role == "missing"
        decided.append("paying" if paying and pays else str(waits))
        if step.outcome == "payment_requested":
            paying, waits = True, waits if waits == "returned" else None
        elif step.outcome != "payment_handled":
            paying, waits = paying and not pays, _next(step)
        elif paying:
            paying = False
        else:
            waits = None
    return Course(decided, sorted((*(["paying"] if paying else []), *([waits] if waits else []))), paid)


def _next(step: Step) -> str:
    """Whose turn it is after a step that is no payment."""
    match step.role, step.outcome:
        case _, "submitted":
            return "approval/review"
        case "administration", "approved":
            return "approval/budget_owner"
        case _, "approved":
            return "approval/supervisor"
        case _, "final_approved":
            return "final"
        case "employee", "rejected":
            return "withdrawn"
        case _, "rejected":
            return "returned"
    return step.outcome


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
