-- In the order that one index alone gives; each job is looked up by its whole key.
CREATE OR REPLACE FUNCTION runtime.expired_leases(most int, looked_at int)
RETURNS TABLE (tenant_id uuid, id uuid, fence bigint, type text, execution_id uuid, activation_id uuid, task_id uuid)
LANGUAGE plpgsql VOLATILE SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_sort = off SET enable_incremental_sort = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    suspended uuid[] := ARRAY(SELECT s.tenant_id FROM runtime.suspended_tenants s);
    now       timestamptz := clock_timestamp();
BEGIN
    RETURN QUERY
        WITH expired AS MATERIALIZED (
            SELECT q.tenant_id, q.id, q.expires_at FROM runtime.job_queue q
             WHERE q.state = 'leased' AND q.expires_at <= now AND q.tenant_id <> ALL (suspended)
             ORDER BY q.expires_at LIMIT looked_at
        ), in_turn AS (
            SELECT *, row_number() OVER (PARTITION BY e.tenant_id ORDER BY e.expires_at, e.id) AS turn FROM expired e
        )
        SELECT j.tenant_id, j.id, j.fence, j.type, j.execution_id, j.activation_id, j.task_id
          FROM (SELECT * FROM in_turn i ORDER BY i.turn, i.expires_at LIMIT most) i CROSS JOIN LATERAL (
              SELECT * FROM runtime.jobs j WHERE j.tenant_id = i.tenant_id AND j.id = i.id OFFSET 0) j
         ORDER BY i.turn, i.expires_at;
END
$$;
COMMENT ON FUNCTION runtime.expired_leases IS 'Jobs whose lease has expired, of all tenants that are not suspended in turn.';
GRANT EXECUTE ON FUNCTION runtime.expired_leases TO gesta_system;
