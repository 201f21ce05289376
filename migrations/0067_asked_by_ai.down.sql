DROP INDEX projections.approval_requests_by_ai_task;
ALTER TABLE projections.approval_requests DROP COLUMN ai_task_id;
COMMENT ON COLUMN projections.approval_requests.execution_id IS 'The execution that asks; null: it was asked by itself.';
COMMENT ON COLUMN projections.approval_requests.node_id IS 'That node; null where no execution asks.';
COMMENT ON COLUMN projections.approval_requests.request_data IS
    'What the deciders get: {context, form (JSON Schema), outcomes, rule}.';
