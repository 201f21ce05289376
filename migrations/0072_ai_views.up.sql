-- Views of AI tasks in the words of the business; lists of AI tasks by workflow.

CREATE VIEW projections.ai_spend WITH (security_invoker = true) AS
SELECT a.tenant_id, (a.started_at AT TIME ZONE 'UTC')::date AS day, t.workflow_key, t.node_id, t.prompt_key, t.prompt_version,
       a.provider, a.model, a.currency, count(*) AS calls, count(*) FILTER (WHERE a.status = 'failed') AS failed,
       count(*) FILTER (WHERE a.cached_from IS NOT NULL) AS from_cache, coalesce(sum(a.input_tokens), 0)::bigint AS input_tokens,
       coalesce(sum(a.output_tokens), 0)::bigint AS output_tokens, sum(a.cost) AS cost,
       count(*) FILTER (WHERE a.cost IS NULL AND a.status <> 'running') AS unpriced, avg(a.latency_ms)::bigint AS average_latency_ms
  FROM projections.ai_agent_attempts a
  JOIN projections.ai_agent_tasks t ON t.tenant_id = a.tenant_id AND t.id = a.task_id
 GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9;
COMMENT ON VIEW projections.ai_spend IS 'What calls of models used and cost: by day (UTC), workflow, node, prompt, provider, model and currency.';
COMMENT ON COLUMN projections.ai_spend.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.ai_spend.day IS 'The day on which the calls began, UTC.';
COMMENT ON COLUMN projections.ai_spend.workflow_key IS 'The workflow that asked; null: none did.';
COMMENT ON COLUMN projections.ai_spend.node_id IS 'Its node.';
COMMENT ON COLUMN projections.ai_spend.prompt_key IS 'The prompt, where the tasks were pinned to one.';
COMMENT ON COLUMN projections.ai_spend.prompt_version IS 'Its version.';
COMMENT ON COLUMN projections.ai_spend.provider IS 'Who was asked.';
COMMENT ON COLUMN projections.ai_spend.model IS 'The model, by its own name once it answered.';
COMMENT ON COLUMN projections.ai_spend.currency IS 'Of the cost: a row for each; null of calls of which no cost is known.';
COMMENT ON COLUMN projections.ai_spend.calls IS 'Calls of models, failed ones too.';
COMMENT ON COLUMN projections.ai_spend.failed IS 'Of these, failed.';
COMMENT ON COLUMN projections.ai_spend.from_cache IS 'Of these, answered from the cache, without a provider.';
COMMENT ON COLUMN projections.ai_spend.input_tokens IS 'Tokens sent, as far as known.';
COMMENT ON COLUMN projections.ai_spend.output_tokens IS 'Tokens received, as far as known.';
COMMENT ON COLUMN projections.ai_spend.cost IS 'What they cost, as far as known, in this currency.';
COMMENT ON COLUMN projections.ai_spend.unpriced IS 'Calls that ended of which no cost is known.';
COMMENT ON COLUMN projections.ai_spend.average_latency_ms IS 'How long a call took, on average, in milliseconds.';
GRANT SELECT ON projections.ai_spend TO gesta_api, gesta_system;

CREATE VIEW projections.ai_failures WITH (security_invoker = true) AS
SELECT t.tenant_id, t.workflow_key, t.node_id, t.model, t.error_details ->> 'type' AS error_type, count(*) AS tasks,
       min(t.completed_at) AS first_at, max(t.completed_at) AS last_at,
       (array_agg(t.error ORDER BY t.completed_at DESC))[1] AS last_message,
       (array_agg(t.id ORDER BY t.completed_at DESC))[1] AS last_task_id
  FROM projections.ai_agent_tasks t WHERE t.status = 'failed'
 GROUP BY 1, 2, 3, 4, 5;
COMMENT ON VIEW projections.ai_failures IS 'Why AI tasks failed: by workflow, node, model and type of error.';
COMMENT ON COLUMN projections.ai_failures.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.ai_failures.workflow_key IS 'The workflow that asked; null: none did.';
COMMENT ON COLUMN projections.ai_failures.node_id IS 'Its node.';
COMMENT ON COLUMN projections.ai_failures.model IS 'The model, as it was asked for.';
COMMENT ON COLUMN projections.ai_failures.error_type IS 'The type of the error: rate_limit, invalid_output, budget_exceeded, too_many_turns …';
COMMENT ON COLUMN projections.ai_failures.tasks IS 'How many tasks failed so.';
COMMENT ON COLUMN projections.ai_failures.first_at IS 'When the first of them did.';
COMMENT ON COLUMN projections.ai_failures.last_at IS 'When the last of them did.';
COMMENT ON COLUMN projections.ai_failures.last_message IS 'What its error said.';
COMMENT ON COLUMN projections.ai_failures.last_task_id IS 'That task.';
GRANT SELECT ON projections.ai_failures TO gesta_api, gesta_system;

