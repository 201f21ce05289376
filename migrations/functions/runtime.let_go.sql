-- What a bucket holds back, as far as it has room by now: the first in their order are ready again, and judged anew when they are leased.
-- Under the lock of the tenant's row in runtime.limited_tenants.
CREATE OR REPLACE FUNCTION runtime.let_go(tenant uuid, of_bucket text) RETURNS void
LANGUAGE plpgsql VOLATILE SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_sort = off SET enable_incremental_sort = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    at_once CONSTANT int := 1000;
    now     timestamptz := clock_timestamp();
    head    record;
    judged   record;
    room    int := at_once;
    then_   timestamptz;
    freed   uuid[];
BEGIN
    SELECT q.type, r.limits INTO head FROM runtime.job_queue q CROSS JOIN LATERAL (
        SELECT r.limits FROM runtime.jobs r WHERE r.tenant_id = q.tenant_id AND r.id = q.id OFFSET 0) r
        WHERE q.state = 'limited' AND q.tenant_id = tenant AND q.bucket = of_bucket
        ORDER BY q.tenant_id, q.bucket, q.priority DESC, q.run_at, q.id LIMIT 1;
    IF NOT FOUND THEN
        UPDATE runtime.limit_buckets b SET next_at = NULL, is_blocking = false WHERE b.tenant_id = tenant AND b.bucket = of_bucket;
        RETURN;
    END IF;
    SELECT min(r.room), max(r.next_at) INTO judged
        FROM runtime.limits_of(tenant, head.type, head.limits) l
        CROSS JOIN LATERAL runtime.room_in(tenant, of_bucket, l.concurrency, l.rate_count, l.rate_seconds, now) r
        WHERE l.bucket = of_bucket;
    room := least(coalesce(judged.min, at_once), at_once);
    IF room > 0 THEN
        freed := ARRAY(
            SELECT q.id FROM runtime.job_queue q CROSS JOIN LATERAL (
                SELECT FROM runtime.jobs r WHERE r.tenant_id = q.tenant_id AND r.id = q.id AND r.held_back_by = of_bucket
                FOR NO KEY UPDATE SKIP LOCKED) r
            WHERE q.state = 'limited' AND q.tenant_id = tenant AND q.bucket = of_bucket
            ORDER BY q.tenant_id, q.bucket, q.priority DESC, q.run_at, q.id LIMIT room);
        UPDATE runtime.jobs j SET held_back_by = NULL, updated_at = now WHERE j.tenant_id = tenant AND j.id = ANY (freed);
    END IF;
    UPDATE runtime.limit_buckets b
        SET checks = CASE WHEN room > 0 THEN 0 ELSE b.checks + 1 END,
            next_at = CASE WHEN room >= at_once THEN now
                           ELSE coalesce(judged.max, now + least(0.2 * power(2, CASE WHEN room > 0 THEN 0 ELSE b.checks END), 60) * interval '1 second') END
        WHERE b.tenant_id = tenant AND b.bucket = of_bucket;
END
$$;
COMMENT ON FUNCTION runtime.let_go IS 'Lets go of the jobs that a bucket holds back, as far as it has room. A part of runtime.lease_jobs.';
GRANT EXECUTE ON FUNCTION runtime.let_go TO gesta_system;
