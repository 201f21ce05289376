"""projections.audit_logs: one row for each event, by position."""

from psycopg import sql

from api.listing import TEXT, TIME, UUID_, WHOLE, Filter, Listing, Source, choice
from api.queries.common import cut, two_ways

# An entry is an event: there it is whole.
HREF = "'/v1/events?after=' || l.position - 1 || '&limit=1'"

SELECT = cut(
    """
SELECT l.position, l.event_id, l.user_id, l.actor_type, l.actor_id, l.on_behalf_of, l.action, l.outcome, l.resource,
       l.resource_id, l.resource_version, l.description, l.category, l.severity, l.ip_address, l.user_agent, l.metadata,
       l.payload, l.tags, l.command_id, l.correlation_id, l.causation_id, l.reason, l.occurred_at, l.recorded_at, l.version,
       l.created_at, l.updated_at
  FROM projections.audit_logs l
 WHERE l.tenant_id = %(tenant_id)s
""",
    HREF,
    "l.metadata",
    "l.payload",
)

POSITION = sql.Identifier("l", "position")
BY_POSITION = Source(SELECT, (POSITION,), ("position",), (WHOLE,))


def by_time(drives: str) -> Source:
    """The same order, since recorded times never decrease in a ledger, by the index that a span of time is found with."""
    return Source(SELECT, (sql.Identifier("l", "recorded_at"), POSITION), ("recorded_at", "position"), (TIME, WHOLE), drives)


AUDIT_LOGS = Listing(
    "audit-logs",
    two_ways("position", BY_POSITION, (by_time("from"), by_time("to"))),
    filters={
        "resource": Filter(TEXT, sql.SQL("   AND l.resource = %(resource)s"), "Kind of thing, e.g. execution."),
        "resource_id": Filter(UUID_, sql.SQL("   AND l.resource_id = %(resource_id)s"), "The thing."),
        "user_id": Filter(UUID_, sql.SQL("   AND l.user_id = %(user_id)s"), "Who acted."),
        "action": Filter(TEXT, sql.SQL("   AND l.action = %(action)s"), "What was done, e.g. approval.decided."),
        "category": Filter(
            choice("workflow", "approval", "ai", "access", "tenant", "system"),
            sql.SQL("   AND l.category = %(category)s"),
            "Its category.",
        ),
        "severity": Filter(
            choice("debug", "info", "warning", "error", "critical"), sql.SQL("   AND l.severity = %(severity)s"), "Its severity."
        ),
        "correlation_id": Filter(UUID_, sql.SQL("   AND l.correlation_id = %(correlation_id)s"), "With this correlation id."),
        "from": Filter(TIME, sql.SQL("   AND l.recorded_at >= %(from)s"), "Recorded at or after."),
        "to": Filter(TIME, sql.SQL("   AND l.recorded_at < %(to)s"), "Recorded before."),
    },
)
