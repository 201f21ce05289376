-- Asked when there is nothing to claim. What is due and claimed is looked for again when the claim ends: who has it may be dead. What is
-- passed over may be very much, due and pending: no more than some of it is looked at, and whoever asks looks again at the moment of
-- the last.
CREATE OR REPLACE FUNCTION runtime.seconds_to_timer(owners text[]) RETURNS double precision
LANGUAGE plpgsql VOLATILE SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_sort = off SET enable_incremental_sort = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    suspended uuid[] := ARRAY(SELECT s.tenant_id FROM runtime.suspended_tenants s);
    looked_at CONSTANT int := 1000;
    since     timestamptz := clock_timestamp() - interval '1 second';  -- once: else it is compared with all that is before it
    claimed   timestamptz;
    coming    timestamptz;
BEGIN
    SELECT min(d.claimed_until) INTO claimed FROM (
        SELECT t.claimed_until, t.owner_kind = ANY (owners) AND t.tenant_id <> ALL (suspended) AS is_wanted FROM runtime.timers t
         WHERE t.remaining IS NULL AND greatest(t.due_at, t.retry_at) <= since
         ORDER BY greatest(t.due_at, t.retry_at) LIMIT looked_at) d
     WHERE d.is_wanted AND d.claimed_until IS NOT NULL;
    SELECT coalesce(min(greatest(d.moment, d.claimed_until)) FILTER (WHERE d.is_wanted), CASE WHEN count(*) = looked_at THEN max(d.moment) END)
      INTO coming FROM (
        SELECT greatest(t.due_at, t.retry_at) AS moment, t.claimed_until,
               t.owner_kind = ANY (owners) AND t.tenant_id <> ALL (suspended) AS is_wanted
          FROM runtime.timers t
         WHERE t.remaining IS NULL AND greatest(t.due_at, t.retry_at) > since
         ORDER BY greatest(t.due_at, t.retry_at) LIMIT looked_at) d;
    RETURN extract(epoch FROM least(claimed, coming) - clock_timestamp());
END
$$;
COMMENT ON FUNCTION runtime.seconds_to_timer IS
    'Until the next timer of such owners is due, or one that is due is claimed by nobody any more. NULL: there is none.';
GRANT EXECUTE ON FUNCTION runtime.seconds_to_timer TO gesta_system;
