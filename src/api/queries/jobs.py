"""projections.jobs, as one and as a list; and those of runtime.jobs that were given up: no projection, and never stale."""

from psycopg import sql

from api.listing import TEXT, TIME, UUID_, Filter, Listing, ListSource, choice
from api.queries.common import by_creation, one, rows_of, summaries, two_ways
from projections import jobs

JOB = one(rows_of(jobs.TABLE, "j") + "   AND j.id = %(id)s\n", jobs.TABLE, "j")

STATUSES = jobs.TABLE.columns["status"].choices

JOBS = Listing(
    "jobs",
    two_ways("created_at", by_creation(summaries(rows_of(jobs.TABLE, "j"), jobs.TABLE, "j"), "j.created_at", "j.id")),
    filters={
        "status": Filter(choice(*STATUSES), sql.SQL("   AND j.status = %(status)s"), "Filter by status."),
        "type": Filter(TEXT, sql.SQL("   AND j.type = %(type)s"), "Filter by type."),
        "unique_key": Filter(TEXT, sql.SQL("   AND j.unique_key = %(unique_key)s"), "Filter by unique key."),
        "created_from": Filter(TIME, sql.SQL("   AND j.created_at >= %(created_from)s"), "Enqueued at or after."),
        "created_to": Filter(TIME, sql.SQL("   AND j.created_at < %(created_to)s"), "Enqueued before."),
    },
)

SELECT = sql.SQL("""
SELECT j.id, j.type, j.state, j.attempt, j.max_attempts, j.priority, j.execution_id, j.activation_id, j.task_id,
       convert_from(j.input, 'UTF8')::jsonb AS input, convert_from(j.error, 'UTF8')::jsonb AS error, j.created_at, j.updated_at
  FROM runtime.jobs j
 WHERE j.tenant_id = %(tenant_id)s AND j.state = 'dead'
""")

BY_UPDATE = ListSource(
    SELECT, (sql.Identifier("j", "updated_at"), sql.Identifier("j", "id")), ("updated_at", "id"), (TIME, UUID_)
)

DEAD_JOBS = Listing(
    "dead-jobs",
    two_ways("updated_at", BY_UPDATE),
    filters={"type": Filter(TEXT, sql.SQL("   AND j.type = %(type)s"), "Filter by type.")},
)
