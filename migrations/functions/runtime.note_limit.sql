-- Whoever leases holds runtime.limited_tenants in ROW SHARE mode until it has committed. So a change of limits waits for the leases under way,
-- counts what is leased, and every lease after it goes by the new limit.
CREATE OR REPLACE FUNCTION runtime.note_limit() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off SET jit = off AS $$
DECLARE
    given  jsonb;
    target record;
    name_of text;
BEGIN
    LOCK TABLE runtime.limited_tenants IN EXCLUSIVE MODE;
    IF NEW.topic = 'limit.set.v1' THEN
        given := convert_from(NEW.data, 'UTF8')::jsonb;
        INSERT INTO runtime.limited_tenants VALUES (NEW.tenant_id) ON CONFLICT DO NOTHING;
        INSERT INTO runtime.limits (tenant_id, id, scope, name, concurrency, rate_count, rate_per, rate_seconds, set_at)
            VALUES (NEW.tenant_id, NEW.stream_id, given ->> 'scope', given ->> 'name', (given ->> 'concurrency')::int,
                    (given ->> 'rate_count')::int, given ->> 'rate_per', (given ->> 'rate_milliseconds')::double precision / 1000, NEW.recorded_at)
            ON CONFLICT (tenant_id, id) DO UPDATE SET concurrency = EXCLUDED.concurrency, rate_count = EXCLUDED.rate_count,
                rate_per = EXCLUDED.rate_per, rate_seconds = EXCLUDED.rate_seconds, set_at = EXCLUDED.set_at;
    END IF;
    SELECT * INTO target FROM runtime.limits l WHERE l.tenant_id = NEW.tenant_id AND l.id = NEW.stream_id;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    name_of := CASE target.scope WHEN 'tenant' THEN 'tenant' WHEN 'job_type' THEN 'type:' || target.name ELSE target.scope || ':' || target.name END;
    IF NEW.topic <> 'limit.set.v1' THEN
        DELETE FROM runtime.limits l WHERE l.tenant_id = NEW.tenant_id AND l.id = NEW.stream_id;
    ELSE
        WITH running AS (
            SELECT q.id FROM runtime.job_queue q CROSS JOIN LATERAL (
                SELECT j.type, j.limits FROM runtime.jobs j WHERE j.tenant_id = q.tenant_id AND j.id = q.id OFFSET 0) j
             WHERE q.state = 'leased' AND q.tenant_id = NEW.tenant_id
               AND EXISTS (SELECT FROM runtime.limits_of(NEW.tenant_id, j.type, j.limits) l WHERE l.bucket = name_of AND l.concurrency IS NOT NULL)
        ), counted AS (
            INSERT INTO runtime.limit_uses (tenant_id, bucket, job_id) SELECT NEW.tenant_id, name_of, r.id FROM running r
            ON CONFLICT DO NOTHING RETURNING job_id
        )
        UPDATE runtime.jobs j SET counted_in = coalesce(j.counted_in, '{}') || name_of
            WHERE j.tenant_id = NEW.tenant_id AND j.id = ANY (ARRAY(SELECT c.job_id FROM counted c));
    END IF;
    UPDATE runtime.limit_buckets b SET next_at = clock_timestamp(), checks = 0
        WHERE b.tenant_id = NEW.tenant_id AND b.bucket = name_of AND b.next_at IS NOT NULL;
    PERFORM pg_notify(runtime.secret_channel('gesta_jobs'), NEW.tenant_id || ':');
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION runtime.note_limit IS 'Keeps runtime.limits, and counts what is leased when a limit is set.';

DROP TRIGGER IF EXISTS limits ON ledger.events;
CREATE CONSTRAINT TRIGGER limits AFTER INSERT ON ledger.events DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NEW.topic IN ('limit.set.v1', 'limit.removed.v1')) EXECUTE FUNCTION runtime.note_limit();
COMMENT ON TRIGGER limits ON ledger.events IS 'Limits are known to who leases jobs.';
