CREATE OR REPLACE FUNCTION runtime.hold_job() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    NEW.state := 'held';
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION runtime.hold_job IS 'Holds a job.';
