-- Of the session's login, which nobody but a superuser can change: not of a setting, nor of the role of the moment.
CREATE OR REPLACE FUNCTION runtime.analyst_tenant() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT l.tenant_id FROM runtime.analyst_logins l
     WHERE l.login = session_user AND (l.expires_at IS NULL OR l.expires_at > clock_timestamp())
       AND NOT EXISTS (SELECT FROM runtime.suspended_tenants s WHERE s.tenant_id = l.tenant_id)
$$;
COMMENT ON FUNCTION runtime.analyst_tenant IS
    'The tenant that the login of this session is bound to, or NULL. In policies write (SELECT runtime.analyst_tenant()), so that it is evaluated once a query.';
GRANT EXECUTE ON FUNCTION runtime.analyst_tenant TO gesta_analyst;
