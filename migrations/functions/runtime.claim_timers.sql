-- Timers that are due, claimed for some seconds: of all tenants in turn, no more than a part of each (what is `under_way` of it counts),
-- and none that another process has claimed. In the order of their moments; where more is due than the window shows, from tenant to
-- tenant, by one look-up each.
-- Each order is one that a single index gives, and nothing is sorted to get it: so no plan reads what is not due. A tenant is
-- never asked for by an equality: then the index of moments alone would do as well, and what all others have due would be read.
-- Who claims waits for nobody: a row that another session is at is passed over.
CREATE OR REPLACE FUNCTION runtime.claim_timers(
    owners text[], most int, looked_at int, part int, under_way uuid[], seconds double precision
) RETURNS TABLE (
    tenant_id uuid, id uuid, due_at timestamptz, kind text, owner_kind text, owner_id uuid, activation_id uuid, moved int,
    between_attempts boolean
) LANGUAGE plpgsql VOLATILE SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_sort = off SET enable_incremental_sort = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    suspended     uuid[] := ARRAY(SELECT s.tenant_id FROM runtime.suspended_tenants s);
    now           timestamptz := clock_timestamp();
    until         timestamptz := now + seconds * interval '1 second';
    found_tenants uuid[];
    found_ids     uuid[];
    seen          int;
BEGIN
    -- What is passed over counts as well: it may be very much.
    SELECT array_agg(d.tenant_id) FILTER (WHERE d.is_wanted), array_agg(d.id) FILTER (WHERE d.is_wanted), count(*)
      INTO found_tenants, found_ids, seen FROM (
        SELECT t.tenant_id, t.id, t.owner_kind = ANY (owners) AND t.tenant_id <> ALL (suspended)
                                  AND coalesce(t.claimed_until <= now, true) AS is_wanted FROM runtime.timers t
         WHERE t.remaining IS NULL AND greatest(t.due_at, t.retry_at) <= now
         ORDER BY greatest(t.due_at, t.retry_at) LIMIT looked_at) d;
    IF seen = looked_at THEN
        WITH RECURSIVE tenants AS (
            (SELECT t.tenant_id, greatest(t.due_at, t.retry_at) AS first FROM runtime.timers t WHERE t.remaining IS NULL
              ORDER BY t.tenant_id, greatest(t.due_at, t.retry_at) LIMIT 1)
            UNION ALL
            SELECT n.tenant_id, n.first FROM tenants CROSS JOIN LATERAL (
                SELECT t.tenant_id, greatest(t.due_at, t.retry_at) AS first FROM runtime.timers t
                 WHERE t.remaining IS NULL AND t.tenant_id > tenants.tenant_id
                 ORDER BY t.tenant_id, greatest(t.due_at, t.retry_at) LIMIT 1) n
        ), room AS MATERIALIZED (
            SELECT s.tenant_id, part - (SELECT count(*) FROM unnest(under_way) u (tenant) WHERE u.tenant = s.tenant_id) AS left
              FROM tenants s WHERE s.first <= now AND s.tenant_id <> ALL (suspended)
        )
        SELECT array_agg(d.tenant_id), array_agg(d.id) INTO found_tenants, found_ids
          FROM room r CROSS JOIN LATERAL (
              SELECT t.tenant_id, t.id FROM runtime.timers t
               WHERE (t.tenant_id, greatest(t.due_at, t.retry_at)) >= (r.tenant_id, timestamptz '-infinity')
                 AND (t.tenant_id, greatest(t.due_at, t.retry_at)) <= (r.tenant_id, now) AND t.remaining IS NULL
                 AND t.owner_kind = ANY (owners) AND coalesce(t.claimed_until <= now, true)
               ORDER BY t.tenant_id, greatest(t.due_at, t.retry_at) LIMIT least(r.left, most)) d
         WHERE r.left > 0;
    END IF;
    RETURN QUERY
        WITH busy AS MATERIALIZED (
            SELECT u.tenant, count(*)::int AS held FROM unnest(under_way) u (tenant) GROUP BY u.tenant
        ), in_turn AS (
            SELECT t.tenant_id, t.place, greatest(t.due_at, t.retry_at) AS first,
                   coalesce((SELECT b.held FROM busy b WHERE b.tenant = t.tenant_id), 0)
                   + row_number() OVER (PARTITION BY t.tenant_id ORDER BY greatest(t.due_at, t.retry_at), t.id) AS turn
              FROM unnest(found_tenants, found_ids) f (tenant, timer) CROSS JOIN LATERAL (
                  SELECT t.*, t.ctid AS place FROM runtime.timers t WHERE t.tenant_id = f.tenant AND t.id = f.timer OFFSET 0) t
        ), chosen AS MATERIALIZED (
            SELECT l.row, i.turn FROM (SELECT * FROM in_turn i WHERE i.turn <= part ORDER BY i.turn, i.first LIMIT most) i
             CROSS JOIN LATERAL (
                  SELECT l.ctid AS row FROM runtime.timers l  -- by its place: by its id, a young table's plan reads all of its tenant
                   WHERE l.ctid = i.place AND l.remaining IS NULL AND greatest(l.due_at, l.retry_at) <= now
                     AND coalesce(l.claimed_until <= now, true)
                   FOR NO KEY UPDATE SKIP LOCKED) l
        ), claimed AS (
            UPDATE runtime.timers c SET claimed_until = until FROM chosen d WHERE c.ctid = d.row
            RETURNING c.*, d.turn
        )
        SELECT d.tenant_id, d.id, d.due_at, d.kind, d.owner_kind, d.owner_id, d.activation_id, d.moved,
               coalesce((SELECT bool_and(j.state <> 'leased') FROM runtime.jobs j
                          WHERE j.execution_id = d.execution_id AND j.activation_id = d.activation_id
                            AND j.tenant_id IS NOT DISTINCT FROM d.tenant_id), false)  -- by its execution, and never by all jobs of its tenant
          FROM claimed d ORDER BY d.turn, greatest(d.due_at, d.retry_at);
END
$$;
COMMENT ON FUNCTION runtime.claim_timers IS
    'Claims timers of such owners whose moment has come, of all tenants that are not suspended in turn, for so many seconds.';
GRANT EXECUTE ON FUNCTION runtime.claim_timers TO gesta_system;
