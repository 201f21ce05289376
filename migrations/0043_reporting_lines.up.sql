-- Whom members report to, and what else is known of them: rules name people by both. Nothing recorded before has either.
ALTER TABLE projections.tenant_users
    ADD COLUMN manager_id uuid,
    ADD COLUMN attributes jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN projections.tenant_users.manager_id IS 'Whom they report to; null: nobody. One who was removed is passed over.';
COMMENT ON COLUMN projections.tenant_users.attributes IS 'What else is known of them, by name: rules name people by it.';
CREATE INDEX tenant_users_by_manager ON projections.tenant_users (tenant_id, manager_id, created_at, user_id);
