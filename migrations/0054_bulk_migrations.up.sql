-- One more action on many executions: to another version of their workflow.
ALTER TABLE projections.bulk_operations DROP CONSTRAINT bulk_operations_action_check,
    ADD CONSTRAINT bulk_operations_action_check
        CHECK (action IN ('cancel', 'terminate', 'pause', 'resume', 'signal', 'fork', 'migrate', 'start')) NOT VALID;
ALTER TABLE projections.bulk_operations VALIDATE CONSTRAINT bulk_operations_action_check;
COMMENT ON COLUMN projections.bulk_operations.action IS 'What is done to each execution: cancel, terminate, pause, resume, signal, fork, migrate, or start.';
