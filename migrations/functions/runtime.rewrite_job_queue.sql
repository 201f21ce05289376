-- What has died in a table is cleaned up when nobody can see it any more; a table that is emptied has nothing dead. Whoever waits for it
-- meanwhile waits for some milliseconds: it is small, or most of it is dead, and where others are at it for long, it is left as it is.
CREATE OR REPLACE FUNCTION runtime.rewrite_job_queue() RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '50ms' AS $$
DECLARE
    bytes_a_row CONSTANT int := 200;
    alive       runtime.job_queue[];
    how_many    bigint;
BEGIN
    IF NOT runtime.appending() THEN
        RAISE EXCEPTION 'only a login that may append sees all rows' USING ERRCODE = 'insufficient_privilege';
    END IF;
    LOCK TABLE runtime.job_queue IN SHARE UPDATE EXCLUSIVE MODE NOWAIT;  -- one at a time, and not beside a vacuum
    SELECT count(*) INTO how_many FROM runtime.job_queue;
    IF pg_relation_size('runtime.job_queue') < 4 * how_many * bytes_a_row THEN
        RETURN false;
    END IF;
    LOCK TABLE runtime.job_queue IN ACCESS EXCLUSIVE MODE;
    alive := ARRAY(SELECT q FROM runtime.job_queue q);
    TRUNCATE runtime.job_queue;
    INSERT INTO runtime.job_queue SELECT * FROM unnest(alive);
    RETURN true;
EXCEPTION WHEN lock_not_available THEN
    RETURN false;
END
$$;
COMMENT ON FUNCTION runtime.rewrite_job_queue IS
    'Writes runtime.job_queue afresh where most of it is dead. For the beginning of a transaction that holds nothing yet.';
GRANT EXECUTE ON FUNCTION runtime.rewrite_job_queue TO gesta_system;
