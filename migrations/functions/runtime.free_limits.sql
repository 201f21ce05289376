-- A lease has ended. Deferred, so that nothing else is locked after it, and it waits for nobody: what others are at is looked at again
-- by runtime.let_go. It runs as the login that ended the lease, be it by append or by itself.
CREATE OR REPLACE FUNCTION runtime.free_limits() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_sort = off SET enable_incremental_sort = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    one   text;
    next_ uuid[];
    woken boolean := false;
BEGIN
    FOREACH one IN ARRAY OLD.counted_in LOOP
        DELETE FROM runtime.limit_uses u WHERE u.tenant_id = OLD.tenant_id AND u.bucket = one AND u.job_id = OLD.id;
        PERFORM FROM runtime.limit_buckets b WHERE b.tenant_id = OLD.tenant_id AND b.bucket = one AND b.next_at IS NOT NULL
            FOR NO KEY UPDATE SKIP LOCKED;
        CONTINUE WHEN NOT FOUND;
        next_ := ARRAY(
            SELECT q.id FROM runtime.job_queue q CROSS JOIN LATERAL (
                SELECT FROM runtime.jobs r WHERE r.tenant_id = q.tenant_id AND r.id = q.id AND r.held_back_by = one
                FOR NO KEY UPDATE SKIP LOCKED) r
            WHERE q.state = 'limited' AND q.tenant_id = OLD.tenant_id AND q.bucket = one
            ORDER BY q.tenant_id, q.bucket, q.priority DESC, q.run_at, q.id LIMIT 1);
        UPDATE runtime.jobs j SET held_back_by = NULL WHERE j.tenant_id = OLD.tenant_id AND j.id = ANY (next_);
        UPDATE runtime.limit_buckets b SET checks = 0, next_at = CASE WHEN b.is_blocking THEN clock_timestamp() ELSE b.next_at END
            WHERE b.tenant_id = OLD.tenant_id AND b.bucket = one AND (b.is_blocking OR b.checks > 0);
        woken := true;
    END LOOP;
    IF woken THEN
        PERFORM pg_notify(runtime.secret_channel('gesta_jobs'), OLD.tenant_id || ':');
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION runtime.free_limits IS 'A job counts no longer where it was leased, and the next one that was held back there is ready.';

DROP TRIGGER IF EXISTS freed ON runtime.jobs;
CREATE CONSTRAINT TRIGGER freed AFTER UPDATE ON runtime.jobs DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.state = 'leased' AND NEW.state <> 'leased' AND OLD.counted_in IS NOT NULL) EXECUTE FUNCTION runtime.free_limits();
COMMENT ON TRIGGER freed ON runtime.jobs IS 'The end of a lease makes room within limits.';
DROP TRIGGER IF EXISTS freed_and_gone ON runtime.jobs;
CREATE CONSTRAINT TRIGGER freed_and_gone AFTER DELETE ON runtime.jobs DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.state = 'leased' AND OLD.counted_in IS NOT NULL) EXECUTE FUNCTION runtime.free_limits();
COMMENT ON TRIGGER freed_and_gone ON runtime.jobs IS 'The end of a lease makes room within limits.';
