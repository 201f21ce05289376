"""projections.budgets, as one and as a list, each with the period that runs; and projections.budget_periods."""

from psycopg import sql

from api.listing import TEXT, Filter, Listing
from api.queries.common import by_creation, item, one, rows_of, summaries, two_ways
from projections import budget_periods, budgets

# Of a budget that is of each workflow, say, there are many: they are a list of their own.
RUNNING = item(
    """(SELECT {item}
          FROM projections.budget_periods p
         WHERE p.tenant_id = b.tenant_id AND p.budget_id = b.id
           AND p.subject = CASE WHEN b.scope = 'tenant' THEN '' ELSE b.subject END AND coalesce(p.ends_at > now(), true)
         ORDER BY p.created_at DESC, p.id DESC LIMIT 1) AS running""",
    budget_periods.TABLE,
    "p",
    without=("tenant_id", "budget_id"),
)
ACTIVE = rows_of(budgets.TABLE, "b", "{alias}.tenant_id = %(tenant_id)s AND {alias}.status = 'active'", RUNNING)

BUDGET = one(ACTIVE + "   AND b.key = %(key)s\n", budgets.TABLE, "b", without=("tenant_id", "status", "removed_at"))

ID_OF = """
SELECT b.id FROM projections.budgets b WHERE b.tenant_id = %(tenant_id)s AND b.key = %(key)s AND b.status = 'active'
"""

BUDGETS = Listing(
    "budgets",
    two_ways(
        "created_at",
        by_creation(summaries(ACTIVE, budgets.TABLE, "b", without=("tenant_id", "status", "removed_at")), "b.created_at", "b.id"),
    ),
)

PERIODS = Listing(
    "budget-periods",
    two_ways(
        "created_at",
        by_creation(
            summaries(
                rows_of(budget_periods.TABLE, "p", "{alias}.tenant_id = %(tenant_id)s AND {alias}.budget_id = %(budget_id)s"),
                budget_periods.TABLE,
                "p",
                without=("tenant_id", "budget_id"),
            ),
            "p.created_at",
            "p.id",
        ),
    ),
    filters={"subject": Filter(TEXT, sql.SQL("   AND p.subject = %(subject)s"), "Filter by whose use it is.")},
)
