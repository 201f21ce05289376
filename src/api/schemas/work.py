"""Jobs as workers see them, and answers that hold one result for each of many."""

from api.schemas.columns import fields, row
from api.schemas.problem import PROBLEM
from api.schemas.results import DECIDED, EXECUTION_RESULT, STARTED_EXECUTION
from api.schemas.schema import (
    ANYTHING,
    BIG,
    BOOLEAN,
    INTEGER,
    TEXT,
    TIME,
    Choice,
    ObjectSchema,
    Schema,
    many,
    one_of,
    or_null,
    ref,
    said,
)

LEASED_UNTIL = said(TIME, "When the lease runs out, by the database's clock.")
LEASED_JOB = ObjectSchema(
    "LeasedJob",
    "A job that was handed out.",
    {
        **fields("queue", "id", "fence", "type"),
        "input": said(ANYTHING, "What there is to work on."),
        **fields("queue", "attempt", "max_attempts"),
        "lease_until": LEASED_UNTIL,
        **fields("queue", "execution_id", "activation_id"),
    },
)
LEASED_JOBS = ObjectSchema(
    "LeasedJobs", "The jobs that were handed out, none where there were none.", {"items": many(LEASED_JOB)}
)
HEARTBEAT = ObjectSchema("Heartbeat", "When a job's lease ends.", {**fields("queue", "id"), "lease_until": LEASED_UNTIL})
READY_JOB = ObjectSchema("ReadyJob", "A job that may be leased.", {**fields("queue", "id"), "state": one_of("ready")})

PLACE: dict[str, Schema] = {
    "place": said(
        or_null(INTEGER),
        "Of a ready one: how many of its type, or of those that the same limit holds back, are before it; 10000: or more.",
    ),
    "held_back_by": said(
        or_null(TEXT), "The limit that is reached: tenant, or type:, workflow:, node:, key: or rate: and a name."
    ),
}
NODES_JOB = ObjectSchema(
    "NodesJob",
    "A job of a node that is not done.",
    {
        **fields("queue", "id", "type", "state", "priority", "attempt", "max_attempts"),
        "run_at": said(TIME, "Not leased before."),
        "lease_until": or_null(LEASED_UNTIL),
        **fields("queue", "execution_id", "activation_id", "task_id", "created_at", "updated_at"),
        **PLACE,
    },
)
STANDING = ObjectSchema(
    "JobStanding",
    "How a pending job stands in the queue now.",
    {**fields("queue", "state", "attempt"), "lease_until": or_null(LEASED_UNTIL), **PLACE},
)
ENQUEUED_JOB = ObjectSchema("EnqueuedJob", "A job of its own.", {**row("jobs"), "queue": or_null(ref(STANDING))})
JOB = Choice("Job", "A job of its own, or one of a node that is not done.", (ENQUEUED_JOB, NODES_JOB))

ENQUEUED = ObjectSchema(
    "JobEnqueued",
    "How a job stands right after it was enqueued.",
    {
        **fields("jobs", "id", "status", "version"),
        "existing": said(
            {**BOOLEAN, "const": True}, "A pending job of its type has its unique key, and is this one: nothing was enqueued."
        ),
    },
    optional=frozenset({"existing"}),
)
JOB_STATUS = ObjectSchema("JobStatus", "How a job stands.", fields("jobs", "id", "status", "version"))

JOB_RESULT = ObjectSchema(
    "JobResult",
    "What became of a job.",
    {
        **fields("queue", "id"),
        "state": said(one_of("done", "ready"), "ready: it will be handed out again."),
        "attempt": said(or_null(INTEGER), "The attempt that is under way or comes next."),
        "delay_ms": said(or_null(BIG), "Milliseconds until it is handed out again; null: it is not."),
    },
)
REPORTED: dict[str, Schema] = {
    "job": ref(JOB_RESULT),
    "execution": said(or_null(ref(EXECUTION_RESULT)), "null: it is a job of its own."),
}
REPORTED_JOB = ObjectSchema("ReportedJob", "What a report led to.", REPORTED)

REFUSED = ObjectSchema(
    "RefusedItem", "An item that was refused; it does not stop the others.", {"status": INTEGER, "problem": ref(PROBLEM)}
)


def _results(name: str, done: ObjectSchema, **also: Schema) -> ObjectSchema:
    """One result for each of many, in their order; and what else there may be."""
    either = Choice(f"{name}Result", "What became of one of them.", (done, REFUSED))
    fields = {"items": many(either), **also}
    return ObjectSchema(f"{name}Results", "One result for each, in order.", fields, optional=frozenset(also))


STARTED = ObjectSchema(
    "StartedItem",
    "One that was started, or ran already.",
    {"status": {**INTEGER, "enum": [200, 201]}, "execution": ref(STARTED_EXECUTION)},
)
BULK_RESULTS = _results("BulkStart", STARTED)
BULK_ENQUEUED = _results(
    "BulkEnqueue",
    ObjectSchema(
        "EnqueuedItem",
        "One that was enqueued, or was there already.",
        {"status": {**INTEGER, "enum": [200, 201]}, "job": ref(ENQUEUED)},
    ),
)
BULK_APPROVALS = _results(
    "BulkApproval",
    ObjectSchema("ActedOnApproval", "One that the action was done to.", {"status": {**INTEGER, "const": 200}, **DECIDED.fields}),
)
REPORT_RESULTS = _results(
    "JobReport",
    ObjectSchema("ReportedItem", "One that was recorded.", {"status": {**INTEGER, "const": 200}, **REPORTED}),
    jobs=said(many(LEASED_JOB), "What the worker has to do next, where it asked for that."),
)
