-- Whether a call of a provider may begin. One provider is asked about by one caller at a time, under the lock of its state.
--
-- Limits count the last minute in whole seconds, the one under way included: so there are never more than that in any sixty. A
-- tenant takes more than its share of a limit only while no other waits for the provider.
CREATE OR REPLACE FUNCTION runtime.begin_ai_call(
    tenant uuid, provider uuid, caller uuid, attempt uuid,
    most_calls int, most_requests int, most_tokens bigint, expected_tokens bigint, lasts double precision
) RETURNS TABLE (wait double precision, why text)
LANGUAGE plpgsql VOLATILE SET enable_seqscan = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    known     runtime.ai_provider_states;
    now       timestamptz;
    this      bigint;
    under_way record;
    minute    record;
    others    int;
    share     int;
    probing   boolean := false;
BEGIN
    INSERT INTO runtime.ai_provider_states (tenant_id, provider_id) VALUES (tenant, provider) ON CONFLICT DO NOTHING;
    SELECT s.* INTO known FROM runtime.ai_provider_states s
     WHERE s.tenant_id = tenant AND s.provider_id = provider FOR NO KEY UPDATE;
    now := clock_timestamp();
    this := floor(extract(epoch FROM now));

    IF known.open_until > now THEN
        RETURN QUERY SELECT extract(epoch FROM known.open_until - now)::double precision, 'open';
        RETURN;
    ELSIF known.open_until IS NOT NULL THEN
        IF known.probe_until > now THEN
            RETURN QUERY SELECT least(extract(epoch FROM known.probe_until - now)::double precision, 5.0), 'open';
            RETURN;
        END IF;
        probing := true;
    END IF;
    IF known.resting_until > now THEN
        RETURN QUERY SELECT extract(epoch FROM known.resting_until - now)::double precision, 'resting';
        RETURN;
    END IF;

    DELETE FROM runtime.ai_provider_calls c WHERE c.tenant_id = tenant AND c.provider_id = provider AND c.ends_at <= now;
    DELETE FROM runtime.ai_provider_seconds s WHERE s.tenant_id = tenant AND s.provider_id = provider AND s.second <= this - 60;
    DELETE FROM runtime.ai_provider_waits w WHERE w.tenant_id = tenant AND w.provider_id = provider AND w.until <= now;
    SELECT count(*) FILTER (WHERE w.caller_id <> caller) INTO others
      FROM runtime.ai_provider_waits w WHERE w.tenant_id = tenant AND w.provider_id = provider;
    SELECT count(*) AS calls, count(*) FILTER (WHERE c.caller_id = caller) AS own, count(DISTINCT c.caller_id) AS callers
      INTO under_way
      FROM runtime.ai_provider_calls c WHERE c.tenant_id = tenant AND c.provider_id = provider;
    SELECT coalesce(sum(s.requests), 0) AS requests, coalesce(sum(s.tokens), 0) AS tokens,
           coalesce(sum(s.requests) FILTER (WHERE s.caller_id = caller), 0) AS own_requests,
           coalesce(sum(s.tokens) FILTER (WHERE s.caller_id = caller), 0) AS own_tokens,
           coalesce(min(s.second), this) + 60 - extract(epoch FROM now)::double precision AS until_less
      INTO minute
      FROM runtime.ai_provider_seconds s WHERE s.tenant_id = tenant AND s.provider_id = provider;
    share := others + 1;

    IF under_way.calls >= most_calls OR (most_calls IS NOT NULL AND others > 0 AND under_way.own >= greatest(most_calls / share, 1)) THEN
        wait := 1.0;
        why := 'concurrency';
    ELSIF minute.requests >= most_requests
          OR (most_requests IS NOT NULL AND others > 0 AND minute.own_requests >= greatest(most_requests / share, 1)) THEN
        wait := least(greatest(minute.until_less, 0.05), 60.0);
        why := 'requests';
    ELSIF minute.tokens > 0 AND (minute.tokens + expected_tokens > most_tokens
          OR (others > 0 AND minute.own_tokens > 0 AND minute.own_tokens + expected_tokens > most_tokens / share)) THEN
        wait := least(greatest(minute.until_less, 0.05), 60.0);
        why := 'tokens';
    END IF;
    IF wait IS NOT NULL THEN
        -- Those who wait look again, and not all at once: about fifty in a second.
        IF known.waiting_since IS NULL OR known.waiting_since < now - interval '10 seconds' THEN
            known.waiting := 0;
            known.waiting_since := now;
        END IF;
        UPDATE runtime.ai_provider_states s SET waiting = known.waiting + 1, waiting_since = known.waiting_since
         WHERE s.tenant_id = tenant AND s.provider_id = provider;
        wait := wait + least(known.waiting / 50.0, 30.0);
        INSERT INTO runtime.ai_provider_waits VALUES (tenant, provider, caller, now + make_interval(secs => wait + 5))
            ON CONFLICT (tenant_id, provider_id, caller_id) DO UPDATE SET until = excluded.until;
        RETURN NEXT;
        RETURN;
    END IF;

    DELETE FROM runtime.ai_provider_waits w WHERE w.tenant_id = tenant AND w.provider_id = provider AND w.caller_id = caller;
    INSERT INTO runtime.ai_provider_calls
    VALUES (tenant, provider, attempt, caller, now, now + make_interval(secs => lasts), expected_tokens)
        ON CONFLICT (tenant_id, provider_id, attempt_id) DO UPDATE SET began_at = excluded.began_at, ends_at = excluded.ends_at;
    INSERT INTO runtime.ai_provider_seconds AS s VALUES (tenant, provider, this, caller, 1, expected_tokens)
        ON CONFLICT (tenant_id, provider_id, second, caller_id)
        DO UPDATE SET requests = s.requests + 1, tokens = s.tokens + excluded.tokens;
    IF probing THEN
        UPDATE runtime.ai_provider_states s SET probe = attempt, probe_until = now + make_interval(secs => lasts)
         WHERE s.tenant_id = tenant AND s.provider_id = provider;
    END IF;
    RETURN;
END
$$;
COMMENT ON FUNCTION runtime.begin_ai_call IS 'No row: the call may begin, and counts; otherwise in how many seconds to ask again, and why: open, resting, concurrency, requests, tokens.';
GRANT EXECUTE ON FUNCTION runtime.begin_ai_call TO gesta_system;
