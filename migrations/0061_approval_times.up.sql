-- The time that approvals take: who took them on, reminders, escalation, what is late. The defaults stay: a projector of the release
-- before goes on writing rows without the columns.
ALTER TABLE projections.approval_requests
    ADD COLUMN start_by timestamptz,
    ADD COLUMN taken_on_at timestamptz,
    ADD COLUMN taken_on_by uuid,
    ADD COLUMN overdue_at timestamptz,
    ADD COLUMN start_missed_at timestamptz,
    ADD COLUMN reminders_sent integer NOT NULL DEFAULT 0,
    ADD COLUMN sla_met boolean,
    ADD COLUMN requested_at timestamptz,
    ADD COLUMN first_response_ms bigint,
    ADD COLUMN turnaround_ms bigint,
    ADD COLUMN escalated_at timestamptz;
COMMENT ON COLUMN projections.approval_requests.start_by IS
    'By when somebody is to have claimed or answered it.';
COMMENT ON COLUMN projections.approval_requests.taken_on_at IS
    'When somebody first claimed or answered it.';
COMMENT ON COLUMN projections.approval_requests.taken_on_by IS
    'Who that was.';
COMMENT ON COLUMN projections.approval_requests.overdue_at IS
    'When it was recorded that no answer had come by when it was due; null: it was not late so far.';
COMMENT ON COLUMN projections.approval_requests.start_missed_at IS
    'When it was recorded that nobody had taken it on by when that was to be.';
COMMENT ON COLUMN projections.approval_requests.reminders_sent IS
    'How many reminders there were.';
COMMENT ON COLUMN projections.approval_requests.sla_met IS
    'Whether people answered by when it was due, by the database''s clock; false as soon as that is missed. Null: nothing was due, or it is open and not late, or it was taken back. A pause does not stop this clock.';
COMMENT ON COLUMN projections.approval_requests.requested_at IS
    'When it was asked; null of what an older release has recorded.';
COMMENT ON COLUMN projections.approval_requests.first_response_ms IS
    'From when it was asked to the first decision, in milliseconds.';
COMMENT ON COLUMN projections.approval_requests.turnaround_ms IS
    'From when it was asked to when it was resolved, in milliseconds.';
COMMENT ON COLUMN projections.approval_requests.escalated_at IS
    'When it was escalated last.';
ALTER TABLE projections.approval_steps
    ADD COLUMN start_by timestamptz,
    ADD COLUMN taken_on_at timestamptz,
    ADD COLUMN taken_on_by uuid,
    ADD COLUMN overdue_at timestamptz,
    ADD COLUMN start_missed_at timestamptz,
    ADD COLUMN reminders_sent integer NOT NULL DEFAULT 0,
    ADD COLUMN escalation_level integer NOT NULL DEFAULT 0,
    ADD COLUMN sla_met boolean,
    ADD COLUMN first_response_at timestamptz,
    ADD COLUMN duration_ms bigint;
COMMENT ON COLUMN projections.approval_steps.start_by IS
    'By when somebody is to have claimed or answered it.';
COMMENT ON COLUMN projections.approval_steps.taken_on_at IS
    'When somebody first claimed or answered it.';
COMMENT ON COLUMN projections.approval_steps.taken_on_by IS
    'Who that was.';
COMMENT ON COLUMN projections.approval_steps.overdue_at IS
    'When it was recorded that no answer had come by when it was due; null: it was not late so far.';
COMMENT ON COLUMN projections.approval_steps.start_missed_at IS
    'When it was recorded that nobody had taken it on by when that was to be.';
COMMENT ON COLUMN projections.approval_steps.reminders_sent IS
    'How many reminders there were.';
COMMENT ON COLUMN projections.approval_steps.escalation_level IS
    'The level of the escalation that was reached; 0: none.';
COMMENT ON COLUMN projections.approval_steps.sla_met IS
    'Whether people answered by when it was due, by the database''s clock; false as soon as that is missed. Null: nothing was due, or it is open and not late, or it was taken back. A pause does not stop this clock.';
COMMENT ON COLUMN projections.approval_steps.first_response_at IS
    'When the first decision was made.';
COMMENT ON COLUMN projections.approval_steps.duration_ms IS
    'From when it was asked, last, to when it was completed, in milliseconds.';
