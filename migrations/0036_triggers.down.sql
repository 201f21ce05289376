ALTER TABLE projections.audit_logs DROP CONSTRAINT audit_logs_actor_type_check,
    ADD CONSTRAINT audit_logs_actor_type_check CHECK (actor_type IN ('user', 'api_key', 'worker', 'schedule', 'system')) NOT VALID;
ALTER TABLE projections.audit_logs VALIDATE CONSTRAINT audit_logs_actor_type_check;
COMMENT ON COLUMN projections.audit_logs.actor_type IS 'What acted: user, api_key, worker, schedule or system.';
DROP TABLE projections.trigger_runs, projections.workflow_triggers;
