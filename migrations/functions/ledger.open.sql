CREATE OR REPLACE FUNCTION ledger.open(tenant uuid) RETURNS void LANGUAGE sql AS $$
    INSERT INTO ledger.heads (tenant_id) VALUES (tenant) ON CONFLICT DO NOTHING
$$;
COMMENT ON FUNCTION ledger.open IS 'Opens a ledger for a tenant; nothing happens if it is open.';
GRANT EXECUTE ON FUNCTION ledger.open TO gesta_system;
