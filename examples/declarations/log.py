"""Reading the event log: cases, and the steps that people and the payment system took in them."""

import csv
import gzip
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, islice
from pathlib import Path

ROLES = {
    "EMPLOYEE": "employee",
    "ADMINISTRATION": "administration",
    "BUDGET OWNER": "budget-owner",
    "PRE_APPROVER": "pre-approver",
    "SUPERVISOR": "supervisor",
    "MISSING": "missing",
}
"""Role in the log to the key of the role that acts in Gesta. Payment steps are done by the technical role `payments`."""

PAYMENTS = {"Request Payment": "payment_requested", "Payment Handled": "payment_handled"}
VERBS = {"SUBMITTED", "SAVED", "APPROVED", "FINAL_APPROVED", "REJECTED"}


@dataclass(frozen=True)
class Step:
    """One decision: the outcome that a role chose, and when."""

    role: str
    outcome: str
    at: datetime


@dataclass(frozen=True)
class Case:
    id: str
    amount: float
    steps: tuple[Step, ...]


def read_cases(path: Path, limit: int | None = None) -> list[Case]:
    """All cases of a CSV file (gzipped or not), or the first `limit`. Raises ValueError naming the line that does not fit."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rb") as raw:
        rows = csv.DictReader(io.TextIOWrapper(raw, encoding="utf-8", newline=""))
        return list(islice(_cases(rows), limit))


def _cases(rows: Iterable[dict[str, str]]) -> Iterator[Case]:
    for case_id, lines in groupby(rows, key=lambda row: row["case_id"]):
        group = list(lines)
        yield Case(case_id, float(group[0]["amount"]), tuple(_step(row) for row in group))


def _step(row: dict[str, str]) -> Step:
    at = datetime.fromisoformat(row["timestamp"])
    activity = row["activity"]
    if activity in PAYMENTS:
        return Step("payments", PAYMENTS[activity], at)
    match activity.split():
        case ["Declaration", verb, "by", *_] if verb in VERBS and row["role"] in ROLES:
            return Step(ROLES[row["role"]], verb.lower(), at)
    raise ValueError(f"case {row['case_id']}, step {row['seq']}: unknown activity {activity!r} by {row['role']!r}")
