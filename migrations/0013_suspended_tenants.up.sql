-- Suspended tenants: what is theirs is not leased, fired or taken until they are reactivated. The events that suspend and reactivate
-- write it down, in the transaction that appends them, so that whoever leases knows it at once and without reading a ledger.
CREATE TABLE runtime.suspended_tenants (
    tenant_id uuid        PRIMARY KEY,
    since     timestamptz NOT NULL
);
COMMENT ON TABLE runtime.suspended_tenants IS 'Tenants that are suspended now. Written by the trigger on ledger.events.';
COMMENT ON COLUMN runtime.suspended_tenants.tenant_id IS 'The tenant.';
COMMENT ON COLUMN runtime.suspended_tenants.since IS 'When its suspension was recorded.';
ALTER TABLE runtime.suspended_tenants ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY every_tenant ON runtime.suspended_tenants FOR SELECT TO gesta_system USING (true);
CREATE POLICY by_append ON runtime.suspended_tenants TO gesta_owner USING ((SELECT runtime.appending()))
    WITH CHECK ((SELECT runtime.appending()));
CREATE POLICY backup ON runtime.suspended_tenants FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT ON runtime.suspended_tenants TO gesta_system;

-- Those that are suspended already. (Row-level security binds the owner, who migrates.)
ALTER TABLE ledger.events NO FORCE ROW LEVEL SECURITY;
ALTER TABLE runtime.suspended_tenants NO FORCE ROW LEVEL SECURITY;
INSERT INTO runtime.suspended_tenants (tenant_id, since)
    SELECT last.stream_id, last.recorded_at FROM (
        SELECT DISTINCT ON (stream_id) stream_id, topic, recorded_at FROM ledger.events
        WHERE tenant_id = '00000000-0000-0000-0000-000000000001' AND topic IN ('tenant.suspended.v1', 'tenant.reactivated.v1')
        ORDER BY stream_id, version DESC) last
    WHERE last.topic = 'tenant.suspended.v1';
ALTER TABLE runtime.suspended_tenants FORCE ROW LEVEL SECURITY;
ALTER TABLE ledger.events FORCE ROW LEVEL SECURITY;

CREATE FUNCTION runtime.note_suspension() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.topic = 'tenant.suspended.v1' THEN
        INSERT INTO runtime.suspended_tenants (tenant_id, since) VALUES (NEW.stream_id, NEW.recorded_at) ON CONFLICT DO NOTHING;
    ELSE
        DELETE FROM runtime.suspended_tenants WHERE tenant_id = NEW.stream_id;
        -- What was due waits no longer: everybody looks.
        PERFORM pg_notify(channel, '') FROM unnest(ARRAY['gesta_jobs', 'gesta_timers', 'gesta_leases']) channel;
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION runtime.note_suspension() IS 'Keeps runtime.suspended_tenants, and wakes the workers when a tenant is reactivated.';
CREATE TRIGGER suspensions AFTER INSERT ON ledger.events FOR EACH ROW
    WHEN (NEW.tenant_id = '00000000-0000-0000-0000-000000000001' AND NEW.topic IN ('tenant.suspended.v1', 'tenant.reactivated.v1'))
    EXECUTE FUNCTION runtime.note_suspension();
COMMENT ON TRIGGER suspensions ON ledger.events IS 'Suspended tenants are known to who leases jobs and fires timers.';

-- Reports on a job are for the API key that leased it.
ALTER TABLE runtime.jobs ADD COLUMN leased_by uuid;
COMMENT ON COLUMN runtime.jobs.leased_by IS 'The API key that leased it last; NULL: a worker of this product''s own.';

-- runtime.lease_jobs passes suspended tenants over and notes the key; the rest of it is as it was.
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
        IF strpos(definition, change[1]) = 0 THEN
            RAISE EXCEPTION 'runtime.lease_jobs is not as expected: % is not there', change[1];
        END IF;
        definition := replace(definition, change[1], change[2]);
    END LOOP;
    DROP FUNCTION runtime.lease_jobs;
    EXECUTE definition;
END
$$;
COMMENT ON FUNCTION runtime.lease_jobs IS
    'Leases ready jobs of some types, fairly across tenants that are not suspended. Each is handed to one worker, with a new fencing token.';
GRANT EXECUTE ON FUNCTION runtime.lease_jobs TO gesta_system;
