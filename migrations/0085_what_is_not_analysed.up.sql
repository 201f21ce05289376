-- JSON, and the long texts of the audit log, are not looked up by value. Sorting them was half of what ANALYZE did, and where a table
-- is young autovacuum has it done while the projector wants the core.
DO $$
DECLARE
    c record;
BEGIN
    FOR c IN SELECT a.attrelid::regclass AS of_table, a.attname FROM pg_attribute a JOIN pg_class r ON r.oid = a.attrelid
              WHERE r.relnamespace = 'projections'::regnamespace AND r.relkind = 'r' AND NOT a.attisdropped
                AND (a.atttypid = 'jsonb'::regtype OR (r.relname, a.attname) IN (('audit_logs', 'tags'), ('audit_logs', 'description')))
    LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET STATISTICS 0', c.of_table, c.attname);
    END LOOP;
END
$$;
ALTER TABLE ledger.events ALTER COLUMN meta SET STATISTICS 0, ALTER COLUMN data SET STATISTICS 0;
