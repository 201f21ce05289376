CREATE OR REPLACE FUNCTION runtime.note_weight() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    given jsonb := convert_from(NEW.data, 'UTF8')::jsonb;
BEGIN
    IF NEW.topic = 'tenant.changed.v1' THEN
        given := given -> 'changes';
    END IF;
    IF NOT given ? 'settings' THEN
        RETURN NULL;
    END IF;
    DELETE FROM runtime.tenant_weights WHERE tenant_id = NEW.stream_id;
    IF jsonb_typeof(given #> '{settings,weight}') = 'number' THEN
        INSERT INTO runtime.tenant_weights (tenant_id, weight)
            SELECT NEW.stream_id, w FROM (SELECT (given #>> '{settings,weight}')::numeric AS w) w WHERE w BETWEEN 1 AND 1000 AND w = trunc(w);
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION runtime.note_weight IS 'Keeps runtime.tenant_weights.';

DROP TRIGGER IF EXISTS weights ON ledger.events;
CREATE TRIGGER weights AFTER INSERT ON ledger.events FOR EACH ROW
    WHEN (NEW.tenant_id = '00000000-0000-0000-0000-000000000001' AND NEW.topic IN ('tenant.created.v1', 'tenant.changed.v1'))
    EXECUTE FUNCTION runtime.note_weight();
COMMENT ON TRIGGER weights ON ledger.events IS 'Weights of tenants are known to who leases jobs.';
