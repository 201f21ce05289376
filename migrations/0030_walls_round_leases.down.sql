DROP POLICY backup ON runtime.leases;
DROP POLICY leases_system ON runtime.leases;
ALTER TABLE runtime.leases NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY;
