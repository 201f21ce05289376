"""projections.bulk_operations."""

from psycopg import sql

from api.listing import Filter, Listing, choice
from api.queries.common import by_creation, one, rows_of, summaries, two_ways
from projections import bulk_operations

BULK_OPERATION = one(
    """
SELECT {columns}
  FROM projections.bulk_operations b
 WHERE b.tenant_id = %(tenant_id)s AND b.id = %(id)s
""",
    bulk_operations.TABLE,
    "b",
)

SELECT = summaries(rows_of(bulk_operations.TABLE, "b"), bulk_operations.TABLE, "b")

BULK_OPERATIONS = Listing(
    "bulk-operations",
    two_ways("created_at", by_creation(SELECT, "b.created_at", "b.id")),
    filters={
        name: Filter(choice(*bulk_operations.TABLE.columns[name].choices), sql.SQL(clause), f"Filter by {name}.")
        for name, clause in (("status", "   AND b.status = %(status)s"), ("action", "   AND b.action = %(action)s"))
    },
)