ALTER TABLE projections.approval_assignees
    ADD COLUMN escalation_level integer NOT NULL DEFAULT 0,
    ADD COLUMN reminders_sent integer NOT NULL DEFAULT 0,
    ADD COLUMN reminded_at timestamptz;
COMMENT ON COLUMN projections.approval_assignees.escalation_level IS
    'The level of the escalation at which they were asked; 0: from the beginning.';
COMMENT ON COLUMN projections.approval_assignees.reminders_sent IS
    'How often they were reminded.';
COMMENT ON COLUMN projections.approval_assignees.reminded_at IS
    'When they were reminded last.';
ALTER TABLE projections.execution_waits
    ADD COLUMN approval_id uuid;
COMMENT ON COLUMN projections.execution_waits.approval_id IS
    'Of a moment of an approval request: the request.';
COMMENT ON COLUMN projections.approval_requests.escalation_level IS
    'The level of the escalation that was reached; 0: none.';
COMMENT ON COLUMN projections.approval_requests.escalation_rules IS
    'Who is asked when nobody answers: levels {level, at, by, replace, outcome, only_if_not_taken_on}; of a request in steps those of the whole.';
COMMENT ON COLUMN projections.approval_assignees.status IS
    'The request''s status; of a step that is done: resolved; where others are asked instead: cancelled.';
COMMENT ON COLUMN projections.execution_waits.about IS
    'A job''s type, what a timer is for, an event''s type, a child''s workflow; of an approval that has moments: timed. Of a moment of an approval: remind 1.2 is the second reminder of the first step, 0 is the whole of one in steps.';
-- The moments of a request are found by it.
CREATE INDEX execution_waits_by_approval ON projections.execution_waits (tenant_id, approval_id) WHERE approval_id IS NOT NULL;
ALTER TABLE projections.approval_requests NO FORCE ROW LEVEL SECURITY;
INSERT INTO runtime.projection_generations (groups, reason)
SELECT '{work}', 'New columns of the time that approvals take.' WHERE EXISTS (SELECT FROM projections.approval_requests);
ALTER TABLE projections.approval_requests FORCE ROW LEVEL SECURITY;

-- Views in the words of the business. Their text stands in migrations/projections/views.sql as well, by which they are made anew when
-- the tables that they read are exchanged.
CREATE VIEW projections.approver_load WITH (security_invoker = true) AS
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
     WHERE NOT n.user_id::text = ANY (n.excluded) AND coalesce(r.claimed_by = n.user_id, true)
       AND NOT EXISTS (
                SELECT FROM projections.approval_decisions d
                 WHERE d.tenant_id = n.tenant_id AND d.request_id = n.request_id AND d.step = n.step
                   AND n.user_id IN (d.user_id, d.on_behalf_of) AND d.revoked_at IS NULL AND d.returned_at IS NULL)
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
     WHERE d.revoked_at IS NULL AND d.returned_at IS NULL
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

CREATE VIEW projections.approval_outcomes WITH (security_invoker = true) AS
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

CREATE VIEW projections.approval_bottlenecks WITH (security_invoker = true) AS
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

CREATE VIEW projections.approval_breaches WITH (security_invoker = true) AS
WITH places AS (
    SELECT r.tenant_id, r.id AS request_id, NULL::integer AS step, NULL::text AS step_name, r.workflow_key, r.node_id, r.title,
           r.status = 'pending' AS open, r.due_at, r.start_by, r.sla_met, r.overdue_at, r.start_missed_at, r.taken_on_at,
           r.responded_at AS answered_at, r.escalation_level, r.reminders_sent
      FROM projections.approval_requests r
     WHERE NOT EXISTS (SELECT FROM projections.approval_steps s
                        WHERE s.tenant_id = r.tenant_id AND s.request_id = r.id AND (s.due_at IS NOT NULL OR s.start_by IS NOT NULL))
     UNION ALL
    SELECT r.tenant_id, r.id, s.step, s.name, r.workflow_key, r.node_id, r.title, s.status = 'open', s.due_at, s.start_by, s.sla_met,
           s.overdue_at, s.start_missed_at, s.taken_on_at, s.completed_at, s.escalation_level, s.reminders_sent
      FROM projections.approval_steps s
      JOIN projections.approval_requests r ON r.tenant_id = s.tenant_id AND r.id = s.request_id
     WHERE s.due_at IS NOT NULL OR s.start_by IS NOT NULL
)
SELECT tenant_id, request_id, step, step_name, workflow_key, node_id, title, 'due' AS what, due_at AS was_due_at, answered_at AS done_at,
       (extract(epoch FROM coalesce(answered_at, CASE WHEN open THEN now() END) - due_at) * 1000)::bigint AS late_ms,
       open, escalation_level, reminders_sent
  FROM places WHERE due_at IS NOT NULL AND (NOT sla_met OR (open AND due_at < now()))
 UNION ALL
