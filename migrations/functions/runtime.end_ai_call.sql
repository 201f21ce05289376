-- A call has ended, or was never made. `verdict`: answered, failed (which counts against the provider), neutral, or unmade.
CREATE OR REPLACE FUNCTION runtime.end_ai_call(
    tenant uuid, provider uuid, attempt uuid, verdict text, error text, used_tokens bigint, rest double precision,
    most_failures int, within double precision, opens_for double precision, opens_at_most double precision
) RETURNS void
LANGUAGE plpgsql VOLATILE SET enable_seqscan = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    known runtime.ai_provider_states;
    ended runtime.ai_provider_calls;
    now   timestamptz;
BEGIN
    SELECT s.* INTO known FROM runtime.ai_provider_states s
     WHERE s.tenant_id = tenant AND s.provider_id = provider FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    now := clock_timestamp();
    DELETE FROM runtime.ai_provider_calls c
     WHERE c.tenant_id = tenant AND c.provider_id = provider AND c.attempt_id = attempt RETURNING c.* INTO ended;
    IF FOUND AND (used_tokens IS NOT NULL OR verdict = 'unmade') THEN
        UPDATE runtime.ai_provider_seconds s
           SET tokens = greatest(s.tokens - ended.tokens + coalesce(used_tokens, 0), 0),
               requests = s.requests - CASE WHEN verdict = 'unmade' THEN 1 ELSE 0 END
         WHERE s.tenant_id = tenant AND s.provider_id = provider
           AND s.second = floor(extract(epoch FROM ended.began_at)) AND s.caller_id = ended.caller_id;
    END IF;
    IF known.probe = attempt THEN
        known.probe := NULL;
        known.probe_until := NULL;
        IF verdict = 'failed' THEN
            known.opened := known.opened + 1;
            known.open_until := now + make_interval(secs => least(opens_for * 2 ^ least(known.opened - 1, 20), opens_at_most));
            known.last_error := error;
            known.changed_at := now;
        END IF;
    ELSIF verdict = 'failed' AND known.open_until IS NULL THEN
        IF known.failing_since IS NULL OR known.failing_since < now - make_interval(secs => within) THEN
            known.failures := 0;
            known.failing_since := now;
        END IF;
        known.failures := known.failures + 1;
        known.last_error := error;
        IF known.failures >= most_failures THEN
            known.opened := 1;
            known.open_until := now + make_interval(secs => opens_for);
            known.changed_at := now;
        END IF;
    END IF;
    IF verdict = 'answered' AND (known.failures > 0 OR known.open_until IS NOT NULL) THEN
        IF known.open_until IS NOT NULL THEN
            known.changed_at := now;
        END IF;
        known.failures := 0;
        known.failing_since := NULL;
        known.open_until := NULL;
        known.opened := 0;
        known.probe := NULL;
        known.probe_until := NULL;
    END IF;
    IF rest > 0 THEN
        known.resting_until := greatest(known.resting_until, now + make_interval(secs => rest));
    END IF;
    UPDATE runtime.ai_provider_states s
       SET failures = known.failures, failing_since = known.failing_since, open_until = known.open_until, opened = known.opened,
           probe = known.probe, probe_until = known.probe_until, resting_until = known.resting_until,
           last_error = known.last_error, changed_at = known.changed_at
     WHERE s.tenant_id = tenant AND s.provider_id = provider;
END
$$;
COMMENT ON FUNCTION runtime.end_ai_call IS 'What a call came to: its place is free, what it used is settled, and the provider''s circuit goes by it.';
GRANT EXECUTE ON FUNCTION runtime.end_ai_call TO gesta_system;
