"""runtime.limits: those in force. Its rows are no projection, and never stale."""

from psycopg import sql

from api.listing import TIME, UUID_, Filter, Listing, ListSource, choice
from api.queries.common import two_ways

SELECT = sql.SQL("""
SELECT l.id, l.scope, l.name, l.concurrency,
       CASE WHEN l.rate_count IS NOT NULL THEN jsonb_build_object('count', l.rate_count, 'per', l.rate_per) END AS rate, l.set_at
  FROM runtime.limits l
 WHERE l.tenant_id = %(tenant_id)s
""")
BY_TIME = ListSource(SELECT, (sql.Identifier("l", "set_at"), sql.Identifier("l", "id")), ("set_at", "id"), (TIME, UUID_))

SCOPES = ("tenant", "workflow", "node", "job_type", "key", "trigger")
LIMITS = Listing(
    "limits",
    two_ways("set_at", BY_TIME),
    filters={"scope": Filter(choice(*SCOPES), sql.SQL("   AND l.scope = %(scope)s"), "Of this kind of thing.")},
)
