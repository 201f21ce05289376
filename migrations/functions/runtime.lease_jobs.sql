-- Leases jobs, in turn: of every (type, tenant) that has ready jobs an equal share, beginning with the tenants after
-- `after_tenant`, so that a long queue of one tenant does not hold up another's first job. What others are leasing is passed over.
-- The last `reserved` of the `most` are for tenants that hold nothing yet, neither by this call nor (`held_by`) before it: one job of
-- each type for each of them.
-- Tenants with a weight have so much larger a share; a share that is less than one job is drawn by lot.
-- Limited tenants (runtime.limited_tenants) are leased by one session at a time, within their limits; who leases for all does not
-- wait for a tenant that another is at.
-- No plan of it may depend on what the planner believes of tables that are empty one moment and full of dead rows the next. So there
-- is one way to run each statement: an order that one index alone gives, and no sorting; jobs looked up by their whole key, one by
-- one, in a subquery that locks and is therefore never merged into the query around it, or by a list of ids. (A sort that cannot be
-- avoided counts as costly up to PostgreSQL 17, and what is costly is compiled: hence no jit.)
CREATE OR REPLACE FUNCTION runtime.lease_jobs(
    wanted text[], most int, seconds double precision, worker text, only_tenant uuid, after_tenant uuid,
    reserved int = 0, held_by uuid[] = '{}', for_key uuid = NULL
) RETURNS TABLE (
    tenant_id uuid, id uuid, fence bigint, type text, input bytea, attempt int, max_attempts int, lease_until timestamptz,
    execution_id uuid, activation_id uuid, task_id uuid
) LANGUAGE plpgsql VOLATILE SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_sort = off SET enable_incremental_sort = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    unit_types   text[];
    unit_tenants uuid[];
    spare        int := CASE WHEN only_tenant IS NULL THEN least(reserved, most) ELSE 0 END;
    remaining    int := most - spare;
    holders      uuid[] := held_by;
    to_newcomers boolean := false;
    share        int;
    taken        int;
    leased       int;
    due          record;
    one          record;
    limited      uuid[];                 -- of the tenants of this pass
    locked       uuid[] := '{}';         -- of them, those whose lock this has
    left_types   text[] := '{}';         -- with left_tenants: pairs that are not looked at any more
    left_tenants uuid[] := '{}';
    left_before  int;
    shares       int[];
    looked_at    int;                    -- of units in a pass: as many as are given one, or more where shares differ
    is_weighted  boolean := only_tenant IS NULL AND EXISTS (SELECT FROM runtime.tenant_weights);
    suspended    uuid[] := ARRAY(SELECT s.tenant_id FROM runtime.suspended_tenants s);
