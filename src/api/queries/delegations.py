"""projections.delegations, as one and as a list."""

from psycopg import sql

from api.listing import UUID_, Filter, Listing
from api.queries.common import by_creation, one, rows_of, summaries, two_ways
from projections import delegations

DELEGATION = one(rows_of(delegations.TABLE, "d") + "   AND d.id = %(id)s\n", delegations.TABLE, "d")

SELECT = summaries(rows_of(delegations.TABLE, "d"), delegations.TABLE, "d")

PARTIES = "SELECT d.from_user_id, d.to_user_id FROM projections.delegations d WHERE d.tenant_id = %(tenant_id)s AND d.id = %(id)s"

DELEGATIONS = Listing(
    "delegations",
    two_ways("created_at", by_creation(SELECT, "d.created_at", "d.id")),
    filters={
        "from_user_id": Filter(UUID_, sql.SQL("   AND d.from_user_id = %(from_user_id)s"), "Filter by who is stood in for."),
        "to_user_id": Filter(UUID_, sql.SQL("   AND d.to_user_id = %(to_user_id)s"), "Filter by who stands in."),
    },
)

# Whose delegations of now lead to somebody, those first who have delegated to them. Whether they hold is for the ledger to say.
STOOD_IN_FOR = """
WITH RECURSIVE ways (person, steps) AS (
    SELECT %(me)s::uuid, 0
     UNION
    SELECT d.from_user_id, w.steps + 1
      FROM ways w
      JOIN projections.delegations d ON d.tenant_id = %(tenant_id)s AND d.to_user_id = w.person
     WHERE w.steps < %(steps)s AND d.status = 'given' AND d.starts_at <= %(now)s
       AND coalesce(d.ends_at > %(now)s, true))
SELECT person
  FROM ways
 WHERE person <> %(me)s
 GROUP BY person
 ORDER BY min(steps), person
 LIMIT %(most)s
"""
