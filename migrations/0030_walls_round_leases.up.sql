-- Every table stands behind row-level security, forced: also this one, which is nobody's tenant.
ALTER TABLE runtime.leases ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY leases_system ON runtime.leases TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY backup ON runtime.leases FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
