ALTER TABLE projections.approval_assignees DROP COLUMN role, DROP COLUMN weight, DROP COLUMN members_fixed;
ALTER TABLE projections.approval_decisions DROP COLUMN reason, DROP COLUMN weight;
COMMENT ON COLUMN projections.approval_requests.required_approvals IS 'How many approvals the rule asks for.';
