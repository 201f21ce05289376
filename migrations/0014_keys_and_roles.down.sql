DROP TABLE runtime.seeded_roles;
COMMENT ON COLUMN projections.api_keys.user_id IS 'Who acts by it; null for a service, which has just the permissions named here.';
COMMENT ON COLUMN projections.api_keys.permissions IS 'The most it may do; a user''s key is limited by the user''s roles as well.';
ALTER TABLE projections.api_keys
    DROP COLUMN on_behalf_of, DROP COLUMN owner_id, DROP COLUMN made_by, DROP COLUMN by_platform;
