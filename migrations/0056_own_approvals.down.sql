ALTER TABLE projections.approval_requests NO FORCE ROW LEVEL SECURITY;
ALTER TABLE projections.approval_assignees NO FORCE ROW LEVEL SECURITY;
ALTER TABLE projections.approval_decisions NO FORCE ROW LEVEL SECURITY;
ALTER TABLE projections.approval_steps NO FORCE ROW LEVEL SECURITY;
DELETE FROM projections.approval_assignees a
 USING projections.approval_requests r
 WHERE (r.tenant_id, r.id) = (a.tenant_id, a.request_id) AND r.execution_id IS NULL;
DELETE FROM projections.approval_decisions d
 USING projections.approval_requests r
 WHERE (r.tenant_id, r.id) = (d.tenant_id, d.request_id) AND r.execution_id IS NULL;
DELETE FROM projections.approval_steps s
 USING projections.approval_requests r
 WHERE (r.tenant_id, r.id) = (s.tenant_id, s.request_id) AND r.execution_id IS NULL;
DELETE FROM projections.approval_requests WHERE execution_id IS NULL;
ALTER TABLE projections.approval_requests FORCE ROW LEVEL SECURITY;
ALTER TABLE projections.approval_assignees FORCE ROW LEVEL SECURITY;
ALTER TABLE projections.approval_decisions FORCE ROW LEVEL SECURITY;
ALTER TABLE projections.approval_steps FORCE ROW LEVEL SECURITY;
ALTER TABLE projections.approval_requests
    ALTER COLUMN execution_id SET NOT NULL,
    ALTER COLUMN activation_id SET NOT NULL,
    ALTER COLUMN node_id SET NOT NULL;
COMMENT ON COLUMN projections.approval_requests.execution_id IS 'The execution that asks.';
COMMENT ON COLUMN projections.approval_requests.activation_id IS 'The visit of the approval node that asks.';
COMMENT ON COLUMN projections.approval_requests.node_id IS 'That node.';
COMMENT ON COLUMN projections.approval_requests.requested_by IS 'On whose behalf the execution asks.';
