"""projections.retention_policies; and the archive: archived_executions, as one and as a list, and archived_rows."""

from datetime import date

from psycopg import sql

from api.listing import TEXT, WHOLE, Filter, Listing, ListSource, ValueType
from api.queries.common import by_creation, one, rows_of, summaries, two_ways
from projections import archived_executions, archived_rows, retention_policies


def _month(text: str) -> str:
    try:
        date.fromisoformat(f"{text}-01")
    except ValueError:
        raise ValueError("a month, as 2026-03") from None
    return text


MONTH = ValueType(_month, {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}$"})

POLICIES = Listing(
    "retention-policies",
    two_ways(
        "created_at",
        by_creation(
            summaries(rows_of(retention_policies.TABLE, "p"), retention_policies.TABLE, "p"),
            "p.created_at",
            "p.id",
        ),
    ),
)

ARCHIVED = one(rows_of(archived_executions.TABLE, "a") + "   AND a.id = %(id)s\n", archived_executions.TABLE, "a")

ARCHIVED_EXECUTIONS = Listing(
    "archived-executions",
    two_ways(
        "created_at",
        by_creation(
            summaries(rows_of(archived_executions.TABLE, "a"), archived_executions.TABLE, "a"),
            "a.created_at",
            "a.id",
        ),
    ),
    filters={
        "workflow_key": Filter(TEXT, sql.SQL("   AND a.workflow_key = %(workflow_key)s"), "Filter by workflow."),
        "business_key": Filter(TEXT, sql.SQL("   AND a.business_key = %(business_key)s"), "Filter by business key."),
        "month": Filter(MONTH, sql.SQL("   AND a.month = %(month)s"), "Those that ended in this month, as 2026-03."),
    },
)

PLACE = ("tenant_id", "execution_id", "month", "version", "created_at", "updated_at")
OF_EXECUTION = rows_of(archived_rows.TABLE, "r") + "   AND r.execution_id = %(id)s\n"

PART = one(OF_EXECUTION + "   AND r.table_name = %(table)s AND r.part = %(part)s\n", archived_rows.TABLE, "r", without=PLACE[:3])

PARTS = Listing(
    "archived-rows",
    two_ways(
        "table_name",
        ListSource(
            summaries(OF_EXECUTION, archived_rows.TABLE, "r", without=PLACE),
            (sql.Identifier("r", "table_name"), sql.Identifier("r", "part")),
            ("table_name", "part"),
            (TEXT, WHOLE),
        ),
        newest_first=False,
    ),
)
