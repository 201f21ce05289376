DROP INDEX projections.tenant_users_by_manager;
ALTER TABLE projections.tenant_users DROP COLUMN attributes, DROP COLUMN manager_id;
