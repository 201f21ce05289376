-- Makes a login, or gives it another password and other limits. It runs with the owner's rights, who may create roles; whoever may append
-- sees all that the login will. `verifier`: a password's SCRAM verifier, so that no log of statements ever has the password.
CREATE OR REPLACE FUNCTION runtime.admit_analyst(
    tenant uuid, analyst uuid, login text, verifier text, connections int, statement_seconds int, idle_seconds int, transaction_seconds int,
    expires timestamptz
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    has_options boolean := current_setting('server_version_num')::int >= 160000;
    place       name;
    setting     text;
BEGIN
    IF login !~ '^gesta_analyst_[0-9a-f]{16,32}$' OR verifier !~ '^SCRAM-SHA-256\$[0-9]+:' THEN
        RAISE EXCEPTION 'no login of an analyst, or no SCRAM-SHA-256 verifier' USING ERRCODE = 'invalid_parameter_value';
    ELSIF tenant = '00000000-0000-0000-0000-000000000001' OR NOT EXISTS (SELECT FROM ledger.heads h WHERE h.tenant_id = tenant) THEN
        RAISE EXCEPTION 'there is no such tenant' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- two processes may be about to make the same one
    LOCK TABLE runtime.analyst_logins IN SHARE ROW EXCLUSIVE MODE;
    IF EXISTS (SELECT FROM runtime.analyst_logins l WHERE l.login = login AND l.tenant_id <> tenant) THEN
        RAISE EXCEPTION 'the login is bound to another tenant' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = login) THEN
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', login);
            EXECUTE format('GRANT gesta_analyst TO %I', login);
            -- so that its sessions can be ended: whoever has a role's rights may do that
            EXECUTE format('GRANT %I TO gesta_owner%s', login, CASE WHEN has_options THEN ' WITH INHERIT TRUE, SET FALSE' ELSE '' END);
        EXCEPTION WHEN duplicate_object THEN NULL;  -- from another database of this server, just now
        END;
    ELSIF NOT pg_has_role(login, 'gesta_analyst', 'MEMBER') THEN
        RAISE EXCEPTION 'a role of that name exists and is no analyst''s' USING ERRCODE = 'duplicate_object';
    END IF;
    EXECUTE format('ALTER ROLE %I LOGIN INHERIT CONNECTION LIMIT %s PASSWORD %L VALID UNTIL %L',
                   login, connections, verifier, coalesce(expires::text, 'infinity'));
    -- What a session begins with. It may change all that; what holds is in runtime.analyst_logins. What it has set for sessions to come,
    -- of all databases or of one, is taken back.
    FOR place IN
        SELECT d.datname FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
         WHERE s.setrole = (SELECT r.oid FROM pg_roles r WHERE r.rolname = login) LOOP
        EXECUTE format('ALTER ROLE %I IN DATABASE %I RESET ALL', login, place);
    END LOOP;
    EXECUTE format('ALTER ROLE %I RESET ALL', login);
    FOREACH setting IN ARRAY ARRAY[
        format('statement_timeout = %L', statement_seconds || 's'), format('idle_in_transaction_session_timeout = %L', idle_seconds || 's'),
        'lock_timeout = ''5s''', 'default_transaction_read_only = on', 'work_mem = ''16MB''', 'search_path = projections',
        'max_parallel_workers_per_gather = 1', 'tcp_keepalives_idle = 4', 'tcp_keepalives_interval = 2', 'tcp_keepalives_count = 3'] LOOP
        EXECUTE format('ALTER ROLE %I SET %s', login, setting);
    END LOOP;
    BEGIN
        EXECUTE format('ALTER ROLE %I SET temp_file_limit = ''1GB''', login);
    EXCEPTION WHEN insufficient_privilege THEN NULL;  -- a superuser can let the owner set it; see docs/how-to/connect-as-an-analyst.md
    END;
    INSERT INTO runtime.analyst_logins
           (tenant_id, login, analyst_id, connections, statement_seconds, idle_seconds, transaction_seconds, expires_at)
    VALUES (tenant, login, analyst, connections, statement_seconds, idle_seconds, transaction_seconds, expires)
        ON CONFLICT ON CONSTRAINT analyst_logins_pkey DO UPDATE SET analyst_id = EXCLUDED.analyst_id, connections = EXCLUDED.connections,
           statement_seconds = EXCLUDED.statement_seconds, idle_seconds = EXCLUDED.idle_seconds,
           transaction_seconds = EXCLUDED.transaction_seconds, expires_at = EXCLUDED.expires_at;
END
$$;
COMMENT ON FUNCTION runtime.admit_analyst IS
    'Makes a login that is bound to a tenant and may only read, or gives one that there is another password and other limits.';
GRANT EXECUTE ON FUNCTION runtime.admit_analyst TO gesta_system;
