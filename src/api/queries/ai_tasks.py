"""projections.ai_agent_tasks, as one with its attempts, and as a list without what was said at length."""

from psycopg import sql

from api.listing import TEXT, UUID_, Filter, Listing, choice
from api.queries.common import by_creation, item, one, rows_of, summaries, two_ways
from projections import ai_agent_attempts, ai_agent_tasks
from projections.table import STAMP

AI_TASK = one(
    item(
        """
SELECT {columns},
       coalesce((SELECT jsonb_agg({item} ORDER BY a.number)
                   FROM projections.ai_agent_attempts a
                  WHERE a.tenant_id = %(tenant_id)s AND a.task_id = t.id), '[]') AS attempts
  FROM projections.ai_agent_tasks t
 WHERE t.tenant_id = %(tenant_id)s AND t.id = %(id)s
""",
        ai_agent_attempts.TABLE,
        "a",
        without=("tenant_id", "task_id", *STAMP),
    ),
    ai_agent_tasks.TABLE,
    "t",
)

SELECT = summaries(rows_of(ai_agent_tasks.TABLE, "t"), ai_agent_tasks.TABLE, "t")

STATUSES = ai_agent_tasks.TABLE.columns["status"].choices

AI_TASKS = Listing(
    "ai-tasks",
    two_ways("created_at", by_creation(SELECT, "t.created_at", "t.id")),
    filters={
        "status": Filter(choice(*STATUSES), sql.SQL("   AND t.status = %(status)s"), "Filter by status."),
        "model": Filter(TEXT, sql.SQL("   AND t.model = %(model)s"), "Filter by model, as its node names it."),
        "execution_id": Filter(UUID_, sql.SQL("   AND t.execution_id = %(execution_id)s"), "Filter by execution."),
    },
)
