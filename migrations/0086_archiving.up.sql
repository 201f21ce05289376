-- Finished executions are archived by one worker at a time, as many a second as the tables keep up with.
INSERT INTO runtime.leases (name) VALUES ('archiving');
COMMENT ON COLUMN runtime.leases.name IS 'projector N: the tables of the tenants whose id ends in the hexadecimal digit N. housekeeping: a row to lock. archiving: who archives finished executions.';

-- A visit that leaves its table is looked for in those that refer to it: without an index in all of the tenant's requests and tasks.
CREATE INDEX approval_requests_by_activation ON projections.approval_requests (tenant_id, activation_id) WHERE activation_id IS NOT NULL;
CREATE INDEX ai_agent_tasks_by_activation ON projections.ai_agent_tasks (tenant_id, activation_id) WHERE activation_id IS NOT NULL;
