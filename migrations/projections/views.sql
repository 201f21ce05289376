-- Approvals in the words of the business, for analysts. They read as whoever asks (security_invoker), so a tenant's rows are all that a
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
