-- The tables in the words of the business, for analysts. Views read as whoever asks (security_invoker), so a tenant's rows are all that a
-- tenant's session sees. An exchange of the tables that they read makes them anew, by this file: rights and comments stay.
CREATE OR REPLACE VIEW projections.approver_load WITH (security_invoker = true) AS
WITH deciders AS (
    SELECT DISTINCT u.tenant_id, u.user_id
      FROM projections.tenant_user_roles u
      JOIN projections.tenant_users m ON m.tenant_id = u.tenant_id AND m.user_id = u.user_id AND m.status = 'active'
      JOIN projections.role_permissions p ON p.tenant_id = u.tenant_id AND p.role_id = u.role_id
      JOIN projections.permissions k ON k.id = p.permission_id AND k.key = 'approvals:decide'
), named AS (
    SELECT a.tenant_id, a.value::uuid AS user_id, a.request_id, a.step, a.due_by, a.excluded
      FROM projections.approval_assignees a WHERE a.status = 'pending' AND NOT a.members_fixed AND a.kind = 'user'
     UNION ALL
    SELECT a.tenant_id, u.user_id, a.request_id, a.step, a.due_by, a.excluded
      FROM projections.approval_assignees a
      JOIN projections.roles r ON r.tenant_id = a.tenant_id AND r.key = a.value
      JOIN projections.tenant_user_roles u ON u.tenant_id = a.tenant_id AND u.role_id = r.id
     WHERE a.status = 'pending' AND NOT a.members_fixed AND a.kind = 'role'
     UNION ALL
    SELECT a.tenant_id, d.user_id, a.request_id, a.step, a.due_by, a.excluded
      FROM projections.approval_assignees a
      JOIN deciders d ON d.tenant_id = a.tenant_id
     WHERE a.status = 'pending' AND NOT a.members_fixed AND a.kind = 'anyone'
), asked AS (
    SELECT DISTINCT n.tenant_id, n.user_id, n.request_id, n.step, n.due_by
      FROM named n
      JOIN deciders d ON d.tenant_id = n.tenant_id AND d.user_id = n.user_id
      JOIN projections.approval_requests r ON r.tenant_id = n.tenant_id AND r.id = n.request_id
     CROSS JOIN LATERAL (SELECT r.request_data -> 'steps' AS steps) p
     WHERE NOT n.user_id::text = ANY (n.excluded)
       AND (r.claimed_by IS NULL OR r.claimed_by = n.user_id OR r.approval_type = 'steps' AND (
                SELECT count(*) > 1 FROM projections.approval_steps s
                 WHERE s.tenant_id = n.tenant_id AND s.request_id = n.request_id AND s.status = 'open'))
       AND NOT EXISTS (
                SELECT FROM projections.approval_decisions d
                 WHERE d.tenant_id = n.tenant_id AND d.request_id = n.request_id AND n.user_id IN (d.user_id, d.on_behalf_of)
                   AND d.revoked_at IS NULL AND d.returned_at IS NULL
                   AND (d.step = n.step OR p.steps -> (d.step - 1) -> 'distinct' ? (p.steps -> (n.step - 1) ->> 'name')
                        OR p.steps -> (n.step - 1) -> 'distinct' ? (p.steps -> (d.step - 1) ->> 'name')))
), open AS (
    SELECT tenant_id, user_id, count(*) AS requests, count(*) FILTER (WHERE due_by < now()) AS overdue FROM asked GROUP BY 1, 2
), said AS (
    SELECT d.tenant_id, d.user_id, count(*) AS decisions, count(*) FILTER (WHERE d.kind = 'approve') AS approvals,
           count(*) FILTER (WHERE d.kind = 'reject') AS rejections, count(*) FILTER (WHERE d.on_behalf_of IS NOT NULL) AS on_behalf,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY w.waited)::bigint AS median_ms,
           percentile_cont(0.9) WITHIN GROUP (ORDER BY w.waited)::bigint AS ninth_ms, max(d.decided_at) AS last_at
      FROM projections.approval_decisions d
      JOIN projections.approval_requests r ON r.tenant_id = d.tenant_id AND r.id = d.request_id
      LEFT JOIN projections.approval_steps s ON s.tenant_id = d.tenant_id AND s.request_id = d.request_id AND s.step = d.step
     CROSS JOIN LATERAL (
           SELECT extract(epoch FROM d.decided_at - coalesce(s.started_at, r.requested_at, r.created_at)) * 1000 AS waited) w
     WHERE d.revoked_at IS NULL AND d.returned_at IS NULL AND NOT d.is_override
     GROUP BY 1, 2
)
SELECT m.tenant_id, m.user_id, coalesce(o.requests, 0) AS open_requests, coalesce(o.overdue, 0) AS overdue_requests,
       coalesce(s.decisions, 0) AS decisions, coalesce(s.approvals, 0) AS approvals, coalesce(s.rejections, 0) AS rejections,
       coalesce(s.on_behalf, 0) AS decisions_for_others, s.median_ms AS median_response_ms, s.ninth_ms AS p90_response_ms,
       s.last_at AS last_decided_at
  FROM projections.tenant_users m
  LEFT JOIN open o ON o.tenant_id = m.tenant_id AND o.user_id = m.user_id
  LEFT JOIN said s ON s.tenant_id = m.tenant_id AND s.user_id = m.user_id
 WHERE o.user_id IS NOT NULL OR s.user_id IS NOT NULL;

