"""Those columns of runtime.jobs that answers show; jobs are no projection."""

from collections.abc import Mapping

from projections.table import Column

JOB_COLUMNS: Mapping[str, Column] = {
    "id": Column("uuid", "The job."),
    "type": Column("text", "What kind of work: workers lease by it. gesta.* is done by this product's own."),
    "state": Column(
        "text",
        "waiting (for run_at), ready, leased (or its lease has run out and nobody has noticed), held (whi"
        "le its execution is paused), dead (given up, kept to be looked at).",
        choices=("waiting", "ready", "leased", "held", "dead"),
    ),
    "priority": Column("integer", "Of the ready jobs of a tenant and type the highest goes first."),
    "attempt": Column("integer", "How often it was leased."),
    "max_attempts": Column("integer", "How often it may be, in total."),
    "fence": Column("bigint", "The fencing token of the last lease: who shows an older one is refused."),
    "execution_id": Column("uuid", "The execution that waits for it.", null=True),
    "activation_id": Column("uuid", "The visit of a node that waits for it.", null=True),
    "task_id": Column(
        "uuid",
        "The stream that it is for: that of the AI task that it is an attempt of, of a foreach's item, or its own.",
        null=True,
    ),
    "input": Column("bytea", "What the worker is given, as UTF-8 JSON.", null=True),
    "error": Column("bytea", "Why the last attempt failed, as UTF-8 JSON.", null=True),
    "created_at": Column("timestamptz", "When its command was appended."),
    "updated_at": Column("timestamptz", "When its state last changed."),
}