SELECT tenant_id, request_id, step, step_name, workflow_key, node_id, title, 'start', start_by, taken_on_at,
       (extract(epoch FROM coalesce(taken_on_at, CASE WHEN open THEN now() END) - start_by) * 1000)::bigint,
       open, escalation_level, reminders_sent
  FROM places WHERE start_missed_at IS NOT NULL OR (open AND taken_on_at IS NULL AND start_by < now())
 UNION ALL
SELECT tenant_id, id, NULL, NULL, workflow_key, node_id, title, 'expired', expires_at, NULL, NULL, false, escalation_level, reminders_sent
  FROM projections.approval_requests WHERE status = 'expired';
COMMENT ON VIEW projections.approver_load IS 'Who has how much to decide now, and how fast they decide: members who are asked or have decided.';
COMMENT ON COLUMN projections.approver_load.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.approver_load.user_id IS 'The member.';
COMMENT ON COLUMN projections.approver_load.open_requests IS 'Open requests (of steps: each) that they may answer now and have not: asked by name, by a role of theirs or as anybody, and not excluded.';
COMMENT ON COLUMN projections.approver_load.overdue_requests IS 'Of these, those whose answer was due before now.';
COMMENT ON COLUMN projections.approver_load.decisions IS 'Decisions of theirs that count.';
COMMENT ON COLUMN projections.approver_load.approvals IS 'Of these, those that approve.';
COMMENT ON COLUMN projections.approver_load.rejections IS 'Of these, those that reject.';
COMMENT ON COLUMN projections.approver_load.decisions_for_others IS 'Of these, those on behalf of others.';
COMMENT ON COLUMN projections.approver_load.median_response_ms IS 'From when it was asked (of a step: when that was) to the decision, in milliseconds: half of them took no longer.';
COMMENT ON COLUMN projections.approver_load.p90_response_ms IS 'Likewise, nine tenths of them.';
COMMENT ON COLUMN projections.approver_load.last_decided_at IS 'When they decided last.';
GRANT SELECT ON projections.approver_load TO gesta_api, gesta_system;
COMMENT ON VIEW projections.approval_outcomes IS 'What requests came to and why, by workflow, node, outcome and reason.';
COMMENT ON COLUMN projections.approval_outcomes.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.approval_outcomes.workflow_key IS 'Key of the workflow whose execution asked; null: asked without a workflow.';
COMMENT ON COLUMN projections.approval_outcomes.node_id IS 'The node; null where no execution asked.';
COMMENT ON COLUMN projections.approval_outcomes.status IS 'pending, resolved, cancelled or expired.';
COMMENT ON COLUMN projections.approval_outcomes.outcome IS 'The outcome; null where there is none.';
COMMENT ON COLUMN projections.approval_outcomes.outcome_kind IS 'What that means: approve, reject, changes, submit, withdraw or other.';
COMMENT ON COLUMN projections.approval_outcomes.reason IS 'The reason code of the last decision for that outcome.';
COMMENT ON COLUMN projections.approval_outcomes.requests IS 'How many requests.';
COMMENT ON COLUMN projections.approval_outcomes.average_turnaround_ms IS 'From when it was asked to when it was resolved, in milliseconds, on average.';
COMMENT ON COLUMN projections.approval_outcomes.median_turnaround_ms IS 'Likewise: half of them took no longer.';
COMMENT ON COLUMN projections.approval_outcomes.median_first_response_ms IS 'From when it was asked to the first decision: half of them took no longer.';
COMMENT ON COLUMN projections.approval_outcomes.sla_met IS 'Those that were answered by when it was due.';
COMMENT ON COLUMN projections.approval_outcomes.sla_missed IS 'Those that were not.';
COMMENT ON COLUMN projections.approval_outcomes.escalated IS 'Those that were escalated.';
COMMENT ON COLUMN projections.approval_outcomes.reminders IS 'Reminders in all.';
COMMENT ON COLUMN projections.approval_outcomes.first_created_at IS 'When the first of them was recorded.';
COMMENT ON COLUMN projections.approval_outcomes.last_created_at IS 'When the last of them was.';
GRANT SELECT ON projections.approval_outcomes TO gesta_api, gesta_system;
COMMENT ON VIEW projections.approval_bottlenecks IS 'Where requests wait: by workflow, node and step, how long they took, and what share of the time that is.';
COMMENT ON COLUMN projections.approval_bottlenecks.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.approval_bottlenecks.workflow_key IS 'Key of the workflow whose execution asked; null: asked without a workflow.';
COMMENT ON COLUMN projections.approval_bottlenecks.node_id IS 'The node; null where no execution asked.';
COMMENT ON COLUMN projections.approval_bottlenecks.step_name IS 'The step; null of requests without steps.';
COMMENT ON COLUMN projections.approval_bottlenecks.asked IS 'How many were asked.';
COMMENT ON COLUMN projections.approval_bottlenecks.open_now IS 'How many of them are open.';
COMMENT ON COLUMN projections.approval_bottlenecks.oldest_open_since IS 'Since when the oldest of these is.';
COMMENT ON COLUMN projections.approval_bottlenecks.median_first_response_ms IS 'From when it was asked to the first decision, in milliseconds: half of them took no longer.';
COMMENT ON COLUMN projections.approval_bottlenecks.median_ms IS 'From when it was asked to when it was done, in milliseconds: half of them took no longer.';
COMMENT ON COLUMN projections.approval_bottlenecks.p90_ms IS 'Likewise, nine tenths of them.';
COMMENT ON COLUMN projections.approval_bottlenecks.total_ms IS 'All of it together.';
COMMENT ON COLUMN projections.approval_bottlenecks.reminders IS 'Reminders in all.';
COMMENT ON COLUMN projections.approval_bottlenecks.escalated IS 'How many were escalated.';
COMMENT ON COLUMN projections.approval_bottlenecks.sla_missed IS 'How many were not answered by when it was due.';
COMMENT ON COLUMN projections.approval_bottlenecks.sent_back IS 'How often the step was asked again.';
COMMENT ON COLUMN projections.approval_bottlenecks.share_of_time IS 'Of the time of all of the workflow''s approvals, from 0 to 1; null where they took none.';
GRANT SELECT ON projections.approval_bottlenecks TO gesta_api, gesta_system;
COMMENT ON VIEW projections.approval_breaches IS 'What was late: a row for each moment that was missed. Of requests in steps with moments of their own, those of the steps.';
COMMENT ON COLUMN projections.approval_breaches.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.approval_breaches.request_id IS 'The request.';
COMMENT ON COLUMN projections.approval_breaches.step IS 'The step''s number; null of a request as a whole.';
COMMENT ON COLUMN projections.approval_breaches.step_name IS 'The step.';
COMMENT ON COLUMN projections.approval_breaches.workflow_key IS 'Key of the workflow whose execution asked; null: asked without a workflow.';
COMMENT ON COLUMN projections.approval_breaches.node_id IS 'The node; null where no execution asked.';
COMMENT ON COLUMN projections.approval_breaches.title IS 'What is asked.';
COMMENT ON COLUMN projections.approval_breaches.what IS 'due: no answer by then. start: nobody had claimed or answered it by then. expired: it closed by itself.';
COMMENT ON COLUMN projections.approval_breaches.was_due_at IS 'The moment that was missed.';
COMMENT ON COLUMN projections.approval_breaches.done_at IS 'When it was answered, or taken on, after all; null: it was not.';
COMMENT ON COLUMN projections.approval_breaches.late_ms IS 'How late that was, in milliseconds; while it is open, by now. Null where it closed without an answer.';
COMMENT ON COLUMN projections.approval_breaches.open IS 'Whether it is open.';
COMMENT ON COLUMN projections.approval_breaches.escalation_level IS 'The level of the escalation that was reached; 0: none.';
COMMENT ON COLUMN projections.approval_breaches.reminders_sent IS 'How many reminders there were.';
GRANT SELECT ON projections.approval_breaches TO gesta_api, gesta_system;
