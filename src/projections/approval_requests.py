"""projections.approval_requests: what people are asked to decide, and how it was resolved."""

from collections.abc import Collection
from typing import TypeAlias, get_args
from uuid import UUID

from domain.approval import (
    ApprovalCancelled,
    ApprovalClaimed,
    ApprovalCommentDeleted,
    ApprovalCommented,
    ApprovalCommentEdited,
    ApprovalDecided,
    ApprovalEscalated,
    ApprovalExpired,
    ApprovalOverdue,
    ApprovalOverridden,
    ApprovalQuestionAnswered,
    ApprovalQuestionAsked,
    ApprovalReassigned,
    ApprovalRecalled,
    ApprovalReleased,
    ApprovalReminded,
    ApprovalRequested,
    ApprovalResolved,
    ApprovalResubmitted,
    ApprovalReturned,
    ApprovalRevoked,
    ApprovalSentToRequester,
    ApprovalStepCompleted,
    ApprovalStepSkipped,
    ApprovalStepStarted,
    ApprovalUnwatched,
    ApprovalWatched,
    ApproverAdded,
    Outcome,
    StepPlan,
    Visibility,
)
from domain.approval.content import attachments_json
from domain.approval.times import WHOLE
from domain.envelope import RecordedEvent
from domain.facts import Json
from projections import approval_comments, approval_decisions, approval_steps, approval_times, workflow_executions
from projections.rows import Rows
from projections.table import BY_EXECUTION, TENANT_ID, Column, Lookup, Row, Table, row_with_id, stream_row

NAME = "approval_requests"
NOBODY: Json = {"users": [], "roles": []}


def requested(rows: Rows, record: RecordedEvent, event: ApprovalRequested) -> None:
    asking = event.execution_id
    execution = None if asking is None else rows.get(workflow_executions.NAME, record.tenant_id, asking)
    rule = event.rule if isinstance(event.rule, dict) else {}
    row = {
        "id": record.stream_id,
        "execution_id": event.execution_id,
        "activation_id": event.activation_id,
        "item_index": event.item_index,
        "node_id": event.node_id,
        "title": event.title,
        "description": event.description,
        "priority": event.priority,
        "status": "pending",
        "outcome": None,
        "outcome_kind": None,
        "approval_type": str(rule.get("type", "single")),
        "required_approvals": event.required_approvals,
        "received_approvals": 0,
        "received_rejections": 0,
        "request_data": {
            "context": event.context,
            "form": event.form,
            "outcomes": [outcome_json(outcome) for outcome in event.outcomes],
            "rule": event.rule,
            **({"steps": [_plan_json(step) for step in event.steps]} if event.steps else {}),
            **_how_shown(event.ui_schema),
            **_what_matters(event.depends_on, event.editable),
            **_of_ai(event),
        },
        "approval_data": None,
        "escalation_rules": approval_times.levels(event.times, record.recorded_at),
        "assigned_to": assigned_to(event.outcomes),
        "requested_by": event.requested_by,
        "decided_by": None,
        "due_at": None if event.due is None else event.due.moment(record.recorded_at),
        "expires_at": None if event.expires is None else event.expires.moment(record.recorded_at),
        "first_response_at": None,
        "responded_at": None,
        "claimed_by": None,
        "workflow_key": None if execution is None else execution["workflow_key"],
        "overridden_by": None,
        "visibility": event.visibility or "names",
        **approval_times.NOTHING_YET,
        "start_by": approval_times.start_by(event.times, record.recorded_at),
        "requested_at": record.occurred_at,
        "first_response_ms": None,
        "turnaround_ms": None,
        "escalated_at": None,
        "current_version": 1,
        "attachments": attachments_json(event.attachments),
        "recalled_at": None,
        "open_questions": 0,
        "ai_task_id": event.ai_task_id,
    }
    rows.insert(NAME, record, row)


def _of_ai(event: ApprovalRequested) -> dict[str, Json]:
    """What an AI task asks for, where one asks."""
    if event.ai_task_id is None:
        return {}
    return {"ai": {"purpose": event.purpose, "call_id": None if event.call_id is None else str(event.call_id)}}


def _plan_json(step: StepPlan) -> Json:
    plan = {"name": step.name, "stage": step.stage, "distinct": list(step.distinct), "ad_hoc": step.ad_hoc, "form": None}
    return {**plan, **_what_matters(step.depends_on, None)}


