"""projections.ai_agent_tasks, as one with its attempts, and as a list without what was said at length."""

from psycopg import sql

from api.listing import TEXT, UUID_, Filter, Listing, choice
from api.queries.common import by_creation, two_ways

# Money is text in JSON: jsonb would make it a number, which clients read as a binary fraction.
AI_TASK = """
SELECT t.id, t.execution_id, t.activation_id, t.node_id, t.task_name, t.agent_type, t.provider, t.model, t.status, t.priority,
       t.prompt, t.system_prompt, t.context, t.input, t.output, t.configuration, t.usage, t.input_tokens, t.output_tokens,
       t.error, t.error_details, t.retry_count, t.cost_estimate, t.actual_cost, t.currency, t.latency_ms, t.requested_by,
       t.started_at, t.completed_at, t.version, t.created_at, t.updated_at,
       coalesce((SELECT jsonb_agg(jsonb_build_object(
                            'id', a.id, 'number', a.number, 'status', a.status, 'provider', a.provider, 'model', a.model,
                            'worker_id', a.worker_id, 'usage', a.usage, 'input_tokens', a.input_tokens,
                            'output_tokens', a.output_tokens, 'cost', a.cost::text, 'currency', a.currency,
                            'latency_ms', a.latency_ms, 'finish_reason', a.finish_reason, 'error', a.error,
                            'error_details', a.error_details,
                            'retry_at', to_char(a.retry_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                            'started_at', to_char(a.started_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                            'completed_at', to_char(a.completed_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) ORDER BY a.number)
                   FROM projections.ai_agent_attempts a
                  WHERE a.tenant_id = %(tenant_id)s AND a.task_id = t.id), '[]') AS attempts
  FROM projections.ai_agent_tasks t
 WHERE t.tenant_id = %(tenant_id)s AND t.id = %(id)s
"""

SELECT = sql.SQL("""
SELECT t.id, t.execution_id, t.activation_id, t.node_id, t.task_name, t.agent_type, t.provider, t.model, t.status, t.priority,
       t.usage, t.input_tokens, t.output_tokens, t.error, t.error_details, t.retry_count, t.cost_estimate, t.actual_cost,
       t.currency, t.latency_ms, t.requested_by, t.started_at, t.completed_at, t.version, t.created_at, t.updated_at
  FROM projections.ai_agent_tasks t
 WHERE t.tenant_id = %(tenant_id)s
""")

STATUSES = ("pending", "running", "completed", "failed", "cancelled")

AI_TASKS = Listing(
    "ai-tasks",
    two_ways("created_at", by_creation(SELECT, "t.created_at", "t.id")),
    filters={
        "status": Filter(choice(*STATUSES), sql.SQL("   AND t.status = %(status)s"), "How it stands."),
        "model": Filter(TEXT, sql.SQL("   AND t.model = %(model)s"), "Of this model, as its node names it."),
        "execution_id": Filter(UUID_, sql.SQL("   AND t.execution_id = %(execution_id)s"), "Of this execution."),
    },
)
