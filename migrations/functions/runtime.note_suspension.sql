CREATE OR REPLACE FUNCTION runtime.note_suspension() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.topic = 'tenant.suspended.v1' THEN
        INSERT INTO runtime.suspended_tenants (tenant_id, since) VALUES (NEW.stream_id, NEW.recorded_at) ON CONFLICT DO NOTHING;
    ELSE
        DELETE FROM runtime.suspended_tenants WHERE tenant_id = NEW.stream_id;
        -- What was due waits no longer: everybody looks.
        PERFORM pg_notify(runtime.secret_channel(channel), '') FROM unnest(ARRAY['gesta_jobs', 'gesta_timers', 'gesta_leases']) channel;
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION runtime.note_suspension IS 'Keeps runtime.suspended_tenants, and wakes the workers when a tenant is reactivated.';
