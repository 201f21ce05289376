"""Approvals in the words of the business."""

from projections.table import Column
from projections.view import WITHOUT_ARCHIVE, View

APPROVER_LOAD = View(
    name="approver_load",
    meaning="Who has how much to decide now, and how fast they decide: members who are asked or have decided." + WITHOUT_ARCHIVE,
    columns={
        "user_id": Column("uuid", "The member."),
        "open_requests": Column(
            "bigint",
            "Open requests (of steps: each) that they may answer now and have not: asked by name, by a role of theirs or "
            "as anybody, and neither excluded nor kept apart.",
        ),
        "overdue_requests": Column("bigint", "Of these, those whose answer was due before now."),
        "decisions": Column("bigint", "Decisions of theirs that count; overrides do not."),
        "approvals": Column("bigint", "Of these, those that approve."),
        "rejections": Column("bigint", "Of these, those that reject."),
        "decisions_for_others": Column("bigint", "Of these, those on behalf of others."),
        "median_response_ms": Column(
            "bigint",
            "From when it was asked (of a step: when that was) to the decision, in milliseconds: half of them took no longer.",
        ),
        "p90_response_ms": Column("bigint", "Likewise, nine tenths of them."),
        "last_decided_at": Column("timestamptz", "When they decided last."),
    },
)

APPROVAL_OUTCOMES = View(
    name="approval_outcomes",
    meaning="What requests came to and why, by workflow, node, outcome and reason." + WITHOUT_ARCHIVE,
    columns={
        "workflow_key": Column("text", "Key of the workflow whose execution asked; null: asked without a workflow."),
        "node_id": Column("text", "The node; null where no execution asked."),
        "status": Column("text", "pending, with_requester, resolved, cancelled or expired."),
        "outcome": Column("text", "The outcome; null where there is none."),
        "outcome_kind": Column("text", "What that means: approve, reject, changes, submit, withdraw or other."),
        "reason": Column("text", "The reason code of the last decision for that outcome."),
        "requests": Column("bigint", "How many requests."),
        "average_turnaround_ms": Column("bigint", "From when it was asked to when it was resolved, in milliseconds, on average."),
        "median_turnaround_ms": Column("bigint", "Likewise: half of them took no longer."),
        "median_first_response_ms": Column(
            "bigint", "From when it was asked to the first decision: half of them took no longer."
        ),
        "sla_met": Column("bigint", "Those that were answered by when it was due."),
        "sla_missed": Column("bigint", "Those that were not."),
        "escalated": Column("bigint", "Those that were escalated."),
        "reminders": Column("bigint", "Reminders in all."),
        "first_created_at": Column("timestamptz", "When the first of them was recorded."),
        "last_created_at": Column("timestamptz", "When the last of them was."),
    },
)

APPROVAL_BOTTLENECKS = View(
    name="approval_bottlenecks",
    meaning="Where requests wait: by workflow, node and step, how long they took, and what share of the time that is."
    + WITHOUT_ARCHIVE,
    columns={
        "workflow_key": Column("text", "Key of the workflow whose execution asked; null: asked without a workflow."),
        "node_id": Column("text", "The node; null where no execution asked."),
        "step_name": Column("text", "The step; null of requests without steps."),
        "asked": Column("bigint", "How many were asked."),
        "open_now": Column("bigint", "How many of them are open."),
        "oldest_open_since": Column("timestamptz", "Since when the oldest of these is."),
        "median_first_response_ms": Column(
            "bigint", "From when it was asked to the first decision, in milliseconds: half of them took no longer."
        ),
        "median_ms": Column(
            "bigint", "From when it was asked to when it was done, in milliseconds: half of them took no longer."
        ),
        "p90_ms": Column("bigint", "Likewise, nine tenths of them."),
        "total_ms": Column("bigint", "All of it together."),
        "reminders": Column("bigint", "Reminders in all."),
        "escalated": Column("bigint", "How many were escalated."),
        "sla_missed": Column("bigint", "How many were not answered by when it was due."),
        "sent_back": Column("bigint", "How often the step was asked again."),
        "share_of_time": Column(
            "numeric", "Of the time of all of the workflow's approvals, from 0 to 1; null where they took none."
        ),
    },
)

APPROVAL_BREACHES = View(
    name="approval_breaches",
    meaning="What was late: a row for each moment that was missed. Of requests in steps with moments of their own, those of the "
    "steps." + WITHOUT_ARCHIVE,
    columns={
        "request_id": Column("uuid", "The request."),
        "step": Column("integer", "The step's number; null of a request as a whole."),
        "step_name": Column("text", "The step."),
        "workflow_key": Column("text", "Key of the workflow whose execution asked; null: asked without a workflow."),
        "node_id": Column("text", "The node; null where no execution asked."),
        "title": Column("text", "What is asked."),
        "what": Column(
            "text", "due: no answer by then. start: nobody had claimed or answered it by then. expired: it closed by itself."
        ),
        "was_due_at": Column("timestamptz", "The moment that was missed."),
        "done_at": Column("timestamptz", "When it was answered, or taken on, after all; null: it was not."),
        "late_ms": Column(
            "bigint",
            "How late that was, in milliseconds, not below 0; while it is open, by now. Null where it closed without an answer "
            "of anybody's.",
        ),
        "open": Column("boolean", "Whether it is open."),
        "escalation_level": Column("integer", "The level of the escalation that was reached; 0: none."),
        "reminders_sent": Column("integer", "How many reminders there were."),
    },
)

APPROVAL_SLA = View(
    name="approval_sla",
    meaning="How requests were answered in time: by the day on which they were resolved or expired (UTC), workflow and node."
    + WITHOUT_ARCHIVE,
    columns={
        "day": Column("date", "The day on which they were resolved or expired, UTC."),
        "workflow_key": Column("text", "Key of the workflow whose execution asked; null: asked without a workflow."),
        "node_id": Column("text", "The node; null where no execution asked."),
        "requests": Column("bigint", "How many were resolved or expired."),
        "expired": Column("bigint", "Of these, expired: nobody answered."),
        "with_due": Column("bigint", "Of these, those that had a moment by which an answer was hoped for."),
        "met": Column("bigint", "Of these, answered by people in time."),
        "missed": Column("bigint", "Of these, not."),
        "share_met": Column("numeric", "Met of those with a moment, from 0 to 1."),
        "median_turnaround_ms": Column(
            "bigint", "From when they were asked to when they were resolved: half took no longer, in milliseconds."
        ),
        "p90_turnaround_ms": Column("bigint", "The same: nine of ten took no longer, in milliseconds."),
        "median_first_response_ms": Column(
            "bigint", "From when they were asked to the first decision: half took no longer, in milliseconds."
        ),
    },
)

VIEWS = (APPROVER_LOAD, APPROVAL_OUTCOMES, APPROVAL_BOTTLENECKS, APPROVAL_BREACHES, APPROVAL_SLA)
