-- Executions that were started by a tool of the Model Context Protocol say so.
ALTER TABLE projections.workflow_executions DROP CONSTRAINT workflow_executions_trigger_type_check,
    ADD CONSTRAINT workflow_executions_trigger_type_check
        CHECK (trigger_type IN ('manual', 'scheduled', 'webhook', 'event', 'child', 'fork', 'mcp')) NOT VALID;
ALTER TABLE projections.workflow_executions VALIDATE CONSTRAINT workflow_executions_trigger_type_check;
COMMENT ON COLUMN projections.workflow_executions.trigger_type IS 'What started it: manual, scheduled, webhook, event, child, fork or mcp.';
COMMENT ON COLUMN projections.workflow_triggers.type IS 'schedule, webhook, event or mcp.';
