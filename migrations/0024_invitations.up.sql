-- A tenant invites an address; whose it is becomes a member by accepting.
CREATE TABLE projections.invitations (
    tenant_id  uuid NOT NULL,
    id         uuid NOT NULL,
    email      text NOT NULL,
    role_ids   text[] NOT NULL,
    status     text NOT NULL CHECK (status IN ('pending', 'accepted', 'declined', 'withdrawn')),
    invited_by uuid,
    expires_at timestamptz NOT NULL,
    closed_at  timestamptz,
    user_id    uuid,
    version    bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX invitations_by_creation ON projections.invitations (tenant_id, created_at, id);
CREATE INDEX invitations_by_status ON projections.invitations (tenant_id, status, created_at, id);
COMMENT ON TABLE projections.invitations IS 'Whom a tenant has invited to become a member.';
COMMENT ON COLUMN projections.invitations.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.invitations.id IS 'The invitation''s id.';
COMMENT ON COLUMN projections.invitations.email IS 'The address, as it was given.';
COMMENT ON COLUMN projections.invitations.role_ids IS 'The roles that come with it.';
COMMENT ON COLUMN projections.invitations.status IS 'pending, accepted, declined or withdrawn. One that has expired stays pending until another is made.';
COMMENT ON COLUMN projections.invitations.invited_by IS 'Who made it; null: a service or the platform.';
COMMENT ON COLUMN projections.invitations.expires_at IS 'From when on it cannot be accepted.';
COMMENT ON COLUMN projections.invitations.closed_at IS 'When it was answered or withdrawn.';
COMMENT ON COLUMN projections.invitations.user_id IS 'Who accepted it.';
COMMENT ON COLUMN projections.invitations.version IS 'Version of the stream whose event touched this row last.';
COMMENT ON COLUMN projections.invitations.created_at IS 'When the row''s first event was recorded.';
COMMENT ON COLUMN projections.invitations.updated_at IS 'When the row''s last event was recorded.';
ALTER TABLE projections.invitations ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY invitations_system ON projections.invitations TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY invitations_api ON projections.invitations FOR SELECT TO gesta_api
    USING (tenant_id = (SELECT runtime.current_tenant()));
CREATE POLICY backup ON projections.invitations FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT, INSERT, UPDATE, DELETE ON projections.invitations TO gesta_system;
GRANT SELECT ON projections.invitations TO gesta_api;

-- Leaving a tenant ends its sight of the user.
DROP POLICY users_api ON projections.users;
CREATE POLICY users_api ON projections.users FOR SELECT TO gesta_api
    USING (CASE WHEN (SELECT runtime.current_tenant()) = '00000000-0000-0000-0000-000000000001' THEN true
                ELSE EXISTS (SELECT FROM projections.tenant_users m
                              WHERE m.tenant_id = (SELECT runtime.current_tenant()) AND m.user_id = users.id
                                AND m.status IN ('active', 'suspended') OFFSET 0) END);
