"""projections.approval_assignees: who may choose at least one outcome of a request, one row each; of steps, for each step.

Whoever is named may choose one unless they are excluded from every outcome that names them so: these are `excluded`. Where the
people whose decisions count were fixed when they were asked, each has a row, and by rows that are `members_fixed` nobody chooses.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from domain.approval import (
    ApprovalCancelled,
    ApprovalEscalated,
    ApprovalExpired,
    ApprovalReassigned,
    ApprovalRecalled,
    ApprovalReminded,
    ApprovalRequested,
    ApprovalResolved,
    ApprovalResubmitted,
    ApprovalReturned,
    ApprovalSentToRequester,
    ApprovalStepCompleted,
    ApprovalStepStarted,
    ApproverAdded,
    Outcome,
    Voter,
)
from domain.approval.events import asks_voters
from domain.approval.times import WHOLE
from domain.envelope import RecordedEvent
from projections import approval_decisions, approval_requests
from projections.rows import Rows
from projections.table import TENANT_ID, Column, Lookup, Row, Table, stream_row

NAME = "approval_assignees"
BY_REQUEST = ("tenant_id", "request_id")
NEVER = datetime(9999, 12, 31, tzinfo=UTC)
"""Where no answer is hoped for by any moment. Rows are found by comparing columns as they are: what else compares is not
leakproof, and under row-level security no index would serve it."""


def requested(rows: Rows, record: RecordedEvent, event: ApprovalRequested) -> None:
    if not event.steps:
        urgency = _urgency(None if event.due is None else event.due.moment(record.recorded_at), event.priority)
        for row in _asked(event.outcomes, event.voters):
            rows.insert(NAME, record, {"request_id": record.stream_id, "step": 1, **row, **urgency})


def step_started(rows: Rows, record: RecordedEvent, event: ApprovalStepStarted) -> None:
    request = rows.get(approval_requests.NAME, record.tenant_id, record.stream_id)
    due_at = request["due_at"] if event.due is None else event.due.moment(record.recorded_at)
    urgency = _urgency(due_at, request["priority"])
    for row in _asked(event.outcomes, event.voters):
        _put(rows, record, event.step, {**row, **urgency})


def approver_added(rows: Rows, record: RecordedEvent, event: ApproverAdded) -> None:
    """Not where everybody may decide: then they may already."""
    if rows.find(NAME, record.tenant_id, record.stream_id, event.step, "anyone", "") is None:
        other = next(row for row in rows.where(NAME, of_request(record)) if row["step"] == event.step)
        one = {"kind": "user", "value": str(event.user_id), "added_by": event.added_by, "ad_hoc": True}
        _put(rows, record, event.step, {**NOBODY, **one, "due_by": other["due_by"], "rank": other["rank"]})


def reassigned(rows: Rows, record: RecordedEvent, event: ApprovalReassigned) -> None:
    """The other one is asked for what the one was asked for, and has been reminded of it as often as they were themselves."""
    place = (record.tenant_id, record.stream_id, event.step, "user")
    key = (*place, str(event.from_user_id))
    was, own = rows.get(NAME, *key), rows.find(NAME, *place, str(event.to_user_id)) or NOBODY
    rows.delete(NAME, key)
    kept = {name: (own if name in REMINDED else was)[name] for name in NOBODY}
    _put(rows, record, event.step, {**kept, "kind": "user", "value": str(event.to_user_id)})


def reminded(rows: Rows, record: RecordedEvent, event: ApprovalReminded) -> None:
    """Those who were, by the rows that name them."""
    names = {*(("user", str(user)) for user in event.users), *(("role", role) for role in event.roles)} or {("anyone", "")}
    for row in rows.where(NAME, of_request(record)):
        if row["status"] == "pending" and event.step in (0, row["step"]) and (row["kind"], row["value"]) in names:
            rows.update(NAME, record, _key(row), {"reminders_sent": row["reminders_sent"] + 1, "reminded_at": record.occurred_at})


def escalated(rows: Rows, record: RecordedEvent, event: ApprovalEscalated) -> None:
    """Others are asked, of this level. Instead of who was, but for those who have answered or are asked for something else."""
    if not event.outcomes:
        return
    request = rows.get(approval_requests.NAME, record.tenant_id, record.stream_id)
    asked = [row for row in rows.where(NAME, of_request(record)) if row["step"] == event.step]
    if event.replace:
        kept = _kept(rows, record, request, event)
        for row in asked:
            if row["status"] == "pending" and (row["kind"], row["value"]) not in kept:
                rows.update(NAME, record, _key(row), {"status": "cancelled"})
    known = {
        (row["kind"], row["value"])
        for row in rows.where(NAME, of_request(record))
        if row["step"] == event.step and row["status"] == "pending"
    }
    if ("anyone", "") in known and not event.replace:
        return
    step = _step_of(request, event)
    offered = [each for each in request["request_data"]["outcomes"] if each.get("step") == step]
    excluded = _of_all(each.get("exclude", []) for each in offered if each["name"] in event.outcomes)
    urgency = {"due_by": asked[0]["due_by"], "rank": asked[0]["rank"]} if asked else {}
    for row in _of_level(event):
        if (row["kind"], row["value"]) not in known:
            _put(rows, record, event.step, {**NOBODY, **urgency, **row, "excluded": excluded, "escalation_level": event.level})


def _of_level(event: ApprovalEscalated) -> list[Row]:
    """Where people are counted, each of them has a row, and by that of a role nobody chooses."""
    voters = {str(voter.user_id): voter for voter in event.voters or ()}
    users = dict.fromkeys((*(str(user) for user in event.users), *voters))
    of_users = [
        {
            "kind": "user",
            "value": user,
            "role": voters[user].role if user in voters else None,
            "weight": voters[user].weight if user in voters else None,
        }
        for user in users
    ]
    return [*of_users, *({"kind": "role", "value": role, "members_fixed": event.voters is not None} for role in event.roles)]


def _kept(rows: Rows, record: RecordedEvent, request: Row, event: ApprovalEscalated) -> set[tuple[str, str]]:
    decisions = rows.where(approval_decisions.NAME, approval_decisions.of_request(record))
    said = [each for each in decisions if each["step"] == event.step and approval_decisions.counts(each)]
    kept = {("user", str(each["on_behalf_of"] or each["user_id"])) for each in said}
    step = _step_of(request, event)
    for outcome in request["request_data"]["outcomes"]:
        if outcome.get("step") == step and outcome["name"] not in event.outcomes:
            by = outcome["by"]
            named = [*(("user", user) for user in by["users"]), *(("role", role) for role in by["roles"])]
            kept.update(named or [("anyone", "")])
    return kept


def _step_of(request: Row, event: ApprovalEscalated) -> str | None:
    """Its name; None of a request without steps."""
    data = request["request_data"]
    return data["steps"][event.step - 1]["name"] if "steps" in data else None


def _of_all(excluded: Iterable[Sequence[str]]) -> list[str]:
    """Those who are excluded from each."""
    found = [set(each) for each in excluded]
    return sorted(set.intersection(*found)) if found else []


REMINDED: Row = {"reminders_sent": 0, "reminded_at": None}
NOBODY: Row = {
    "excluded": [],
    "status": "pending",
    "role": None,
    "weight": None,
    "members_fixed": False,
    "ad_hoc": False,
    "added_by": None,
    "due_by": NEVER,
    "rank": 0,
    "escalation_level": 0,
    **REMINDED,
}


def _urgency(due_at: datetime | None, priority: int) -> Row:
    return {"due_by": due_at or NEVER, "rank": -priority}


def _put(rows: Rows, record: RecordedEvent, step: int, row: Row) -> None:
    """Lists go by when the request was made: so that is when a row was, also that of a step of later."""
    key = (record.tenant_id, record.stream_id, step, row["kind"], row["value"])
    if rows.find(NAME, *key) is None:
        rows.insert(NAME, record, {"request_id": record.stream_id, "step": step, **row})
        made = rows.get(approval_requests.NAME, record.tenant_id, record.stream_id)["created_at"]
        rows.note(NAME, key, {"created_at": made})
    else:
        rows.update(NAME, record, key, row)


def _asked(outcomes: tuple[Outcome, ...], fixed: Sequence[Voter] | None) -> list[Row]:
    """A row for each name and each voter. It is theirs who may choose by it: where voters are fixed, these are who may choose
    what is counted, and nobody else is, whoever is named."""
    voters = {("user", str(voter.user_id)): voter for voter in fixed or ()}
    named: dict[tuple[str, str], list[Outcome]] = {}
    chosen: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in outcomes:
        names = _named(outcome)
        for key in names:
            named.setdefault(key, []).append(outcome)
        for key in names if fixed is None or not asks_voters(outcome, outcomes) else voters:
            chosen.setdefault(key, []).append(outcome)
    return [
        {
            **NOBODY,
            "kind": kind,
            "value": value,
            "excluded": _excluded(chosen.get((kind, value)) or named[kind, value]),
            "role": voters[kind, value].role if (kind, value) in voters else None,
            "weight": voters[kind, value].weight if (kind, value) in voters else None,
            "members_fixed": (kind, value) not in chosen,
        }
        for kind, value in dict.fromkeys((*named, *voters))
    ]


def _excluded(outcomes: Sequence[Outcome]) -> list[str]:
    """From all of these."""
    return sorted(map(str, set(outcomes[0].exclude).intersection(*(outcome.exclude for outcome in outcomes))))


def _named(outcome: Outcome) -> list[tuple[str, str]]:
    names = [*(("user", str(user)) for user in outcome.users), *(("role", role) for role in outcome.roles)]
    return names or [("anyone", "")]


def step_completed(rows: Rows, record: RecordedEvent, event: ApprovalStepCompleted) -> None:
    _close(rows, record, "resolved", (event.step,))


def returned(rows: Rows, record: RecordedEvent, event: ApprovalReturned) -> None:
    """Those of steps that are asked again are asked as these start; who had been added is so no longer."""
    for row in rows.where(NAME, of_request(record)):
        if row["step"] in event.steps:
            rows.delete(NAME, _key(row))


def recalled(rows: Rows, record: RecordedEvent, _event: ApprovalRecalled | ApprovalSentToRequester) -> None:
    _close(rows, record, "with_requester")


def resubmitted(rows: Rows, record: RecordedEvent, event: ApprovalResubmitted) -> None:
    """Those of steps that are asked again are asked as these start; the others go on as before."""
    request = rows.get(approval_requests.NAME, record.tenant_id, record.stream_id)
    in_steps = request["approval_type"] == "steps"
    due = {each.step: each.due.moment(record.recorded_at) for each in event.clocks if each.due is not None}
    if event.due is not None:
        due.setdefault(WHOLE, event.due.moment(record.recorded_at))
    for row in rows.where(NAME, of_request(record)):
        if row["step"] in event.steps and (in_steps or event.asked is not None):
            rows.delete(NAME, _key(row))
        elif row["status"] == "with_requester":
            due_by = due.get(row["step"]) or due.get(WHOLE) or row["due_by"]
            rows.update(NAME, record, _key(row), {"status": "pending", "due_by": due_by})
    if event.asked is not None:
        for row in _asked(event.asked.outcomes, event.asked.voters):
            _put(rows, record, 1, {**row, **_urgency(request["due_at"], request["priority"])})


def resolved(rows: Rows, record: RecordedEvent, _event: ApprovalResolved) -> None:
    _close(rows, record, "resolved")


def cancelled(rows: Rows, record: RecordedEvent, _event: ApprovalCancelled) -> None:
    _close(rows, record, "cancelled")


def expired(rows: Rows, record: RecordedEvent, _event: ApprovalExpired) -> None:
    _close(rows, record, "expired")


def _close(rows: Rows, record: RecordedEvent, status: str, steps: Sequence[int] | None = None) -> None:
    for row in rows.where(NAME, of_request(record)):
        if row["status"] in ("pending", "with_requester") and (steps is None or row["step"] in steps):
            rows.update(NAME, record, _key(row), {"status": status})


def _key(row: Row) -> tuple[object, ...]:
    return tuple(row[name] for name in TABLE.key)


def of_request(record: RecordedEvent) -> Lookup:
    return Lookup(BY_REQUEST, (record.tenant_id, record.stream_id))


def _request_of(record: RecordedEvent) -> Lookup:
    return stream_row(record)._replace(table=approval_requests.NAME)


def rows_needed(record: RecordedEvent) -> tuple[Lookup, ...]:
    match record.event:
        case ApprovalRequested():
            return ()
        case ApprovalEscalated():
            return (of_request(record), approval_decisions.of_request(record), _request_of(record))
        case ApprovalStepStarted() | ApproverAdded() | ApprovalReassigned() | ApprovalResubmitted():
            return (of_request(record), _request_of(record))
        case _:
            return (of_request(record),)


TABLE = Table(
    name=NAME,
    key=("tenant_id", "request_id", "step", "kind", "value"),
    columns={
        "tenant_id": TENANT_ID,
        "request_id": Column("uuid", "The request; created_at is its own."),
        "step": Column("integer", "The step of a request that asks in steps; 1 otherwise."),
        "kind": Column(
            "text",
            "user, role, or anyone: every member who may decide approvals.",
            choices=("user", "role", "anyone"),
        ),
        "value": Column("text", "The user's id, the role's key, or nothing."),
        "excluded": Column(
            "text[]", "Ids of users who are excluded from every outcome that names this user, this role or anyone."
        ),
        "status": Column(
            "text",
            "The request's status; of a step that is done: resolved; where others are asked instead: cancelled.",
            choices=("pending", "with_requester", "resolved", "cancelled", "expired"),
        ),
        "role": Column("text", "Of one who was asked as a member of a role when these were fixed: that role's key.", null=True),
        "weight": Column("integer", "Of one who was asked when these were fixed: what their decision counts.", null=True),
        "members_fixed": Column(
            "boolean",
            "Whether nobody may choose by this row: of a role whose members were fixed when they were asked (they have rows of "
            "their own), and of a user who was not one of these.",
        ),
        "ad_hoc": Column("boolean", "Whether they were added while it was open."),
        "added_by": Column("uuid", "By whom, where it was one of those who are asked.", null=True),
        "due_by": Column(
            "timestamptz",
            "By when an answer of theirs is hoped for; 9999-12-31 where there is no such moment, so that they come last.",
        ),
        "rank": Column("bigint", "The request's priority, negated: the most urgent come first."),
        "escalation_level": Column("integer", "The level of the escalation at which they were asked; 0: from the beginning."),
        "reminders_sent": Column("integer", "How often they were reminded."),
        "reminded_at": Column("timestamptz", "When they were reminded last.", null=True),
    },
    appliers={
        ApprovalRequested: requested,
        ApprovalStepStarted: step_started,
        ApproverAdded: approver_added,
        ApprovalReassigned: reassigned,
        ApprovalReminded: reminded,
        ApprovalEscalated: escalated,
        ApprovalStepCompleted: step_completed,
        ApprovalReturned: returned,
        ApprovalRecalled: recalled,
        ApprovalSentToRequester: recalled,
        ApprovalResubmitted: resubmitted,
        ApprovalResolved: resolved,
        ApprovalCancelled: cancelled,
        ApprovalExpired: expired,
    },
    rows_needed=rows_needed,
    lookups=(BY_REQUEST,),
)