CREATE OR REPLACE VIEW projections.approval_outcomes WITH (security_invoker = true) AS
SELECT r.tenant_id, r.workflow_key, r.node_id, r.status, r.outcome, r.outcome_kind, d.reason, count(*) AS requests,
       avg(r.turnaround_ms)::bigint AS average_turnaround_ms,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY r.turnaround_ms)::bigint AS median_turnaround_ms,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY r.first_response_ms)::bigint AS median_first_response_ms,
       count(*) FILTER (WHERE r.sla_met) AS sla_met, count(*) FILTER (WHERE NOT r.sla_met) AS sla_missed,
       count(*) FILTER (WHERE r.escalation_level > 0) AS escalated, sum(r.reminders_sent) AS reminders,
       min(r.created_at) AS first_created_at, max(r.created_at) AS last_created_at
  FROM projections.approval_requests r
  LEFT JOIN LATERAL (
       SELECT d.reason FROM projections.approval_decisions d
        WHERE d.tenant_id = r.tenant_id AND d.request_id = r.id AND d.outcome = r.outcome
          AND d.revoked_at IS NULL AND d.returned_at IS NULL
        ORDER BY d.version DESC LIMIT 1) d ON true
 GROUP BY r.tenant_id, r.workflow_key, r.node_id, r.status, r.outcome, r.outcome_kind, d.reason;

CREATE OR REPLACE VIEW projections.approval_bottlenecks WITH (security_invoker = true) AS
WITH asked AS (
    SELECT r.tenant_id, r.workflow_key, r.node_id, NULL::text AS step_name, r.turnaround_ms AS took, r.first_response_ms AS first,
           CASE WHEN r.status = 'pending' THEN coalesce(r.requested_at, r.created_at) END AS open_since,
           r.reminders_sent, r.escalation_level, r.sla_met, 0 AS repeated
      FROM projections.approval_requests r
     WHERE NOT EXISTS (SELECT FROM projections.approval_steps s WHERE s.tenant_id = r.tenant_id AND s.request_id = r.id)
     UNION ALL
    SELECT r.tenant_id, r.workflow_key, r.node_id, s.name, s.duration_ms,
           (extract(epoch FROM s.first_response_at - s.started_at) * 1000)::bigint,
           CASE WHEN s.status = 'open' THEN s.started_at END, s.reminders_sent, s.escalation_level, s.sla_met,
           greatest(s.times_started - 1, 0)
      FROM projections.approval_steps s
      JOIN projections.approval_requests r ON r.tenant_id = s.tenant_id AND r.id = s.request_id
     WHERE s.times_started > 0
), counted AS (
    SELECT tenant_id, workflow_key, node_id, step_name, count(*) AS asked, count(open_since) AS open_now,
           min(open_since) AS oldest_open_since, percentile_cont(0.5) WITHIN GROUP (ORDER BY first)::bigint AS median_first_response_ms,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY took)::bigint AS median_ms,
           percentile_cont(0.9) WITHIN GROUP (ORDER BY took)::bigint AS p90_ms, coalesce(sum(took), 0)::bigint AS total_ms,
           sum(reminders_sent) AS reminders, count(*) FILTER (WHERE escalation_level > 0) AS escalated,
           count(*) FILTER (WHERE NOT sla_met) AS sla_missed, sum(repeated) AS sent_back
      FROM asked GROUP BY tenant_id, workflow_key, node_id, step_name
)
SELECT c.*, CASE WHEN sum(c.total_ms) OVER of_workflow > 0
                 THEN round(c.total_ms / sum(c.total_ms) OVER of_workflow, 4) END AS share_of_time
  FROM counted c WINDOW of_workflow AS (PARTITION BY c.tenant_id, c.workflow_key);

