-- What the API's reads need beside the tables.

-- A process that serves looks whether the schema is the one it was written for (GET /readyz).
GRANT USAGE ON SCHEMA gesta_meta TO gesta_system;
GRANT SELECT ON gesta_meta.migrations TO gesta_system;

CREATE INDEX workflows_by_status_and_key ON projections.workflows (tenant_id, status, key);

-- The same rules as before, in words that the planner reads well: CASE keeps it from taking the platform for a tenant with one
-- row, OFFSET 0 from reading all members to find whether one user is among them.
DROP POLICY tenants_api ON projections.tenants;
CREATE POLICY tenants_api ON projections.tenants FOR SELECT TO gesta_api
    USING (CASE WHEN (SELECT runtime.current_tenant()) = '00000000-0000-0000-0000-000000000001' THEN true
                ELSE id = (SELECT runtime.current_tenant()) END);
DROP POLICY users_api ON projections.users;
CREATE POLICY users_api ON projections.users FOR SELECT TO gesta_api
    USING (CASE WHEN (SELECT runtime.current_tenant()) = '00000000-0000-0000-0000-000000000001' THEN true
                ELSE EXISTS (SELECT FROM projections.tenant_users m
                              WHERE m.tenant_id = (SELECT runtime.current_tenant()) AND m.user_id = users.id OFFSET 0) END);
