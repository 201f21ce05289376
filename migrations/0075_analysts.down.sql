-- The role stays, as those of the first migration do; logins of analysts that are left see nothing any more.
DO $$
DECLARE
    found record;
BEGIN
    FOR found IN SELECT c.oid::regclass AS name FROM pg_class c
                  WHERE c.relnamespace = 'projections'::regnamespace AND c.relkind IN ('r', 'v') LOOP
        EXECUTE format('REVOKE ALL ON %s FROM gesta_analyst', found.name);
    END LOOP;
    FOR found IN SELECT p.polname, p.polrelid::regclass AS name FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
                  WHERE c.relnamespace = 'projections'::regnamespace AND p.polroles = ARRAY['gesta_analyst'::regrole::oid] LOOP
        EXECUTE format('DROP POLICY %I ON %s', found.polname, found.name);
    END LOOP;
END
$$;
REVOKE USAGE ON SCHEMA projections FROM gesta_analyst;
DROP TABLE projections.analysts;
DROP FUNCTION IF EXISTS runtime.analyst_tenant();
DROP POLICY of_analyst ON runtime.suspended_tenants;
DROP TABLE runtime.analyst_logins;
