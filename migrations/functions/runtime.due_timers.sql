-- For processes of the release before, which claim nothing (runtime.claim_timers).
-- The oldest of all tenants, by their turns; where more is due than the window shows, from tenant to tenant, by one look-up each.
-- Each order is one that a single index gives, and nothing is sorted to get it: so no plan reads what is not due. A tenant is
-- never asked for by an equality: then the index of moments alone would do as well, and what all others have due would be read.
CREATE OR REPLACE FUNCTION runtime.due_timers(owners text[], most int, looked_at int)
RETURNS TABLE (
    tenant_id uuid, id uuid, due_at timestamptz, kind text, owner_kind text, owner_id uuid, activation_id uuid, moved int,
    between_attempts boolean
) LANGUAGE plpgsql VOLATILE SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_sort = off SET enable_incremental_sort = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    suspended uuid[] := ARRAY(SELECT s.tenant_id FROM runtime.suspended_tenants s);
    now       timestamptz := clock_timestamp();
    found_ids     uuid[];
    found_tenants uuid[];
    seen          int;
BEGIN
    -- What is passed over counts as well: it may be very much.
    SELECT array_agg(d.tenant_id) FILTER (WHERE d.is_wanted), array_agg(d.id) FILTER (WHERE d.is_wanted), count(*)
      INTO found_tenants, found_ids, seen FROM (
        SELECT t.tenant_id, t.id, t.owner_kind = ANY (owners) AND t.tenant_id <> ALL (suspended) AS is_wanted FROM runtime.timers t
         WHERE t.remaining IS NULL AND greatest(t.due_at, t.retry_at) <= now
         ORDER BY greatest(t.due_at, t.retry_at) LIMIT looked_at) d;
    IF seen = looked_at THEN
        WITH RECURSIVE tenants AS (
            (SELECT t.tenant_id FROM runtime.timers t WHERE t.remaining IS NULL
              ORDER BY t.tenant_id, greatest(t.due_at, t.retry_at) LIMIT 1)
            UNION ALL
            SELECT n.tenant_id FROM tenants CROSS JOIN LATERAL (
                SELECT t.tenant_id FROM runtime.timers t WHERE t.remaining IS NULL AND t.tenant_id > tenants.tenant_id
                 ORDER BY t.tenant_id, greatest(t.due_at, t.retry_at) LIMIT 1) n
        )
        SELECT array_agg(d.tenant_id), array_agg(d.id) INTO found_tenants, found_ids
          FROM tenants s CROSS JOIN LATERAL (
              SELECT t.tenant_id, t.id FROM runtime.timers t
               WHERE (t.tenant_id, greatest(t.due_at, t.retry_at)) >= (s.tenant_id, timestamptz '-infinity')
                 AND (t.tenant_id, greatest(t.due_at, t.retry_at)) <= (s.tenant_id, now) AND t.remaining IS NULL
                 AND t.owner_kind = ANY (owners)
               ORDER BY t.tenant_id, greatest(t.due_at, t.retry_at) LIMIT most) d
         WHERE s.tenant_id <> ALL (suspended);
    END IF;
    RETURN QUERY
        SELECT d.tenant_id, d.id, d.due_at, d.kind, d.owner_kind, d.owner_id, d.activation_id, d.moved,
               coalesce((SELECT bool_and(j.state <> 'leased') FROM runtime.jobs j
                          WHERE j.execution_id = d.execution_id AND j.activation_id = d.activation_id
                            AND j.tenant_id IS NOT DISTINCT FROM d.tenant_id), false)  -- by its execution, and never by all jobs of its tenant
          FROM (SELECT t.*, row_number() OVER (PARTITION BY t.tenant_id ORDER BY greatest(t.due_at, t.retry_at), t.id) AS turn
                  FROM unnest(found_tenants, found_ids) f (tenant, timer) CROSS JOIN LATERAL (
                      SELECT * FROM runtime.timers t WHERE t.tenant_id = f.tenant AND t.id = f.timer OFFSET 0) t
                 ORDER BY turn, greatest(t.due_at, t.retry_at) LIMIT most) d
         ORDER BY d.turn, greatest(d.due_at, d.retry_at);
END
$$;
COMMENT ON FUNCTION runtime.due_timers IS
    'Timers of such owners whose moment has come, of all tenants that are not suspended in turn.';
GRANT EXECUTE ON FUNCTION runtime.due_timers TO gesta_system;
