-- Of concurrency by what is leased; of rate by slices of the window, a twentieth of it at least, each counted until its last start is
-- as old as the window: so there are never more in any window, and room for new ones comes a twentieth late at most.
-- Exact while nobody else leases the tenant's limited jobs: under the lock of its row in runtime.limited_tenants.
CREATE OR REPLACE FUNCTION runtime.room_in(
    tenant uuid, of_bucket text, concurrency int, rate_count int, rate_seconds double precision, now timestamptz,
    OUT room int, OUT next_at timestamptz
) LANGUAGE plpgsql VOLATILE SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_sort = off SET enable_incremental_sort = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    used int;
BEGIN
    room := 2147483647;
    IF concurrency IS NOT NULL THEN
        SELECT count(*) INTO used FROM (
            SELECT FROM runtime.limit_uses u WHERE u.tenant_id = tenant AND u.bucket = of_bucket LIMIT concurrency) u;
        room := concurrency - used;
    END IF;
    IF rate_count IS NOT NULL THEN
        SELECT coalesce(sum(r.n), 0), min(r.last) + rate_seconds * interval '1 second' INTO used, next_at
          FROM runtime.limit_buckets b CROSS JOIN LATERAL unnest(b.rate_lasts, b.rate_counts) r (last, n)
         WHERE b.tenant_id = tenant AND b.bucket = of_bucket AND r.last > now - rate_seconds * interval '1 second';
        IF rate_count - used < room THEN
            room := rate_count - used;
        ELSE
            next_at := NULL;
        END IF;
    END IF;
END
$$;
COMMENT ON FUNCTION runtime.room_in IS 'How many more may be leased by a limit, and when there will be more: NULL where that depends on what is leased.';
GRANT EXECUTE ON FUNCTION runtime.room_in TO gesta_system;
