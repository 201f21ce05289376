DO $$
DECLARE
    c record;
BEGIN
    FOR c IN SELECT a.attrelid::regclass AS of_table, a.attname FROM pg_attribute a JOIN pg_class r ON r.oid = a.attrelid
              WHERE r.relnamespace = 'projections'::regnamespace AND r.relkind = 'r' AND a.attstattarget = 0
    LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET STATISTICS -1', c.of_table, c.attname);
    END LOOP;
END
$$;
ALTER TABLE ledger.events ALTER COLUMN meta SET STATISTICS -1, ALTER COLUMN data SET STATISTICS -1;
