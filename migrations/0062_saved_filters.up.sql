-- Filters of the inbox that users have saved: preferences of theirs, not facts.
CREATE TABLE runtime.saved_filters (
    tenant_id  uuid NOT NULL,
    user_id    uuid NOT NULL,
    items      jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, user_id)
);
COMMENT ON TABLE runtime.saved_filters IS 'Filters of the inbox that users have saved for themselves.';
COMMENT ON COLUMN runtime.saved_filters.tenant_id IS 'The tenant.';
COMMENT ON COLUMN runtime.saved_filters.user_id IS 'Whose they are.';
COMMENT ON COLUMN runtime.saved_filters.items IS 'Each {name, filter, order}, in their order.';
COMMENT ON COLUMN runtime.saved_filters.updated_at IS 'When they were last saved.';
ALTER TABLE runtime.saved_filters ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY every_tenant ON runtime.saved_filters TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY backup ON runtime.saved_filters FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT, INSERT, UPDATE, DELETE ON runtime.saved_filters TO gesta_system;