CREATE OR REPLACE VIEW projections.approval_breaches WITH (security_invoker = true) AS
WITH places AS (
    SELECT r.tenant_id, r.id AS request_id, NULL::integer AS step, NULL::text AS step_name, r.workflow_key, r.node_id, r.title,
           r.status = 'pending' AS open, r.due_at, r.start_by, r.sla_met, r.overdue_at, r.start_missed_at, r.taken_on_at,
           CASE WHEN r.decided_by IS NOT NULL OR r.overridden_by IS NOT NULL OR r.escalation_level = 0 THEN r.responded_at
           END AS answered_at, r.escalation_level, r.reminders_sent
      FROM projections.approval_requests r
     WHERE NOT EXISTS (SELECT FROM projections.approval_steps s
                        WHERE s.tenant_id = r.tenant_id AND s.request_id = r.id AND (s.due_at IS NOT NULL OR s.start_by IS NOT NULL))
     UNION ALL
    SELECT r.tenant_id, r.id, s.step, s.name, r.workflow_key, r.node_id, r.title,
           s.status = 'open' AND r.status = 'pending', s.due_at, s.start_by, s.sla_met, s.overdue_at, s.start_missed_at, s.taken_on_at,
           CASE WHEN s.decided_by IS NOT NULL OR s.status = 'overridden' THEN s.completed_at END, s.escalation_level, s.reminders_sent
      FROM projections.approval_steps s
      JOIN projections.approval_requests r ON r.tenant_id = s.tenant_id AND r.id = s.request_id
     WHERE s.due_at IS NOT NULL OR s.start_by IS NOT NULL
), missed AS (
    SELECT tenant_id, request_id, step, step_name, workflow_key, node_id, title, 'due' AS what, due_at AS was_due_at,
           answered_at AS done_at, open, escalation_level, reminders_sent
      FROM places WHERE due_at IS NOT NULL AND (NOT sla_met OR (open AND due_at < now()))
     UNION ALL
    SELECT tenant_id, request_id, step, step_name, workflow_key, node_id, title, 'start' AS what, start_by AS was_due_at,
           taken_on_at AS done_at, open, escalation_level,
           reminders_sent
      FROM places WHERE start_missed_at IS NOT NULL OR (open AND taken_on_at IS NULL AND start_by < now())
     UNION ALL
    SELECT tenant_id, id AS request_id, NULL::integer AS step, NULL::text AS step_name, workflow_key, node_id, title, 'expired' AS what,
           expires_at AS was_due_at, NULL::timestamptz AS done_at, false AS open, escalation_level, reminders_sent
      FROM projections.approval_requests WHERE status = 'expired'
)
SELECT m.tenant_id, m.request_id, m.step, m.step_name, m.workflow_key, m.node_id, m.title, m.what, m.was_due_at, m.done_at,
       CASE WHEN u.until < m.was_due_at THEN 0 ELSE (extract(epoch FROM u.until - m.was_due_at) * 1000)::bigint END AS late_ms,
       m.open, m.escalation_level, m.reminders_sent
  FROM missed m CROSS JOIN LATERAL (SELECT coalesce(m.done_at, CASE WHEN m.open THEN now() END) AS until) u;

CREATE OR REPLACE VIEW projections.approval_sla WITH (security_invoker = true) AS
SELECT r.tenant_id, (l.closed_at AT TIME ZONE 'UTC')::date AS day, r.workflow_key, r.node_id, count(*) AS requests,
       count(*) FILTER (WHERE r.status = 'expired') AS expired, count(r.sla_met) AS with_due,
       count(*) FILTER (WHERE r.sla_met) AS met, count(*) FILTER (WHERE NOT r.sla_met) AS missed,
       round(count(*) FILTER (WHERE r.sla_met)::numeric / nullif(count(r.sla_met), 0), 4) AS share_met,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY r.turnaround_ms)::bigint AS median_turnaround_ms,
       percentile_cont(0.9) WITHIN GROUP (ORDER BY r.turnaround_ms)::bigint AS p90_turnaround_ms,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY r.first_response_ms)::bigint AS median_first_response_ms
  FROM projections.approval_requests r
 CROSS JOIN LATERAL (SELECT CASE WHEN r.status = 'expired' THEN coalesce(r.expires_at, r.updated_at) ELSE r.responded_at END AS closed_at) l
 WHERE r.status IN ('resolved', 'expired')
 GROUP BY 1, 2, 3, 4;

