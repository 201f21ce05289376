DROP INDEX projections.archived_executions_by_business_key;

CREATE OR REPLACE VIEW projections.throughput WITH (security_invoker = true) AS
WITH moments AS (
    SELECT tenant_id, workflow_key, (started_at AT TIME ZONE 'UTC')::date AS day, 'started' AS what, NULL::bigint AS took
      FROM projections.workflow_executions
     UNION ALL
    SELECT e.tenant_id, e.workflow_key, (l.ended_at AT TIME ZONE 'UTC')::date, e.status,
           (extract(epoch FROM l.ended_at - e.started_at) * 1000)::bigint
      FROM projections.workflow_executions e CROSS JOIN LATERAL (SELECT coalesce(e.completed_at, e.cancelled_at) AS ended_at) l
     WHERE e.status IN ('completed', 'failed', 'cancelled')
), counted AS (
    SELECT tenant_id, day, workflow_key, count(*) FILTER (WHERE what = 'started') AS started,
           count(*) FILTER (WHERE what = 'completed') AS completed, count(*) FILTER (WHERE what = 'failed') AS failed,
           count(*) FILTER (WHERE what = 'cancelled') AS cancelled,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY took) FILTER (WHERE what = 'completed')::bigint AS median_ms,
           percentile_cont(0.9) WITHIN GROUP (ORDER BY took) FILTER (WHERE what = 'completed')::bigint AS p90_ms
      FROM moments GROUP BY tenant_id, day, workflow_key
)
SELECT c.*, (sum(c.started - c.completed - c.failed - c.cancelled) OVER so_far)::bigint AS open_after
  FROM counted c WINDOW so_far AS (PARTITION BY c.tenant_id, c.workflow_key ORDER BY c.day);

COMMENT ON VIEW projections.throughput IS 'How many executions started and ended: by day (UTC) and workflow.';
COMMENT ON VIEW projections.approver_load IS 'Who has how much to decide now, and how fast they decide: members who are asked or have decided.';
COMMENT ON VIEW projections.approval_outcomes IS 'What requests came to and why, by workflow, node, outcome and reason.';
COMMENT ON VIEW projections.approval_bottlenecks IS 'Where requests wait: by workflow, node and step, how long they took, and what share of the time that is.';
COMMENT ON VIEW projections.approval_breaches IS 'What was late: a row for each moment that was missed. Of requests in steps with moments of their own, those of the steps.';
COMMENT ON VIEW projections.approval_sla IS 'How requests were answered in time: by the day on which they were resolved or expired (UTC), workflow and node.';
COMMENT ON VIEW projections.prompt_version_outcomes IS 'What became of the AI tasks of each version of a prompt, by the currency that they cost.';
COMMENT ON VIEW projections.ai_spend IS 'What calls of models used and cost: by day (UTC), workflow, node, prompt, provider, model and currency.';
COMMENT ON VIEW projections.ai_failures IS 'Why AI tasks failed: by workflow, node, model and type of error.';
COMMENT ON VIEW projections.ai_outcomes IS 'What AI tasks came to, and what that took: by workflow, node, model, status and currency.';
COMMENT ON VIEW projections.ai_tool_use IS 'What became of the calls of tools that models asked for: by workflow, node and tool.';
COMMENT ON VIEW projections.ai_reviews IS 'What people said of the outputs of AI tasks: by workflow, node, model and prompt.';
COMMENT ON VIEW projections.tool_denials IS 'Why calls of tools that models asked for were not made: by workflow, node, tool and reason.';
COMMENT ON VIEW projections.bottlenecks IS 'Where executions spend their time: by workflow and node, how long visits took, and how much of that was waiting.';
COMMENT ON VIEW projections.execution_failures IS 'Why executions failed: by workflow, version, node and code of the error.';
COMMENT ON VIEW projections.execution_paths IS 'Which way each execution that is over went: its variant, as process mining has it, and how long it took.';
COMMENT ON VIEW projections.variants IS 'Cycle time by variant: executions that are over, by workflow and the sequence of nodes that they completed.';
COMMENT ON VIEW projections.rework IS 'What was done more than once: by workflow and node, repeated visits, retries, and what people sent back.';
