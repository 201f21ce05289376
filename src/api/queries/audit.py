"""projections.audit_logs: one row for each event, by position."""

from psycopg import sql

from api.listing import TEXT, TIME, UUID_, WHOLE, Filter, Listing, ListSource, choice
from api.queries.common import cut, rows_of, summaries, two_ways
from projections import audit_logs

# An entry is an event: there it is whole.
HREF = "'/v1/events?after=' || l.position - 1 || '&limit=1'"

SELECT = summaries(
    rows_of(audit_logs.TABLE, "l"),
    audit_logs.TABLE,
    "l",
    instead={name: cut(f"l.{name}", HREF) for name in ("metadata", "payload")},
)

POSITION = sql.Identifier("l", "position")
BY_POSITION = ListSource(SELECT, (POSITION,), ("position",), (WHOLE,))


def by_time(drives: str) -> ListSource:
    """The same order, since recorded times never decrease in a ledger, by the index that a span of time is found with."""
    return ListSource(SELECT, (sql.Identifier("l", "recorded_at"), POSITION), ("recorded_at", "position"), (TIME, WHOLE), drives)


AUDIT_LOGS = Listing(
    "audit-logs",
    two_ways("position", BY_POSITION, (by_time("from"), by_time("to"))),
    filters={
        "resource": Filter(TEXT, sql.SQL("   AND l.resource = %(resource)s"), "Filter by kind of resource, e.g. execution."),
        "resource_id": Filter(UUID_, sql.SQL("   AND l.resource_id = %(resource_id)s"), "Filter by resource id."),
        "user_id": Filter(UUID_, sql.SQL("   AND l.user_id = %(user_id)s"), "Filter by the user who acted."),
        "action": Filter(TEXT, sql.SQL("   AND l.action = %(action)s"), "Filter by action, e.g. approval.decided."),
        "category": Filter(
            choice(*audit_logs.TABLE.columns["category"].choices),
            sql.SQL("   AND l.category = %(category)s"),
            "Filter by category.",
        ),
        "severity": Filter(
            choice(*audit_logs.TABLE.columns["severity"].choices),
            sql.SQL("   AND l.severity = %(severity)s"),
            "Filter by severity.",
        ),
        "correlation_id": Filter(UUID_, sql.SQL("   AND l.correlation_id = %(correlation_id)s"), "Filter by correlation id."),
        "from": Filter(TIME, sql.SQL("   AND l.recorded_at >= %(from)s"), "Recorded at or after."),
        "to": Filter(TIME, sql.SQL("   AND l.recorded_at < %(to)s"), "Recorded before."),
    },
)