CREATE OR REPLACE VIEW projections.prompt_version_outcomes WITH (security_invoker = true) AS
WITH tasks AS (
    SELECT a.tenant_id, a.prompt_key, a.prompt_version, a.currency, a.status, a.rejections, a.actual_cost, a.input_tokens,
           a.output_tokens, a.latency_ms, extract(epoch FROM a.completed_at - a.created_at) * 1000 AS took, a.created_at,
           (a.usage ->> 'attempts')::bigint AS attempts
      FROM projections.ai_agent_tasks a WHERE a.prompt_key IS NOT NULL
)
SELECT p.tenant_id, p.id AS prompt_id, p.key AS prompt_key, v.number AS prompt_version, v.is_current, v.published_at, t.currency,
       count(t.status) AS tasks, count(*) FILTER (WHERE t.status = 'completed') AS completed,
       count(*) FILTER (WHERE t.status = 'failed') AS failed, count(*) FILTER (WHERE t.status = 'cancelled') AS cancelled,
       count(*) FILTER (WHERE t.rejections > 0) AS rejected_in_review, coalesce(sum(t.attempts), 0)::bigint AS attempts,
       avg(t.latency_ms)::bigint AS average_latency_ms,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY t.took)::bigint AS median_duration_ms,
       coalesce(sum(t.input_tokens), 0)::bigint AS input_tokens, coalesce(sum(t.output_tokens), 0)::bigint AS output_tokens,
       sum(t.actual_cost) AS cost, min(t.created_at) AS first_created_at, max(t.created_at) AS last_created_at
  FROM projections.prompt_versions v
  JOIN projections.prompts p ON p.tenant_id = v.tenant_id AND p.id = v.prompt_id
  LEFT JOIN tasks t ON t.tenant_id = p.tenant_id AND t.prompt_key = p.key AND t.prompt_version = v.number
 GROUP BY p.tenant_id, p.id, p.key, v.number, v.is_current, v.published_at, t.currency;

CREATE OR REPLACE VIEW projections.budget_use WITH (security_invoker = true) AS
SELECT p.tenant_id, b.key AS budget, b.status, b.scope, p.subject, b.period, p.starts_at, p.ends_at,
       coalesce(p.ends_at > now(), true) AS running,
       p.currency, p.limit_cost, p.used_cost, p.reserved_cost, p.limit_cost - p.used_cost - p.reserved_cost AS left_cost,
       p.limit_tokens, p.used_tokens, p.reserved_tokens, p.limit_tokens - p.used_tokens - p.reserved_tokens AS left_tokens,
       p.limit_calls, p.used_calls, p.reserved_calls, p.limit_calls - p.used_calls - p.reserved_calls AS left_calls,
       p.limit_tool_calls, p.used_tool_calls, p.reserved_tool_calls,
       p.limit_tool_calls - p.used_tool_calls - p.reserved_tool_calls AS left_tool_calls,
       round(greatest((p.used_cost + p.reserved_cost) / nullif(p.limit_cost, 0),
                      (p.used_tokens + p.reserved_tokens) / nullif(p.limit_tokens, 0)::numeric,
                      (p.used_calls + p.reserved_calls) / nullif(p.limit_calls, 0)::numeric,
                      (p.used_tool_calls + p.reserved_tool_calls) / nullif(p.limit_tool_calls, 0)::numeric), 4) AS highest_share,
       b.hard AS refuses, p.warned_at, p.exhausted_at
  FROM projections.budget_periods p
  JOIN projections.budgets b ON b.tenant_id = p.tenant_id AND b.id = p.budget_id;

CREATE OR REPLACE VIEW projections.ai_spend WITH (security_invoker = true) AS
SELECT a.tenant_id, (a.started_at AT TIME ZONE 'UTC')::date AS day, t.workflow_key, t.node_id, t.prompt_key, t.prompt_version,
       a.provider, a.model, a.currency, count(*) AS calls, count(*) FILTER (WHERE a.status = 'failed') AS failed,
       count(*) FILTER (WHERE a.cached_from IS NOT NULL) AS from_cache, coalesce(sum(a.input_tokens), 0)::bigint AS input_tokens,
       coalesce(sum(a.output_tokens), 0)::bigint AS output_tokens, sum(a.cost) AS cost,
       count(*) FILTER (WHERE a.cost IS NULL AND a.status <> 'running') AS unpriced, avg(a.latency_ms)::bigint AS average_latency_ms
  FROM projections.ai_agent_attempts a
  JOIN projections.ai_agent_tasks t ON t.tenant_id = a.tenant_id AND t.id = a.task_id
 GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9;

CREATE OR REPLACE VIEW projections.ai_failures WITH (security_invoker = true) AS
SELECT t.tenant_id, t.workflow_key, t.node_id, t.model, t.error_details ->> 'type' AS error_type, count(*) AS tasks,
       min(t.completed_at) AS first_at, max(t.completed_at) AS last_at,
       (array_agg(t.error ORDER BY t.completed_at DESC))[1] AS last_message,
       (array_agg(t.id ORDER BY t.completed_at DESC))[1] AS last_task_id
  FROM projections.ai_agent_tasks t WHERE t.status = 'failed'
 GROUP BY 1, 2, 3, 4, 5;

