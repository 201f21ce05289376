-- Refused while there are executions that such a tool started: an earlier release could not project them.
ALTER TABLE projections.workflow_executions DROP CONSTRAINT workflow_executions_trigger_type_check,
    ADD CONSTRAINT workflow_executions_trigger_type_check
        CHECK (trigger_type IN ('manual', 'scheduled', 'webhook', 'event', 'child', 'fork')) NOT VALID;
ALTER TABLE projections.workflow_executions VALIDATE CONSTRAINT workflow_executions_trigger_type_check;
COMMENT ON COLUMN projections.workflow_executions.trigger_type IS 'What started it: manual, scheduled, webhook, event, child or fork.';
COMMENT ON COLUMN projections.workflow_triggers.type IS 'schedule, webhook or event.';
