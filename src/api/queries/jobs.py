"""runtime.jobs: those that were given up. Their rows are no projection, and never stale."""

from psycopg import sql

from api.listing import TEXT, TIME, UUID_, Filter, Listing, ListSource, choice
from api.queries.common import two_ways

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
    "jobs",
    two_ways("updated_at", BY_UPDATE),
    filters={
        "state": Filter(choice("dead"), sql.SQL(""), "Only `dead`: jobs that were given up."),
        "type": Filter(TEXT, sql.SQL("   AND j.type = %(type)s"), "Filter by type."),
    },
)
