ALTER TABLE runtime.projection_generations DROP COLUMN accepted, DROP COLUMN schema_version;
DROP POLICY leases_owner ON runtime.leases;
DROP TABLE runtime.projectors;