BEGIN
    -- A megabyte is a few thousand jobs come and gone. Not each time: while others are at it for long, as a backup is, it would be in vain.
    -- The larger it is, the rarer, since it is counted then.
    IF random() < 0.2 * 1048576 / greatest(pg_relation_size('runtime.job_queue'), 1) AND pg_relation_size('runtime.job_queue') > 1048576 THEN
        PERFORM runtime.rewrite_job_queue();
    END IF;
    LOCK TABLE runtime.limited_tenants IN ROW SHARE MODE;  -- see runtime.note_limit
    IF only_tenant IS NOT NULL THEN
        PERFORM FROM runtime.limited_tenants l WHERE l.tenant_id = only_tenant FOR NO KEY UPDATE;
        IF FOUND THEN
            locked := ARRAY[only_tenant];
        END IF;
    END IF;
    FOR one IN
        SELECT b.tenant_id, b.bucket FROM runtime.limit_buckets b
         WHERE b.next_at <= clock_timestamp() AND (only_tenant IS NULL OR b.tenant_id = only_tenant) ORDER BY b.next_at LIMIT 20
    LOOP
        IF one.tenant_id <> ALL (locked) THEN
            PERFORM FROM runtime.limited_tenants l WHERE l.tenant_id = one.tenant_id FOR NO KEY UPDATE SKIP LOCKED;
            CONTINUE WHEN NOT FOUND;
            locked := locked || one.tenant_id;
        END IF;
        PERFORM runtime.let_go(one.tenant_id, one.bucket);
    END LOOP;
    SELECT coalesce(array_agg(w.type), '{}'), coalesce(array_agg(b.tenant_id), '{}') INTO left_types, left_tenants
        FROM runtime.limit_buckets b JOIN unnest(wanted) w (type) ON b.bucket = 'type:' || w.type OR b.bucket = 'tenant' AND w.type NOT LIKE 'gesta.%'
        WHERE b.next_at IS NOT NULL AND b.is_blocking AND (only_tenant IS NULL OR b.tenant_id = only_tenant);
    FOR due IN
        SELECT d.tenant_id, array_agg(d.id) AS ids FROM unnest(wanted) w (type) CROSS JOIN LATERAL (
            SELECT q.tenant_id, q.id FROM runtime.job_queue q CROSS JOIN LATERAL (
                SELECT FROM runtime.jobs r WHERE r.tenant_id = q.tenant_id AND r.id = q.id AND r.state = 'waiting'
                FOR NO KEY UPDATE SKIP LOCKED) r
            WHERE q.state = 'waiting' AND q.type = w.type AND q.run_at <= clock_timestamp()
            ORDER BY q.run_at LIMIT 1000) d
        GROUP BY d.tenant_id
    LOOP
        UPDATE runtime.jobs j SET state = 'ready', updated_at = clock_timestamp() WHERE j.tenant_id = due.tenant_id AND j.id = ANY (due.ids);
    END LOOP;
    WHILE remaining > 0 OR spare > 0 LOOP
        IF remaining = 0 THEN
            to_newcomers := true;
            remaining := spare;
            spare := 0;
        END IF;
        looked_at := CASE WHEN is_weighted THEN greatest(remaining, 100) ELSE remaining END;
        IF only_tenant IS NOT NULL THEN
            SELECT array_agg(w.type), array_agg(only_tenant) INTO unit_types, unit_tenants
                FROM unnest(wanted) w (type) WHERE w.type <> ALL (left_types);
        ELSE
            -- From tenant to tenant by one look-up each, as many as there is room for: first those after the last one served.
            -- Those left out bound the spans that are looked through: their queues may be long, and are not read.
            WITH RECURSIVE bounds AS (
                SELECT b.type, b.bound, bool_or(b.is_left_out) AS is_left_out FROM (
                    SELECT w.type, c.bound, c.is_left_out FROM unnest(wanted) w (type) CROSS JOIN (
                        SELECT unnest(ARRAY['00000000-0000-0000-0000-000000000000', after_tenant, 'ffffffff-ffff-ffff-ffff-ffffffffffff'])
                               AS bound, false AS is_left_out
                        UNION ALL SELECT h.tenant_id, true FROM unnest(suspended || CASE WHEN to_newcomers THEN holders END) h (tenant_id)) c
                    UNION ALL SELECT l.type, l.tenant_id, true FROM unnest(left_types, left_tenants) l (type, tenant_id)) b
                    GROUP BY b.type, b.bound
            ), spans AS (
                SELECT type, lag(bound) OVER (PARTITION BY type ORDER BY bound) AS since, bound AS upto, is_left_out FROM bounds
            ), ring AS (
                SELECT s.since < after_tenant AS is_behind, s.upto, s.is_left_out, s.type, n.tenant_id, 1 AS nth
                    FROM spans s
                    CROSS JOIN LATERAL (
                        SELECT j.tenant_id FROM runtime.job_queue j
                        WHERE j.state = 'ready' AND j.type = s.type AND j.tenant_id > s.since AND j.tenant_id <= s.upto
                        ORDER BY j.tenant_id, j.priority DESC, j.run_at, j.id LIMIT 1) n
                    WHERE n.tenant_id < s.upto OR NOT s.is_left_out
                UNION ALL
                SELECT r.is_behind, r.upto, r.is_left_out, r.type, n.tenant_id, r.nth + 1
                    FROM ring r CROSS JOIN LATERAL (
                        SELECT j.tenant_id FROM runtime.job_queue j
                        WHERE j.state = 'ready' AND j.type = r.type AND j.tenant_id > r.tenant_id AND j.tenant_id <= r.upto
                        ORDER BY j.tenant_id, j.priority DESC, j.run_at, j.id LIMIT 1) n
                    WHERE r.nth < looked_at AND (n.tenant_id < r.upto OR NOT r.is_left_out)
            )
            SELECT array_agg(u.type), array_agg(u.tenant_id) INTO unit_types, unit_tenants
                FROM (SELECT type, tenant_id FROM ring ORDER BY is_behind, tenant_id, type LIMIT looked_at) u;
        END IF;
        EXIT WHEN unit_types IS NULL OR only_tenant = ANY (suspended);
        share := CASE WHEN to_newcomers THEN 1 ELSE greatest(remaining / cardinality(unit_types), 1) END;
        shares := NULL;
        IF is_weighted AND NOT to_newcomers THEN
            -- Drawn along a line on which each tenant has as much as its weight, whatever the number of its types.
            SELECT array_agg(w.share ORDER BY w.nth) INTO shares FROM (
                SELECT u.nth, floor(remaining * sum(u.weight) OVER so_far / sum(u.weight) OVER () + u.lot)
                            - floor(remaining * (sum(u.weight) OVER so_far - u.weight) / sum(u.weight) OVER () + u.lot) AS share
                  FROM (SELECT u.nth, coalesce(t.weight, 1)::double precision / count(*) OVER (PARTITION BY u.tenant) AS weight, l.lot
                          FROM unnest(unit_tenants) WITH ORDINALITY u (tenant, nth) CROSS JOIN (SELECT random() AS lot OFFSET 0) l
                          LEFT JOIN LATERAL (SELECT t.weight FROM runtime.tenant_weights t WHERE t.tenant_id = u.tenant) t ON true) u
                WINDOW so_far AS (ORDER BY u.nth ROWS UNBOUNDED PRECEDING)) w;
        END IF;
        limited := ARRAY(SELECT l.tenant_id FROM runtime.limited_tenants l WHERE l.tenant_id = ANY (unit_tenants));
        left_before := cardinality(left_types);
        taken := 0;
        FOR unit IN 1 .. cardinality(unit_types) LOOP
            share := coalesce(shares[unit], share);
            CONTINUE WHEN share = 0;
            IF unit_tenants[unit] = ANY (limited) THEN
                IF unit_tenants[unit] <> ALL (locked) THEN
                    PERFORM FROM runtime.limited_tenants l WHERE l.tenant_id = unit_tenants[unit] FOR NO KEY UPDATE SKIP LOCKED;
                    IF FOUND THEN
                        locked := locked || unit_tenants[unit];
                    END IF;
                END IF;
                leased := 0;
                IF unit_tenants[unit] = ANY (locked) THEN
                    RETURN QUERY SELECT * FROM runtime.lease_limited_jobs(
                        unit_tenants[unit], unit_types[unit], least(share, remaining - taken), seconds, worker, for_key);
                    GET DIAGNOSTICS leased = ROW_COUNT;
                END IF;
                IF leased < least(share, remaining - taken) THEN  -- others are looked at in its place
                    left_types := left_types || unit_types[unit];
                    left_tenants := left_tenants || unit_tenants[unit];
                END IF;
            ELSE
                RETURN QUERY
                    UPDATE runtime.jobs j
                        SET state = 'leased', attempt = j.attempt + 1, fence = j.fence + 1, worker_id = worker, leased_by = for_key,
                            lease_seconds = seconds, lease_until = clock_timestamp() + seconds * interval '1 second',
                            counted_in = NULL, updated_at = clock_timestamp()
                        WHERE j.tenant_id = unit_tenants[unit] AND j.id = ANY (ARRAY(
                            SELECT q.id FROM runtime.job_queue q CROSS JOIN LATERAL (
                                SELECT FROM runtime.jobs r WHERE r.tenant_id = q.tenant_id AND r.id = q.id AND r.state = 'ready'
                                    AND NOT coalesce(r.limits ?| '{concurrency,rate}', false)  -- of a tenant that is limited since a moment ago
                                FOR NO KEY UPDATE SKIP LOCKED) r
                            WHERE q.state = 'ready' AND q.type = unit_types[unit] AND q.tenant_id = unit_tenants[unit]
                            ORDER BY q.priority DESC, q.run_at, q.id
                            LIMIT least(share, remaining - taken)))
                        RETURNING j.tenant_id, j.id, j.fence, j.type, j.input, j.attempt, j.max_attempts, j.lease_until,
                                  j.execution_id, j.activation_id, j.task_id;
                GET DIAGNOSTICS leased = ROW_COUNT;
            END IF;
            taken := taken + leased;
            EXIT WHEN taken >= remaining;
        END LOOP;
        remaining := CASE WHEN taken = 0 AND NOT to_newcomers AND cardinality(left_types) = left_before THEN 0 ELSE remaining - taken END;
        holders := holders || unit_tenants;
    END LOOP;
END
$$;
COMMENT ON FUNCTION runtime.lease_jobs IS
    'Leases ready jobs of some types, fairly across tenants that are not suspended. Each is handed to one worker, with a new fencing token.';
GRANT EXECUTE ON FUNCTION runtime.lease_jobs TO gesta_system;
