-- It runs with the owner's rights. What it answers is not to stand where everybody reads: not in the text of a function or a setting.
CREATE OR REPLACE FUNCTION runtime.secret_channel(name text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    ending text;
BEGIN
    SELECT s.suffix INTO ending FROM runtime.notification_secret s;
    IF NOT FOUND THEN
        INSERT INTO runtime.notification_secret DEFAULT VALUES ON CONFLICT DO NOTHING;
        SELECT s.suffix INTO ending FROM runtime.notification_secret s;
    END IF;
    RETURN name || '_' || ending;
END
$$;
COMMENT ON FUNCTION runtime.secret_channel IS 'What one of our notification channels is really called in this database.';
GRANT EXECUTE ON FUNCTION runtime.secret_channel TO gesta_system;
