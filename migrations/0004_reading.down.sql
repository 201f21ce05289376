DROP POLICY users_api ON projections.users;
CREATE POLICY users_api ON projections.users FOR SELECT TO gesta_api
    USING ((SELECT runtime.current_tenant()) = '00000000-0000-0000-0000-000000000001'
        OR EXISTS (SELECT FROM projections.tenant_users m
                    WHERE m.tenant_id = (SELECT runtime.current_tenant()) AND m.user_id = users.id));
DROP POLICY tenants_api ON projections.tenants;
CREATE POLICY tenants_api ON projections.tenants FOR SELECT TO gesta_api
    USING (id = (SELECT runtime.current_tenant())
        OR (SELECT runtime.current_tenant()) = '00000000-0000-0000-0000-000000000001');
DROP INDEX projections.workflows_by_status_and_key;
REVOKE SELECT ON gesta_meta.migrations FROM gesta_system;
REVOKE USAGE ON SCHEMA gesta_meta FROM gesta_system;
