DO $$
DECLARE
    definition text := pg_get_functiondef('runtime.lease_jobs'::regproc);
    changes    text[] := ARRAY[
        ['held_by uuid[] DEFAULT ''{}''::uuid[])', 'held_by uuid[] DEFAULT ''{}''::uuid[], for_key uuid DEFAULT NULL::uuid)'],
        ['    taken        int;', E'    taken        int;\n    suspended    uuid[] := ARRAY(SELECT s.tenant_id FROM runtime.suspended_tenants s);'],
        ['FROM unnest(holders) h (tenant_id) WHERE to_newcomers) b', 'FROM unnest(suspended || CASE WHEN to_newcomers THEN holders END) h (tenant_id)) b'],
        ['EXIT WHEN unit_types IS NULL;', 'EXIT WHEN unit_types IS NULL OR only_tenant = ANY (suspended);'],
        ['worker_id = worker, lease_seconds', 'worker_id = worker, leased_by = for_key, lease_seconds']];
    change     text[];
BEGIN
    FOREACH change SLICE 1 IN ARRAY changes LOOP
        definition := replace(definition, change[2], change[1]);
    END LOOP;
    DROP FUNCTION runtime.lease_jobs;
    EXECUTE definition;
END
$$;
COMMENT ON FUNCTION runtime.lease_jobs IS 'Leases ready jobs of some types, fairly across tenants. Each is handed to one worker, with a new fencing token.';
GRANT EXECUTE ON FUNCTION runtime.lease_jobs TO gesta_system;
ALTER TABLE runtime.jobs DROP COLUMN leased_by;
DROP TRIGGER suspensions ON ledger.events;
DROP FUNCTION runtime.note_suspension();
DROP TABLE runtime.suspended_tenants;
