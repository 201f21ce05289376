DROP VIEW projections.approval_breaches;
DROP VIEW projections.approval_bottlenecks;
DROP VIEW projections.approval_outcomes;
DROP VIEW projections.approver_load;
DROP INDEX projections.execution_waits_by_approval;
ALTER TABLE projections.approval_requests
    DROP COLUMN escalated_at,
    DROP COLUMN turnaround_ms,
    DROP COLUMN first_response_ms,
    DROP COLUMN requested_at,
    DROP COLUMN sla_met,
    DROP COLUMN reminders_sent,
    DROP COLUMN start_missed_at,
    DROP COLUMN overdue_at,
    DROP COLUMN taken_on_by,
    DROP COLUMN taken_on_at,
    DROP COLUMN start_by;
ALTER TABLE projections.approval_steps
    DROP COLUMN duration_ms,
    DROP COLUMN first_response_at,
    DROP COLUMN sla_met,
    DROP COLUMN escalation_level,
    DROP COLUMN reminders_sent,
    DROP COLUMN start_missed_at,
    DROP COLUMN overdue_at,
    DROP COLUMN taken_on_by,
    DROP COLUMN taken_on_at,
    DROP COLUMN start_by;
ALTER TABLE projections.approval_assignees
    DROP COLUMN reminded_at,
    DROP COLUMN reminders_sent,
    DROP COLUMN escalation_level;
ALTER TABLE projections.execution_waits
    DROP COLUMN approval_id;
COMMENT ON COLUMN projections.approval_requests.escalation_level IS 'How often it was escalated.';
COMMENT ON COLUMN projections.approval_requests.escalation_rules IS 'Who is asked when nobody answers.';
COMMENT ON COLUMN projections.approval_assignees.status IS 'The request''s status; of a step that is done: resolved.';
COMMENT ON COLUMN projections.execution_waits.about IS 'A job''s type, what a timer is for, an event''s type, a child''s workflow.';
