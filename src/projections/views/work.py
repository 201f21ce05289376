"""How executions go: how long, how many, which way, where they wait, and why they fail."""

from projections.table import Column
from projections.view import WITHOUT_ARCHIVE, View

WORKFLOW = Column("text", "The workflow's key.")
ASKED_BY = Column("text", "The workflow; null: nothing of a workflow.")

BOTTLENECKS = View(
    name="bottlenecks",
    meaning="Where executions spend their time: by workflow and node, how long visits took, and how much of that was waiting."
    + WITHOUT_ARCHIVE,
    columns={
        "workflow_key": WORKFLOW,
        "node_id": Column("text", "The node."),
        "node_type": Column("text", "Its type."),
        "visits": Column("bigint", "How often it was visited, of a foreach by each item."),
        "running_now": Column("bigint", "Of these, those that are under way."),
        "oldest_running_since": Column("timestamptz", "When the oldest of them began."),
        "completed": Column("bigint", "Visits that were completed."),
        "failed": Column("bigint", "Visits that failed, also where an edge took the error."),
        "cancelled": Column("bigint", "Visits that were cancelled."),
        "retries": Column("bigint", "Attempts beyond the first of each visit."),
        "median_ms": Column("bigint", "Half of the visits that are over took no longer, in milliseconds."),
        "p90_ms": Column("bigint", "Nine of ten took no longer, in milliseconds."),
        "p99_ms": Column("bigint", "Ninety-nine of a hundred took no longer, in milliseconds."),
        "longest_ms": Column("bigint", "The longest, in milliseconds."),
        "waiting_ms": Column(
            "bigint",
            "Of the total: waiting for people, time, events, children, items or other branches; of AI agents all but calls of "
            "models and tools.",
        ),
        "working_ms": Column(
            "bigint",
            "Of the total: the rest. Of jobs that is until they were reported, the time until a worker took them included.",
        ),
        "total_ms": Column("bigint", "All visits that are over together, in milliseconds."),
        "share_of_time": Column("numeric", "Of the total of all nodes of the workflow, from 0 to 1."),
    },
)

THROUGHPUT = View(
    name="throughput",
    meaning="How many executions started and ended: by day (UTC) and workflow, those in the archive among them.",
    columns={
        "day": Column("date", "The day, UTC. Days on which nothing started or ended have no row."),
        "workflow_key": WORKFLOW,
        "started": Column("bigint", "Executions that started on it."),
        "completed": Column("bigint", "Executions that completed on it."),
        "failed": Column("bigint", "Executions that failed on it."),
        "cancelled": Column("bigint", "Executions that were cancelled on it."),
        "median_ms": Column("bigint", "From start to end: half of those completed took no longer, in milliseconds."),
        "p90_ms": Column("bigint", "From start to end: nine of ten of those completed took no longer, in milliseconds."),
        "open_after": Column("bigint", "How many were open when the day was over."),
    },
)

EXECUTION_FAILURES = View(
    name="execution_failures",
    meaning="Why executions failed: by workflow, version, node and code of the error." + WITHOUT_ARCHIVE,
    columns={
        "workflow_key": WORKFLOW,
        "workflow_version": Column("integer", "Its version."),
        "node_id": Column("text", "The node whose error it was; null: no node's, such as a time limit of the execution."),
        "code": Column("text", "The error's code: that of a fail node, or the type of the error that nothing handled."),
        "executions": Column("bigint", "How many failed so."),
        "undone": Column("bigint", "Of these, those whose effects were undone (compensated) completely."),
        "median_ms": Column("bigint", "From start to failure: half of them took no longer, in milliseconds."),
        "first_at": Column("timestamptz", "When the first of them did."),
        "last_at": Column("timestamptz", "When the last of them did."),
        "last_message": Column("text", "What its error said."),
        "last_execution_id": Column("uuid", "That execution."),
    },
)

EXECUTION_PATHS = View(
    name="execution_paths",
    meaning="Which way each execution that is over went: its variant, as process mining has it, and how long it took."
    + WITHOUT_ARCHIVE,
    columns={
        "execution_id": Column("uuid", "The execution."),
        "workflow_key": WORKFLOW,
        "workflow_version": Column("integer", "The version it ran, last."),
        "business_key": Column("text", "The starter's own name for it."),
        "status": Column("text", "completed, failed or cancelled."),
        "created_at": Column("timestamptz", "When its start was recorded: an index leads to a span of it."),
        "started_at": Column("timestamptz", "When it started."),
        "ended_at": Column("timestamptz", "When it completed, failed or was cancelled."),
        "cycle_ms": Column("bigint", "From start to end, in milliseconds."),
        "variant": Column("text", "A short name of the path: equal where the path is."),
        "path": Column(
            "text[]",
            "The nodes, in the order in which their visits were completed; without items of a foreach and without undoing.",
        ),
        "steps": Column("integer", "How many these are."),
    },
)

