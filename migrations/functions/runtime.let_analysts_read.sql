-- Of every table and view of a schema that has none yet, so that none is forgotten. The migration runner calls it after the migrations, and
-- `migrations/projections/tables.sql` for tables that are made anew.
CREATE OR REPLACE FUNCTION runtime.let_analysts_read(schema regnamespace) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found record;
    rule  text;
BEGIN
    FOR found IN
        SELECT c.oid, c.relname, c.relkind, c.oid::regclass AS name,
               EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped) AS of_tenants
          FROM pg_class c
         WHERE c.relnamespace = schema
           AND (c.relkind = 'r' AND c.relrowsecurity AND c.relforcerowsecurity
                OR c.relkind = 'v' AND c.reloptions @> '{security_invoker=true}')
         ORDER BY c.relname
    LOOP
        IF NOT has_table_privilege('gesta_analyst', found.oid, 'SELECT') THEN
            EXECUTE format('GRANT SELECT ON %s TO gesta_analyst', found.name);
        END IF;
        CONTINUE WHEN found.relkind = 'v' OR EXISTS (
            SELECT FROM pg_policy p WHERE p.polrelid = found.oid AND p.polname = left(found.relname, 55) || '_analyst');
        rule := CASE
            WHEN found.of_tenants THEN 'tenant_id = (SELECT runtime.analyst_tenant())'
            WHEN found.relname = 'tenants' THEN 'id = (SELECT runtime.analyst_tenant())'
            WHEN found.relname = 'users' THEN format(
                'EXISTS (SELECT FROM %s.tenant_users m WHERE m.tenant_id = (SELECT runtime.analyst_tenant()) AND m.user_id = users.id '
                'AND m.status IN (''active'', ''suspended'') OFFSET 0)', schema)
            WHEN found.relname = 'permissions' THEN '(SELECT runtime.analyst_tenant()) IS NOT NULL'
            ELSE 'false'
        END;
        EXECUTE format('CREATE POLICY %I ON %s FOR SELECT TO gesta_analyst USING (%s)',
                       left(found.relname, 55) || '_analyst', found.name, rule);
    END LOOP;
END
$$;
COMMENT ON FUNCTION runtime.let_analysts_read IS
    'Grants gesta_analyst SELECT on the tables and views of a schema, and gives each table the policy that shows an analyst the own tenant''s rows.';
