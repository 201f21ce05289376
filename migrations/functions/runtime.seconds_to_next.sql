-- Each by the order that one index alone gives.
CREATE OR REPLACE FUNCTION runtime.seconds_to_next(what text, kinds text[] = '{}', only_tenant uuid = NULL) RETURNS double precision
LANGUAGE plpgsql VOLATILE SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_sort = off SET enable_incremental_sort = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    suspended uuid[] := ARRAY(SELECT s.tenant_id FROM runtime.suspended_tenants s);
    moment    timestamptz;
BEGIN
    IF what = 'timer' THEN
        SELECT greatest(t.due_at, t.retry_at) INTO moment FROM runtime.timers t
            WHERE t.remaining IS NULL AND t.owner_kind = ANY (kinds) AND t.tenant_id <> ALL (suspended)
            ORDER BY greatest(t.due_at, t.retry_at) LIMIT 1;
    ELSIF what = 'expiry' THEN
        SELECT q.expires_at INTO moment FROM runtime.job_queue q
            WHERE q.state = 'leased' AND q.tenant_id <> ALL (suspended) ORDER BY q.expires_at LIMIT 1;
    ELSE
        SELECT min(n.run_at) INTO moment FROM unnest(kinds) w (type) CROSS JOIN LATERAL (
            SELECT q.run_at FROM runtime.job_queue q
             WHERE q.state = 'waiting' AND q.type = w.type AND (only_tenant IS NULL OR q.tenant_id = only_tenant)
             ORDER BY q.run_at LIMIT 1) n;
        SELECT least(moment, min(n.next_at)) INTO moment FROM (
            SELECT b.next_at FROM runtime.limit_buckets b
             WHERE b.next_at IS NOT NULL AND (only_tenant IS NULL OR b.tenant_id = only_tenant) ORDER BY b.next_at LIMIT 1) n;
    END IF;
    RETURN extract(epoch FROM moment - clock_timestamp());
END
$$;
COMMENT ON FUNCTION runtime.seconds_to_next IS
    'Until the next timer of some owners (timer), expiring lease (expiry), or waiting job of some types (job). NULL: there is none.';
GRANT EXECUTE ON FUNCTION runtime.seconds_to_next TO gesta_system;
