-- A child names the visit of its parent that waits for its end.
ALTER TABLE projections.workflow_executions ADD COLUMN parent_activation_id uuid;
COMMENT ON COLUMN projections.workflow_executions.parent_activation_id IS 'The visit of its parent that waits for its end; null where none does.';
