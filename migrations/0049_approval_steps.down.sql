DROP INDEX projections.execution_waits_by_id;
ALTER TABLE projections.approval_assignees NO FORCE ROW LEVEL SECURITY;
DELETE FROM projections.approval_assignees a
 WHERE EXISTS (SELECT FROM projections.approval_assignees b
                WHERE (b.tenant_id, b.request_id, b.kind, b.value) = (a.tenant_id, a.request_id, a.kind, a.value) AND b.step < a.step);
ALTER TABLE projections.approval_assignees FORCE ROW LEVEL SECURITY;
ALTER TABLE projections.approval_assignees
    DROP CONSTRAINT approval_assignees_pkey,
    DROP COLUMN step,
    DROP COLUMN ad_hoc,
    DROP COLUMN added_by,
    ADD PRIMARY KEY (tenant_id, request_id, kind, value);
ALTER TABLE projections.approval_decisions DROP COLUMN returned_at;
DROP TABLE projections.approval_steps;
COMMENT ON COLUMN projections.approval_assignees.status IS 'The request''s status.';
COMMENT ON COLUMN projections.approval_requests.approval_type IS 'The rule that turns decisions into an outcome, e.g. single.';
COMMENT ON COLUMN projections.approval_requests.required_approvals IS 'How many approvals the rule asks for; of a rule of weights, of what weight.';
COMMENT ON COLUMN projections.approval_requests.received_approvals IS 'Decisions so far that approve.';
COMMENT ON COLUMN projections.approval_requests.received_rejections IS 'Decisions so far that reject.';
COMMENT ON COLUMN projections.approval_requests.assigned_to IS 'Who may decide: {users, roles}; both empty: every member who may decide approvals.';
COMMENT ON COLUMN projections.approval_requests.due_at IS 'By when an answer is hoped for.';
