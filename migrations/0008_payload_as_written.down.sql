-- As before, audit_logs.payload is what the release of the day reads from an event. All tables of a
-- ledger move together, so all are folded afresh: the projector begins at the first event again.
DO $$
BEGIN
    EXECUTE (SELECT 'TRUNCATE ' || string_agg(oid::regclass::text, ', ') FROM pg_class
              WHERE relnamespace = 'projections'::regnamespace AND relkind = 'r');
END
$$;

COMMENT ON COLUMN projections.audit_logs.payload IS 'The event itself, without secrets.';
