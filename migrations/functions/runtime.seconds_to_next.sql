-- Each by the order that one index alone gives.
CREATE OR REPLACE FUNCTION runtime.seconds_to_next(what text, kinds text[] = '{}', only_tenant uuid = NULL) RETURNS double precision
LANGUAGE plpgsql VOLATILE SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_sort = off SET enable_incremental_sort = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    suspended uuid[] := ARRAY(SELECT s.tenant_id FROM runtime.suspended_tenants s);
    moment    timestamptz;
    looked_at CONSTANT int := 1000;
    since     timestamptz := clock_timestamp() - interval '1 second';  -- once: else it is compared with all that is before it
BEGIN
    IF what = 'timer' THEN
        -- Asked when nothing is due. What is passed over may be very much, due and pending: no more than some of it is looked at, and
        -- whoever asks looks again at the moment of the last.
        SELECT coalesce(min(d.moment) FILTER (WHERE d.is_wanted), CASE WHEN count(*) = looked_at THEN max(d.moment) END) INTO moment FROM (
            SELECT greatest(t.due_at, t.retry_at) AS moment, t.owner_kind = ANY (kinds) AND t.tenant_id <> ALL (suspended) AS is_wanted
              FROM runtime.timers t
             WHERE t.remaining IS NULL AND greatest(t.due_at, t.retry_at) > since
             ORDER BY greatest(t.due_at, t.retry_at) LIMIT looked_at) d;
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