CREATE OR REPLACE VIEW projections.ai_outcomes WITH (security_invoker = true) AS
SELECT t.tenant_id, t.workflow_key, t.node_id, t.model, t.status, t.currency, count(*) AS tasks, avg(t.turns)::numeric(20, 2) AS average_turns,
       avg(t.tool_calls)::numeric(20, 2) AS average_tool_calls,
       avg(t.input_tokens + t.output_tokens)::numeric(20, 2) AS average_tokens,
       coalesce(sum(t.input_tokens + t.output_tokens), 0)::bigint AS tokens, sum(t.actual_cost) AS cost,
       avg(t.actual_cost)::numeric(20, 10) AS average_cost,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM t.completed_at - t.created_at) * 1000)::bigint AS median_duration_ms,
       sum(t.retry_count)::bigint AS further_attempts
  FROM projections.ai_agent_tasks t
 GROUP BY 1, 2, 3, 4, 5, 6;

CREATE OR REPLACE VIEW projections.ai_tool_use WITH (security_invoker = true) AS
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

CREATE OR REPLACE VIEW projections.ai_reviews WITH (security_invoker = true) AS
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

CREATE OR REPLACE VIEW projections.tool_denials WITH (security_invoker = true) AS
SELECT c.tenant_id, t.workflow_key, t.node_id, c.tool, c.denial_reason AS reason,
       CASE WHEN c.denial_reason IN ('rejected', 'expired', 'cancelled') THEN 'people'
            WHEN c.denial_reason IN ('repetition', 'too_many', 'budget') THEN 'limits' ELSE 'rules' END AS denied_by,
       count(*) AS calls, count(DISTINCT c.task_id) AS tasks, min(c.completed_at) AS first_at, max(c.completed_at) AS last_at,
       (array_agg(c.message ORDER BY c.completed_at DESC, c.id))[1] AS last_message,
       (array_agg(c.task_id ORDER BY c.completed_at DESC, c.id))[1] AS last_task_id
  FROM projections.ai_agent_tool_calls c
  JOIN projections.ai_agent_tasks t ON t.tenant_id = c.tenant_id AND t.id = c.task_id
 WHERE c.status = 'denied'
 GROUP BY 1, 2, 3, 4, 5, 6;

CREATE OR REPLACE VIEW projections.bottlenecks WITH (security_invoker = true) AS
WITH asked AS (
    SELECT t.tenant_id, t.activation_id, sum(a.ms + coalesce(c.ms, 0)) AS ms
      FROM projections.ai_agent_tasks t
      JOIN (SELECT tenant_id, task_id, coalesce(sum(latency_ms), 0) AS ms FROM projections.ai_agent_attempts GROUP BY 1, 2) a
        ON a.tenant_id = t.tenant_id AND a.task_id = t.id
      LEFT JOIN (
           SELECT tenant_id, task_id, sum(latency_ms) AS ms FROM projections.ai_agent_tool_calls
            WHERE child_id IS NULL GROUP BY 1, 2) c
        ON c.tenant_id = t.tenant_id AND c.task_id = t.id
     WHERE t.activation_id IS NOT NULL
     GROUP BY 1, 2
), visits AS (
    SELECT a.tenant_id, e.workflow_key, a.node_id, a.node_type, a.status, a.retry_count, a.started_at, l.took,
           CASE WHEN a.node_type IN ('approval', 'wait', 'wait_event', 'workflow', 'foreach', 'join') THEN 0
                WHEN a.node_type = 'ai_agent' THEN least(l.took, coalesce(w.ms, 0)) ELSE l.took END AS worked
      FROM projections.workflow_executions e
      JOIN projections.node_activations a ON a.tenant_id = e.tenant_id AND a.execution_id = e.id
     CROSS JOIN LATERAL (SELECT (extract(epoch FROM a.completed_at - a.started_at) * 1000)::bigint AS took) l
      LEFT JOIN asked w ON w.tenant_id = e.tenant_id AND w.activation_id = a.id
), counted AS (
    SELECT tenant_id, workflow_key, node_id, node_type, count(*) AS visits, count(*) FILTER (WHERE status = 'running') AS running_now,
           min(started_at) FILTER (WHERE status = 'running') AS oldest_running_since,
           count(*) FILTER (WHERE status = 'completed') AS completed, count(*) FILTER (WHERE status = 'failed') AS failed,
           count(*) FILTER (WHERE status = 'cancelled') AS cancelled, sum(retry_count)::bigint AS retries,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY took)::bigint AS median_ms,
           percentile_cont(0.9) WITHIN GROUP (ORDER BY took)::bigint AS p90_ms,
           percentile_cont(0.99) WITHIN GROUP (ORDER BY took)::bigint AS p99_ms, max(took) AS longest_ms,
           coalesce(sum(took - worked), 0)::bigint AS waiting_ms, coalesce(sum(worked), 0)::bigint AS working_ms,
           coalesce(sum(took), 0)::bigint AS total_ms
      FROM visits GROUP BY tenant_id, workflow_key, node_id, node_type
)
SELECT c.*, CASE WHEN sum(c.total_ms) OVER of_workflow > 0
                 THEN round(c.total_ms / sum(c.total_ms) OVER of_workflow, 4) END AS share_of_time
  FROM counted c WINDOW of_workflow AS (PARTITION BY c.tenant_id, c.workflow_key);

