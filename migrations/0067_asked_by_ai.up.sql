-- Approval requests that AI tasks ask. No row was of one before, so nothing is built anew.
ALTER TABLE projections.approval_requests ADD COLUMN ai_task_id uuid;
CREATE INDEX approval_requests_by_ai_task ON projections.approval_requests (tenant_id, ai_task_id, created_at, id)
    WHERE ai_task_id IS NOT NULL;
COMMENT ON COLUMN projections.approval_requests.ai_task_id IS 'The AI task that asks; null: none does.';
COMMENT ON COLUMN projections.approval_requests.execution_id IS
    'The execution that asks, or whose AI task does; null: it was asked by itself.';
COMMENT ON COLUMN projections.approval_requests.node_id IS 'The node that asks, or whose AI task does; null where no execution asks.';
COMMENT ON COLUMN projections.approval_requests.request_data IS
    'What the deciders get: {context, form (JSON Schema), outcomes, rule}; ai {purpose, call_id}: of an AI task, what it asks for.';
