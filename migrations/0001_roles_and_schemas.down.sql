-- The roles stay: they belong to the server, and other databases of it may need them.
DROP FUNCTION runtime.current_tenant();
ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO PUBLIC;
DROP SCHEMA projections;
DROP SCHEMA runtime;
DROP SCHEMA ledger;