def _how_shown(ui_schema: Json) -> dict[str, Json]:
    return {} if ui_schema is None else {"ui_schema": ui_schema}


def _what_matters(depends_on: tuple[str, ...] | None, editable: tuple[str, ...] | None) -> dict[str, Json]:
    """What a change asks again, and what may be changed; nothing said: everything."""
    said = {"depends_on": depends_on, "editable": editable}
    return {name: list(value) for name, value in said.items() if value is not None}


def outcome_json(outcome: Outcome) -> Json:
    by = {"users": [str(user) for user in outcome.users], "roles": list(outcome.roles)}
    more: Json = {
        "exclude": [str(user) for user in outcome.exclude],
        "comment": outcome.comment,
        "reasons": list(outcome.reasons),
        "form": outcome.form,
        "fallback": outcome.fallback,
        "proof": outcome.proof,
        "means": outcome.means,
    }
    return {"name": outcome.name, "kind": outcome.kind, "by": by, **{name: value for name, value in more.items() if value}}


def assigned_to(outcomes: tuple[Outcome, ...]) -> Json:
    """Everybody whom some outcome names, in the order in which they are named."""
    users = dict.fromkeys(str(user) for outcome in outcomes for user in outcome.users)
    roles = dict.fromkeys(role for outcome in outcomes for role in outcome.roles)
    return {"users": list(users), "roles": list(roles)}


def decided(rows: Rows, record: RecordedEvent, event: ApprovalDecided) -> None:
    key = (record.tenant_id, record.stream_id)
    row = rows.get(NAME, *key)
    changes = {
        "received_approvals": row["received_approvals"] + (event.kind == "approve"),
        "received_rejections": row["received_rejections"] + (event.kind == "reject"),
        **_first_response(row, record),
        **approval_times.taken_on(row, record, event.user_id),
    }
    rows.update(NAME, record, key, changes)


def _first_response(row: Row, record: RecordedEvent) -> Row:
    if row["first_response_at"] is not None:
        return {}
    waited = approval_times.milliseconds(row["requested_at"], record.occurred_at)
    return {"first_response_at": record.occurred_at, "first_response_ms": waited}


def resolved(rows: Rows, record: RecordedEvent, event: ApprovalResolved) -> None:
    key = (record.tenant_id, record.stream_id)
    row = rows.get(NAME, *key)
    changes = {
        "status": "resolved",
        "outcome": event.outcome,
        "outcome_kind": event.kind,
        "approval_data": event.form,
        "decided_by": event.decided_by[-1] if event.decided_by else None,
        "responded_at": record.occurred_at,
        "turnaround_ms": approval_times.milliseconds(row["requested_at"], record.occurred_at),
        "sla_met": _met(rows, record, row, event),
    }
    rows.update(NAME, record, key, changes)


def _met(rows: Rows, record: RecordedEvent, row: Row, event: ApprovalResolved) -> bool | None:
    """In steps each has its own moment, where one has: then it is a matter of these, and of whether the whole was late."""
    if event.kind == "withdraw":
        return bool(row["sla_met"]) if row["sla_met"] is not None else None
    by_people = bool(event.decided_by) or row["escalation_level"] == 0 or row["overridden_by"] is not None
    steps = rows.where(approval_steps.NAME, approval_steps.of_request(record))
    if by_people and any(step["due_at"] is not None for step in steps):
        return row["sla_met"] is not False and all(step["sla_met"] is not False for step in steps)
    return approval_times.met(row, record, by_people=by_people)


def reminded(rows: Rows, record: RecordedEvent, _event: ApprovalReminded) -> None:
    key = (record.tenant_id, record.stream_id)
    rows.update(NAME, record, key, {"reminders_sent": rows.get(NAME, *key)["reminders_sent"] + 1})


def overdue(rows: Rows, record: RecordedEvent, event: ApprovalOverdue) -> None:
    key = (record.tenant_id, record.stream_id)
    rows.update(NAME, record, key, approval_times.late(rows.get(NAME, *key), record, event))


