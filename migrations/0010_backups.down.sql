DO $$
DECLARE
    found record;
BEGIN
    FOR found IN SELECT polrelid::regclass AS name FROM pg_policy WHERE polname = 'backup' LOOP
        EXECUTE format('DROP POLICY backup ON %s', found.name);
    END LOOP;
END
$$;
DROP FUNCTION runtime.backing_up();
