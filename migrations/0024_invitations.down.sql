DROP POLICY users_api ON projections.users;
CREATE POLICY users_api ON projections.users FOR SELECT TO gesta_api
    USING (CASE WHEN (SELECT runtime.current_tenant()) = '00000000-0000-0000-0000-000000000001' THEN true
                ELSE EXISTS (SELECT FROM projections.tenant_users m
                              WHERE m.tenant_id = (SELECT runtime.current_tenant()) AND m.user_id = users.id OFFSET 0) END);
DROP TABLE projections.invitations;
