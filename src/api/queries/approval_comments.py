"""projections.approval_comments of a request, in the order in which they were said."""

from psycopg import sql

from api.listing import TIME, UUID_, Listing, ListSource
from api.queries.common import rows_of, summaries, two_ways
from projections import approval_comments

SELECT = summaries(
    rows_of(approval_comments.TABLE, "c") + "   AND c.request_id = %(id)s\n",
    approval_comments.TABLE,
    "c",
    without=("tenant_id", "request_id"),
)
BY_TIME = ListSource(SELECT, (sql.Identifier("c", "said_at"), sql.Identifier("c", "id")), ("said_at", "id"), (TIME, UUID_))

COMMENTS = Listing("approval-comments", two_ways("said_at", BY_TIME, newest_first=False))
