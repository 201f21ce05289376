DROP INDEX projections.approval_decisions_on_behalf;
DROP INDEX projections.approval_decisions_by_person;
DROP INDEX projections.approval_assignees_by_value_and_status;
CREATE INDEX approval_assignees_by_value_and_status
    ON projections.approval_assignees (tenant_id, kind, value, status, created_at, request_id);
DROP INDEX projections.approval_assignees_by_rank;
DROP INDEX projections.approval_assignees_by_due;
ALTER TABLE projections.approval_assignees DROP COLUMN rank, DROP COLUMN due_by;
ALTER TABLE projections.approval_requests DROP COLUMN workflow_key;
COMMENT ON COLUMN projections.approval_assignees.members_fixed IS
    'Whether this role stands for those who had it when they were asked: they have rows of their own.';
