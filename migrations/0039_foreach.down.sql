DROP TABLE projections.execution_items;
ALTER TABLE projections.node_activations DROP COLUMN item_id, DROP COLUMN item_index;
ALTER TABLE projections.approval_requests DROP COLUMN item_index;
ALTER TABLE projections.ai_agent_tasks DROP COLUMN item_index;
COMMENT ON COLUMN projections.audit_logs.resource_version IS 'That thing''s version after it; null where a command was refused.';
COMMENT ON COLUMN runtime.jobs.task_id IS 'The AI task that it is an attempt of.';
