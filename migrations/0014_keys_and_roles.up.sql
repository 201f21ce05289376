-- Whose a key is beside who acts by it, and who made it.
ALTER TABLE projections.api_keys
    ADD COLUMN on_behalf_of uuid,
    ADD COLUMN owner_id     uuid,
    ADD COLUMN made_by      uuid,
    ADD COLUMN by_platform  boolean NOT NULL DEFAULT false;
ALTER TABLE projections.api_keys ALTER COLUMN by_platform DROP DEFAULT;
COMMENT ON COLUMN projections.api_keys.user_id IS 'Who acts by it; null for a service.';
COMMENT ON COLUMN projections.api_keys.permissions IS 'The most it may do; the roles of its user or owner limit it as well.';
COMMENT ON COLUMN projections.api_keys.on_behalf_of IS 'The member on whose behalf every use of it is.';
COMMENT ON COLUMN projections.api_keys.owner_id IS 'Of a service''s key: the member with whose membership it ends, unless it is handed over.';
COMMENT ON COLUMN projections.api_keys.made_by IS 'The key that made it; when that one is revoked, this one is not valid any more, unless it was to be kept.';
COMMENT ON COLUMN projections.api_keys.by_platform IS 'Whether it was made with the platform''s authority.';

-- Which roles a tenant was seeded with last. A release that seeds others brings every tenant up to date when it starts.
CREATE TABLE runtime.seeded_roles (
    tenant_id uuid PRIMARY KEY,
    digest    text NOT NULL,
    seeded_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE runtime.seeded_roles IS 'Which roles a tenant was seeded with last, so that a start need not read those of every tenant.';
COMMENT ON COLUMN runtime.seeded_roles.tenant_id IS 'The tenant.';
COMMENT ON COLUMN runtime.seeded_roles.digest IS 'SHA-256 of the roles and their permissions, in hex.';
COMMENT ON COLUMN runtime.seeded_roles.seeded_at IS 'When.';
ALTER TABLE runtime.seeded_roles ENABLE ROW LEVEL SECURITY;
ALTER TABLE runtime.seeded_roles FORCE ROW LEVEL SECURITY;
CREATE POLICY seeded_roles_system ON runtime.seeded_roles TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY backup ON runtime.seeded_roles FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT, INSERT, UPDATE ON runtime.seeded_roles TO gesta_system;