def escalated(rows: Rows, record: RecordedEvent, event: ApprovalEscalated) -> None:
    """What those may choose who are asked now is offered to them, too, or to them alone."""
    key = (record.tenant_id, record.stream_id)
    row = rows.get(NAME, *key)
    changes: Row = {**approval_times.escalated(row, event), "escalated_at": record.occurred_at}
    if event.outcomes:
        data = row["request_data"]
        step = data["steps"][event.step - 1]["name"] if "steps" in data else None
        offered = [_offered(each, event) if each.get("step") == step else each for each in data["outcomes"]]
        changes |= {
            "request_data": {**data, "outcomes": offered},
            "assigned_to": {
                kind: list(dict.fromkeys(name for each in offered for name in each["by"][kind])) for kind in ("users", "roles")
            },
            "claimed_by": None,
        }
    rows.update(NAME, record, key, changes)


def _offered(outcome: Json, event: ApprovalEscalated) -> Json:
    if outcome["name"] not in event.outcomes:
        return outcome
    by, more = outcome["by"], {"users": [str(user) for user in event.users], "roles": list(event.roles)}
    if event.replace:
        return {**outcome, "by": more}
    if not (by["users"] or by["roles"]):
        return outcome
    return {**outcome, "by": {kind: list(dict.fromkeys((*by[kind], *more[kind]))) for kind in ("users", "roles")}}


def step_started(rows: Rows, record: RecordedEvent, event: ApprovalStepStarted) -> None:
    """Asked are those of all steps that are open, and an answer is hoped for by the soonest of their moments."""
    key = (record.tenant_id, record.stream_id)
    row, others = rows.get(NAME, *key), _open_steps(rows, record, (event.step,))
    changes: Row = {"assigned_to": _together(row["assigned_to"] if others else NOBODY, event.outcomes), "claimed_by": None}
    data = row["request_data"]
    offered = [each for each in data["outcomes"] if each["step"] in {other["name"] for other in others}]
    shown = {"form": event.form, **_how_shown(event.ui_schema)}
    steps = [{**each, **shown} if each["name"] == event.name else each for each in data["steps"]]
    offered += [{**outcome_json(outcome), "step": event.name} for outcome in event.outcomes]
    changes["request_data"] = {**data, "outcomes": offered, "steps": steps}
    due = [each["due_at"] for each in others if each["due_at"] is not None]
    if event.due is not None:
        due.append(event.due.moment(record.recorded_at))
    if due:
        changes["due_at"] = min(due)
    rows.update(NAME, record, key, changes)


def _open_steps(rows: Rows, record: RecordedEvent, but: Collection[int]) -> list[Row]:
    steps = rows.where(approval_steps.NAME, approval_steps.of_request(record))
    return [row for row in steps if row["status"] == "open" and row["step"] not in but]


def _together(assigned: Json, outcomes: tuple[Outcome, ...]) -> Json:
    more = assigned_to(outcomes)
    return {kind: list(dict.fromkeys((*assigned[kind], *more[kind]))) for kind in ("users", "roles")}


def approver_added(rows: Rows, record: RecordedEvent, event: ApproverAdded) -> None:
    key = (record.tenant_id, record.stream_id)
    assigned = rows.get(NAME, *key)["assigned_to"]
    if assigned["users"] or assigned["roles"]:
        users = list(dict.fromkeys((*assigned["users"], str(event.user_id))))
        assigned = {"users": users, "roles": assigned["roles"]}
    rows.update(NAME, record, key, {"assigned_to": assigned})


def returned(rows: Rows, record: RecordedEvent, event: ApprovalReturned) -> None:
    rows.update(NAME, record, (record.tenant_id, record.stream_id), _asked_again(rows, record, event))


def _asked_again(rows: Rows, record: RecordedEvent, event: ApprovalReturned | ApprovalResubmitted) -> Row:
    """What was decided in the steps that are asked again does not count, and what these offered is not offered until they are."""
    decisions = rows.where(approval_decisions.NAME, approval_decisions.of_request(record))
    left = [each["kind"] for each in decisions if approval_decisions.counts(each) and each["step"] not in event.steps]
    data = rows.get(NAME, record.tenant_id, record.stream_id)["request_data"]
    if "steps" in data:
        again = {data["steps"][number - 1]["name"] for number in event.steps}
        data = {**data, "outcomes": [each for each in data["outcomes"] if each["step"] not in again]}
    return {
        "received_approvals": left.count("approve"),
        "received_rejections": left.count("reject"),
        "request_data": data,
    }


