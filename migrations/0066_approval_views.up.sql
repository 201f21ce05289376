-- approver_load counts what the inbox does, and no overrides; approval_breaches say of nothing that it was early.
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

COMMENT ON COLUMN projections.approver_load.open_requests IS
    'Open requests (of steps: each) that they may answer now and have not: asked by name, by a role of theirs or as anybody, and neither excluded nor kept apart.';
COMMENT ON COLUMN projections.approver_load.decisions IS 'Decisions of theirs that count; overrides do not.';
COMMENT ON COLUMN projections.approval_outcomes.status IS 'pending, with_requester, resolved, cancelled or expired.';
COMMENT ON COLUMN projections.approval_breaches.late_ms IS
    'How late that was, in milliseconds, not below 0; while it is open, by now. Null where it closed without an answer of anybody''s.';
