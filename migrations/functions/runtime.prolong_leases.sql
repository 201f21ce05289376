-- As strict as a fence: a lease that has run out is not brought back to life. One by one, by the whole key: no plan can be otherwise.
CREATE OR REPLACE FUNCTION runtime.prolong_leases(tenants uuid[], jobs uuid[], fences bigint[], seconds double precision = NULL)
RETURNS TABLE (tenant_id uuid, id uuid, fence bigint, lease_until timestamptz, is_shortened boolean)
LANGUAGE plpgsql VOLATILE SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    before timestamptz;
BEGIN
    FOR n IN 1 .. cardinality(jobs) LOOP
        SELECT j.lease_until INTO before FROM runtime.jobs j
            WHERE j.tenant_id = tenants[n] AND j.id = jobs[n] AND j.state = 'leased' AND j.fence = fences[n] AND j.lease_until > clock_timestamp()
            FOR NO KEY UPDATE;
        CONTINUE WHEN NOT FOUND;
        RETURN QUERY
            UPDATE runtime.jobs j
                SET lease_seconds = coalesce(seconds, j.lease_seconds),
                    lease_until = clock_timestamp() + coalesce(seconds, j.lease_seconds) * interval '1 second'
                WHERE j.tenant_id = tenants[n] AND j.id = jobs[n]
                RETURNING j.tenant_id, j.id, j.fence, j.lease_until, j.lease_until < before;
    END LOOP;
END
$$;
COMMENT ON FUNCTION runtime.prolong_leases IS
    'Prolongs leases that hold, by what they were leased for or by other seconds. Those that are not in the answer are lost.';
GRANT EXECUTE ON FUNCTION runtime.prolong_leases TO gesta_system;
