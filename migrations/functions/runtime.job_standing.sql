CREATE OR REPLACE FUNCTION runtime.job_standing(tenant uuid, job uuid, OUT place int, OUT held_back_by text)
LANGUAGE plpgsql VOLATILE SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_sort = off SET enable_incremental_sort = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    counted_up_to CONSTANT int := 10000;
    it record;
BEGIN
    SELECT q.type, q.state, q.bucket, q.priority, q.run_at, q.id INTO it FROM runtime.job_queue q WHERE q.tenant_id = tenant AND q.id = job;
    IF it.state = 'limited' THEN
        held_back_by := it.bucket;
        SELECT count(*) INTO place FROM (
            SELECT FROM runtime.job_queue q WHERE q.state = 'limited' AND q.tenant_id = tenant AND q.bucket = it.bucket
                AND (-q.priority, q.run_at, q.id) < (-it.priority, it.run_at, it.id) LIMIT counted_up_to) q;
    ELSIF it.state = 'ready' THEN
        SELECT b.bucket INTO held_back_by FROM runtime.limit_buckets b
            WHERE b.tenant_id = tenant AND b.bucket = ANY (ARRAY['tenant', 'type:' || it.type]) AND b.is_blocking AND b.next_at IS NOT NULL LIMIT 1;
        SELECT count(*) INTO place FROM (
            SELECT FROM runtime.job_queue q WHERE q.state = 'ready' AND q.type = it.type AND q.tenant_id = tenant
                AND (-q.priority, q.run_at, q.id) < (-it.priority, it.run_at, it.id) LIMIT counted_up_to) q;
    END IF;
END
$$;
COMMENT ON FUNCTION runtime.job_standing IS
    'How many jobs are before a ready one: of its type, or of those that the same limit holds back; at most 10000. And which bucket is full.';
GRANT EXECUTE ON FUNCTION runtime.job_standing TO gesta_system;
