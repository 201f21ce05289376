"""projections.approval_links, as one, and those to a request."""

from psycopg import sql

from api.listing import UUID_, Filter, Listing
from api.queries.common import by_creation, one, rows_of, summaries, two_ways
from projections import approval_links

APPROVAL_LINK = one(rows_of(approval_links.TABLE, "l") + "   AND l.id = %(id)s\n", approval_links.TABLE, "l")

SELECT = summaries(rows_of(approval_links.TABLE, "l") + "   AND l.request_id = %(request_id)s\n", approval_links.TABLE, "l")

APPROVAL_LINKS = Listing(
    "approval-links",
    two_ways("created_at", by_creation(SELECT, "l.created_at", "l.id")),
    filters={"user_id": Filter(UUID_, sql.SQL("   AND l.user_id = %(user_id)s"), "Filter by whom they are for.")},
)
