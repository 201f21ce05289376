-- Links to decide by, and by which of them a decision was made. Nothing recorded before has either.
CREATE TABLE projections.approval_links (
    tenant_id   uuid NOT NULL,
    id          uuid NOT NULL,
    request_id  uuid NOT NULL,
    user_id     uuid NOT NULL,
    step        integer NOT NULL,
    outcome     text NOT NULL,
    made_by     uuid,
    made_at     timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    used_at     timestamptz,
    decision_id uuid,
    revoked_at  timestamptz,
    version     bigint NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, request_id) REFERENCES projections.approval_requests (tenant_id, id)
);
CREATE INDEX approval_links_by_request ON projections.approval_links (tenant_id, request_id, created_at, id);
COMMENT ON TABLE projections.approval_links IS 'Links to decide by, without their addresses.';
COMMENT ON COLUMN projections.approval_links.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.approval_links.id IS 'The link''s id.';
COMMENT ON COLUMN projections.approval_links.request_id IS 'The approval request.';
COMMENT ON COLUMN projections.approval_links.user_id IS 'For whom it is.';
COMMENT ON COLUMN projections.approval_links.step IS 'The step of a request that asks in steps; 1 otherwise.';
COMMENT ON COLUMN projections.approval_links.outcome IS 'The outcome that it chooses.';
COMMENT ON COLUMN projections.approval_links.made_by IS 'Who made it; null: a service, or Gesta itself.';
COMMENT ON COLUMN projections.approval_links.made_at IS 'When it was made.';
COMMENT ON COLUMN projections.approval_links.expires_at IS 'Until when it can be used.';
COMMENT ON COLUMN projections.approval_links.used_at IS 'When it was used; it then works no more.';
COMMENT ON COLUMN projections.approval_links.decision_id IS 'The decision that was made by it.';
COMMENT ON COLUMN projections.approval_links.revoked_at IS 'When it was revoked.';
COMMENT ON COLUMN projections.approval_links.version IS 'Version of the stream whose event touched this row last.';
COMMENT ON COLUMN projections.approval_links.created_at IS 'When the row''s first event was recorded.';
COMMENT ON COLUMN projections.approval_links.updated_at IS 'When the row''s last event was recorded.';
ALTER TABLE projections.approval_links ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY approval_links_system ON projections.approval_links TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY approval_links_api ON projections.approval_links FOR SELECT TO gesta_api
    USING (tenant_id = (SELECT runtime.current_tenant()));
CREATE POLICY backup ON projections.approval_links FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT, INSERT, UPDATE, DELETE ON projections.approval_links TO gesta_system;
GRANT SELECT ON projections.approval_links TO gesta_api;

ALTER TABLE projections.approval_decisions ADD COLUMN via text, ADD COLUMN link_id uuid;
COMMENT ON COLUMN projections.approval_decisions.via IS 'How it was made: link; null: by the API.';
COMMENT ON COLUMN projections.approval_decisions.link_id IS 'The link by which it was made.';