CREATE OR REPLACE VIEW projections.throughput WITH (security_invoker = true) AS
WITH executions AS (
    SELECT tenant_id, workflow_key, status, started_at, coalesce(completed_at, cancelled_at) AS ended_at
      FROM projections.workflow_executions
     UNION ALL
    SELECT tenant_id, workflow_key, status, started_at, ended_at FROM projections.archived_executions
), moments AS (
    SELECT tenant_id, workflow_key, (started_at AT TIME ZONE 'UTC')::date AS day, 'started' AS what, NULL::bigint AS took
      FROM executions
     UNION ALL
    SELECT tenant_id, workflow_key, (ended_at AT TIME ZONE 'UTC')::date, status,
           (extract(epoch FROM ended_at - started_at) * 1000)::bigint
      FROM executions WHERE ended_at IS NOT NULL
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

CREATE OR REPLACE VIEW projections.execution_failures WITH (security_invoker = true) AS
SELECT e.tenant_id, e.workflow_key, e.workflow_version, e.error_details ->> 'node_id' AS node_id, e.error_details ->> 'code' AS code,
       count(*) AS executions, count(*) FILTER (WHERE e.compensation = 'completed') AS undone,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM e.completed_at - e.started_at) * 1000)::bigint AS median_ms,
       min(e.completed_at) AS first_at, max(e.completed_at) AS last_at,
       (array_agg(e.error ORDER BY e.completed_at DESC, e.id))[1] AS last_message,
       (array_agg(e.id ORDER BY e.completed_at DESC, e.id))[1] AS last_execution_id
  FROM projections.workflow_executions e WHERE e.status = 'failed'
 GROUP BY 1, 2, 3, 4, 5;

CREATE OR REPLACE VIEW projections.execution_paths WITH (security_invoker = true) AS
SELECT e.tenant_id, e.id AS execution_id, e.workflow_key, e.workflow_version, e.business_key, e.status, e.created_at, e.started_at,
       l.ended_at, (extract(epoch FROM l.ended_at - e.started_at) * 1000)::bigint AS cycle_ms, md5(array_to_string(p.path, '>')) AS variant,
       p.path, cardinality(p.path) AS steps
  FROM projections.workflow_executions e
 CROSS JOIN LATERAL (SELECT coalesce(e.completed_at, e.cancelled_at) AS ended_at) l
 CROSS JOIN LATERAL (
       SELECT coalesce(array_agg(a.node_id ORDER BY a.version), '{}') AS path
         FROM projections.node_activations a
        WHERE a.tenant_id = e.tenant_id AND a.execution_id = e.id AND a.status = 'completed' AND a.item_id IS NULL
          AND a.compensates IS NULL) p
 WHERE e.status IN ('completed', 'failed', 'cancelled');

CREATE OR REPLACE VIEW projections.variants WITH (security_invoker = true) AS
WITH counted AS (
    SELECT tenant_id, workflow_key, variant, path, steps, count(*) AS executions,
           count(*) FILTER (WHERE status = 'completed') AS completed, count(*) FILTER (WHERE status = 'failed') AS failed,
           count(*) FILTER (WHERE status = 'cancelled') AS cancelled, avg(cycle_ms)::bigint AS average_ms,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY cycle_ms)::bigint AS median_ms,
           percentile_cont(0.9) WITHIN GROUP (ORDER BY cycle_ms)::bigint AS p90_ms, min(started_at) AS first_started_at,
           max(started_at) AS last_started_at, (array_agg(execution_id ORDER BY started_at DESC, execution_id))[1] AS last_execution_id
      FROM projections.execution_paths GROUP BY tenant_id, workflow_key, variant, path, steps
)
SELECT c.*, round(c.executions / sum(c.executions) OVER of_workflow, 4) AS share
  FROM counted c WINDOW of_workflow AS (PARTITION BY c.tenant_id, c.workflow_key);

