-- The server has one queue of notifications, for all databases. A session that listens and stays in a transaction keeps it from being
-- emptied, and once it is full no transaction that notifies is committed: no tenant's. Any login may do both, so from a share of it on,
-- sessions of analysts that are in a transaction are ended. It runs with the owner's rights, as runtime.end_analysts does.
CREATE OR REPLACE FUNCTION runtime.end_queue_holders(share double precision DEFAULT 0.02)
    RETURNS TABLE (login text, reason text, ended boolean)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    IF pg_notification_queue_usage() < share THEN
        RETURN;
    END IF;
    RETURN QUERY
        SELECT a.usename::text, 'the queue of notifications fills', pg_terminate_backend(a.pid)
          FROM pg_stat_activity a
         WHERE a.usename LIKE 'gesta\_analyst\_%' AND a.backend_type = 'client backend' AND a.xact_start IS NOT NULL
           AND pg_has_role(a.usesysid, 'USAGE');
END
$$;
COMMENT ON FUNCTION runtime.end_queue_holders IS
    'Ends sessions of analysts that are in a transaction while the server''s queue of notifications fills: one of them may keep it full.';
GRANT EXECUTE ON FUNCTION runtime.end_queue_holders TO gesta_system;