def recalled(rows: Rows, record: RecordedEvent, _event: ApprovalRecalled | ApprovalSentToRequester) -> None:
    changes = {"status": "with_requester", "recalled_at": record.occurred_at, "expires_at": None}
    rows.update(NAME, record, (record.tenant_id, record.stream_id), changes)


def resubmitted(rows: Rows, record: RecordedEvent, event: ApprovalResubmitted) -> None:
    key, content = (record.tenant_id, record.stream_id), event.content
    changes = _asked_again(rows, record, event)
    data = {**changes["request_data"], "context": content.context}
    changes |= {
        "status": "pending",
        "title": content.title,
        "description": content.description,
        "attachments": attachments_json(content.attachments),
        "current_version": event.number,
        "recalled_at": None,
        "overdue_at": None,
        "start_missed_at": None,
        "sla_met": None,
    }
    if event.steps and "steps" not in data:
        changes |= {"claimed_by": None, **approval_times.NOT_TAKEN_ON}
    if event.asked is not None:
        data |= {"rule": event.asked.rule, "outcomes": [outcome_json(outcome) for outcome in event.asked.outcomes]}
        changes["assigned_to"] = assigned_to(event.asked.outcomes)
        changes["required_approvals"] = event.asked.required_approvals
        changes["approval_type"] = str(event.asked.rule["type"])
    for name, due in (("due_at", event.due), ("expires_at", event.expires)):
        if due is not None:
            changes[name] = due.moment(record.recorded_at)
    changes |= _anew(rows, record, event, in_steps="steps" in data)
    rows.update(NAME, record, key, {**changes, "request_data": data})


def _anew(rows: Rows, record: RecordedEvent, event: ApprovalResubmitted, *, in_steps: bool) -> Row:
    """Its own moments, and of when an answer is hoped for the soonest of the steps that go on, as when these are asked."""
    of_its_own = next((each for each in event.clocks if not in_steps or each.step == WHOLE), None)
    changes: Row = {}
    if of_its_own is not None:
        changes = approval_times.anew(of_its_own, record.recorded_at)
        changes["escalation_rules"] = approval_times.levels(of_its_own.times, record.recorded_at)
    due = {each["step"]: each["due_at"] for each in _open_steps(rows, record, event.steps)}
    due |= {each.step: each.due.moment(record.recorded_at) for each in event.clocks if each.step in due and each.due is not None}
    known = [moment for moment in due.values() if moment is not None]
    return {**changes, "due_at": min(known)} if known else changes


def question_asked(rows: Rows, record: RecordedEvent, _event: ApprovalQuestionAsked) -> None:
    _count_question(rows, record, 1)


def question_answered(rows: Rows, record: RecordedEvent, _event: ApprovalQuestionAnswered) -> None:
    _count_question(rows, record, -1)


def comment_deleted(rows: Rows, record: RecordedEvent, event: ApprovalCommentDeleted) -> None:
    """A question that was not answered is one no longer; one whose answer is taken back is one again."""
    said = rows.get(approval_comments.NAME, record.tenant_id, event.comment_id)
    by = {"question": 0 if said["answered_at"] else -1, "answer": 1, "comment": 0}[said["kind"]]
    question = said["question_id"] and rows.get(approval_comments.NAME, record.tenant_id, said["question_id"])
    _count_question(rows, record, 0 if question and question["deleted_at"] else by)


def _count_question(rows: Rows, record: RecordedEvent, by: int) -> None:
    key = (record.tenant_id, record.stream_id)
    rows.update(NAME, record, key, {"open_questions": rows.get(NAME, *key)["open_questions"] + by})


def claimed(rows: Rows, record: RecordedEvent, event: ApprovalClaimed) -> None:
    key = (record.tenant_id, record.stream_id)
    taken_on = approval_times.taken_on(rows.get(NAME, *key), record, event.user_id)
    rows.update(NAME, record, key, {"claimed_by": event.user_id, **taken_on})


def released(rows: Rows, record: RecordedEvent, _event: ApprovalReleased) -> None:
    rows.update(NAME, record, (record.tenant_id, record.stream_id), {"claimed_by": None})


def reassigned(rows: Rows, record: RecordedEvent, event: ApprovalReassigned) -> None:
    key, who = (record.tenant_id, record.stream_id), str(event.from_user_id)
    row = rows.get(NAME, *key)
    assigned = row["assigned_to"]
    users = list(dict.fromkeys(str(event.to_user_id) if user == who else user for user in assigned["users"]))
    claimed_by = None if row["claimed_by"] == event.from_user_id else row["claimed_by"]
    rows.update(NAME, record, key, {"assigned_to": {"users": users, "roles": assigned["roles"]}, "claimed_by": claimed_by})


