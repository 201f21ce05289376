-- Three roles share the work, and none of them is a superuser or may pass by row-level security:
--   gesta_owner   owns and migrates everything; no process that serves runs as it
--   gesta_system  appends, projects and works, by explicit grants and policies
--   gesta_api     reads, one tenant per transaction, under forced row-level security
-- Where they exist (the embedded server makes them with LOGIN) they are left as they are.
DO $$
DECLARE
    role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['gesta_owner', 'gesta_system', 'gesta_api'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
        END IF;
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = role_name AND (rolsuper OR rolbypassrls)) THEN
            RAISE EXCEPTION 'role % is a superuser or has BYPASSRLS: take that away first', role_name;
        END IF;
    END LOOP;
END
$$;

CREATE SCHEMA ledger;
COMMENT ON SCHEMA ledger IS 'What happened: the events of every tenant, append-only, and the heads and streams they hang on.';

CREATE SCHEMA runtime;
COMMENT ON SCHEMA runtime IS 'What is going on: commands already answered, jobs, timers, name claims, checkpoints. Not a record of anything.';

CREATE SCHEMA projections;
COMMENT ON SCHEMA projections IS 'What people query: tables folded from the ledger. They can be dropped and made again from it.';

GRANT USAGE ON SCHEMA ledger, runtime, projections TO gesta_system, gesta_api;

-- A function that nobody was granted is nobody's: append must not be executable because somebody forgot a REVOKE.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

CREATE FUNCTION runtime.current_tenant() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    -- nullif: after a transaction that set it, the setting is '' and not NULL
    RETURN nullif(current_setting('gesta.tenant_id', true), '')::uuid;
COMMENT ON FUNCTION runtime.current_tenant() IS
    'The tenant this transaction works for (SET LOCAL gesta.tenant_id), or NULL. In policies write (SELECT runtime.current_tenant()), so that it is evaluated once a query.';
GRANT EXECUTE ON FUNCTION runtime.current_tenant() TO gesta_system, gesta_api;
