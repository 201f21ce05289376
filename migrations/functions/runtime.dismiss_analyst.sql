CREATE OR REPLACE FUNCTION runtime.dismiss_analyst(login text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
BEGIN
    IF login !~ '^gesta_analyst_[0-9a-f]{16,32}$' THEN
        RAISE EXCEPTION 'no login of an analyst' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    DELETE FROM runtime.analyst_logins l WHERE l.login = login;
    IF NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = login AND pg_has_role(r.oid, 'gesta_analyst', 'MEMBER')) THEN
        RETURN;
    END IF;
    EXECUTE format('ALTER ROLE %I NOLOGIN PASSWORD NULL', login);
    PERFORM pg_terminate_backend(a.pid) FROM pg_stat_activity a WHERE a.usename = login;
    BEGIN
        EXECUTE format('DROP OWNED BY %I', login);
        EXECUTE format('DROP ROLE %I', login);
    EXCEPTION WHEN dependent_objects_still_exist OR insufficient_privilege THEN
        RAISE WARNING 'the role % stays, without a password and without a login', login;
    END;
END
$$;
COMMENT ON FUNCTION runtime.dismiss_analyst IS 'Ends the sessions of an analyst''s login and drops it. There need not be one.';
GRANT EXECUTE ON FUNCTION runtime.dismiss_analyst TO gesta_system;
