-- For a login that has got another password: who got in by the one before is out. It runs with the owner's rights, as runtime.end_analysts.
CREATE OR REPLACE FUNCTION runtime.end_analyst_sessions(login text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
BEGIN
    PERFORM pg_terminate_backend(a.pid) FROM pg_stat_activity a
      WHERE a.usename = login AND login ~ '^gesta_analyst_[0-9a-f]{16,32}$' AND a.backend_type = 'client backend';
END
$$;
COMMENT ON FUNCTION runtime.end_analyst_sessions IS 'Ends all sessions of an analyst''s login, in whichever database of the server.';
GRANT EXECUTE ON FUNCTION runtime.end_analyst_sessions TO gesta_system;
