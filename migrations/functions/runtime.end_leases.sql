-- One by one, by the whole key: no plan can be otherwise. Leases that are lost are passed over.
CREATE OR REPLACE FUNCTION runtime.end_leases(tenants uuid[], jobs uuid[], fences bigint[], were_begun boolean)
RETURNS TABLE (tenant_id uuid, type text)
LANGUAGE plpgsql VOLATILE SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
BEGIN
    FOR n IN 1 .. cardinality(jobs) LOOP
        IF were_begun THEN
            RETURN QUERY
                UPDATE runtime.jobs j SET lease_until = clock_timestamp(), updated_at = clock_timestamp()
                    WHERE j.tenant_id = tenants[n] AND j.id = jobs[n] AND j.state = 'leased' AND j.fence = fences[n]
                        AND j.lease_until > clock_timestamp()
                    RETURNING j.tenant_id, j.type;
        ELSE
            RETURN QUERY
                UPDATE runtime.jobs j
                    SET state = 'ready', attempt = j.attempt - 1, lease_until = NULL, lease_seconds = NULL, worker_id = NULL,
                        updated_at = clock_timestamp()
                    WHERE j.tenant_id = tenants[n] AND j.id = jobs[n] AND j.state = 'leased' AND j.fence = fences[n]
                    RETURNING j.tenant_id, j.type;
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION runtime.end_leases IS
    'Ends leases before their time. Where nothing was begun the job is ready again and no attempt is counted; else the lease has expired now.';
GRANT EXECUTE ON FUNCTION runtime.end_leases TO gesta_system;
