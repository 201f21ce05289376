-- What was done is undone before an execution ends. No event before this release says so, so nothing is to be filled.
ALTER TABLE projections.workflow_executions ADD COLUMN compensation text CHECK (compensation IN ('running', 'completed', 'failed', 'terminated'));
COMMENT ON COLUMN projections.workflow_executions.compensation IS
    'Whether what it had done is being undone (running), was undone (completed), in part could not be (failed), or was left because it was terminated.';
ALTER TABLE projections.node_activations ADD COLUMN compensates uuid;
COMMENT ON COLUMN projections.node_activations.compensates IS 'The completed activation that it undoes.';
COMMENT ON COLUMN projections.workflow_executions.error_details IS
    'Why it failed: {code, message, node_id}; where something could not be undone also {compensation: {undone, failed, left, failures}}.';
