"""projections.workflow_triggers and trigger_runs."""

from psycopg import sql

from api.listing import TEXT, UUID_, Filter, Listing, choice
from api.queries.common import by_creation, one, rows_of, summaries, two_ways
from engine.triggers import TRIGGER_TYPES
from projections import trigger_runs, workflow_triggers

TRIGGER = one(
    """
SELECT {columns}
  FROM projections.workflow_triggers t
 WHERE t.tenant_id = %(tenant_id)s AND t.id = %(id)s
""",
    workflow_triggers.TABLE,
    "t",
)

SELECT = summaries(rows_of(workflow_triggers.TABLE, "t"), workflow_triggers.TABLE, "t")

TYPES = tuple(each.name for each in TRIGGER_TYPES if each.remembers)

TRIGGERS = Listing(
    "triggers",
    two_ways("created_at", by_creation(SELECT, "t.created_at", "t.id")),
    filters={
        "status": Filter(
            choice(*workflow_triggers.TABLE.columns["status"].choices),
            sql.SQL("   AND t.status = %(status)s"),
            "Filter by status.",
        ),
        "type": Filter(choice(*TYPES), sql.SQL("   AND t.type = %(type)s"), "Filter by type."),
        "workflow_id": Filter(UUID_, sql.SQL("   AND t.workflow_id = %(workflow_id)s"), "Filter by workflow."),
        "workflow_key": Filter(TEXT, sql.SQL("   AND t.workflow_key = %(workflow_key)s"), "Filter by the workflow's key."),
    },
)

SELECT_RUNS = summaries(
    """
SELECT {columns}
  FROM projections.trigger_runs r
 WHERE r.tenant_id = %(tenant_id)s AND r.trigger_id = %(trigger_id)s
""",
    trigger_runs.TABLE,
    "r",
    without=("tenant_id", "trigger_id"),
)

TRIGGER_RUNS = Listing(
    "trigger-runs",
    two_ways("created_at", by_creation(SELECT_RUNS, "r.created_at", "r.id")),
    filters={
        "outcome": Filter(
            choice(*trigger_runs.TABLE.columns["outcome"].choices),
            sql.SQL("   AND r.outcome = %(outcome)s"),
            "Filter by what came of it.",
        ),
    },
)