CREATE VIEW projections.ai_outcomes WITH (security_invoker = true) AS
SELECT t.tenant_id, t.workflow_key, t.node_id, t.model, t.status, t.currency, count(*) AS tasks, avg(t.turns)::numeric(20, 2) AS average_turns,
       avg(t.tool_calls)::numeric(20, 2) AS average_tool_calls,
       avg(t.input_tokens + t.output_tokens)::numeric(20, 2) AS average_tokens,
       coalesce(sum(t.input_tokens + t.output_tokens), 0)::bigint AS tokens, sum(t.actual_cost) AS cost,
       avg(t.actual_cost)::numeric(20, 10) AS average_cost,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM t.completed_at - t.created_at) * 1000)::bigint AS median_duration_ms,
       sum(t.retry_count)::bigint AS further_attempts
  FROM projections.ai_agent_tasks t
 GROUP BY 1, 2, 3, 4, 5, 6;
COMMENT ON VIEW projections.ai_outcomes IS 'What AI tasks came to, and what that took: by workflow, node, model, status and currency.';
COMMENT ON COLUMN projections.ai_outcomes.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.ai_outcomes.workflow_key IS 'The workflow that asked; null: none did.';
COMMENT ON COLUMN projections.ai_outcomes.node_id IS 'Its node.';
COMMENT ON COLUMN projections.ai_outcomes.model IS 'The model, as it was asked for.';
COMMENT ON COLUMN projections.ai_outcomes.status IS 'pending, running, waiting, completed, failed or cancelled.';
COMMENT ON COLUMN projections.ai_outcomes.currency IS 'Of the cost: a row for each; null of tasks of which no cost is known.';
COMMENT ON COLUMN projections.ai_outcomes.tasks IS 'How many tasks there are.';
COMMENT ON COLUMN projections.ai_outcomes.average_turns IS 'Answers of models for each of them.';
COMMENT ON COLUMN projections.ai_outcomes.average_tool_calls IS 'Calls of tools for each of them.';
COMMENT ON COLUMN projections.ai_outcomes.average_tokens IS 'Tokens sent and received for each of which they are known.';
COMMENT ON COLUMN projections.ai_outcomes.tokens IS 'Tokens sent and received, as far as known.';
COMMENT ON COLUMN projections.ai_outcomes.cost IS 'What they cost, as far as known, in this currency.';
COMMENT ON COLUMN projections.ai_outcomes.average_cost IS 'For each of which it is known.';
COMMENT ON COLUMN projections.ai_outcomes.median_duration_ms IS 'From when a task was asked for to its end: half of them took no longer, in milliseconds.';
COMMENT ON COLUMN projections.ai_outcomes.further_attempts IS 'Calls of models beyond the first of each task.';
GRANT SELECT ON projections.ai_outcomes TO gesta_api, gesta_system;

CREATE VIEW projections.ai_tool_use WITH (security_invoker = true) AS
SELECT c.tenant_id, t.workflow_key, t.node_id, c.tool, count(*) AS calls, count(c.started_at) AS made,
       count(*) FILTER (WHERE c.status = 'succeeded') AS succeeded, count(*) FILTER (WHERE c.status = 'failed') AS failed,
       count(*) FILTER (WHERE c.status = 'denied') AS denied,
       count(*) FILTER (WHERE c.denial_reason IN ('not_allowed', 'policy', 'malformed', 'guard')) AS denied_by_rule,
       count(*) FILTER (WHERE c.denial_reason IN ('rejected', 'expired')) AS denied_by_people,
       count(*) FILTER (WHERE c.request_id IS NOT NULL) AS asked, count(*) FILTER (WHERE c.edited) AS edited,
       round(count(*) FILTER (WHERE c.status = 'denied')::numeric / count(*), 4) AS denial_rate,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY c.latency_ms)::bigint AS median_latency_ms, max(c.updated_at) AS last_at
  FROM projections.ai_agent_tool_calls c
  JOIN projections.ai_agent_tasks t ON t.tenant_id = c.tenant_id AND t.id = c.task_id
 GROUP BY 1, 2, 3, 4;
