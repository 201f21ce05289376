CREATE OR REPLACE FUNCTION runtime.note_start(tenant uuid, of_bucket text, rate_seconds double precision, now timestamptz) RETURNS void
LANGUAGE plpgsql VOLATILE SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_sort = off SET enable_incremental_sort = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    firsts timestamptz[];
    lasts  timestamptz[];
    counts int[];
    last   int;
BEGIN
    INSERT INTO runtime.limit_buckets (tenant_id, bucket) VALUES (tenant, of_bucket) ON CONFLICT DO NOTHING;
    SELECT array_agg(r.first ORDER BY r.first), array_agg(r.last ORDER BY r.first), array_agg(r.n ORDER BY r.first) INTO firsts, lasts, counts
      FROM runtime.limit_buckets b CROSS JOIN LATERAL unnest(b.rate_firsts, b.rate_lasts, b.rate_counts) r (first, last, n)
     WHERE b.tenant_id = tenant AND b.bucket = of_bucket AND r.last > now - rate_seconds * interval '1 second';
    last := cardinality(firsts);
    IF last > 0 AND firsts[last] > now - rate_seconds / 20 * interval '1 second' THEN
        lasts[last] := greatest(lasts[last], now);
        counts[last] := counts[last] + 1;
    ELSE
        firsts := firsts || now;
        lasts := lasts || now;
        counts := counts || 1;
    END IF;
    UPDATE runtime.limit_buckets b SET rate_firsts = firsts, rate_lasts = lasts, rate_counts = counts
        WHERE b.tenant_id = tenant AND b.bucket = of_bucket;
END
$$;
COMMENT ON FUNCTION runtime.note_start IS 'Counts a lease in the window of a rate. A part of runtime.lease_limited_jobs.';
GRANT EXECUTE ON FUNCTION runtime.note_start TO gesta_system;
