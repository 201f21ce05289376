-- A session can change what it begins with, so limits are held to from outside: by whoever calls this from time to time, as each worker does.
-- It runs with the owner's rights, who is a member of each analyst's login, and so may see and end its sessions.
CREATE OR REPLACE FUNCTION runtime.end_analysts(at_a_time int DEFAULT 4, long_seconds int DEFAULT 5, share numeric DEFAULT 0.25)
    RETURNS TABLE (login text, reason text, ended boolean)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    moment timestamptz := clock_timestamp();
    found record;
BEGIN
    FOR found IN
        WITH session AS (
            SELECT a.pid, a.usename::text AS name, l.tenant_id, a.state, a.query_start, a.xact_start, a.state_change, a.backend_start,
                   l.statement_seconds, l.idle_seconds, l.transaction_seconds, l.expires_at,
                   EXISTS (SELECT FROM runtime.suspended_tenants s WHERE s.tenant_id = l.tenant_id) AS suspended,
                   EXISTS (SELECT FROM pg_locks k WHERE k.pid = a.pid AND k.locktype = 'advisory') AS locks,
                   rank() OVER (PARTITION BY l.tenant_id, a.state = 'active' AND a.query_start < moment - make_interval(secs => long_seconds)
                                ORDER BY a.query_start, a.pid) AS place,
                   row_number() OVER (ORDER BY a.state IS DISTINCT FROM 'active' DESC, a.state_change) AS idlest, count(*) OVER () AS sessions
              FROM pg_stat_activity a LEFT JOIN runtime.analyst_logins l ON l.login = a.usename
             -- Who may connect to this database may often connect to others of the server, and hold the same things up there. Logins that are
             -- not known here are then another database's.
             WHERE (a.datname = current_database() OR l.login IS NOT NULL)
               AND a.usename LIKE 'gesta\_analyst\_%' AND a.backend_type = 'client backend'
        ), judged AS (
            SELECT s.*, CASE
                WHEN s.tenant_id IS NULL THEN 'the login is not known here'
                WHEN s.expires_at <= moment THEN 'the login has expired'
                WHEN s.suspended THEN 'the tenant is suspended'
                WHEN s.locks THEN 'advisory locks are not for analysts'
                WHEN s.xact_start < moment - make_interval(secs => s.transaction_seconds) THEN 'a transaction took too long'
                WHEN s.state LIKE 'idle in transaction%' AND s.state_change < moment - make_interval(secs => s.idle_seconds)
                    THEN 'a transaction was idle for too long'
                WHEN s.state = 'active' AND s.query_start < moment - make_interval(secs => s.statement_seconds) THEN 'a statement took too long'
                WHEN s.idlest <= s.sessions - greatest(1, floor(current_setting('max_connections')::int * share))
                    THEN 'analysts have too many sessions'
                END AS why
              FROM session s
        )
        SELECT j.pid, j.name, coalesce(j.why, 'long statements of the tenant run already') AS why, j.why IS NOT NULL AS for_good
          FROM judged j
         WHERE j.why IS NOT NULL
            OR j.place > at_a_time AND j.state = 'active' AND j.query_start < moment - make_interval(secs => long_seconds)
    LOOP
        login := found.name;
        reason := found.why;
        ended := CASE WHEN found.for_good THEN pg_terminate_backend(found.pid) ELSE pg_cancel_backend(found.pid) END;
        RETURN NEXT;
    END LOOP;
    -- A large object is all that a login without a right to create anything can leave behind.
    PERFORM lo_unlink(m.oid) FROM pg_largeobject_metadata m JOIN pg_roles r ON r.oid = m.lomowner WHERE r.rolname LIKE 'gesta\_analyst\_%';
END
$$;
COMMENT ON FUNCTION runtime.end_analysts IS
    'Ends sessions of analysts that are beyond their limits, and cancels the latest of the long statements of a tenant beyond so many at a time.';
GRANT EXECUTE ON FUNCTION runtime.end_analysts TO gesta_system;