def revoked(rows: Rows, record: RecordedEvent, event: ApprovalRevoked) -> None:
    key = (record.tenant_id, record.stream_id)
    row = rows.get(NAME, *key)
    changes = {
        "received_approvals": row["received_approvals"] - (event.kind == "approve"),
        "received_rejections": row["received_rejections"] - (event.kind == "reject"),
    }
    rows.update(NAME, record, key, changes)


Touching: TypeAlias = ApprovalStepSkipped | ApprovalCommented | ApprovalCommentEdited | ApprovalWatched | ApprovalUnwatched


def touched(rows: Rows, record: RecordedEvent, _event: Touching) -> None:
    """Its version is that of its stream, and the audit log names it by its row."""
    rows.update(NAME, record, (record.tenant_id, record.stream_id), {})


def overridden(rows: Rows, record: RecordedEvent, event: ApprovalOverridden) -> None:
    key = (record.tenant_id, record.stream_id)
    rows.update(NAME, record, key, {"overridden_by": event.user_id, **_first_response(rows.get(NAME, *key), record)})


def step_completed(rows: Rows, record: RecordedEvent, event: ApprovalStepCompleted) -> None:
    """What it offered is offered no longer."""
    key = (record.tenant_id, record.stream_id)
    data = rows.get(NAME, *key)["request_data"]
    left = [each for each in data["outcomes"] if each["step"] != event.name]
    rows.update(NAME, record, key, {"request_data": {**data, "outcomes": left}})


def cancelled(rows: Rows, record: RecordedEvent, _event: ApprovalCancelled) -> None:
    rows.update(NAME, record, (record.tenant_id, record.stream_id), {"status": "cancelled"})


def expired(rows: Rows, record: RecordedEvent, _event: ApprovalExpired) -> None:
    """Nobody answers what was due any more."""
    key = (record.tenant_id, record.stream_id)
    met = approval_times.met(rows.get(NAME, *key), record, by_people=False)
    rows.update(NAME, record, key, {"status": "expired", "sla_met": met})


def rows_needed(record: RecordedEvent) -> tuple[Lookup, ...]:
    match record.event:
        case ApprovalRequested(execution_id=None):
            return ()
        case ApprovalRequested(execution_id=UUID() as execution_id):
            return (row_with_id(record, execution_id)._replace(table=workflow_executions.NAME),)
        case ApprovalStepStarted() | ApprovalResolved():
            return (stream_row(record), approval_steps.of_request(record))
        case ApprovalReturned():
            return (stream_row(record), approval_decisions.of_request(record))
        case ApprovalResubmitted():
            return (stream_row(record), approval_decisions.of_request(record), approval_steps.of_request(record))
        case ApprovalCommentDeleted():
            return (stream_row(record), approval_comments.of_request(record))
        case _:
            return (stream_row(record),)


