-- This product's own jobs that move executions on are under no limit: they bring nothing for it to go by.
-- A job's own limits count by key, or by node where there is none; those that were set for the same thing hold beside them.
CREATE OR REPLACE FUNCTION runtime.limits_of(tenant uuid, job_type text, own jsonb)
RETURNS TABLE (bucket text, concurrency int, rate_count int, rate_seconds double precision, is_blocking boolean)
LANGUAGE sql STABLE AS $$
    SELECT n.bucket, l.concurrency, l.rate_count, l.rate_seconds, l.scope IN ('tenant', 'job_type')
      FROM runtime.limits l CROSS JOIN LATERAL (SELECT CASE l.scope WHEN 'tenant' THEN 'tenant' WHEN 'job_type' THEN 'type:' || l.name
                                                       ELSE l.scope || ':' || l.name END AS bucket) n
     WHERE l.tenant_id = tenant AND l.scope <> 'trigger' AND (own IS NOT NULL OR job_type NOT LIKE 'gesta.%') AND CASE l.scope WHEN 'tenant' THEN true WHEN 'job_type' THEN l.name = job_type
           WHEN 'workflow' THEN l.name = own ->> 'workflow' WHEN 'node' THEN l.name = (own ->> 'workflow') || '/' || (own ->> 'node')
           ELSE l.name = own #>> '{concurrency,key}' OR l.name = own #>> '{rate,key}' END
    UNION ALL
    SELECT coalesce('key:' || (own #>> '{concurrency,key}'), 'node:' || (own ->> 'workflow') || '/' || (own ->> 'node')),
           (own #>> '{concurrency,limit}')::int, NULL, NULL, false
     WHERE own ? 'concurrency'
    UNION ALL
    SELECT 'rate:' || coalesce(own #>> '{rate,key}', (own ->> 'workflow') || '/' || (own ->> 'node')),
           NULL, (own #>> '{rate,count}')::int, (own #>> '{rate,seconds}')::double precision, false
     WHERE own ? 'rate'
$$;
COMMENT ON FUNCTION runtime.limits_of IS 'The limits that a job is under: the bucket in which it counts, and how many may.';
GRANT EXECUTE ON FUNCTION runtime.limits_of TO gesta_system;
