DROP FUNCTION runtime.lease_jobs;

-- Leases jobs, in turn: of every (type, tenant) that has ready jobs an equal share, beginning with the tenants after
-- `after_tenant`, so that a long queue of one tenant does not hold up another's first job. What others are leasing is passed over.
CREATE FUNCTION runtime.lease_jobs(
    wanted text[], most int, seconds double precision, worker text, only_tenant uuid, after_tenant uuid
) RETURNS TABLE (
    tenant_id uuid, id uuid, fence bigint, type text, input bytea, attempt int, max_attempts int, lease_until timestamptz,
    execution_id uuid, activation_id uuid, task_id uuid
) LANGUAGE plpgsql VOLATILE SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    unit_types   text[];
    unit_tenants uuid[];
    remaining    int := most;
    taken        int;
BEGIN
    UPDATE runtime.jobs j SET state = 'ready', updated_at = clock_timestamp()
        FROM unnest(wanted) w (type) CROSS JOIN LATERAL (
            SELECT d.tenant_id, d.id FROM runtime.jobs d WHERE d.state = 'waiting' AND d.type = w.type AND d.run_at <= clock_timestamp()
            ORDER BY d.run_at LIMIT 1000 FOR NO KEY UPDATE SKIP LOCKED) due
        WHERE j.tenant_id = due.tenant_id AND j.id = due.id;
    WHILE remaining > 0 LOOP
        IF only_tenant IS NOT NULL THEN
            unit_types := wanted;
            unit_tenants := array_fill(only_tenant, ARRAY[cardinality(wanted)]);
        ELSE
            -- From tenant to tenant by one look-up each, as many as there is room for: first those after the last one served.
            WITH RECURSIVE ring AS (
                SELECT s.turn, s.upto, w.type, n.tenant_id, 1 AS nth
                    FROM (VALUES (1, after_tenant, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid),
                                 (2, '00000000-0000-0000-0000-000000000000'::uuid, after_tenant)) s (turn, since, upto)
                    CROSS JOIN unnest(wanted) w (type)
                    CROSS JOIN LATERAL (
                        SELECT j.tenant_id FROM runtime.jobs j
                        WHERE j.state = 'ready' AND j.type = w.type AND j.tenant_id > s.since AND j.tenant_id <= s.upto
                        ORDER BY j.tenant_id LIMIT 1) n
                UNION ALL
                SELECT r.turn, r.upto, r.type, n.tenant_id, r.nth + 1
                    FROM ring r CROSS JOIN LATERAL (
                        SELECT j.tenant_id FROM runtime.jobs j
                        WHERE j.state = 'ready' AND j.type = r.type AND j.tenant_id > r.tenant_id AND j.tenant_id <= r.upto
                        ORDER BY j.tenant_id LIMIT 1) n
                    WHERE r.nth < remaining
            )
            SELECT array_agg(u.type), array_agg(u.tenant_id) INTO unit_types, unit_tenants
                FROM (SELECT type, tenant_id FROM ring ORDER BY turn, tenant_id, type LIMIT remaining) u;
        END IF;
        EXIT WHEN unit_types IS NULL;
        RETURN QUERY
            UPDATE runtime.jobs j
                SET state = 'leased', attempt = j.attempt + 1, fence = j.fence + 1, worker_id = worker, lease_seconds = seconds,
                    lease_until = clock_timestamp() + seconds * interval '1 second', updated_at = clock_timestamp()
                FROM (SELECT r.tenant_id, r.id FROM unnest(unit_types, unit_tenants) u (type, tenant) CROSS JOIN LATERAL (
                          SELECT r.tenant_id, r.id FROM runtime.jobs r
                          WHERE r.state = 'ready' AND r.type = u.type AND r.tenant_id = u.tenant
                          ORDER BY r.priority DESC, r.run_at, r.id
                          LIMIT (remaining + cardinality(unit_types) - 1) / cardinality(unit_types)
                          FOR NO KEY UPDATE SKIP LOCKED) r
                      LIMIT remaining) next
                WHERE j.tenant_id = next.tenant_id AND j.id = next.id
                RETURNING j.tenant_id, j.id, j.fence, j.type, j.input, j.attempt, j.max_attempts, j.lease_until,
                          j.execution_id, j.activation_id, j.task_id;
        GET DIAGNOSTICS taken = ROW_COUNT;
        EXIT WHEN taken = 0;
        remaining := remaining - taken;
    END LOOP;
END
$$;
COMMENT ON FUNCTION runtime.lease_jobs IS 'Leases ready jobs of some types, fairly across tenants. Each is handed to one worker, with a new fencing token.';
GRANT EXECUTE ON FUNCTION runtime.lease_jobs TO gesta_system;
