-- Of one tenant and type, where there are limits; in lease_jobs, under the lock of the tenant's row in runtime.limited_tenants.
-- What is judged to be held back is taken out of the way, some of it each time: 'limited' in the queue, until its bucket has room
-- (runtime.let_go). A bucket that holds back everything of the type is noted as blocking instead, and the type is passed over.
CREATE OR REPLACE FUNCTION runtime.lease_limited_jobs(
    tenant uuid, job_type text, most int, seconds double precision, worker text, for_key uuid
) RETURNS TABLE (
    tenant_id uuid, id uuid, fence bigint, type text, input bytea, attempt int, max_attempts int, lease_until timestamptz,
    execution_id uuid, activation_id uuid, task_id uuid
) LANGUAGE plpgsql VOLATILE SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_sort = off SET enable_incremental_sort = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    aside_at_most CONSTANT int := 500;
    now     timestamptz := clock_timestamp();
    known   text[] := '{}';          -- limits that were looked at, and the room within each
    rooms   int[] := '{}';
    moments timestamptz[] := '{}';
    leased  int := 0;
    looked  int := 0;
    job     record;
    rule    record;
    judged   record;
    full_   text;
    blocks  boolean;
    at_     timestamptz;
    counted text[];
    n       int;
BEGIN
    FOR job IN
        SELECT q.id, r.limits FROM runtime.job_queue q CROSS JOIN LATERAL (
            SELECT r.limits FROM runtime.jobs r
            WHERE r.tenant_id = q.tenant_id AND r.id = q.id AND r.state = 'ready' AND r.held_back_by IS NULL
            FOR NO KEY UPDATE SKIP LOCKED) r
        WHERE q.state = 'ready' AND q.type = job_type AND q.tenant_id = tenant
        ORDER BY q.priority DESC, q.run_at, q.id
        LIMIT most + aside_at_most
    LOOP
        looked := looked + 1;
        full_ := NULL;
        counted := '{}';
        FOR rule IN SELECT * FROM runtime.limits_of(tenant, job_type, job.limits) LOOP
            n := array_position(known, rule::text);
            IF n IS NULL THEN
                SELECT * INTO judged FROM runtime.room_in(tenant, rule.bucket, rule.concurrency, rule.rate_count, rule.rate_seconds, now);
                known := known || rule::text;
                rooms := rooms || judged.room;
                moments := moments || judged.next_at;
                n := cardinality(known);
            END IF;
            IF rooms[n] <= 0 THEN
                full_ := rule.bucket;
                blocks := rule.is_blocking;
                at_ := moments[n];
                EXIT;
            END IF;
            IF rule.concurrency IS NOT NULL AND rule.bucket <> ALL (counted) THEN
                counted := counted || rule.bucket;
            END IF;
        END LOOP;
        IF full_ IS NULL THEN
            INSERT INTO runtime.limit_uses (tenant_id, bucket, job_id) SELECT tenant, c, job.id FROM unnest(counted) c ON CONFLICT DO NOTHING;
            FOR rule IN SELECT * FROM runtime.limits_of(tenant, job_type, job.limits) LOOP
                n := array_position(known, rule::text);
                rooms[n] := rooms[n] - 1;
                IF rule.rate_count IS NOT NULL THEN
                    PERFORM runtime.note_start(tenant, rule.bucket, rule.rate_seconds, now);
                END IF;
            END LOOP;
            RETURN QUERY
                UPDATE runtime.jobs j
                    SET state = 'leased', attempt = j.attempt + 1, fence = j.fence + 1, worker_id = worker, leased_by = for_key,
                        lease_seconds = seconds, lease_until = now + seconds * interval '1 second', updated_at = now, counted_in = counted
                    WHERE j.tenant_id = tenant AND j.id = job.id
                    RETURNING j.tenant_id, j.id, j.fence, j.type, j.input, j.attempt, j.max_attempts, j.lease_until,
                              j.execution_id, j.activation_id, j.task_id;
            leased := leased + 1;
            EXIT WHEN leased >= most;
        ELSE
            INSERT INTO runtime.limit_buckets (tenant_id, bucket) VALUES (tenant, full_) ON CONFLICT DO NOTHING;
            IF NOT blocks THEN
                UPDATE runtime.jobs j SET held_back_by = full_, updated_at = now WHERE j.tenant_id = tenant AND j.id = job.id;
                -- Elsewhere it may have been let go in the place of another.
                UPDATE runtime.limit_buckets b SET next_at = now WHERE b.tenant_id = tenant AND b.bucket = ANY (counted) AND b.next_at > now;
            END IF;
            -- What ends a lease meanwhile does not see this yet: so it is looked at again soon, and then less and less often.
            UPDATE runtime.limit_buckets b
                SET next_at = coalesce(at_, now + least(0.2 * power(2, b.checks), 60) * interval '1 second'), is_blocking = blocks,
                    checks = b.checks + CASE WHEN blocks THEN 1 ELSE 0 END
                WHERE b.tenant_id = tenant AND b.bucket = full_ AND (blocks OR b.next_at IS NULL OR at_ < b.next_at);
            EXIT WHEN blocks;
        END IF;
    END LOOP;
    IF looked = most + aside_at_most AND leased < most THEN  -- there is more behind them: whoever asks when to look again is told now
        UPDATE runtime.limit_buckets b SET next_at = now WHERE b.tenant_id = tenant AND b.bucket = full_;
    END IF;
END
$$;
COMMENT ON FUNCTION runtime.lease_limited_jobs IS 'Leases jobs of a tenant and type within its limits, and takes those that are held back out of the way. A part of runtime.lease_jobs.';
GRANT EXECUTE ON FUNCTION runtime.lease_limited_jobs TO gesta_system;