CREATE OR REPLACE VIEW projections.rework WITH (security_invoker = true) AS
WITH runs AS (
    SELECT a.tenant_id, e.workflow_key, a.node_id, e.id AS execution_id, a.item_id, count(*) AS visits,
           coalesce(sum(l.took) FILTER (WHERE a.visit > 1), 0) AS further_ms, sum(a.retry_count) AS retries
      FROM projections.workflow_executions e
      JOIN projections.node_activations a ON a.tenant_id = e.tenant_id AND a.execution_id = e.id AND a.compensates IS NULL
     CROSS JOIN LATERAL (SELECT extract(epoch FROM a.completed_at - a.started_at) * 1000 AS took) l
     GROUP BY 1, 2, 3, 4, 5
), nodes AS (
    SELECT tenant_id, workflow_key, node_id, count(DISTINCT execution_id) AS executions, sum(visits) AS visits,
           count(DISTINCT execution_id) FILTER (WHERE visits > 1) AS executions_repeated, sum(visits - 1) AS further_visits,
           max(visits) AS most_visits, sum(further_ms) AS further_ms, sum(retries) AS retries, 0 AS resubmitted, 0 AS steps_repeated,
           0 AS outputs_sent_back
      FROM runs GROUP BY 1, 2, 3
     UNION ALL
    SELECT r.tenant_id, r.workflow_key, r.node_id, 0, 0, 0, 0, 0, 0, 0, sum(r.current_version - 1), coalesce(sum(s.repeated), 0), 0
      FROM projections.approval_requests r
      LEFT JOIN (
           SELECT tenant_id, request_id, sum(greatest(times_started - 1, 0)) AS repeated FROM projections.approval_steps GROUP BY 1, 2) s
        ON s.tenant_id = r.tenant_id AND s.request_id = r.id
     GROUP BY 1, 2, 3
     UNION ALL
    SELECT tenant_id, workflow_key, node_id, 0, 0, 0, 0, 0, 0, 0, 0, 0, sum(rejections)
      FROM projections.ai_agent_tasks GROUP BY 1, 2, 3
)
SELECT tenant_id, workflow_key, node_id, sum(executions)::bigint AS executions, sum(executions_repeated)::bigint AS executions_repeated,
       round(sum(executions_repeated) / nullif(sum(executions), 0), 4) AS share_repeated, sum(visits)::bigint AS visits,
       sum(further_visits)::bigint AS further_visits, max(most_visits)::bigint AS most_visits, sum(further_ms)::bigint AS further_ms,
       sum(retries)::bigint AS retries, sum(resubmitted)::bigint AS requests_resubmitted, sum(steps_repeated)::bigint AS steps_asked_again,
       sum(outputs_sent_back)::bigint AS outputs_sent_back
  FROM nodes GROUP BY tenant_id, workflow_key, node_id
HAVING sum(further_visits) + sum(retries) + sum(resubmitted) + sum(steps_repeated) + sum(outputs_sent_back) > 0;

