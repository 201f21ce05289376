DROP INDEX projections.ai_agent_tasks_by_activation;
DROP INDEX projections.approval_requests_by_activation;
DELETE FROM runtime.leases WHERE name = 'archiving';
COMMENT ON COLUMN runtime.leases.name IS 'projector N: the tables of the tenants whose id ends in the hexadecimal digit N. housekeeping: a row to lock.';
