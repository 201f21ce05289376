-- What waits for somebody to decide is found by its urgency: each of those who are asked has the moment and the priority of what
-- they are asked. The defaults stay: a projector of the release before goes on writing rows without the columns.
ALTER TABLE projections.approval_requests ADD COLUMN workflow_key text;
ALTER TABLE projections.approval_assignees
    ADD COLUMN due_by timestamptz NOT NULL DEFAULT '9999-12-31 00:00:00Z',
    ADD COLUMN rank bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN projections.approval_requests.workflow_key IS 'Key of the workflow whose execution asks.';
COMMENT ON COLUMN projections.approval_assignees.due_by IS
    'By when an answer of theirs is hoped for; 9999-12-31 where there is no such moment, so that they come last.';
COMMENT ON COLUMN projections.approval_assignees.rank IS 'The request''s priority, negated: the most urgent come first.';
COMMENT ON COLUMN projections.approval_assignees.members_fixed IS
    'Whether nobody may choose by this row: of a role whose members were fixed when they were asked (they have rows of their own), and of a user who was not one of these.';

ALTER TABLE projections.approval_requests NO FORCE ROW LEVEL SECURITY;
ALTER TABLE projections.approval_steps NO FORCE ROW LEVEL SECURITY;
ALTER TABLE projections.approval_assignees NO FORCE ROW LEVEL SECURITY;
ALTER TABLE projections.workflow_executions NO FORCE ROW LEVEL SECURITY;
UPDATE projections.approval_requests r SET workflow_key = e.workflow_key
  FROM projections.workflow_executions e WHERE e.tenant_id = r.tenant_id AND e.id = r.execution_id;
UPDATE projections.approval_assignees a SET due_by = coalesce(s.due_at, r.due_at, a.due_by), rank = -r.priority::bigint
  FROM projections.approval_requests r
  LEFT JOIN projections.approval_steps s ON s.tenant_id = r.tenant_id AND s.request_id = r.id
 WHERE r.tenant_id = a.tenant_id AND r.id = a.request_id AND (s.step IS NULL OR s.step = a.step);
ALTER TABLE projections.workflow_executions FORCE ROW LEVEL SECURITY;
ALTER TABLE projections.approval_assignees FORCE ROW LEVEL SECURITY;
ALTER TABLE projections.approval_steps FORCE ROW LEVEL SECURITY;
ALTER TABLE projections.approval_requests FORCE ROW LEVEL SECURITY;

CREATE INDEX approval_assignees_by_due
    ON projections.approval_assignees (tenant_id, kind, value, due_by, request_id, step) WHERE status = 'pending';
CREATE INDEX approval_assignees_by_rank
    ON projections.approval_assignees (tenant_id, kind, value, rank, due_by, request_id, step) WHERE status = 'pending';
DROP INDEX projections.approval_assignees_by_value_and_status;
CREATE INDEX approval_assignees_by_value_and_status
    ON projections.approval_assignees (tenant_id, kind, value, status, created_at, request_id, step);
-- Whether somebody has decided on a request.
CREATE INDEX approval_decisions_by_person ON projections.approval_decisions (tenant_id, request_id, user_id);
CREATE INDEX approval_decisions_on_behalf
    ON projections.approval_decisions (tenant_id, request_id, on_behalf_of) WHERE on_behalf_of IS NOT NULL;
