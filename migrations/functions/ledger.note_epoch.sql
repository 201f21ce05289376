CREATE OR REPLACE FUNCTION ledger.note_epoch() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.tenant_id <> OLD.tenant_id OR NEW.epoch < OLD.epoch THEN
        RAISE EXCEPTION 'the epoch of a ledger only grows' USING ERRCODE = 'insufficient_privilege';
    ELSIF NEW.epoch > OLD.epoch THEN
        INSERT INTO ledger.epochs (tenant_id, epoch) VALUES (NEW.tenant_id, NEW.epoch);
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION ledger.note_epoch IS 'Writes down that an epoch was raised; refuses to lower one.';