TABLE = Table(
    name=NAME,
    key=("tenant_id", "id"),
    columns={
        "tenant_id": TENANT_ID,
        "id": Column("uuid", "The request's id."),
        "execution_id": Column(
            "uuid", "The execution that asks, or whose AI task does; null: it was asked by itself.", null=True
        ),
        "activation_id": Column("uuid", "The visit of the approval node that asks; null where no execution does.", null=True),
        "item_index": Column("integer", "Of the foreach's item that asks, from 0; null outside of a foreach.", null=True),
        "node_id": Column("text", "The node that asks, or whose AI task does; null where no execution asks.", null=True),
        "title": Column("text", "What is asked."),
        "description": Column("text", "What is asked, at length.", null=True),
        "priority": Column("integer", "Higher is more urgent."),
        "status": Column(
            "text",
            "pending, with_requester (recalled, or sent back to who asked: nobody decides), resolved, cancelled or expired.",
            choices=("pending", "with_requester", "resolved", "cancelled", "expired"),
        ),
        "outcome": Column("text", "The outcome it was resolved with.", null=True),
        "outcome_kind": Column(
            "text",
            "What that outcome means: approve, reject, changes, submit, withdraw or other.",
            null=True,
            choices=("approve", "reject", "changes", "submit", "withdraw", "other"),
        ),
        "approval_type": Column("text", "The rule that turns decisions into an outcome, e.g. single; steps: each has its own."),
        "required_approvals": Column(
            "integer", "How many approvals the rule asks for; of a rule of weights, of what weight; in steps, how many steps."
        ),
        "received_approvals": Column("integer", "Decisions so far that approve, and count."),
        "received_rejections": Column("integer", "Decisions so far that reject, and count."),
        "request_data": Column(
            "jsonb",
            "What the deciders get: {context, form (JSON Schema), outcomes, rule}; ai {purpose, call_id}: of an AI task, what it "
            "asks for.",
            listed=False,
        ),
        "approval_data": Column("jsonb", "The form of the decision that resolved it.", null=True, listed=False),
        "escalation_rules": Column(
            "jsonb",
            "Who is asked when nobody answers: levels {level, at, by, replace, outcome, only_if_not_taken_on}; of a request in "
            "steps those of the whole.",
            null=True,
            listed=False,
        ),
        "assigned_to": Column("jsonb", "Who may decide now: {users, roles}; both empty: every member who may decide approvals."),
        "requested_by": Column("uuid", "On whose behalf the execution asks, or who asked, where none does.", null=True),
        "decided_by": Column("uuid", "Whose decision resolved it.", null=True),
        "due_at": Column("timestamptz", "By when an answer is hoped for; of steps that say so, of those asked last.", null=True),
        "expires_at": Column("timestamptz", "When it closes by itself.", null=True),
        "first_response_at": Column("timestamptz", "When the first decision was made.", null=True),
        "responded_at": Column("timestamptz", "When it was resolved.", null=True),
        "claimed_by": Column("uuid", "Who has taken on what is asked now, so that nobody else decides it.", null=True),
        "workflow_key": Column("text", "Key of the workflow whose execution asks.", null=True),
        "overridden_by": Column("uuid", "Who decided it by an override, whomever it asked.", null=True),
        "visibility": Column(
            "text",
            "Whose names those see who see it over HTTP: names, counts (nobody's), or after_resolution. Here all names are seen.",
            choices=get_args(Visibility),
        ),
        **approval_times.COLUMNS,
        "requested_at": Column("timestamptz", "When it was asked; null of what an older release has recorded.", null=True),
        "first_response_ms": Column("bigint", "From when it was asked to the first decision, in milliseconds.", null=True),
        "turnaround_ms": Column("bigint", "From when it was asked to when it was resolved, in milliseconds.", null=True),
        "escalated_at": Column("timestamptz", "When it was escalated last.", null=True),
        "current_version": Column("integer", "The number of the version that was submitted last, from 1."),
        "attachments": Column("jsonb", "Files that go with it: [{name, reference, sha256, media_type, size}].", listed=False),
        "recalled_at": Column("timestamptz", "Since when it is with who asked; null: it is not.", null=True),
        "open_questions": Column("integer", "Questions about it that are not answered."),
        "ai_task_id": Column("uuid", "The AI task that asks; null: none does.", null=True),
    },
    appliers={
        ApprovalRequested: requested,
        ApprovalStepStarted: step_started,
        ApprovalStepSkipped: touched,
        ApprovalStepCompleted: step_completed,
        ApproverAdded: approver_added,
        ApprovalClaimed: claimed,
        ApprovalReleased: released,
        ApprovalReassigned: reassigned,
        ApprovalRevoked: revoked,
        ApprovalReturned: returned,
        ApprovalRecalled: recalled,
        ApprovalSentToRequester: recalled,
        ApprovalResubmitted: resubmitted,
        ApprovalQuestionAsked: question_asked,
        ApprovalQuestionAnswered: question_answered,
        ApprovalCommented: touched,
        ApprovalCommentEdited: touched,
        ApprovalCommentDeleted: comment_deleted,
        ApprovalWatched: touched,
        ApprovalUnwatched: touched,
        ApprovalDecided: decided,
        ApprovalOverridden: overridden,
        ApprovalReminded: reminded,
        ApprovalEscalated: escalated,
        ApprovalOverdue: overdue,
        ApprovalResolved: resolved,
        ApprovalCancelled: cancelled,
        ApprovalExpired: expired,
    },
    rows_needed=rows_needed,
    lookups=(BY_EXECUTION,),
)