CREATE OR REPLACE VIEW projections.waiting_now WITH (security_invoker = true) AS
WITH waits AS (
    SELECT r.tenant_id, 'people' AS waits_for, CASE WHEN l.taken THEN 'user' ELSE a.kind END AS who_kind,
           CASE WHEN l.taken THEN r.claimed_by::text ELSE nullif(a.value, '') END AS who, r.workflow_key, r.node_id, r.execution_id,
           r.id AS thing, coalesce(s.started_at, r.requested_at, r.created_at) AS since, nullif(a.due_by, '9999-12-31Z') AS due_at
      FROM projections.approval_requests r
      JOIN projections.approval_assignees a ON a.tenant_id = r.tenant_id AND a.request_id = r.id AND a.status = 'pending'
      LEFT JOIN projections.approval_steps s ON s.tenant_id = a.tenant_id AND s.request_id = a.request_id AND s.step = a.step
     CROSS JOIN LATERAL (
           SELECT r.claimed_by IS NOT NULL AND NOT (r.approval_type = 'steps' AND (
                      SELECT count(*) > 1 FROM projections.approval_steps o
                       WHERE o.tenant_id = r.tenant_id AND o.request_id = r.id AND o.status = 'open')) AS taken) l
     WHERE r.status = 'pending' AND NOT a.members_fixed
     UNION ALL
    SELECT r.tenant_id, 'requester' AS waits_for, 'user' AS who_kind, r.requested_by::text AS who, r.workflow_key, r.node_id, r.execution_id,
           r.id AS thing, r.recalled_at AS since, NULL AS due_at
      FROM projections.approval_requests r WHERE r.status = 'with_requester'
     UNION ALL
    SELECT w.tenant_id,
           CASE WHEN w.paused_at IS NOT NULL THEN 'resumption' WHEN w.kind = 'job' THEN 'worker' WHEN w.kind = 'ai_task' THEN 'model'
                WHEN w.kind = 'timer' THEN 'time' WHEN w.kind = 'event' THEN 'event' WHEN w.kind = 'execution' THEN 'child'
                ELSE 'items' END AS waits_for,
           CASE WHEN w.paused_at IS NULL THEN CASE w.kind WHEN 'job' THEN 'job_type' WHEN 'ai_task' THEN 'model'
                                                          WHEN 'event' THEN 'event_type' WHEN 'execution' THEN 'workflow' END END AS who_kind,
           CASE WHEN w.paused_at IS NULL THEN coalesce(w.job_type, w.model, w.event_type, w.workflow_key) END AS who,
           e.workflow_key, w.node_id, w.execution_id, w.id AS thing, coalesce(w.paused_at, w.since) AS since,
           CASE WHEN w.paused_at IS NULL THEN w.until END AS due_at
      FROM projections.execution_waits w
      JOIN projections.workflow_executions e ON e.tenant_id = w.tenant_id AND e.id = w.execution_id
     WHERE w.kind IN ('job', 'event', 'execution', 'foreach')
        OR w.kind = 'timer' AND w.approval_id IS NULL AND w.about NOT IN ('timeout', 'execution_timeout')
        OR w.kind = 'ai_task' AND NOT EXISTS (
               SELECT FROM projections.ai_agent_tasks t WHERE t.tenant_id = w.tenant_id AND t.id = w.id AND t.status = 'waiting')
     UNION ALL
    SELECT t.tenant_id, 'model' AS waits_for, 'model' AS who_kind, t.model AS who, NULL AS workflow_key, NULL AS node_id,
           NULL AS execution_id, t.id AS thing, t.created_at AS since, NULL AS due_at
      FROM projections.ai_agent_tasks t WHERE t.status IN ('pending', 'running') AND t.execution_id IS NULL
     UNION ALL
    SELECT j.tenant_id, 'worker' AS waits_for, 'job_type' AS who_kind, j.type AS who, NULL AS workflow_key, NULL AS node_id,
           NULL AS execution_id, j.id AS thing, greatest(j.created_at, j.run_at) AS since, j.expires_at AS due_at
      FROM projections.jobs j WHERE j.status = 'pending'
)
SELECT tenant_id, waits_for, who_kind, who, workflow_key, node_id, count(DISTINCT thing) AS things,
       count(DISTINCT execution_id) AS executions, count(DISTINCT thing) FILTER (WHERE due_at < now()) AS overdue,
       min(since) AS oldest_since, min(due_at) AS next_due_at
  FROM waits GROUP BY 1, 2, 3, 4, 5, 6;

CREATE OR REPLACE VIEW projections.evaluation_variants WITH (security_invoker = true) AS
SELECT r.tenant_id, r.evaluation_id, e.name AS evaluation, r.variant,
       count(*) AS runs,
       count(*) FILTER (WHERE r.passed) AS passed,
       count(*) FILTER (WHERE NOT r.passed) AS failed,
       count(*) FILTER (WHERE r.unjudged) AS unjudged,
       round(count(*) FILTER (WHERE r.passed) / count(*)::numeric, 4) AS pass_rate,
       CASE WHEN count(DISTINCT r.currency) = 1 THEN min(r.currency) END AS currency,
       CASE WHEN count(DISTINCT r.currency) = 1 THEN sum(r.cost) END AS cost,
       CASE WHEN count(DISTINCT r.currency) = 1 THEN sum(r.cost) / count(*) END AS mean_cost,
       sum(r.unpriced) AS unpriced,
       sum(r.judge_cost) FILTER (WHERE r.judge_currency = r.currency) AS judge_cost,
       sum(r.input_tokens)::bigint AS input_tokens,
       sum(r.output_tokens)::bigint AS output_tokens,
       percentile_disc(0.5) WITHIN GROUP (ORDER BY r.latency_ms) AS median_latency_ms,
       percentile_disc(0.95) WITHIN GROUP (ORDER BY r.latency_ms) AS p95_latency_ms
  FROM projections.evaluation_results r
  JOIN projections.evaluations e ON e.tenant_id = r.tenant_id AND e.id = r.evaluation_id
 GROUP BY r.tenant_id, r.evaluation_id, e.name, r.variant;
CREATE OR REPLACE VIEW projections.archive_months WITH (security_invoker = true) AS
SELECT a.tenant_id, a.month, a.workflow_key, count(*) AS executions, count(*) FILTER (WHERE a.status = 'completed') AS completed,
       count(*) FILTER (WHERE a.status = 'failed') AS failed, count(*) FILTER (WHERE a.status = 'cancelled') AS cancelled,
       min(a.ended_at) AS first_ended_at, max(a.ended_at) AS last_ended_at, max(a.created_at) AS last_archived_at
  FROM projections.archived_executions a
 GROUP BY 1, 2, 3;
