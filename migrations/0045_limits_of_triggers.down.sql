DROP FUNCTION IF EXISTS runtime.seconds_to_request;
ALTER TABLE runtime.limits NO FORCE ROW LEVEL SECURITY;
DELETE FROM runtime.limits WHERE scope = 'trigger';
ALTER TABLE runtime.limits FORCE ROW LEVEL SECURITY;
ALTER TABLE runtime.limits DROP CONSTRAINT limits_scope_check,
    ADD CONSTRAINT limits_scope_check CHECK (scope IN ('tenant', 'workflow', 'node', 'job_type', 'key'));
COMMENT ON COLUMN runtime.limits.scope IS 'Which of the tenant''s jobs: all (tenant), or those of a workflow, a node, a type, a key.';
COMMENT ON COLUMN runtime.limits.name IS 'Of which one: the workflow''s key, workflow/node, the type, the key. Empty for the tenant.';
