"""projections.approval_requests, as one and as a list; who may decide them is in approval_assignees."""

from functools import lru_cache

from psycopg import sql

from api.listing import TEXT, TIME, UUID_, Filter, Listing, ListSource, choice
from api.queries import inbox
from api.queries.common import by_creation, item, one, rows_of, summaries, two_ways
from projections import approval_decisions, approval_requests, approval_steps
from projections.table import STAMP

WITH_DECISIONS = item(
    """
SELECT {columns},
       coalesce((SELECT jsonb_agg({item} ORDER BY d.version, d.id)
                   FROM projections.approval_decisions d
                  WHERE d.tenant_id = %(tenant_id)s AND d.request_id = r.id), '[]') AS decisions,
       coalesce((SELECT jsonb_agg({step} ORDER BY s.step)
                   FROM projections.approval_steps s
                  WHERE s.tenant_id = %(tenant_id)s AND s.request_id = r.id), '[]') AS steps,
       coalesce((SELECT jsonb_agg(w.user_id ORDER BY w.since, w.user_id)
                   FROM projections.approval_watchers w
                  WHERE w.tenant_id = %(tenant_id)s AND w.request_id = r.id), '[]') AS watchers
  FROM projections.approval_requests r
 WHERE r.tenant_id = %(tenant_id)s AND r.id = %(id)s
""",
    approval_decisions.TABLE,
    "d",
    without=("tenant_id", "request_id", *STAMP),
)
APPROVAL = one(
    item(WITH_DECISIONS.replace("{step}", "{item}"), approval_steps.TABLE, "s", without=("tenant_id", "request_id", *STAMP)),
    approval_requests.TABLE,
    "r",
)

STANDING = """
SELECT r.status, r.visibility, r.requested_by
  FROM projections.approval_requests r
 WHERE r.tenant_id = %(tenant_id)s AND r.id = %(id)s
"""

SELECT = summaries(rows_of(approval_requests.TABLE, "r"), approval_requests.TABLE, "r")

# Requests that name a role, found from the role. (tenant, request, step, kind, value) is the key: each request comes once, by the
# first of its steps.
SELECT_BY_ROLE = summaries(
    """
SELECT {columns}
  FROM projections.approval_assignees a
  JOIN projections.approval_requests r ON r.tenant_id = %(tenant_id)s AND r.id = a.request_id
 WHERE a.tenant_id = %(tenant_id)s AND a.kind = 'role'
   AND NOT EXISTS (SELECT FROM projections.approval_assignees b
                    WHERE b.tenant_id = a.tenant_id AND b.request_id = a.request_id AND b.step < a.step
                      AND b.kind = a.kind AND b.value = a.value)
""",
    approval_requests.TABLE,
    "r",
)

MINE = """   AND r.status = 'pending' AND EXISTS (
       SELECT FROM projections.approval_assignees mine
        WHERE mine.tenant_id = %(tenant_id)s AND mine.request_id = r.id AND mine.status = 'pending' AND NOT mine.members_fixed
          AND NOT mine.excluded && %(my_ids)s::text[]
          AND (mine.kind, mine.value) IN (
              SELECT me.kind, me.value FROM unnest(%(my_kinds)s::text[], %(my_values)s::text[]) AS me (kind, value))
          AND {may_decide})"""

STATUSES = approval_requests.TABLE.columns["status"].choices

BY_DUE = ListSource(
    SELECT, (sql.Identifier("r", "due_at"), sql.Identifier("r", "id")), ("due_at", "id"), (TIME, UUID_), "overdue"
)

FILTERS = {
    "status": Filter(choice(*STATUSES), sql.SQL("   AND r.status = %(status)s"), "Filter by status."),
    "execution_id": Filter(UUID_, sql.SQL("   AND r.execution_id = %(execution_id)s"), "Filter by execution."),
    "role": Filter(
        TEXT,
        sql.SQL("""   AND EXISTS (
       SELECT FROM projections.approval_assignees a
        WHERE a.tenant_id = %(tenant_id)s AND a.request_id = r.id AND a.kind = 'role' AND a.value = %(role)s)"""),
        "Addressed to this role, by key.",
        driving=sql.SQL("   AND a.value = %(role)s"),
    ),
    "mine": Filter(
        choice("true"),
        sql.SQL(MINE.format(may_decide=inbox.may_decide())),
        "Open, and for the caller to decide in their own name: the requests of the inbox but those in others' place.",
        driving=sql.SQL(""),
    ),
    "overdue": Filter(
        choice("true"),
        sql.SQL("   AND r.status = 'pending' AND r.due_at < %(now)s"),
        "Open, and due before now; sorted by due_at.",
    ),
}


@lru_cache(maxsize=64)
def approvals(names: int) -> Listing:
    """As somebody sees it who is asked by so many names."""
    by_role = by_creation(SELECT_BY_ROLE, "a.created_at", "a.request_id", drives="role")
    orders = {
        **two_ways("created_at", by_creation(SELECT, "r.created_at", "r.id"), (by_role, inbox.requests(names, "mine"))),
        **two_ways("due_at", BY_DUE, newest_first=False),
    }
    return Listing("approvals", orders, FILTERS, only_with={"overdue": ("due_at", "-due_at")})
