-- Secrets of tenants: which there are, as people query it; and beside the ledger their sealed values, which nobody but a worker opens.
CREATE TABLE projections.secrets (
    tenant_id   uuid NOT NULL,
    id          uuid NOT NULL,
    name        text NOT NULL,
    description text,
    hosts       text[] NOT NULL,
    number      bigint NOT NULL,
    created_by  uuid,
    rotated_by  uuid,
    rotated_at  timestamptz,
    version     bigint NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT secrets_name_is_unique UNIQUE (tenant_id, name)
);
CREATE INDEX secrets_by_creation ON projections.secrets (tenant_id, created_at, id);
COMMENT ON TABLE projections.secrets IS 'Credentials that nodes refer to by name. Their values are nowhere in it.';
COMMENT ON COLUMN projections.secrets.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.secrets.id IS 'The secret''s id; follows from its name.';
COMMENT ON COLUMN projections.secrets.name IS 'As definitions name it.';
COMMENT ON COLUMN projections.secrets.description IS 'What it is for.';
COMMENT ON COLUMN projections.secrets.hosts IS 'Where requests may carry it; none: nowhere, it signs only.';
COMMENT ON COLUMN projections.secrets.number IS 'Of its value: 1 when it was created, one more with each rotation.';
COMMENT ON COLUMN projections.secrets.created_by IS 'Who created it; null: a service or the platform.';
COMMENT ON COLUMN projections.secrets.rotated_by IS 'Who gave it its value of now; null: nobody since it was created, or a service.';
COMMENT ON COLUMN projections.secrets.rotated_at IS 'When it was given its value of now; null: when it was created.';
COMMENT ON COLUMN projections.secrets.version IS 'Version of the stream whose event touched this row last.';
COMMENT ON COLUMN projections.secrets.created_at IS 'When the row''s first event was recorded.';
COMMENT ON COLUMN projections.secrets.updated_at IS 'When the row''s last event was recorded.';
ALTER TABLE projections.secrets ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY secrets_system ON projections.secrets TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY secrets_api ON projections.secrets FOR SELECT TO gesta_api
    USING (tenant_id = (SELECT runtime.current_tenant()));
CREATE POLICY backup ON projections.secrets FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT, INSERT, UPDATE, DELETE ON projections.secrets TO gesta_system;
GRANT SELECT ON projections.secrets TO gesta_api;

-- A row is written before the event that names it. Where that never came, or another value took its place, it is swept.
CREATE TABLE runtime.secrets (
    tenant_id   uuid        NOT NULL,
    id          uuid        NOT NULL,
    secret_id   uuid        NOT NULL,
    master_key  text        NOT NULL,
    nonce       bytea       NOT NULL CHECK (octet_length(nonce) = 12),
    ciphertext  bytea       NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    sweep_after timestamptz,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX secrets_of_secret ON runtime.secrets (tenant_id, secret_id);
CREATE INDEX secrets_to_sweep ON runtime.secrets (sweep_after) WHERE sweep_after IS NOT NULL;
COMMENT ON TABLE runtime.secrets IS 'Values of secrets, sealed by AES-256-GCM under a master key that is not in this database.';
COMMENT ON COLUMN runtime.secrets.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN runtime.secrets.id IS 'Of the value: the secret''s events name it. Another value has another id.';
COMMENT ON COLUMN runtime.secrets.secret_id IS 'The secret whose value it is. Tenant, secret and value are sealed with it: it opens nowhere else.';
COMMENT ON COLUMN runtime.secrets.master_key IS 'Which master key opens it: the beginning of a hash of the key, in hex.';
COMMENT ON COLUMN runtime.secrets.nonce IS 'Random, and never used twice under a key.';
COMMENT ON COLUMN runtime.secrets.ciphertext IS 'The sealed value, with its tag.';
COMMENT ON COLUMN runtime.secrets.created_at IS 'When it was written.';
COMMENT ON COLUMN runtime.secrets.sweep_after IS 'From when on it is deleted unless the secret has this value; NULL: it was looked at, and has.';
ALTER TABLE runtime.secrets ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY secrets_system ON runtime.secrets TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY backup ON runtime.secrets FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT, INSERT, UPDATE, DELETE ON runtime.secrets TO gesta_system;
