CREATE OR REPLACE FUNCTION runtime.current_tenant() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    -- nullif: after a transaction that set it, the setting is '' and not NULL
    RETURN nullif(current_setting('gesta.tenant_id', true), '')::uuid;
COMMENT ON FUNCTION runtime.current_tenant IS
    'The tenant this transaction works for (SET LOCAL gesta.tenant_id), or NULL. In policies write (SELECT runtime.current_tenant()), so that it is evaluated once a query.';
GRANT EXECUTE ON FUNCTION runtime.current_tenant TO gesta_system, gesta_api;
