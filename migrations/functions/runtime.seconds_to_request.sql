-- By the rate that the trigger names itself, and by the limit that was set for it: both hold, each in a bucket of its own. Requests of
-- one trigger are counted one after the other, under the lock of its bucket.
CREATE OR REPLACE FUNCTION runtime.seconds_to_request(tenant uuid, trigger_id uuid, own_count int, own_seconds double precision)
RETURNS double precision
LANGUAGE plpgsql VOLATILE SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_sort = off SET enable_incremental_sort = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    own     CONSTANT text := 'rate:trigger/' || trigger_id;
    set_for CONSTANT text := 'trigger:' || trigger_id;
    now     timestamptz;
    rule    record;
    judged  record;
    rules   text[] := '{}';
    spans   double precision[] := '{}';
BEGIN
    FOR rule IN
        SELECT own AS bucket, own_count AS count, own_seconds AS seconds WHERE own_count IS NOT NULL
        UNION ALL
        SELECT set_for, l.rate_count, l.rate_seconds FROM runtime.limits l
         WHERE l.tenant_id = tenant AND l.scope = 'trigger' AND l.name = trigger_id::text AND l.rate_count IS NOT NULL
    LOOP
        INSERT INTO runtime.limit_buckets (tenant_id, bucket) VALUES (tenant, rule.bucket) ON CONFLICT DO NOTHING;
        PERFORM FROM runtime.limit_buckets b WHERE b.tenant_id = tenant AND b.bucket = rule.bucket FOR NO KEY UPDATE;
        now := clock_timestamp();
        SELECT * INTO judged FROM runtime.room_in(tenant, rule.bucket, NULL, rule.count, rule.seconds, now);
        IF judged.room <= 0 THEN
            RETURN greatest(extract(epoch FROM judged.next_at - now), 0);
        END IF;
        rules := rules || rule.bucket;
        spans := spans || rule.seconds;
    END LOOP;
    FOR n IN 1 .. cardinality(rules) LOOP
        PERFORM runtime.note_start(tenant, rules[n], spans[n], now);
    END LOOP;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION runtime.seconds_to_request IS 'NULL: a request may start something by this trigger now, which is counted; otherwise in how many seconds one may.';
GRANT EXECUTE ON FUNCTION runtime.seconds_to_request TO gesta_system;
