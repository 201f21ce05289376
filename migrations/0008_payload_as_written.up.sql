-- audit_logs.payload is the event as it was written, where it used to be what the release of the day read from it. All tables of a
-- ledger move together, so all are folded afresh: the projector begins at the first event again.
DO $$
BEGIN
    EXECUTE (SELECT 'TRUNCATE ' || string_agg(oid::regclass::text, ', ') FROM pg_class
              WHERE relnamespace = 'projections'::regnamespace AND relkind = 'r');
END
$$;

COMMENT ON COLUMN projections.audit_logs.payload IS 'The event''s fields as they were written, without secrets.';
