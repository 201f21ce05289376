-- Delegations: who may decide approval requests in whose place.
CREATE TABLE projections.delegations (
    tenant_id    uuid NOT NULL,
    id           uuid NOT NULL,
    from_user_id uuid NOT NULL,
    to_user_id   uuid NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('delegation', 'absence')),
    starts_at    timestamptz NOT NULL,
    ends_at      timestamptz,
    workflows    text[] NOT NULL,
    condition    text,
    reason       text,
    status       text NOT NULL CHECK (status IN ('given', 'withdrawn', 'returned', 'expired')),
    given_by     uuid,
    ended_by     uuid,
    ended_at     timestamptz,
    version      bigint NOT NULL,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX delegations_by_creation ON projections.delegations (tenant_id, created_at, id);
CREATE INDEX delegations_from ON projections.delegations (tenant_id, from_user_id, created_at, id);
CREATE INDEX delegations_to ON projections.delegations (tenant_id, to_user_id, created_at, id);
COMMENT ON TABLE projections.delegations IS 'Who may decide approval requests in whose place.';
COMMENT ON COLUMN projections.delegations.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.delegations.id IS 'The delegation''s id.';
COMMENT ON COLUMN projections.delegations.from_user_id IS 'Who is stood in for.';
COMMENT ON COLUMN projections.delegations.to_user_id IS 'Who stands in.';
COMMENT ON COLUMN projections.delegations.kind IS 'delegation, or absence: the one who is stood in for is away.';
COMMENT ON COLUMN projections.delegations.starts_at IS 'From when on.';
COMMENT ON COLUMN projections.delegations.ends_at IS 'Until when; null: until it is taken back.';
COMMENT ON COLUMN projections.delegations.workflows IS 'For requests of which workflows, by key; none: of all.';
COMMENT ON COLUMN projections.delegations.condition IS 'For which requests: CEL over `request`; null: for all.';
COMMENT ON COLUMN projections.delegations.reason IS 'Why.';
COMMENT ON COLUMN projections.delegations.status IS 'given; withdrawn: taken back; returned: given back by who stood in; expired: cleared away after its end.';
COMMENT ON COLUMN projections.delegations.given_by IS 'Who gave it; null: a service or the platform.';
COMMENT ON COLUMN projections.delegations.ended_by IS 'Who took it back or gave it back; null: nobody, a service or the platform.';
COMMENT ON COLUMN projections.delegations.ended_at IS 'When it was taken back, given back or cleared away.';
COMMENT ON COLUMN projections.delegations.version IS 'Version of the stream whose event touched this row last.';
COMMENT ON COLUMN projections.delegations.created_at IS 'When the row''s first event was recorded.';
COMMENT ON COLUMN projections.delegations.updated_at IS 'When the row''s last event was recorded.';
ALTER TABLE projections.delegations ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY delegations_system ON projections.delegations TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY delegations_api ON projections.delegations FOR SELECT TO gesta_api
    USING (tenant_id = (SELECT runtime.current_tenant()));
CREATE POLICY backup ON projections.delegations FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT, INSERT, UPDATE, DELETE ON projections.delegations TO gesta_system;
GRANT SELECT ON projections.delegations TO gesta_api;
