-- Analysts: people with logins of their own to the database, who read the tables of their one tenant with SQL. What binds them is not a
-- setting, which any session can change, but who has logged in.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'gesta_analyst') THEN
        CREATE ROLE gesta_analyst NOLOGIN;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'gesta_analyst' AND (rolsuper OR rolbypassrls OR rolcanlogin)) THEN
        RAISE EXCEPTION 'role gesta_analyst is a superuser, has BYPASSRLS or may log in: take that away first';
    END IF;
END
$$;
GRANT USAGE ON SCHEMA projections TO gesta_analyst;

CREATE TABLE runtime.analyst_logins (
    tenant_id           uuid        NOT NULL,
    login               text        NOT NULL CHECK (login ~ '^gesta_analyst_[0-9a-f]{16,32}$'),
    analyst_id          uuid,
    connections         integer     NOT NULL CHECK (connections BETWEEN 1 AND 20),
    statement_seconds   integer     NOT NULL CHECK (statement_seconds BETWEEN 1 AND 3600),
    idle_seconds        integer     NOT NULL CHECK (idle_seconds BETWEEN 1 AND 600),
    transaction_seconds integer     NOT NULL CHECK (transaction_seconds BETWEEN 1 AND 7200),
    expires_at          timestamptz,
    created_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, login),
    UNIQUE (login)
);
COMMENT ON TABLE runtime.analyst_logins IS 'Which tenant each login of an analyst is bound to, and its limits. Logins can only be made and changed by functions.';
COMMENT ON COLUMN runtime.analyst_logins.tenant_id IS 'The tenant whose rows the login sees.';
COMMENT ON COLUMN runtime.analyst_logins.login IS 'The role that logs in. It tells nothing of the tenant, as everybody sees the names of roles.';
COMMENT ON COLUMN runtime.analyst_logins.analyst_id IS 'The analyst; null: the login by which the API answers POST /v1/query.';
COMMENT ON COLUMN runtime.analyst_logins.connections IS 'How many sessions it may have at a time.';
COMMENT ON COLUMN runtime.analyst_logins.statement_seconds IS 'How long a statement may take.';
COMMENT ON COLUMN runtime.analyst_logins.idle_seconds IS 'How long a transaction may be idle.';
COMMENT ON COLUMN runtime.analyst_logins.transaction_seconds IS 'How long a transaction, and so its snapshot, may last.';
COMMENT ON COLUMN runtime.analyst_logins.expires_at IS 'From when on it sees nothing; null: never.';
COMMENT ON COLUMN runtime.analyst_logins.created_at IS 'When the login was made.';
ALTER TABLE runtime.analyst_logins ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY every_tenant ON runtime.analyst_logins FOR SELECT TO gesta_system USING (true);
CREATE POLICY by_admission ON runtime.analyst_logins TO gesta_owner USING ((SELECT runtime.appending())) WITH CHECK ((SELECT runtime.appending()));
CREATE POLICY own_login ON runtime.analyst_logins FOR SELECT TO gesta_owner USING (login = session_user);
CREATE POLICY backup ON runtime.analyst_logins FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT ON runtime.analyst_logins TO gesta_system;
-- Whether the tenant of a login is suspended is asked with the owner's rights.
CREATE POLICY of_analyst ON runtime.suspended_tenants FOR SELECT TO gesta_owner
    USING (tenant_id = (SELECT l.tenant_id FROM runtime.analyst_logins l WHERE l.login = session_user));

-- Who may query the database, as the tenant's audit log says it.
CREATE TABLE projections.analysts (
    tenant_id           uuid NOT NULL,
    id                  uuid NOT NULL,
    name                text NOT NULL,
    status              text NOT NULL CHECK (status IN ('active', 'dropped')),
    login               text NOT NULL,
    connections         bigint NOT NULL,
    statement_seconds   bigint NOT NULL,
    idle_seconds        bigint NOT NULL,
    transaction_seconds bigint NOT NULL,
    expires_at          timestamptz,
    number              bigint NOT NULL,
    rotated_at          timestamptz,
    dropped_at          timestamptz,
    version             bigint NOT NULL,
    created_at          timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
COMMENT ON TABLE projections.analysts IS 'Who has a login of their own to query the tables with SQL.';
ALTER TABLE projections.analysts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY analysts_system ON projections.analysts TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY analysts_api ON projections.analysts FOR SELECT TO gesta_api USING (tenant_id = (SELECT runtime.current_tenant()));
CREATE POLICY backup ON projections.analysts FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT, INSERT, UPDATE, DELETE ON projections.analysts TO gesta_system;
GRANT SELECT ON projections.analysts TO gesta_api;
COMMENT ON COLUMN projections.analysts.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.analysts.id IS 'The analyst''s id; follows from the name.';
COMMENT ON COLUMN projections.analysts.name IS 'Who it is, or what for.';
COMMENT ON COLUMN projections.analysts.status IS 'active, or dropped: there is no login any more.';
COMMENT ON COLUMN projections.analysts.login IS 'The role of the database that logs in.';
COMMENT ON COLUMN projections.analysts.connections IS 'How many sessions it may have at a time.';
COMMENT ON COLUMN projections.analysts.statement_seconds IS 'How long a statement may take.';
COMMENT ON COLUMN projections.analysts.idle_seconds IS 'How long a transaction may be idle.';
COMMENT ON COLUMN projections.analysts.transaction_seconds IS 'How long a transaction may last.';
COMMENT ON COLUMN projections.analysts.expires_at IS 'From when on the login sees nothing; null: never.';
COMMENT ON COLUMN projections.analysts.number IS 'Of its password: 1 when it was created, one more with each rotation.';
COMMENT ON COLUMN projections.analysts.rotated_at IS 'When it was given its password of now; null: when it was created.';
COMMENT ON COLUMN projections.analysts.dropped_at IS 'When its login was dropped.';
COMMENT ON COLUMN projections.analysts.version IS 'Version of the stream whose event touched this row last.';
COMMENT ON COLUMN projections.analysts.created_at IS 'When the row''s first event was recorded.';
COMMENT ON COLUMN projections.analysts.updated_at IS 'When the row''s last event was recorded.';
