-- A limit may be of a trigger: how many requests start something in any span of time.
ALTER TABLE runtime.limits DROP CONSTRAINT limits_scope_check,
    ADD CONSTRAINT limits_scope_check CHECK (scope IN ('tenant', 'workflow', 'node', 'job_type', 'key', 'trigger'));
COMMENT ON COLUMN runtime.limits.scope IS 'Which of the tenant''s jobs: all (tenant), or those of a workflow, a node, a type, a key. trigger: requests to a webhook.';
COMMENT ON COLUMN runtime.limits.name IS 'Of which one: the workflow''s key, workflow/node, the type, the key, the trigger''s id. Empty for the tenant.';
