"""projections.ai_agent_tasks, as one with its attempts, answers and calls of tools, and as a list."""

from psycopg import sql

from api.listing import TEXT, UUID_, Filter, Listing, choice
from api.queries.common import by_creation, item, one, rows_of, summaries, two_ways
from projections import ai_agent_attempts, ai_agent_tasks, ai_agent_tool_calls, ai_agent_turns
from projections.table import STAMP

OF_TASK = ("tenant_id", "task_id", *STAMP)
"""Columns of a task's parts that are not shown within it."""
AI_TASK = """
SELECT {columns},
       coalesce((SELECT jsonb_agg({attempt} ORDER BY a.number)
                   FROM projections.ai_agent_attempts a
                  WHERE a.tenant_id = %(tenant_id)s AND a.task_id = t.id), '[]') AS attempts,
       coalesce((SELECT jsonb_agg({turn} ORDER BY n.number)
                   FROM projections.ai_agent_turns n
                  WHERE n.tenant_id = %(tenant_id)s AND n.task_id = t.id), '[]') AS answers,
       coalesce((SELECT jsonb_agg({call} ORDER BY c.turn, c.place)
                   FROM projections.ai_agent_tool_calls c
                  WHERE c.tenant_id = %(tenant_id)s AND c.task_id = t.id), '[]') AS calls
  FROM projections.ai_agent_tasks t
 WHERE t.tenant_id = %(tenant_id)s AND t.id = %(id)s
"""
for place, table, alias in (
    ("attempt", ai_agent_attempts.TABLE, "a"),
    ("turn", ai_agent_turns.TABLE, "n"),
    ("call", ai_agent_tool_calls.TABLE, "c"),
):
    AI_TASK = item(AI_TASK, table, alias, without=OF_TASK, place=place)
AI_TASK = one(AI_TASK, ai_agent_tasks.TABLE, "t")

SELECT = summaries(rows_of(ai_agent_tasks.TABLE, "t"), ai_agent_tasks.TABLE, "t")

STATUSES = ai_agent_tasks.TABLE.columns["status"].choices

AI_TASKS = Listing(
    "ai-tasks",
    two_ways("created_at", by_creation(SELECT, "t.created_at", "t.id")),
    filters={
        "status": Filter(choice(*STATUSES), sql.SQL("   AND t.status = %(status)s"), "Filter by status."),
        "model": Filter(TEXT, sql.SQL("   AND t.model = %(model)s"), "Filter by model, as its node names it."),
        "workflow_key": Filter(TEXT, sql.SQL("   AND t.workflow_key = %(workflow_key)s"), "Filter by the workflow that asks."),
        "execution_id": Filter(UUID_, sql.SQL("   AND t.execution_id = %(execution_id)s"), "Filter by execution."),
    },
)