COMMENT ON VIEW projections.ai_tool_use IS 'What became of the calls of tools that models asked for: by workflow, node and tool.';
COMMENT ON COLUMN projections.ai_tool_use.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.ai_tool_use.workflow_key IS 'The workflow that asked; null: none did.';
COMMENT ON COLUMN projections.ai_tool_use.node_id IS 'Its node.';
COMMENT ON COLUMN projections.ai_tool_use.tool IS 'The tool''s name, also where there is none of it.';
COMMENT ON COLUMN projections.ai_tool_use.calls IS 'Calls that models asked for.';
COMMENT ON COLUMN projections.ai_tool_use.made IS 'Of these, those that were made.';
COMMENT ON COLUMN projections.ai_tool_use.succeeded IS 'Of these, those that succeeded.';
COMMENT ON COLUMN projections.ai_tool_use.failed IS 'Of these, those that failed.';
COMMENT ON COLUMN projections.ai_tool_use.denied IS 'Calls that were denied.';
COMMENT ON COLUMN projections.ai_tool_use.denied_by_rule IS 'Of these, by the list of tools, a policy, a schema or a guard.';
COMMENT ON COLUMN projections.ai_tool_use.denied_by_people IS 'Of these, by people, or because nobody answered in time.';
COMMENT ON COLUMN projections.ai_tool_use.asked IS 'Calls of which people were asked.';
COMMENT ON COLUMN projections.ai_tool_use.edited IS 'Calls that were made with arguments that a person had edited.';
COMMENT ON COLUMN projections.ai_tool_use.denial_rate IS 'Denied of all, from 0 to 1.';
COMMENT ON COLUMN projections.ai_tool_use.median_latency_ms IS 'Half of the calls took no longer, in milliseconds.';
COMMENT ON COLUMN projections.ai_tool_use.last_at IS 'When anything happened to one last.';
GRANT SELECT ON projections.ai_tool_use TO gesta_api, gesta_system;

CREATE VIEW projections.ai_reviews WITH (security_invoker = true) AS
SELECT t.tenant_id, t.workflow_key, t.node_id, t.model, t.prompt_key, t.prompt_version, count(*) AS tasks,
       count(t.review_outcome) AS reviewed, count(*) FILTER (WHERE t.review_outcome = 'approved') AS approved,
       count(*) FILTER (WHERE t.review_outcome = 'edited') AS edited,
       count(*) FILTER (WHERE t.review_outcome IN ('rejected', 'expired', 'cancelled')) AS refused,
       count(*) FILTER (WHERE t.rejections > 0) AS sent_back, coalesce(sum(t.rejections), 0)::bigint AS times_sent_back,
       round(count(*) FILTER (WHERE t.review_outcome = 'approved' AND t.rejections = 0)::numeric / nullif(count(t.review_outcome), 0), 4)
           AS right_at_once
  FROM projections.ai_agent_tasks t
 WHERE t.status IN ('completed', 'failed')
 GROUP BY 1, 2, 3, 4, 5, 6;
COMMENT ON VIEW projections.ai_reviews IS 'What people said of the outputs of AI tasks: by workflow, node, model and prompt.';
COMMENT ON COLUMN projections.ai_reviews.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.ai_reviews.workflow_key IS 'The workflow that asked; null: none did.';
COMMENT ON COLUMN projections.ai_reviews.node_id IS 'Its node.';
COMMENT ON COLUMN projections.ai_reviews.model IS 'The model, as it was asked for.';
COMMENT ON COLUMN projections.ai_reviews.prompt_key IS 'The prompt, where the tasks were pinned to one.';
COMMENT ON COLUMN projections.ai_reviews.prompt_version IS 'Its version.';
COMMENT ON COLUMN projections.ai_reviews.tasks IS 'Tasks that were completed or failed.';
COMMENT ON COLUMN projections.ai_reviews.reviewed IS 'Of these, those whose output people looked at.';
COMMENT ON COLUMN projections.ai_reviews.approved IS 'Of these, approved as they were in the end.';
COMMENT ON COLUMN projections.ai_reviews.edited IS 'Of these, approved as a person had edited them.';
COMMENT ON COLUMN projections.ai_reviews.refused IS 'Of these, never approved.';
COMMENT ON COLUMN projections.ai_reviews.sent_back IS 'Tasks whose output was sent back at least once.';
COMMENT ON COLUMN projections.ai_reviews.times_sent_back IS 'How often that was.';
COMMENT ON COLUMN projections.ai_reviews.right_at_once IS 'Approved at once and unchanged of all that were looked at, from 0 to 1.';
GRANT SELECT ON projections.ai_reviews TO gesta_api, gesta_system;

CREATE INDEX ai_agent_tasks_by_workflow ON projections.ai_agent_tasks (tenant_id, workflow_key, created_at, id);
