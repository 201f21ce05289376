ALTER TABLE projections.node_activations DROP COLUMN compensates;
ALTER TABLE projections.workflow_executions DROP COLUMN compensation;
COMMENT ON COLUMN projections.workflow_executions.error_details IS 'Why it failed: {code, message, node_id}.';
