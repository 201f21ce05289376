"""Jobs as workers see them, and answers that hold one result for each of many."""

from api.schemas.columns import fields
from api.schemas.problem import PROBLEM
from api.schemas.results import EXECUTION_RESULT, STARTED_EXECUTION
from api.schemas.schema import ANYTHING, BIG, INTEGER, TEXT, TIME, Choice, ObjectSchema, Schema, many, one_of, or_null, ref, said

LEASED_UNTIL = said(TIME, "When the lease runs out, by the database's clock.")
LEASED_JOB = ObjectSchema(
    "LeasedJob",
    "A job that was handed out.",
    {
        **fields("jobs", "id", "fence", "type"),
        "input": said(ANYTHING, "What there is to work on."),
        **fields("jobs", "attempt", "max_attempts"),
        "lease_until": LEASED_UNTIL,
        **fields("jobs", "execution_id", "activation_id"),
    },
)
LEASED_JOBS = ObjectSchema(
    "LeasedJobs", "The jobs that were handed out, none where there were none.", {"items": many(LEASED_JOB)}
)
HEARTBEAT = ObjectSchema("Heartbeat", "When a job's lease ends.", {**fields("jobs", "id"), "lease_until": LEASED_UNTIL})
READY_JOB = ObjectSchema("ReadyJob", "A job that may be leased.", {**fields("jobs", "id"), "state": one_of("ready")})

JOB = ObjectSchema(
    "Job",
    "A job that is not done.",
    {
        **fields("jobs", "id", "type", "state", "priority", "attempt", "max_attempts"),
        "run_at": said(TIME, "Not leased before."),
        "lease_until": or_null(LEASED_UNTIL),
        **fields("jobs", "execution_id", "activation_id", "task_id", "created_at", "updated_at"),
        "place": said(
            or_null(INTEGER),
            "Of a ready one: how many of its type, or of those that the same limit holds back, are before it; 10000: or more.",
        ),
        "held_back_by": said(
            or_null(TEXT), "The limit that is reached: tenant, or type:, workflow:, node:, key: or rate: and a name."
        ),
    },
)

JOB_RESULT = ObjectSchema(
    "JobResult",
    "What became of a job.",
    {
        **fields("jobs", "id"),
        "state": said(one_of("done", "ready"), "ready: it will be handed out again."),
        "attempt": said(or_null(INTEGER), "The attempt that is under way or comes next."),
        "delay_ms": said(or_null(BIG), "Milliseconds until it is handed out again; null: it is not."),
    },
)
REPORTED: dict[str, Schema] = {"job": ref(JOB_RESULT), "execution": ref(EXECUTION_RESULT)}
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
REPORT_RESULTS = _results(
    "JobReport",
    ObjectSchema("ReportedItem", "One that was recorded.", {"status": {**INTEGER, "const": 200}, **REPORTED}),
    jobs=said(many(LEASED_JOB), "What the worker has to do next, where it asked for that."),
)