VARIANTS = View(
    name="variants",
    meaning="Cycle time by variant: executions that are over, by workflow and the sequence of nodes that they completed."
    + WITHOUT_ARCHIVE,
    columns={
        "workflow_key": WORKFLOW,
        "variant": Column("text", "A short name of the path, as in execution_paths."),
        "path": Column("text[]", "The nodes, in the order in which their visits were completed."),
        "steps": Column("integer", "How many these are."),
        "executions": Column("bigint", "How many executions went this way."),
        "completed": Column("bigint", "Of these, completed."),
        "failed": Column("bigint", "Of these, failed."),
        "cancelled": Column("bigint", "Of these, cancelled."),
        "average_ms": Column("bigint", "From start to end, on average, in milliseconds."),
        "median_ms": Column("bigint", "From start to end: half of them took no longer, in milliseconds."),
        "p90_ms": Column("bigint", "From start to end: nine of ten took no longer, in milliseconds."),
        "first_started_at": Column("timestamptz", "When the first of them started."),
        "last_started_at": Column("timestamptz", "When the last of them started."),
        "last_execution_id": Column("uuid", "That execution."),
        "share": Column("numeric", "Of all executions of the workflow that are over, from 0 to 1."),
    },
)

REWORK = View(
    name="rework",
    meaning="What was done more than once: by workflow and node, repeated visits, retries, and what people sent back."
    + WITHOUT_ARCHIVE,
    columns={
        "workflow_key": ASKED_BY,
        "node_id": Column("text", "The node."),
        "executions": Column("bigint", "Executions that visited it."),
        "executions_repeated": Column("bigint", "Of these, those that did so more than once, of a foreach for one item."),
        "share_repeated": Column("numeric", "These of all that visited it, from 0 to 1."),
        "visits": Column("bigint", "Visits in all."),
        "further_visits": Column("bigint", "Visits beyond the first of an execution or item."),
        "most_visits": Column("bigint", "The most by one execution or item."),
        "further_ms": Column("bigint", "How long visits beyond the first took, together, in milliseconds."),
        "retries": Column("bigint", "Attempts beyond the first of each visit."),
        "requests_resubmitted": Column("bigint", "How often its approval requests were changed and asked again."),
        "steps_asked_again": Column("bigint", "How often steps of its approval requests were asked again."),
        "outputs_sent_back": Column("bigint", "How often people sent the output of an AI task of it back."),
    },
)

WAITING_NOW = View(
    name="waiting_now",
    meaning="What is waited for now, and by whom it can be moved on: people, workers, models, time, events, children.",
    columns={
        "waits_for": Column(
            "text",
            "people (to decide), requester (to resubmit or withdraw), worker, model, time, event, child, items (of a foreach), "
            "or resumption (of a paused execution).",
        ),
        "who_kind": Column(
            "text",
            "What `who` names: user, role, anyone (who may decide approvals), job_type, model, event_type or workflow; null: "
            "nobody.",
        ),
        "who": Column(
            "text",
            "The user's id, the role's key, the type, model or workflow. What several are asked for is in the row of each.",
        ),
        "workflow_key": Column("text", "The workflow that waits; null: nothing of a workflow."),
        "node_id": Column("text", "Its node."),
        "things": Column("bigint", "How many requests, jobs, AI tasks, timers … are waited for."),
        "executions": Column("bigint", "How many executions wait for them."),
        "overdue": Column("bigint", "Of the things, those whose moment has passed."),
        "oldest_since": Column("timestamptz", "Since when the oldest is waited for."),
        "next_due_at": Column(
            "timestamptz", "The soonest moment: by when an answer is hoped for, a timer fires, or a job expires."
        ),
    },
)

VIEWS = (BOTTLENECKS, THROUGHPUT, EXECUTION_FAILURES, EXECUTION_PATHS, VARIANTS, REWORK, WAITING_NOW)
