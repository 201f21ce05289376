ALTER TABLE projections.workflow_executions DROP COLUMN parent_activation_id;
