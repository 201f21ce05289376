"""projections.notification_endpoints, notification_deliveries and notification_attempts."""

from psycopg import sql

from api.listing import TEXT, UUID_, Filter, Listing, choice
from api.queries.common import by_creation, item, one, rows_of, summaries, two_ways
from projections import notification_attempts, notification_deliveries, notification_endpoints
from projections.table import STAMP

ENDPOINT = one(
    """
SELECT {columns}
  FROM projections.notification_endpoints e
 WHERE e.tenant_id = %(tenant_id)s AND e.id = %(id)s
""",
    notification_endpoints.TABLE,
    "e",
)

COUNT_ENDPOINTS = "SELECT count(*) AS count FROM projections.notification_endpoints WHERE tenant_id = %(tenant_id)s"

ENDPOINTS = Listing(
    "notification-endpoints",
    two_ways(
        "created_at",
        by_creation(
            summaries(rows_of(notification_endpoints.TABLE, "e"), notification_endpoints.TABLE, "e"), "e.created_at", "e.id"
        ),
    ),
    filters={
        "status": Filter(
            choice(*notification_endpoints.TABLE.columns["status"].choices),
            sql.SQL("   AND e.status = %(status)s"),
            "Filter by status.",
        ),
    },
)

DELIVERY = one(
    item(
        """
SELECT {columns},
       coalesce((SELECT jsonb_agg({item} ORDER BY a.attempt)
                   FROM (SELECT * FROM projections.notification_attempts a
                          WHERE a.tenant_id = %(tenant_id)s AND a.delivery_id = d.id
                          ORDER BY a.attempt DESC LIMIT 100) a), '[]') AS attempt_log
  FROM projections.notification_deliveries d
 WHERE d.tenant_id = %(tenant_id)s AND d.id = %(id)s
""",
        notification_attempts.TABLE,
        "a",
        without=("tenant_id", "delivery_id", *STAMP),
    ),
    notification_deliveries.TABLE,
    "d",
)

# Of mail, what was asked for and did not arrive. All of an event's, though these be more: the next page begins behind it.
UNDELIVERED_MAIL = """
SELECT d.id, d.event_position
  FROM projections.notification_deliveries d
 WHERE d.tenant_id = %(tenant_id)s AND d.endpoint_id = %(endpoint_id)s AND d.kind = 'mail' AND d.status IN ('failed', 'cancelled')
   AND d.created_at >= %(start)s AND d.created_at <= %(end)s AND d.event_position > %(after)s
 ORDER BY d.event_position
 FETCH FIRST %(most)s ROWS WITH TIES
"""

DELIVERIES = Listing(
    "deliveries",
    two_ways(
        "created_at",
        by_creation(
            summaries(rows_of(notification_deliveries.TABLE, "d"), notification_deliveries.TABLE, "d"), "d.created_at", "d.id"
        ),
    ),
    filters={
        "endpoint_id": Filter(UUID_, sql.SQL("   AND d.endpoint_id = %(endpoint_id)s"), "Filter by endpoint."),
        "status": Filter(
            choice(*notification_deliveries.TABLE.columns["status"].choices),
            sql.SQL("   AND d.status = %(status)s"),
            "Filter by status.",
        ),
        "user_id": Filter(UUID_, sql.SQL("   AND d.user_id = %(user_id)s"), "Filter by whom mail goes to."),
        "event_type": Filter(TEXT, sql.SQL("   AND d.event_type = %(event_type)s"), "Filter by the event's type."),
        "resource_id": Filter(
            UUID_,
            sql.SQL("   AND d.resource_id = %(resource_id)s"),
            "Filter by what it tells of: an execution, an approval request.",
        ),
    },
)
